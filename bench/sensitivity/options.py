"""The switches of SensNorm, and the ways in which they are set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.errors import BenchError
from bench.saliency import Loss

Aggregate = Literal["global", "layer-mean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is measured on every batch.

    Args:
        loss: `neg-logit`: minus the label's logit, what the authors' code computes; or `ce`, whose
            gradient vanishes where the network is sure of a label.
        elasticity: The sensitivity is divided by 1e-8 + L, of the sign that L has, as there.
        cumulative: The authors' bug: statistics of the mean over batches 1..m, m = 1..M, in
            place of those of batch m. They depend on the order of the batches. The share of
            1/M that the authors' code leaves on L, beside 1e-8, is left out.
        aggregate: `global` is one norm over all weights, `layer-mean` the mean of the layers'.
        power: p of the norm, at least 1; `math.inf` for the largest |z|.

    Raises:
        BenchError: E-BAD-VALUE for the power.
    """

    loss: Loss = "neg-logit"
    elasticity: bool = True
    cumulative: bool = False
    aggregate: Aggregate = "global"
    power: float = 5.0

    def __post_init__(self) -> None:
        if not self.power >= 1:
            raise BenchError(
                "E-BAD-VALUE",
                f"power: got {self.power:g}, expected 1 or more; the paper takes 5",
            )


STANDARD = Options()
CROSS_ENTROPY = Options(loss="ce", elasticity=False)
AUTHORS = Options(cumulative=True, aggregate="layer-mean")
VARIANTS: Mapping[str, Options] = {
    "sensnorm": STANDARD,
    "sensnorm-ce": CROSS_ENTROPY,
    "sensnorm-authors": AUTHORS,
}
