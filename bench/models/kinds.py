"""Kinds of networks: a single one, or one that answers by several passes."""

from torch import nn

from bench.models.ensemble import Ensemble
from bench.models.mean_field import MeanField
from bench.models.network import Normalised, last_linear
from bench.records import Kind


def kind_of(network: nn.Module) -> Kind:
    """What a network is, be it behind a normalisation or not."""
    inner = network.network if isinstance(network, Normalised) else network
    if isinstance(inner, MeanField):
        return "bayesian"
    return "ensemble" if isinstance(inner, Ensemble) else "classifier"


def head(network: nn.Module) -> nn.Linear | None:
    """The one layer that gives the logits; None where several do."""
    return last_linear(network) if kind_of(network) == "classifier" else None
