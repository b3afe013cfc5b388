"""From a path, a reference or a bare module to a model that can be scored."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
from torch import nn

from bench.errors import BenchError
from bench.intake.tensors import as_safetensors
from bench.models import ADAPTERS, ARCHITECTURES, Normalised, build, ends, prunable
from bench.models.ensemble import Ensemble
from bench.models.glow import Glow
from bench.models.kinds import kind_of
from bench.models.sparsity import measured_sparsity
from bench.records import BAYESIAN, Submission
from bench.submissions.canonical import canonical_bytes, weights_sha256
from bench.submissions.card import WEIGHTS, Card, read_card
from bench.submissions.fitting import fit
from bench.submissions.packages import WEIGHTS_OF
from bench.submissions.read import read_weights

MOST_MEMBERS = 32


@dataclass(frozen=True, slots=True)
class LoadedSubmission:
    """A model ready to be scored.

    Args:
        record: Who it is.
        model: In evaluation mode; takes images in [0, 1].
        dense: The same architecture, of an ensemble or a Bayesian network that of one member or
            sample, at full width, its weights without meaning; None for a module outside the table.
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
        source: A `.safetensors` or state-dict file, a folder with `submission.toml` (of an
            ensemble with one folder a member),
            `timm:NAME` / `robustbench:NAME`, or a module whose weights are those of an
            architecture; masks of `torch.nn.utils.prune` are folded.
        architecture: Key of `ARCHITECTURES`, after `bayesian:` or not, `timm:NAME` or
            `robustbench:NAME`; None looks for the one that the tensors fit.
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
        return _from_folder(path, architecture)
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


def _from_folder(folder: Path, architecture: str | None) -> LoadedSubmission:
    loaded = _from_card(folder, read_card(folder))
    named = loaded.record.architecture
    if architecture and architecture.removeprefix(BAYESIAN) != named:
        raise BenchError(
            "E-BAD-VALUE", f"architecture: got {architecture}, the submission {folder} has {named}"
        )
    return loaded


def _from_card(folder: Path, card: Card) -> LoadedSubmission:
    name, model = _ensemble(folder, card) if card.kind == "ensemble" else _single(folder, card)
    loaded = described(card.slug, name, model)
    if loaded.record.kind != card.kind:
        raise BenchError(
            "E-SUBMISSION-TOML",
            f"{folder}: kind: got {card.kind}, the weights are of a {loaded.record.kind}",
        )
    declared, measured = card.model.sha256, loaded.record.weights_sha256
    if declared not in (None, measured):
        raise BenchError(
            "E-SUBMISSION-TOML",
            f"{folder}: model.sha256: got {declared[:12]}…, the weights have {measured[:12]}…; "
            "the file was changed after it was packed",
        )
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


def _single(folder: Path, card: Card) -> tuple[str, Normalised]:
    if card.model.members or card.model.combine != "probabilities":
        raise BenchError(
            "E-SUBMISSION-TOML",
            f"{folder}: model.members and combine: got some in a {card.kind}, they are of an "
            "ensemble",
        )
    name, network = fit(read_weights(folder / WEIGHTS).tensors, card.model.architecture)
    return name, Normalised(network, tuple(card.input.mean), tuple(card.input.std))


def _ensemble(folder: Path, card: Card) -> tuple[str, Normalised]:
    """The members' architecture, and all of them behind their common normalisation."""
    names = card.model.members
    if len(set(names)) < len(names):
        raise BenchError(
            "E-SUBMISSION-TOML", f"{folder}: model.members: got {names}, expected each once"
        )
    members = load_members([folder / name for name in names])
    name, model = members[0].record.architecture, members[0].model
    facts = {
        "model.architecture": (card.model.architecture, name),
        "input.mean": (tuple(card.input.mean), model.mean),
        "input.std": (tuple(card.input.std), model.std),
    }
    for field, (declared, theirs) in facts.items():
        if declared and declared != theirs:
            raise BenchError(
                "E-SUBMISSION-TOML", f"{folder}: {field}: got {declared}, the members have {theirs}"
            )
    networks = [member.model.network for member in members]
    return name, model.around(Ensemble(networks, card.model.combine))


def load_members(folders: Sequence[Path]) -> list[LoadedSubmission]:
    """The members of an ensemble, which answer the same question about the same images.

    Args:
        folders: Submission folders of classifiers; of any widths.

    Raises:
        BenchError: E-SUBMISSION-TOML if there are none or too many of them, or they differ in
            architecture, normalisation, channels or classes; E-NOT-A-FILE for a link; others as
            `load_submission`.
    """
    if not 1 <= len(folders) <= MOST_MEMBERS:
        raise BenchError(
            "E-SUBMISSION-TOML", f"members: got {len(folders)}, expected 1 to {MOST_MEMBERS}"
        )
    members = [_member(folder) for folder in folders]
    alike = {(m.record.architecture, m.model.mean, m.model.std, ends(m.model)) for m in members}
    if len(alike) > 1:
        raise BenchError(
            "E-SUBMISSION-TOML",
            "the members differ in architecture, normalisation, channels or classes "
            f"({'; '.join(map(str, sorted(alike, key=str)))}), expected the same for all",
        )
    return members


def _member(folder: Path) -> LoadedSubmission:
    if folder.is_symlink():
        raise BenchError("E-NOT-A-FILE", f"{folder}: got a link, expected the member's own folder")
    card = read_card(folder)
    if card.kind != "classifier":
        raise BenchError(
            "E-SUBMISSION-TOML",
            f"{folder}: kind: got {card.kind}, expected a classifier as member of an ensemble",
        )
    return _from_card(folder, card)


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

    Raises:
        BenchError: E-BAD-VALUE for a flow behind a normalisation.
    """
    model.eval()
    network = model.network
    if kind_of(network) == "flow" and model.mean:
        raise BenchError(
            "E-BAD-VALUE",
            "normalisation: got one for a flow, whose density is of images as they are",
        )
    tensors = network.state_dict()
    layers, dense = prunable(network), _dense(architecture, network)
    record = Submission(
        slug=slug,
        kind=kind_of(network),
        architecture=architecture,
        widths={name.removesuffix(".weight"): len(weight) for name, weight in layers.items()},
        weights_sha256=weights_sha256(tensors),
        measured_sparsity=measured_sparsity(network, dense).total,
        mean=model.mean,
        std=model.std,
    )
    collapsed = any(not weight.count_nonzero() for weight in layers.values())
    return LoadedSubmission(record, model, dense, ("layer-collapse",) if collapsed else ())


def _dense(architecture: str, network: nn.Module) -> nn.Module | None:
    if isinstance(network, Glow):
        return Glow(network.form).eval()
    if architecture not in ARCHITECTURES and architecture.partition(":")[0] not in ADAPTERS:
        return None
    channels, classes = ends(network)
    return build(architecture, classes=classes, channels=channels)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.")[:64] or "model"
