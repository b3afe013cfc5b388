"""Which pruners fit which networks, known before any work."""

from collections.abc import Callable, Mapping
from typing import Any

from bench.pruners import Pruner
from bench.pruners.edge_popup import edge_popup
from bench.pruners.flows import check_flow
from bench.pruners.signal_to_noise import check_noise, snr, snr_nodes
from bench.records import Kind
from bench.saliency import check_single, crop_nodes

NEEDS: Mapping[Callable[..., Any], Callable[[str], None]] = {
    crop_nodes: check_single,
    edge_popup: check_single,
    snr: check_noise,
    snr_nodes: check_noise,
}


def check_fits(
    architecture: str, kind: Kind, name: str, pruner: Pruner, changed: Mapping[str, Any]
) -> None:
    """Refuses a pruner that has no meaning for a network.

    Args:
        architecture: As of a plan.
        kind: Of the network.
        name: Of the pruner.
        pruner: Its row, options set.
        changed: The options that were changed.

    Raises:
        BenchError: E-BAD-VALUE.
    """
    check_flow(architecture, name, pruner, changed)
    scored = getattr(pruner.saliency, "func", pruner.saliency)
    if scored in NEEDS:
        NEEDS[scored](kind)
