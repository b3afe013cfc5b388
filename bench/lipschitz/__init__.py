"""Lipschitz constants of a model: the paper's product, a valid upper bound, a lower bound.

All with respect to the Euclidean norms of images in [0, 1] and of logits.
"""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from bench.lipschitz.graph import upper_log10
from bench.lipschitz.jacobian import jacobian_norm
from bench.lipschitz.norms import layer_norms, product_log10
from bench.models import Normalised

__all__ = [
    "LipschitzConstants",
    "constants",
    "jacobian_norm",
    "layer_norms",
    "product_log10",
    "upper_log10",
]
_ROUNDING = 1e-5  # in log10: the lower bound is computed in float32


@dataclass(frozen=True, slots=True)
class LipschitzConstants:
    """The three numbers of the protocol.

    Args:
        product_log10: The paper's product; None if a layer is zero or has no known norm.
        upper_log10: Of a valid upper bound; None if it is zero (a constant network), or the
            network's graph cannot be followed.
        lower: Largest Jacobian norm over the given images.
    """

    product_log10: float | None
    upper_log10: float | None
    lower: float


def constants(model: Normalised, images: Tensor) -> LipschitzConstants:
    """All three for images in [0, 1]: the input normalisation multiplies by at most max 1/std.

    Args:
        model: In evaluation mode.
        images: (N, C, H, W) float32 in [0, 1], N at least 1, on the model's device.

    Returns:
        The constants; lower ≤ upper holds.

    Raises:
        ArithmeticError: If lower > upper, which only a fault of this program can cause.

    References:
        Ayle et al., 2022, table 5 and appendix A.
    """
    shape = (images.shape[1], images.shape[2], images.shape[3])
    stretch = math.log10(max((1 / std for std in model.std), default=1.0))
    product, upper = _from_above(model.network, shape)
    found = LipschitzConstants(
        product_log10=None if product is None else product + stretch,
        upper_log10=None if upper is None else upper + stretch,
        lower=jacobian_norm(model, images),
    )
    if (
        found.lower > 0
        and upper is not None
        and math.log10(found.lower) > upper + stretch + _ROUNDING
    ):
        raise ArithmeticError(f"{found}: got lower > upper, expected lower <= upper")
    return found


def _from_above(
    network: nn.Module, shape: tuple[int, int, int]
) -> tuple[float | None, float | None]:
    """Product and upper bound of the bare network, None where it has parts without a rule."""
    try:
        norms = layer_norms(network, shape)
    except NotImplementedError:
        return None, None
    try:
        return product_log10(norms), upper_log10(network, shape, norms)
    except NotImplementedError:
        return product_log10(norms), None
