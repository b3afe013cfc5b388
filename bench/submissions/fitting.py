"""From named tensors to the network that they are the weights of."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models import ARCHITECTURES, build, infer_widths, prunable
from bench.models.glow import FLOWS
from bench.models.mean_field import MeanField
from bench.records import BAYESIAN
from bench.submissions.bounded import built_within
from bench.submissions.flow_files import flow_name, glow_of, is_flow
from bench.submissions.names import (
    check_shapes,
    fold_masks,
    names_of,
    under,
    with_aliases,
    without_prefix,
)

MOST_CLASSES, MOST_CHANNELS = 100_000, 64


def fit(tensors: Mapping[str, Tensor], architecture: str | None) -> tuple[str, nn.Module]:
    """The architecture that tensors belong to, and the network they make.

    Args:
        tensors: As read; prefixes, masks and aliases are resolved here.
        architecture: A name, after `bayesian:` or not; None to try every one of the table.

    Returns:
        Name, without `bayesian:`, and network in evaluation mode: a `MeanField` where the tensors
        are pairs `mean.<name>` and `rho.<name>`.

    Raises:
        BenchError: E-WRONG-WEIGHTS or E-UNKNOWN-ARCHITECTURE if they do not fit.
    """
    tensors = fold_masks(without_prefix(tensors))
    if architecture in FLOWS or (architecture is None and is_flow(tensors)):
        flow = glow_of(tensors)
        return flow_name(flow), flow
    bayesian = bool(architecture) and str(architecture).startswith(BAYESIAN)
    if bayesian or any(name.startswith("rho.") for name in tensors):
        return _mean_field(tensors, architecture)
    if architecture is None:
        architecture = _recognised(with_aliases(tensors))
    if architecture in ARCHITECTURES:
        tensors = with_aliases(tensors)
    return architecture, _filled(architecture, tensors)


def _mean_field(tensors: Mapping[str, Tensor], architecture: str | None) -> tuple[str, MeanField]:
    """The network of the means, and σ beside them."""
    means, rhos = under("mean.", tensors), under("rho.", tensors)
    if means.keys() != rhos.keys() or len(means) + len(rhos) < len(tensors):
        alone = sorted(means.keys() ^ rhos.keys()) or sorted(tensors)
        raise BenchError(
            "E-WRONG-WEIGHTS",
            f"not the tensors of a Bayesian network: {alone[:4]} is no pair of mean.NAME and "
            "rho.NAME, expected such pairs and nothing else",
        )
    for name, rho in rhos.items():
        if rho.shape != means[name].shape:
            raise BenchError(
                "E-WRONG-WEIGHTS",
                f"rho.{name}: got shape {tuple(rho.shape)}, expected {tuple(means[name].shape)}",
            )
    name, network = fit(means, architecture and architecture.removeprefix(BAYESIAN))
    sampled = MeanField(network)
    sampled.rho.load_state_dict(rhos)
    return name, sampled.eval()


def _recognised(tensors: Mapping[str, Tensor]) -> str:
    for name in ARCHITECTURES:
        if names_of(_outline(name, tensors).state_dict()) == names_of(tensors):
            return name
    raise BenchError(
        "E-UNKNOWN-ARCHITECTURE",
        f"the tensors ({', '.join(list(tensors)[:4])}, …) are of no network of the table "
        f"{list(ARCHITECTURES)}; give --arch, for instance --arch timm:resnet18",
    )


def _outline(name: str, tensors: Mapping[str, Tensor], **form: Any) -> nn.Module:
    """A network for its names and shapes.

    One of the table takes no memory; one of a package, which computes while it is built, no more
    than the file.
    """
    if name in ARCHITECTURES:
        with torch.device("meta"):
            return build(name, **form)
    with built_within(name, sum(tensor.numel() for tensor in tensors.values())):
        return build(name, **form)


def _filled(name: str, tensors: Mapping[str, Tensor]) -> nn.Module:
    layers = list(prunable(_outline(name, tensors)))
    ends = tensors.get(layers[0]), tensors.get(layers[-1])
    if ends[0] is None or ends[1] is None or min(ends[0].dim(), ends[1].dim()) < 2:
        raise BenchError(
            "E-WRONG-WEIGHTS",
            f"no weights named {layers[0]} and {layers[-1]}, as {name} has; is it another --arch?",
        )
    classes, channels = len(ends[1]), ends[0].shape[1]
    if classes > MOST_CLASSES or channels > MOST_CHANNELS:
        raise BenchError(
            "E-WRONG-WEIGHTS",
            f"got {classes} classes and {channels} channels of the images, expected at most "
            f"{MOST_CLASSES} and {MOST_CHANNELS}",
        )
    widths = infer_widths(name, tensors) if name in ARCHITECTURES else None
    form: dict[str, Any] = {"classes": classes, "channels": channels, "widths": widths}
    network = _outline(name, tensors, **form)
    check_shapes(name, network.state_dict(), tensors)
    if widths:  # now that its memory is known to be that of the file
        network = build(name, **form)
    shaped = {key: tensor for key, tensor in tensors.items() if _is_loadable(key, tensor)}
    network.load_state_dict(shaped, strict=False)
    return network.eval()


def _is_loadable(name: str, tensor: Tensor) -> bool:
    """BatchNorm's counters are not checked with the rest, and none of them is needed."""
    return tensor.dim() == 0 or not name.endswith("num_batches_tracked")
