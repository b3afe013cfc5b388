"""Pruners: name -> what scores the weights, when, and in how many steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bench import saliency
from bench.masks import Schedule, Scope
from bench.saliency import Saliency

Moment = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Pruner:
    """One row of the table of baselines.

    Args:
        saliency: (scoring) -> saliency, higher = keep; its keyword-only arguments are options.
        moment: `before` training, or `after` it (on the dense network, no fine-tuning).
        scope: `global` ranks over all layers, `local` within each.
        structure: `unstructured`: single weights.
        schedule: The sparsities on the way; the network is scored anew at each.
        score_batches: Batches of 512 training images that are scored, as in the paper's code.
    """

    saliency: Callable[..., Saliency]
    moment: Moment
    scope: Scope = "global"
    structure: str = "unstructured"
    schedule: Schedule = "one-shot"
    score_batches: int = 5


PRUNERS: Mapping[str, Pruner] = {
    "random": Pruner(saliency.random, "before"),
    "magnitude": Pruner(saliency.magnitude, "after"),
    "snip": Pruner(saliency.snip, "before"),
    "snip-after": Pruner(saliency.snip, "after"),
    "grasp": Pruner(saliency.grasp, "before"),
    "crop": Pruner(saliency.crop, "before", score_batches=1),
    "cropit": Pruner(saliency.crop, "before", schedule="halving", score_batches=1),
}
