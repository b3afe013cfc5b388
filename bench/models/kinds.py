"""Kinds of networks: a classifier, several that answer as one, a density."""

from torch import nn

from bench.models.ensemble import Ensemble
from bench.models.glow import Glow
from bench.models.mean_field import MeanField
from bench.models.network import Normalised, last_linear
from bench.records import Kind


def kind_of(network: nn.Module) -> Kind:
    """What a network is, be it behind a normalisation or not."""
    inner = network.network if isinstance(network, Normalised) else network
    if isinstance(inner, Glow):
        return "flow"
    if isinstance(inner, MeanField):
        return "bayesian"
    return "ensemble" if isinstance(inner, Ensemble) else "classifier"


def head(network: nn.Module) -> nn.Linear | None:
    """The layer that gives the logits of a classifier, if a Linear layer does; else None."""
    linear = any(isinstance(module, nn.Linear) for module in network.modules())
    return last_linear(network) if linear and kind_of(network) == "classifier" else None


def parts_of(network: nn.Module) -> dict[str, nn.Module]:
    """What a network is made of that is as it would be alone: prefix of its names -> network."""
    if isinstance(network, Ensemble):
        return {f"members.{number}.": one for number, one in enumerate(network.members)}
    return {"mean.": network.mean} if isinstance(network, MeanField) else {"": network}


def members_of(model: Normalised) -> list[Normalised]:
    """The networks that are trained apart from each other: an ensemble's members, else itself."""
    if isinstance(model.network, Ensemble):
        return [model.around(member) for member in model.network.members]
    return [model]
