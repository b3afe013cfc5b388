"""Pruners: name -> what scores the weights, when, and in how many steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bench import saliency
from bench.masks import Schedule
from bench.pruners.edge_popup import edge_popup
from bench.pruners.signal_to_noise import snr, snr_nodes
from bench.records import Moment, Scope, Structure
from bench.saliency import Saliency

GlowScope = Literal["couplings", "block0-last"]


@dataclass(frozen=True, slots=True)
class Pruner:
    """One row of the table of baselines.

    Args:
        saliency: (scoring) -> saliency, higher = keep; its keyword-only arguments are options.
        moment: `before` training; `early` in it; `iterative`, in steps during it; `after` it, on
            a dense parent.
        scope: `global` ranks over all layers, `local` within each.
        structure: `unstructured` masks single weights, `structured` removes whole channels; the
            sparsity then is that of the hidden channels.
        schedule: The sparsities on the way; the network is scored anew at each.
        score_batches: Batches of 512 training images that are scored, as in the paper's code.
        finetune_epochs: Trained after the last step; None for all of the recipe's, and for none
            where the moment is `after`. An iterative pruner ends with its training.
        glow_scope: Of a flow `couplings` prunes all convolutions; `block0-last`, of the paper's
            last code, the last one of every coupling of the first level.
    """

    saliency: Callable[..., Saliency]
    moment: Moment = "before"
    scope: Scope = "global"
    structure: Structure = "unstructured"
    schedule: Schedule = "one-shot"
    score_batches: int = 5
    finetune_epochs: int | None = None
    glow_scope: GlowScope = "couplings"


PRUNERS: Mapping[str, Pruner] = {
    "random": Pruner(saliency.random),
    "magnitude": Pruner(saliency.magnitude, "after"),
    "snip": Pruner(saliency.snip),
    "snip-after": Pruner(saliency.snip, "after"),
    "grasp": Pruner(saliency.grasp),
    "crop": Pruner(saliency.crop, score_batches=1),
    "cropit": Pruner(saliency.crop, schedule="halving", score_batches=1),
    "cropit-s": Pruner(saliency.crop_nodes, structure="structured", schedule="halving"),
    "early-crop": Pruner(saliency.crop, "early", schedule="halving", score_batches=1),
    "early-crop-s": Pruner(saliency.crop_nodes, "early", structure="structured"),
    "imp": Pruner(saliency.magnitude, "iterative", schedule="halving"),
    "edge-popup": Pruner(edge_popup, finetune_epochs=0),
    "edge-popup-after": Pruner(edge_popup, "after"),
    "snr": Pruner(snr, "after", finetune_epochs=20),
    "snr-s": Pruner(snr_nodes, "after", structure="structured", finetune_epochs=20),
}
