"""Writes a submission folder: canonical weights and what the owner declares."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.models import Normalised
from bench.models.mean_field import MeanField
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
            target is something else than a submission folder.
    """
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
    if isinstance(model.network, MeanField):
        facts["model"] = {**facts["model"], "combine": model.network.combine}
    own = {name: {**fields, **further.get(name, {})} for name, fields in facts.items()}
    card = card_of({"schema": 1, "slug": record.slug, "kind": record.kind, **further, **own})
    check_target(folder)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        (fresh / WEIGHTS).write_bytes(canonical_bytes(tensors))
        (fresh / FILE).write_text(card_toml(card), encoding="utf-8")
        for name, content in (files or {}).items():
            (fresh / name).write_bytes(content)
        fresh.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        return fresh.rename(folder)
    except BaseException:
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
        raise BenchError("E-BAD-VALUE", f"{folder}: cannot be written: {error.strerror}") from error
    if foreign or folder.resolve() == Path.cwd():
        raise BenchError(
            "E-BAD-VALUE", f"{folder}: not empty and not a submission folder; name another --out"
        )
