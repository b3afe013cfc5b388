"""Trains and prunes a baseline into a submission folder: the same door as outsiders use."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import torch

from bench import masks
from bench.data import Progress, SuiteSpec, silent, suite_spec, training_set
from bench.environment import choose_device
from bench.errors import BenchError
from bench.models import Normalised, initialised
from bench.pruners import PRUNERS, Pruner
from bench.pruners.options import with_options
from bench.saliency import Batch, Scoring
from bench.submissions import LoadedSubmission, described, load_submission, pack
from bench.training import TrainingSet, crop_and_flip, default_recipe, recipe_named, train

SCORING_BATCH_SIZE = 512
STEPS, STEPS_RESNET = 5, 6  # of a schedule, as in the paper's code


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained on what, and from which seed.

    Args:
        suite: Key of `SUITES`; its normalisation becomes part of the model.
        architecture: Key of `ARCHITECTURES`; None for the suite's reference network.
        seed: Of initialisation, order, augmentation and pruning.
        recipe: Key of `RECIPES`; None for the paper's, on digits `digits-20`.
        device: As for `evaluate`.
        root: Data root.
    """

    suite: str
    architecture: str | None = None
    seed: int = 1234
    recipe: str | None = None
    device: str = "auto"
    root: Path | None = None

    @property
    def spec(self) -> SuiteSpec:
        """The suite's entry."""
        return suite_spec(self.suite)

    @property
    def network(self) -> str:
        """The architecture, the suite's where none is named."""
        return self.architecture or self.spec.reference

    @property
    def recipe_name(self) -> str:
        """The recipe, the architecture's where none is named."""
        return self.recipe or default_recipe(self.suite, self.network)

    def stream(self, purpose: str) -> torch.Generator:
        """A generator of its own for each purpose, so that no two draws are related."""
        digest = hashlib.sha256(f"{purpose} {self.seed}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@dataclass(frozen=True, slots=True)
class Cut:
    """What a pruner is to remove.

    Args:
        pruner: Key of `PRUNERS`.
        sparsity: Share of the prunable weights, in [0, 1).
        scope: `global` or `local`; None for the pruner's own.
        options: Option -> value as it is typed; see `bench.pruners.options`.
    """

    pruner: str
    sparsity: float
    scope: masks.Scope | None = None
    options: Mapping[str, str] = field(default_factory=dict)


def train_dense(plan: Plan, folder: Path, *, progress: Progress = silent) -> Path:
    """Trains a dense network and packs it.

    Args:
        plan: What and from which seed.
        folder: Submission folder to write.
        progress: Called with (what, done, total).

    Returns:
        The folder.

    Raises:
        BenchError: If the plan names something unknown or the data is missing.
    """
    recipe, data = recipe_named(plan.recipe_name), _training_data(plan, progress)
    model = _fresh(plan, data)
    train(model, data, recipe, plan.stream("training"), progress=progress)
    record = replace(
        described("dense", plan.network, model).record,
        pruner="dense",
        declared_sparsity=0.0,
        seed=plan.seed,
        recipe=plan.recipe_name,
    )
    return pack(model, record, folder, suite=plan.suite, epochs=recipe.epochs)


def prune(
    plan: Plan,
    cut: Cut,
    folder: Path,
    *,
    parent: Path | None = None,
    progress: Progress = silent,
) -> Path:
    """Prunes a network, trains it where the pruner acts before training, and packs it.

    Args:
        plan: What and from which seed.
        cut: Which pruner is to remove how much.
        folder: Submission folder to write.
        parent: Dense submission, for pruners that act after training; there is no fine-tuning.
        progress: Called with (what, done, total).

    Returns:
        The folder.

    Raises:
        BenchError: If the plan or the cut names something unknown, or the parent or the data is
            missing.
    """
    recipe = recipe_named(plan.recipe_name)
    pruner, changed = with_options(_pruner_named(cut.pruner), cut.options)
    if cut.scope:
        pruner = replace(pruner, scope=cut.scope)
    dense = _dense_parent(plan, cut, parent) if pruner.moment == "after" else None
    data = _training_data(plan, progress)
    model = dense.model.to(data.labels.device) if dense else _fresh(plan, data)
    mask = _pruned(model, plan, data, pruner, cut.sparsity)
    if not dense:
        train(model, data, recipe, plan.stream("training"), mask=mask, progress=progress)
    changed.pop("moment", None)  # the record has a field for it
    name = " ".join([cut.pruner, *(f"{key}={changed[key]}" for key in sorted(changed))])
    slug = re.sub("[^a-z0-9.-]+", "-", f"{name}-{cut.sparsity:g}")
    record = replace(
        described(slug, plan.network, model).record,
        pruner=name,
        declared_sparsity=cut.sparsity,
        moment=pruner.moment,
        scope=pruner.scope,
        structure=pruner.structure,
        seed=plan.seed,
        recipe=dense.record.recipe if dense else plan.recipe_name,
    )
    training = {"parent": dense.record.weights_sha256} if dense else {"epochs": recipe.epochs}
    return pack(model, record, folder, suite=plan.suite, **training)


def _pruned(
    model: Normalised, plan: Plan, data: TrainingSet, pruner: Pruner, sparsity: float
) -> masks.Mask:
    """The mask of the last step of the schedule, applied; each step scores what is left."""
    model.eval()
    mask: masks.Mask = {}
    drawn, scoring = plan.stream("pruning"), plan.stream("scoring")
    steps = STEPS_RESNET if plan.network.startswith("resnet") else STEPS
    for target in masks.targets(pruner.schedule, sparsity, steps):
        batches = _scoring_batches(plan, data, pruner.score_batches, scoring)
        scores = pruner.saliency(Scoring(model, batches, mask, drawn))
        mask = masks.keep_top(scores, target, pruner.scope, within=mask)
        masks.apply(model, mask)
    return mask


def _pruner_named(name: str) -> Pruner:
    if name not in PRUNERS:
        raise BenchError("E-BAD-VALUE", f"pruner: got {name!r}, expected one of {list(PRUNERS)}")
    return PRUNERS[name]


def _training_data(plan: Plan, progress: Progress) -> TrainingSet:
    limit = recipe_named(plan.recipe_name).images
    images = training_set(plan.suite, root=plan.root, limit=limit, progress=progress)
    return TrainingSet.on(choose_device(plan.device), images)


def _fresh(plan: Plan, data: TrainingSet) -> Normalised:
    """An untrained network behind the suite's normalisation."""
    network = initialised(
        plan.network,
        classes=plan.spec.classes,
        channels=plan.spec.shape[0],
        generator=plan.stream("initialisation"),
    )
    return Normalised(network, plan.spec.mean, plan.spec.std).to(data.labels.device)


def _dense_parent(plan: Plan, cut: Cut, parent: Path | None) -> LoadedSubmission:
    if parent is None:
        raise BenchError(
            "E-BAD-VALUE", f"{cut.pruner} prunes a trained network: give its folder with --from"
        )
    dense = load_submission(parent)
    if dense.record.seed != plan.seed:
        raise BenchError(
            "E-BAD-VALUE",
            f"seed: got {plan.seed}, the parent {parent} was trained with {dense.record.seed}; "
            "a pruned run is compared with the dense run of the same seed",
        )
    return dense


def _scoring_batches(
    plan: Plan, data: TrainingSet, count: int, generator: torch.Generator
) -> list[Batch]:
    """Random training images with their labels, augmented as in training."""
    augment = recipe_named(plan.recipe_name).augment
    drawn = data.shuffled(SCORING_BATCH_SIZE, generator)
    return [
        ((crop_and_flip(pixels, generator) if augment else pixels).float().div_(255), labels)
        for pixels, labels in islice(drawn, count)
    ]
