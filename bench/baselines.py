"""Trains and prunes a baseline into a submission folder: the same door as outsiders use."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.checkpoints import forget, resume, train
from bench.curves import curve_csv, curve_png
from bench.data import Progress, silent
from bench.errors import BenchError
from bench.masks import check_sparsity
from bench.models import Normalised
from bench.models.glow import flow_of
from bench.parents import parent_of
from bench.plans import Plan, fresh_model, setting_of
from bench.pruners.fitting import check_fits
from bench.pruners.named import pruner_named, source_of
from bench.pruners.options import Chosen, with_options
from bench.records import BAYESIAN, Scope
from bench.saliency import Saliency
from bench.samples import samples_png
from bench.setting import Setting
from bench.submissions import check_target, described, pack
from bench.training import Training
from bench.variational import objective

__all__ = ["Cut", "Plan", "facts_of", "prune", "settled", "train_dense"]
SLUG_LENGTH = 64
RECORDED = ("moment", "structure")  # options for which the record has a field


@dataclass(frozen=True, slots=True)
class Cut:
    """What a pruner is to remove.

    Args:
        pruner: Key of `PRUNERS`, `module:function`, or a function (scoring) -> saliency.
        sparsity: Share of the prunable weights, in [0, 1); of the hidden channels where the
            pruner is structured.
        scope: `global` or `local`; None for the pruner's own.
        options: Option -> value as it is typed; see `bench.pruners.options`.

    Raises:
        BenchError: E-BAD-VALUE for the sparsity.
    """

    pruner: str | Callable[..., Saliency]
    sparsity: float
    scope: Scope | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_sparsity(self.sparsity)


def train_dense(plan: Plan, folder: Path, *, progress: Progress = silent) -> Path:
    """Trains a dense network and packs it.

    Killed and called again, it goes on after the last whole epoch, to the same weights.

    Args:
        plan: What and from which seed.
        folder: Submission folder to write.
        progress: Called with (what, done, total).

    Returns:
        The folder.

    Raises:
        BenchError: If the plan names something unknown or the data is missing.
    """
    check_target(folder)
    setting = setting_of(plan, "dense", folder, progress)
    training = _training(setting, fresh_model(plan), "training")
    training.total = setting.recipe.epochs
    resume(training)
    train(training, training.total)
    facts = {"slug": "dense", "pruner": "dense", "declared_sparsity": 0.0}
    return _packed(plan, training, folder, facts, {"epochs": len(setting.curve)})


def prune(
    plan: Plan,
    cut: Cut,
    folder: Path,
    *,
    parent: Path | None = None,
    progress: Progress = silent,
) -> Path:
    """Prunes a network, trains it when the pruner's moment says so, and packs it.

    Killed and called again, it goes on after the last whole epoch, to the same weights.

    Args:
        plan: What and from which seed; what it leaves open is the parent's.
        cut: Which pruner is to remove how much.
        folder: Submission folder to write.
        parent: Dense submission. After training it is what is pruned; for other moments it is
            the run to compare with, and only its hash is taken.
        progress: Called with (what, done, total).

    Returns:
        The folder.

    Raises:
        BenchError: If the plan or the cut names something unknown, the parent or the data is
            missing, or the parent is of another plan.
    """
    check_target(folder)
    if parent is not None and parent.resolve().is_relative_to(folder.resolve()):
        raise BenchError("E-BAD-VALUE", f"{folder}: holds the parent; name another folder")
    name, (pruner, act, changed) = settled(cut)
    dense = parent_of(plan, parent)
    afterwards = pruner.moment == "after"
    if afterwards and not dense.loaded:
        raise BenchError(
            "E-BAD-VALUE", f"{name} prunes a trained network: give its folder with --from"
        )
    check_fits(dense.plan.network, dense.plan.kind, name, pruner, changed)
    facts = facts_of(cut)
    work = f"{facts} {dense.sha256} {source_of(cut.pruner)}"
    setting = setting_of(dense.plan, work, folder, progress)
    if dense.loaded and afterwards:
        training = _training(setting, dense.loaded.model, "fine-tuning")
        facts |= {key: dense.training.get(key) for key in ("seed", "recipe")}
    else:
        training = _training(setting, fresh_model(dense.plan), "training")
    resume(training)
    act(training, pruner, cut.sparsity)
    before = dense.training.get("epochs") if afterwards else 0
    epochs = None if before is None else before + len(setting.curve)
    return _packed(dense.plan, training, folder, facts, {"epochs": epochs, "parent": dense.sha256})


def _training(setting: Setting, model: Normalised, phase: str) -> Training[Normalised]:
    return Training(setting, model, phase, objective(model, setting))


def settled(cut: Cut) -> tuple[str, Chosen]:
    """Name of the pruner of a cut, and its row with scope and options set."""
    name, row = pruner_named(cut.pruner)
    chosen = with_options(row, cut.options)
    pruner = replace(chosen.pruner, scope=cut.scope or row.scope)
    return name, chosen._replace(pruner=pruner)


def facts_of(cut: Cut) -> dict[str, Any]:
    """What the record says of how it was pruned; options that were changed are in the name.

    Raises:
        BenchError: E-BAD-VALUE if the cut names something unknown.
    """
    name, (pruner, _, changed) = settled(cut)
    own = [f"{key}={changed[key]}" for key in sorted(changed) if key not in RECORDED]
    full = " ".join([name, *own])
    return {
        "slug": _slug(full, cut.sparsity),
        "pruner": full,
        "declared_sparsity": cut.sparsity,
        "moment": pruner.moment,
        "scope": pruner.scope,
        "structure": pruner.structure,
    }


def _slug(name: str, sparsity: float) -> str:
    """Short name of a pruner at a sparsity; of a long one the end of the pruner's is left out."""
    end = f"-{sparsity:g}"
    plain = re.sub("[^a-z0-9.-]+", "-", name.lower()).strip("-.") or "pruner"
    return plain[: SLUG_LENGTH - len(end)] + end


def _packed(
    plan: Plan,
    training: Training[Normalised],
    folder: Path,
    facts: Mapping[str, Any],
    trained: Mapping[str, object],
) -> Path:
    """Writes the submission with its learning curve, and forgets the unfinished work."""
    curve, model = training.setting.curve, training.model.eval()
    own = {"seed": plan.seed, "recipe": plan.recipe_name, **facts}
    architecture = plan.network.removeprefix(BAYESIAN)
    record = replace(described(facts["slug"], architecture, model).record, **own)
    where = f"{plan.network} on {plan.suite}, {plan.recipe_name}, seed {plan.seed}"
    files = {"curve.csv": curve_csv(curve)}
    if curve:
        files["curve.png"] = curve_png(curve, f"{record.slug}: {where}")
    if flow := flow_of(model):
        files["samples.png"] = samples_png(flow, plan.stream("samples"), f"{record.slug}: {where}")
    pack(training.model, record, folder, {"training": {"suite": plan.suite, **trained}}, files)
    forget(training.setting)
    return folder
