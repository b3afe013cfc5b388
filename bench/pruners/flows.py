"""What pruners can do to a flow, and what they cannot."""

import re
from collections.abc import Mapping
from typing import Any

from bench.errors import BenchError
from bench.models.glow import FLOWS
from bench.pruners import GlowScope, Pruner

LAST_OF_BLOCK_0 = re.compile(r".*\blevels\.0\.steps\.\d+\.coupling\.conv3\.weight")
OF_CLASSIFIERS = ("loss", "temperature", "objective")  # options that only logits give a meaning


def in_glow_scope(name: str, scope: GlowScope) -> bool:
    """Whether a weight of this name may be pruned."""
    return scope == "couplings" or bool(LAST_OF_BLOCK_0.fullmatch(name))


def check_flow(architecture: str, name: str, pruner: Pruner, changed: Mapping[str, Any]) -> None:
    """Refuses what has no meaning for the network.

    Args:
        architecture: Key of `ARCHITECTURES` or `FLOWS`.
        name: Of the pruner.
        pruner: Its row, options set.
        changed: The options that were changed.

    Raises:
        BenchError: E-BAD-VALUE.
    """
    if architecture not in FLOWS:
        if "glow_scope" in changed:
            raise BenchError("E-BAD-VALUE", f"glow_scope: {architecture} is no flow; leave it out")
        return
    if pruner.moment == "before":
        raise BenchError(
            "E-BAD-VALUE",
            f"{name} prunes before training, when the last convolution of every coupling of a flow "
            "is zero and no weight matters; take --moment early, or --pruner early-crop",
        )
    if pruner.structure == "structured":
        raise BenchError(
            "E-BAD-VALUE", f"{name} removes channels; those of a flow are tied, so mask its weights"
        )
    if name.startswith("edge-popup"):
        raise BenchError("E-BAD-VALUE", f"{name} trains for accuracy, and a flow has none")
    if found := [option for option in OF_CLASSIFIERS if option in changed]:
        raise BenchError("E-BAD-VALUE", f"{found[0]}: is of classifiers, {architecture} is a flow")
