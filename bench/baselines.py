"""Trains and prunes a baseline into a submission folder: the same door as outsiders use."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.checkpoints import forget, resume, train
from bench.curves import curve_csv, curve_png
from bench.data import Progress, silent
from bench.masks import Scope
from bench.models import Normalised
from bench.parents import parent_of
from bench.plans import Plan, fresh_model, setting_of
from bench.pruners.named import pruner_named
from bench.pruners.options import with_options
from bench.saliency import Saliency
from bench.submissions import described, pack
from bench.training import Training

__all__ = ["Cut", "Plan", "prune", "train_dense"]
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
    """

    pruner: str | Callable[..., Saliency]
    sparsity: float
    scope: Scope | None = None
    options: Mapping[str, str] = field(default_factory=dict)


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
    setting = setting_of(plan, "dense", folder, progress)
    training = Training(setting, fresh_model(plan), total=setting.recipe.epochs)
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
    name, row = pruner_named(cut.pruner)
    pruner, act, changed = with_options(row, cut.options)
    pruner = replace(pruner, scope=cut.scope or pruner.scope)
    dense = parent_of(plan, parent, needed_by=name if pruner.moment == "after" else None)
    plan = dense.plan
    own = [f"{key}={changed[key]}" for key in sorted(changed) if key not in RECORDED]
    full = " ".join([name, *own])
    asked = (name, cut.sparsity, sorted(changed.items()), pruner.scope, dense.sha256)
    work = f"{asked} {_source(row.saliency)}"
    setting = setting_of(plan, work, folder, progress)
    model = dense.model if dense.model and pruner.moment == "after" else fresh_model(plan)
    training = Training(setting, model)
    resume(training)
    act(training, pruner, cut.sparsity)
    facts = {
        "slug": re.sub("[^a-z0-9.-]+", "-", f"{full}-{cut.sparsity:g}".lower())[:64],
        "pruner": full,
        "declared_sparsity": cut.sparsity,
        "moment": pruner.moment,
        "scope": pruner.scope,
        "structure": pruner.structure,
    }
    earlier = dense.epochs if pruner.moment == "after" else 0
    epochs = None if earlier is None else earlier + len(setting.curve)
    return _packed(plan, training, folder, facts, {"epochs": epochs, "parent": dense.sha256})


def _source(function: Callable[..., Saliency]) -> str:
    """The function's text, so that unfinished work of another text is not resumed."""
    try:
        return inspect.getsource(function)
    except OSError:  # typed into a console
        return repr(function)


def _packed(
    plan: Plan,
    training: Training[Normalised],
    folder: Path,
    facts: Mapping[str, Any],
    trained: Mapping[str, object],
) -> Path:
    """Writes the submission with its learning curve, and forgets the unfinished work."""
    curve = training.setting.curve
    record = replace(
        described(facts["slug"], plan.network, training.model).record,
        seed=plan.seed,
        recipe=plan.recipe_name,
        **facts,
    )
    files = {"curve.csv": curve_csv(curve)}
    if curve:
        title = f"{record.slug}: {plan.network} on {plan.suite}, {record.recipe}, seed {plan.seed}"
        files["curve.png"] = curve_png(curve, title)
    pack(training.model, record, folder, {"suite": plan.suite, **trained}, files)
    forget(training.setting)
    return folder
