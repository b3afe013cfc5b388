"""What a pruned network looks like inside: each layer's zeros, dead channels and N:M pattern."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from bench.connectivity import effective_weights
from bench.errors import BenchError
from bench.models import ends, prunable
from bench.models.glow import Glow
from bench.models.kinds import parts_of
from bench.models.sparsity import measured_sparsity

PATTERNS = ((1, 8), (1, 4), (2, 8), (1, 2), (2, 4), (4, 8))  # the strictest first
TWO_IN_FOUR = frozenset({"1:8", "1:4", "2:8", "1:2", "2:4"})


@dataclass(frozen=True, slots=True)
class Layer:
    """One prunable layer, or all of them.

    Args:
        name: As in `named_modules`.
        shape: Of the weight, (out, in, …); empty for all layers.
        dense: Weights of the layer at full width.
        nonzero: Weights that are not zero.
        sparsity: Share of the dense weights that are zero or removed, in [0, 1].
        effective: Nonzero weights on a path from the image to a logit; None where it is not known.
        effective_sparsity: Share of the dense weights that are not effective.
        channels: Outputs.
        dead: Outputs through which no path leads: they are constant or reach no logit.
        pattern: The strictest N:M of `PATTERNS` that holds; None if none does.
        regrown: Weights that were zero before and are not any more; None without a before.
    """

    name: str
    shape: tuple[int, ...]
    dense: int
    nonzero: int
    sparsity: float
    effective: int | None
    effective_sparsity: float | None
    channels: int
    dead: int | None
    pattern: str | None
    regrown: int | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """All prunable layers of a network.

    Args:
        layers: In the order of `named_modules`.
        total: Of all layers together; its pattern holds in every layer that has a nonzero weight.
        collapsed: Layers without a nonzero weight, or without an effective one.
        unknown: Why there is no effective sparsity; empty where there is one.
    """

    layers: tuple[Layer, ...]
    total: Layer
    collapsed: tuple[str, ...]
    unknown: str


def inspect(
    network: nn.Module,
    dense: nn.Module | None,
    shape: tuple[int, int, int],
    before: Mapping[str, Tensor] | None = None,
) -> Inspection:
    """Counts what is left of each layer.

    Args:
        network: In evaluation mode; masks already folded in. Left as it is.
        dense: The same architecture at full width; None counts against the network itself.
        shape: (C, H, W) of one image.
        before: {name: tensor} of an earlier state of the network; more names than those of its
            prunable weights are no harm.

    Returns:
        The counts, exact.

    Raises:
        BenchError: E-WRONG-WEIGHTS if `before` lacks a weight or has it in another shape.
    """
    weights = prunable(network)
    counted = measured_sparsity(network, dense)
    regrown = {} if before is None else _regrown(weights, before)
    unknown = ""
    effective: Mapping[str, Tensor] = {}
    try:
        effective = effective_weights(network, shape)
    except NotImplementedError as error:
        unknown = str(error)
    patterns = {name: _patterns(weight) for name, weight in weights.items()}
    layers = tuple(
        _layer(weight, effective.get(key), name, dense_count, patterns[key], regrown.get(key))
        for (key, weight), (name, dense_count) in zip(
            weights.items(), counted.counts.items(), strict=True
        )
    )
    shared = _strictest([found for found in patterns.values() if found is not None])
    return Inspection(
        layers=layers,
        total=_total(layers, sum(counted.counts.values()), shared),
        collapsed=tuple(row.name for row in layers if not row.nonzero or row.effective == 0),
        unknown=unknown,
    )


def image_shape(network: nn.Module) -> tuple[int, int, int]:
    """(C, H, W) of the images that a network takes.

    Channels are those of its first layer. The size is the one that a timm network names, else 28
    for one channel and 32 for more; a flow names all.
    """
    if isinstance(network, Glow):
        return network.shape
    channels, _ = ends(network)
    size = 28 if channels == 1 else 32
    one = next(iter(parts_of(network).values()))
    named = getattr(one, "pretrained_cfg", {}).get("input_size", (channels, size, size))
    return channels, named[1], named[2]


def _layer(
    weight: Tensor,
    effective: Tensor | None,
    name: str,
    dense: int,
    patterns: frozenset[str] | None,
    regrown: int | None,
) -> Layer:
    nonzero, left, dead = int(weight.count_nonzero()), None, None
    if effective is not None:
        left = int(effective.sum())
        dead = int((~effective.flatten(1).any(1)).sum())
    return Layer(
        name=name,
        shape=tuple(weight.shape),
        dense=dense,
        nonzero=nonzero,
        sparsity=1 - nonzero / dense,
        effective=left,
        effective_sparsity=None if left is None else 1 - left / dense,
        channels=len(weight),
        dead=dead,
        pattern=None if patterns is None else _strictest([patterns]),
        regrown=regrown,
    )


def _total(layers: Sequence[Layer], dense: int, pattern: str | None) -> Layer:
    nonzero = sum(row.nonzero for row in layers)
    effective = _sum_known([row.effective for row in layers])
    return Layer(
        name="all layers",
        shape=(),
        dense=dense,
        nonzero=nonzero,
        sparsity=1 - nonzero / dense,
        effective=effective,
        effective_sparsity=None if effective is None else 1 - effective / dense,
        channels=sum(row.channels for row in layers),
        dead=_sum_known([row.dead for row in layers]),
        pattern=pattern,
        regrown=_sum_known([row.regrown for row in layers]),
    )


def _sum_known(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _patterns(weight: Tensor) -> frozenset[str] | None:
    """Those of `PATTERNS` that hold along the flattened inputs; None for a weight of zeros.

    At most N of each M consecutive weights are not zero, counted from the first input of every
    output; the rest at the end is a group as it is. A layer of fewer than M inputs has no N:M.
    """
    rows = (weight.detach() != 0).flatten(1)
    if not rows.any():
        return None
    fullest = {
        m: int(functional.pad(rows, (0, -rows.shape[1] % m)).unflatten(1, (-1, m)).sum(2).max())
        for m in {m for _, m in PATTERNS}
    }
    return frozenset(f"{n}:{m}" for n, m in PATTERNS if fullest[m] <= n and m <= rows.shape[1])


def _strictest(found: Sequence[frozenset[str]]) -> str | None:
    """The first of `PATTERNS` that is in every one of the sets, of which there may be none."""
    names = [f"{n}:{m}" for n, m in PATTERNS]
    return next((name for name in names if found and all(name in some for some in found)), None)


def _regrown(weights: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, int]:
    for name, weight in weights.items():
        got = before.get(name)
        if got is None or got.shape != weight.shape:
            raise BenchError(
                "E-WRONG-WEIGHTS",
                f"{name} of the earlier state: got {'nothing' if got is None else tuple(got.shape)}"
                f", expected {tuple(weight.shape)} as here; name a state of the same widths",
            )
    return {
        name: int(((before[name].cpu() == 0) & (weight.detach().cpu() != 0)).sum())
        for name, weight in weights.items()
    }
