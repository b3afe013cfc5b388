"""Writes a submission folder: canonical weights and what the owner declares."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.files import is_full, keep_names, write_durably
from bench.models import Normalised
from bench.records import Submission
from bench.submissions.canonical import canonical_bytes, weights_sha256
from bench.submissions.card import FILE, WEIGHTS, card_of, card_toml


def pack(
    model: Normalised,
    record: Submission,
    folder: Path,
    declared: Mapping[str, Mapping[str, object]] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Writes `weights.safetensors` and `submission.toml`; a folder of an old one is replaced.

    Args:
        model: The network and its normalisation; masks already applied.
        record: Declared fields; architecture must be one that `load_submission` knows.
        folder: Target.
        declared: Further fields of the card, by section.
        files: Name -> content of what is to lie beside them.

    Returns:
        The folder.

    Raises:
        BenchError: E-SUBMISSION-TOML for a field that a card cannot have, E-BAD-VALUE if the
            target is something else than a submission folder, or the model an ensemble.
    """
    if record.kind == "ensemble":
        raise BenchError(
            "E-BAD-VALUE", f"{record.slug}: an ensemble is written with `bench assemble`"
        )
    tensors = model.network.state_dict()
    further = declared or {}
    facts: dict[str, Mapping[str, object]] = {
        "model": {"architecture": record.architecture, "sha256": weights_sha256(tensors)},
        "input": {"mean": list(model.mean), "std": list(model.std)},
        "pruning": {
            "pruner": record.pruner,
            "moment": record.moment,
            "scope": record.scope,
            "structure": record.structure,
            "sparsity": record.declared_sparsity,
        },
        "training": {"recipe": record.recipe, "seed": record.seed},
    }
    own = {name: {**fields, **further.get(name, {})} for name, fields in facts.items()}
    card = card_of({"schema": 1, "slug": record.slug, "kind": record.kind, **further, **own})
    content = {WEIGHTS: canonical_bytes(tensors), FILE: card_toml(card).encode()}
    return write_folder(folder, {**content, **(files or {})})


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Writes a submission folder whole or not at all; one of an old submission is replaced.

    Args:
        folder: Target.
        files: Path within it -> content.

    Returns:
        The folder.

    Raises:
        BenchError: As `check_target`.
    """
    check_target(folder)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    old = fresh.with_name(f"{fresh.name}.old")
    try:
        for name, content in files.items():
            (fresh / name).parent.mkdir(exist_ok=True)
            write_durably(fresh / name, content)
        for place in {fresh, *((fresh / name).parent for name in files)}:
            keep_names(place)
        fresh.chmod(0o755)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        keep_names(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
        return folder
    except BaseException:
        if old.is_dir() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def check_target(folder: Path) -> None:
    """Refuses a place where no submission can be written, and makes the folder around it.

    Raises:
        BenchError: E-BAD-VALUE if the target is something else than a submission folder, or
            cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        foreign = folder.exists() and not (folder / FILE).is_file() and any(folder.iterdir())
    except OSError as error:
        if is_full(error):
            raise BenchError("E-DISK-FULL", f"{folder}: cannot be written") from error
        raise BenchError("E-BAD-VALUE", f"{folder}: cannot be written: {error.strerror}") from error
    if foreign or folder.resolve() == Path.cwd():
        raise BenchError(
            "E-BAD-VALUE", f"{folder}: not empty and not a submission folder; name another --out"
        )
