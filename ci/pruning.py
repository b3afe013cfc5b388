"""A submitted pruner becomes a submission: what it prunes, when, and what has to come of it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.baselines import train_dense
from bench.checkpoints import forget, train
from bench.data import Progress, silent, training_set
from bench.errors import BenchError
from bench.flags import ROUNDED
from bench.intake.opened import file_content
from bench.models import Normalised, ends, prunable
from bench.parents import parent_of
from bench.plans import Plan, fresh_model, setting_of
from bench.recipes import recipe_named
from bench.submissions import LoadedSubmission, canonical_bytes, described, load_submission, pack
from bench.submissions.card import FILE, WEIGHTS, Card, read_card
from bench.training import Training
from bench.variational import objective
from ci.entry import LARGEST_CODE, PRUNER
from ci.sandbox import Level, Limits, run_sandboxed
from ci.shipped import ROOT

MOMENTS = ("before", "after")


@dataclass(frozen=True, slots=True)
class Box:
    """Where submitted code runs.

    Args:
        level: Of the sandbox.
        limits: What the code may use.
    """

    level: Level
    limits: Limits = field(default_factory=Limits)


def plan_of(card: Card) -> Plan:
    """What is trained on what, as a card has it; the suite is `digits` where it names none."""
    training = card.training
    return Plan(
        training.suite or "digits",
        architecture=card.model.architecture,
        seed=1234 if training.seed is None else training.seed,
        recipe=training.recipe,
    )


def dense_of(plan: Plan, parent: str | None, folder: Path, progress: Progress = silent) -> Path:
    """Folder of the dense network of a plan: a shipped one, else one that is trained now.

    Args:
        plan: Whose suite, network, recipe and seed it is to have.
        parent: Hash of its weights; None for any.
        folder: Where a trained one is written, and found again.
        progress: Called with (what, done, total).

    Raises:
        BenchError: E-BAD-VALUE if no shipped submission has the weights of the hash.
    """
    wanted = ("dense", plan.suite, plan.network, plan.recipe_name, plan.seed)
    for shipped in sorted(ROOT.glob(f"submissions/*/{WEIGHTS}")):
        card = read_card(shipped.parent)
        if parent and card.model.sha256 == parent:
            return shipped.parent
        training = card.training
        trained = (training.suite, card.model.architecture, training.recipe, training.seed)
        if not parent and (card.pruning.pruner, *trained) == wanted:
            return shipped.parent
    if parent:
        raise BenchError(
            "E-BAD-VALUE",
            f"training.parent: got {parent[:12]}, no shipped submission has these weights; leave "
            "it out, and a dense network is trained",
        )
    return folder if (folder / FILE).is_file() else train_dense(plan, folder, progress=progress)


def prune_entry(
    entry: Path, folder: Path, work: Path, box: Box, progress: Progress = silent
) -> tuple[str, ...]:
    """Lets a submitted pruner prune, trains what is left if that is its moment, and packs it.

    Args:
        entry: Folder with `submission.toml` and `pruner.py`.
        folder: Submission folder to write.
        work: Folder for a dense parent.
        box: Where the code runs.
        progress: Called with (what, done, total).

    Returns:
        `non-deterministic` if the same seed gave other weights the second time; else nothing.

    Raises:
        BenchError: E-SUBMISSION-TOML, E-PRUNER-FAILED, E-PRUNER-LIMIT, E-PRUNER-OUTPUT,
            E-NOT-SPARSE; E-BAD-VALUE for the parent; what refuses a plan.
    """
    card = read_card(entry)
    moment, sparsity = _declared(entry, card)
    plan, dense = plan_of(card), None
    if moment == "after":
        dense = parent_of(plan, dense_of(plan, card.training.parent, work, progress))
        plan = dense.plan
    start = dense.loaded.model if dense and dense.loaded else fresh_model(plan)
    rounds = []
    for done in range(2):
        progress("pruning in the sandbox", done, 2)
        rounds.append(pruned_in_sandbox(entry / PRUNER, start, plan, sparsity, box))
    progress("pruning in the sandbox", 2, 2)
    first, second = rounds
    check_sparse(first, sparsity)
    model = first.model if dense else _trained(first, plan, folder, progress)
    record = replace(
        described(card.slug, plan.network, model).record,
        declared_sparsity=sparsity,
        pruner=card.pruning.pruner or card.slug,
        moment=moment,
        scope=card.pruning.scope,
        structure=card.pruning.structure,
        seed=plan.seed,
        recipe=plan.recipe_name,
    )
    training = {"suite": plan.suite, "parent": dense and dense.sha256}
    pack(model, record, folder, {"training": training, "about": card.about.model_dump()})
    same = first.record.weights_sha256 == second.record.weights_sha256
    return () if same else ("non-deterministic",)


def _declared(entry: Path, card: Card) -> tuple[str, float]:
    """Moment and sparsity of a card."""
    moment, sparsity = card.pruning.moment, card.pruning.sparsity
    if moment not in MOMENTS:
        raise BenchError(
            "E-SUBMISSION-TOML",
            f"{entry / FILE}: pruning.moment: got {moment!r}, expected one of {MOMENTS}",
        )
    if sparsity is None or not 0 < sparsity < 1:
        raise BenchError(
            "E-SUBMISSION-TOML",
            f"{entry / FILE}: pruning.sparsity: got {sparsity!r}, expected more than 0 and less "
            "than 1; 0.9 keeps 10 %",
        )
    return moment, sparsity


def pruned_in_sandbox(
    code: Path, start: Normalised, plan: Plan, sparsity: float, box: Box
) -> LoadedSubmission:
    """What a pruner makes of a network; what comes out is taken in like a stranger's file.

    Args:
        code: The file with `prune`.
        start: The network that it is given, as float32 weights.
        plan: Whose training images it is given; never those of the test.
        sparsity: That it is asked for.
        box: Where it runs.

    Raises:
        BenchError: E-PRUNER-FAILED, E-PRUNER-LIMIT, or E-PRUNER-OUTPUT for what is no weights of
            the architecture.
    """
    spec, recipe = plan.spec, recipe_named(plan.recipe_name)
    images = training_set(plan.suite, root=plan.root, limit=recipe.images)
    task: Mapping[str, Any] = {
        "architecture": plan.network,
        "classes": spec.classes,
        "channels": spec.shape[0],
        "mean": start.mean,
        "std": start.std,
        "sparsity": sparsity,
        "seed": plan.seed,
    }
    with tempfile.TemporaryDirectory() as name:
        inputs, answer = Path(name) / "inputs", Path(name) / "weights-of-the-pruner"
        inputs.mkdir()
        (inputs / PRUNER).write_bytes(file_content(code, LARGEST_CODE))
        (inputs / WEIGHTS).write_bytes(canonical_bytes(start.network.state_dict()))
        np.save(inputs / "images.npy", images.images)
        np.save(inputs / "labels.npy", images.labels)
        answer.write_bytes(run_sandboxed(inputs, task, box.limits, box.level).content)
        try:
            loaded = load_submission(
                answer, architecture=plan.network, mean=start.mean, std=start.std
            )
        except BenchError as error:
            message = error.message.replace(str(answer), answer.name)
            raise BenchError("E-PRUNER-OUTPUT", f"{message} ({error.code})") from error
    if ends(loaded.model.network) != (spec.shape[0], spec.classes):
        raise BenchError(
            "E-PRUNER-OUTPUT",
            f"got a network of {ends(loaded.model.network)} channels and classes, expected "
            f"{(spec.shape[0], spec.classes)}",
        )
    return loaded


def check_sparse(loaded: LoadedSubmission, declared: float) -> None:
    """Refuses a network with more weights than declared.

    Raises:
        BenchError: E-NOT-SPARSE.
    """
    measured = loaded.record.measured_sparsity or 0.0
    if measured < declared - ROUNDED:
        raise BenchError(
            "E-NOT-SPARSE",
            f"sparsity: got {measured:.4f} of the weights at zero or removed, {declared:g} is "
            f"declared; expected at least {declared - ROUNDED:g}",
        )


def _trained(loaded: LoadedSubmission, plan: Plan, folder: Path, progress: Progress) -> Normalised:
    """The network trained by the plan's recipe; its zeros stay."""
    setting = setting_of(plan, loaded.record.weights_sha256, folder, progress)
    training = Training(setting, loaded.model, loss=objective(loaded.model, setting))
    training.total = setting.recipe.epochs
    training.mask = {name: w.detach() != 0 for name, w in prunable(loaded.model).items()}
    training.sparsity = loaded.record.measured_sparsity or 0.0
    train(training, training.total)
    forget(setting)
    return training.model
