"""From a path, a reference or a bare module to a model that can be scored."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.intake.tensors import as_safetensors
from bench.models import (
    ADAPTERS,
    ARCHITECTURES,
    Normalised,
    build,
    ends,
    infer_widths,
    prunable,
)
from bench.models.sparsity import measured_sparsity
from bench.records import Submission
from bench.submissions.bounded import built_within
from bench.submissions.canonical import canonical_bytes, weights_sha256
from bench.submissions.card import WEIGHTS, read_card
from bench.submissions.names import fold_masks, with_aliases, without_prefix
from bench.submissions.packages import WEIGHTS_OF
from bench.submissions.read import read_weights

MOST_CLASSES, MOST_CHANNELS = 100_000, 64


@dataclass(frozen=True, slots=True)
class LoadedSubmission:
    """A model ready to be scored.

    Args:
        record: Who it is.
        model: In evaluation mode; takes images in [0, 1].
        dense: The same architecture at full width, its weights without meaning; None for a
            module outside the table.
        flags: What a reader of its runs has to know, words of `bench.flags.FLAGS`:
            `layer-collapse`, `not-reproducible-from-file`.
        file_sha256: Of a weights file that is no submission folder.
    """

    record: Submission
    model: Normalised
    dense: nn.Module | None
    flags: tuple[str, ...] = ()
    file_sha256: str | None = None


def load_submission(
    source: str | Path | nn.Module,
    *,
    architecture: str | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    pickled_module: bool = False,
) -> LoadedSubmission:
    """Loads what `bench evaluate` takes.

    Args:
        source: A `.safetensors` or state-dict file, a folder with `submission.toml`,
            `timm:NAME` / `robustbench:NAME`, or a module whose weights are those of an
            architecture; masks of `torch.nn.utils.prune` are folded.
        architecture: Key of `ARCHITECTURES`, `timm:NAME` or `robustbench:NAME`; None looks for
            the one that the tensors fit.
        mean: Input normalisation of a bare file, one number a channel; empty for none.
        std: Likewise.
        pickled_module: Whether the file holds a pickled `nn.Module`, whose weights are meant.

    Returns:
        The model with measured facts about it.

    Raises:
        BenchError: With a code for each reason to refuse it.
    """
    if isinstance(source, nn.Module):
        network = source.network if isinstance(source, Normalised) else source
        tensors = safetensors.torch.load(
            as_safetensors("module", canonical_bytes(network.state_dict()))
        )
        name, network = fit(tensors, architecture)
        return described(_slug(name), name, Normalised(network, mean, std))
    package = str(source).partition(":")[0]
    if package in ADAPTERS and not Path(source).exists():
        return _from_package(str(source), mean, std)
    try:
        path = Path(source).resolve()  # the user's own link; in a folder none is followed
        folder = path.is_dir()
    except (OSError, RuntimeError) as error:
        raise BenchError("E-NO-SUCH-FILE", f"{source}: {error}") from error
    if folder:
        return _from_folder(path)
    weights = read_weights(path, pickled_module=pickled_module)
    name, network = fit(weights.tensors, architecture)
    loaded = described(_slug(path.stem), name, Normalised(network, mean, std))
    return replace(loaded, file_sha256=weights.sha256)


def from_module(module: nn.Module) -> LoadedSubmission:
    """A submission of a bare module that takes images in [0, 1].

    Its runs are flagged: nobody can make them again from a file.
    """
    model = module if isinstance(module, Normalised) else Normalised(module)
    name = type(model.network).__name__.lower()
    loaded = described(_slug(name), f"module:{name}", model)
    flags = (*loaded.flags, "not-reproducible-from-file")
    return LoadedSubmission(loaded.record, loaded.model, None, flags)


def fit(tensors: Mapping[str, Tensor], architecture: str | None) -> tuple[str, nn.Module]:
    """The architecture that tensors belong to, and the network they make.

    Args:
        tensors: As read; prefixes, masks and aliases are resolved here.
        architecture: A name, or None to try every architecture of the table.

    Returns:
        Name and network in evaluation mode.

    Raises:
        BenchError: E-WRONG-WEIGHTS or E-UNKNOWN-ARCHITECTURE if they do not fit.
    """
    tensors = fold_masks(without_prefix(tensors))
    if architecture is None:
        architecture = _recognised(with_aliases(tensors))
    if architecture in ARCHITECTURES:
        tensors = with_aliases(tensors)
    return architecture, _filled(architecture, tensors)


def _recognised(tensors: Mapping[str, Tensor]) -> str:
    for name in ARCHITECTURES:
        if _weights(_outline(name, tensors).state_dict()) == _weights(tensors):
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


def _weights(tensors: Mapping[str, Tensor]) -> set[str]:
    """Names without BatchNorm's counters, which evaluation does not use."""
    return {name for name in tensors if not name.endswith("num_batches_tracked")}


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
    _check_shapes(name, network.state_dict(), tensors)
    if widths:  # now that its memory is known to be that of the file
        network = build(name, **form)
    shaped = {key: tensor for key, tensor in tensors.items() if _is_loadable(key, tensor)}
    network.load_state_dict(shaped, strict=False)
    return network.eval()


def _is_loadable(name: str, tensor: Tensor) -> bool:
    """BatchNorm's counters are not checked with the rest, and none of them is needed."""
    return tensor.dim() == 0 or not name.endswith("num_batches_tracked")


def _check_shapes(name: str, expected: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> None:
    missing, unknown = _weights(expected) - _weights(got), _weights(got) - _weights(expected)
    if missing or unknown:
        raise BenchError(
            "E-WRONG-WEIGHTS",
            f"not the tensors of {name}: missing {sorted(missing)[:4]}, "
            f"unknown {sorted(unknown)[:4]}; is it another --arch?",
        )
    for key in _weights(expected):
        if expected[key].shape != got[key].shape:
            raise BenchError(
                "E-WRONG-WEIGHTS",
                f"{key}: got shape {tuple(got[key].shape)}, expected "
                f"{tuple(expected[key].shape)} in {name} of these widths",
            )


def _from_folder(folder: Path) -> LoadedSubmission:
    card = read_card(folder)
    tensors = read_weights(folder / WEIGHTS).tensors
    declared = card.model.sha256
    if declared is not None and declared != weights_sha256(tensors):
        raise BenchError(
            "E-SUBMISSION-TOML",
            f"{folder}: model.sha256: got {declared[:12]}…, the weights have "
            f"{weights_sha256(tensors)[:12]}…; the file was changed after it was packed",
        )
    name, network = fit(tensors, card.model.architecture)
    model = Normalised(network, tuple(card.input.mean), tuple(card.input.std))
    loaded = described(card.slug, name, model)
    record = replace(
        loaded.record,
        declared_sparsity=card.pruning.sparsity,
        seed=card.training.seed,
        recipe=card.training.recipe,
        pruner=card.pruning.pruner,
        moment=card.pruning.moment,
        scope=card.pruning.scope,
        structure=card.pruning.structure,
    )
    return replace(loaded, record=record)


def _from_package(
    reference: str, mean: tuple[float, ...], std: tuple[float, ...]
) -> LoadedSubmission:
    package, _, name = reference.partition(":")
    tensors = WEIGHTS_OF[package](name)
    _, network = fit(tensors, reference)
    return described(_slug(name), reference, Normalised(network, mean, std))


def described(slug: str, architecture: str, model: Normalised) -> LoadedSubmission:
    """A model with the facts that can be measured without data: widths, hash, sparsity.

    Args:
        slug: Short name.
        architecture: As in the record.
        model: Is put into evaluation mode.
    """
    model.eval()
    network = model.network
    tensors = network.state_dict()
    known = architecture in ARCHITECTURES or architecture.partition(":")[0] in ADAPTERS
    layers = prunable(network)
    dense = None
    if known:
        channels, classes = ends(network)
        dense = build(architecture, classes=classes, channels=channels)
    record = Submission(
        slug=slug,
        kind="classifier",
        architecture=architecture,
        widths={name.removesuffix(".weight"): len(weight) for name, weight in layers.items()},
        weights_sha256=weights_sha256(tensors),
        measured_sparsity=measured_sparsity(network, dense).total,
        mean=model.mean,
        std=model.std,
    )
    collapsed = any(not weight.count_nonzero() for weight in layers.values())
    return LoadedSubmission(record, model, dense, ("layer-collapse",) if collapsed else ())


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.")[:64] or "model"
