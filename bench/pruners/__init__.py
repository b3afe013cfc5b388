"""Pruners: name -> what scores the weights, and when."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from bench import saliency
from bench.masks import Scope
from bench.saliency import Batches, Saliency


@dataclass(frozen=True, slots=True)
class Pruner:
    """One row of the table of baselines.

    Args:
        saliency: (model, scoring batches, generator) -> saliency; higher = keep.
        moment: `before` training, or `after` it (on the dense network, no fine-tuning).
        scope: `global` ranks over all layers, `local` within each.
        structure: `unstructured`: single weights.
    """

    saliency: Callable[[nn.Module, Batches, torch.Generator], Saliency]
    moment: str
    scope: Scope = "global"
    structure: str = "unstructured"


PRUNERS: Mapping[str, Pruner] = {
    "random": Pruner(lambda model, _, generator: saliency.random(model, generator), "before"),
    "magnitude": Pruner(lambda model, _, __: saliency.magnitude(model), "after"),
    "snip": Pruner(lambda model, batches, _: saliency.snip(model, batches), "before"),
}
