"""What is trained on what, and from which seed."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.data import (
    Progress,
    SuiteSpec,
    check_classes,
    outlier_training_set,
    suite_spec,
    training_set,
)
from bench.environment import choose_device, program
from bench.errors import BenchError
from bench.models import Normalised, initialised
from bench.models.glow import FLOWS, fresh_flow
from bench.recipes import RECIPES, default_recipe, recipe_named
from bench.records import BAYESIAN, Kind
from bench.setting import Setting, TrainingSet
from bench.streams import stream


@dataclass(frozen=True, slots=True)
class Plan:
    """A suite, an architecture, a recipe, a seed.

    Args:
        suite: Key of `SUITES`; its normalisation becomes part of the model.
        architecture: Key of `ARCHITECTURES`, after `bayesian:` for Bayesian weights, or of `FLOWS`;
            None for the suite's reference network.
        seed: Of initialisation, order, augmentation and pruning.
        recipe: Key of `RECIPES`; None for the paper's, on digits a short one.
        device: As for `evaluate`.
        root: Data root.

    Raises:
        BenchError: E-BAD-VALUE for the seed.
    """

    suite: str
    architecture: str | None = None
    seed: int = 1234
    recipe: str | None = None
    device: str = "auto"
    root: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise BenchError("E-BAD-VALUE", f"seed: got {self.seed}, expected 0 to 2^63 - 1")

    @property
    def spec(self) -> SuiteSpec:
        """The suite's entry."""
        return suite_spec(self.suite)

    @property
    def network(self) -> str:
        """The architecture, the suite's where none is named."""
        return self.architecture or self.spec.reference

    @property
    def kind(self) -> Kind:
        """Of the submission that comes of it."""
        if self.network in FLOWS:
            return "flow"
        return "bayesian" if self.network.startswith(BAYESIAN) else "classifier"

    @property
    def recipe_name(self) -> str:
        """The recipe, the architecture's where none is named."""
        return self.recipe or default_recipe(self.suite, self.network)

    def stream(self, purpose: str) -> torch.Generator:
        """A generator of its own for each purpose, so that no two draws are related."""
        return stream(f"{purpose} {self.seed}")


def check_trainable(plan: Plan) -> None:
    """Refuses a suite or a recipe that is not for the network.

    Raises:
        BenchError: E-BAD-VALUE.
    """
    check_classes(plan.suite, plan.kind)
    recipe = recipe_named(plan.recipe_name)
    if (recipe.kl_weight is not None) != plan.network.startswith(BAYESIAN):
        fitting = [name for name, other in RECIPES.items() if other.kl_weight != recipe.kl_weight]
        raise BenchError(
            "E-BAD-VALUE",
            f"recipe: got {plan.recipe_name} for {plan.network}, expected one of {fitting}",
        )


def setting_of(plan: Plan, work: str, folder: Path, progress: Progress) -> Setting:
    """Loads the training set and says where the work is kept while it is unfinished.

    Args:
        plan: What and from which seed.
        work: Tells apart what is made from the same plan.
        folder: Where the result will be; checkpoints lie beside it, in a folder whose name
            depends on all that the work depends on.
        progress: Called with (what, done, total).

    Raises:
        BenchError: If the plan names something unknown or the data is missing.
    """
    check_trainable(plan)
    recipe, device = recipe_named(plan.recipe_name), choose_device(plan.device)
    images = training_set(plan.suite, root=plan.root, limit=recipe.images, progress=progress)

    def outliers() -> TrainingSet:
        found = outlier_training_set(plan.suite, root=plan.root, progress=progress)
        return TrainingSet.on(device, found)

    facts = (plan.suite, plan.network, plan.seed, recipe, device.type, images.fingerprint)
    identity = hashlib.sha256(repr((facts, work, program())).encode()).hexdigest()
    return Setting(
        plan.network,
        TrainingSet.on(device, images, augment=recipe.augment and plan.spec.augment),
        recipe,
        plan.stream,
        outliers=outliers,
        checkpoints=folder.parent / f".{folder.name}.{identity[:8]}.unfinished",
        progress=progress,
    )


def fresh_model(plan: Plan) -> Normalised:
    """An untrained network behind the suite's normalisation; a flow takes images as they are.

    Raises:
        BenchError: E-UNKNOWN-ARCHITECTURE, or E-BAD-VALUE if a flow is of grey images and the
            suite's have colours.
    """
    channels, generator = plan.spec.shape[0], plan.stream("initialisation")
    device = choose_device(plan.device)
    if plan.network in FLOWS:
        form = FLOWS[plan.network]
        if channels > form.channels:
            raise BenchError(
                "E-BAD-VALUE",
                f"{plan.network}: is of images of one channel, {plan.suite} has {channels}",
            )
        return Normalised(fresh_flow(form, generator)).to(device)
    network = initialised(
        plan.network, classes=plan.spec.classes, channels=channels, generator=generator
    )
    return Normalised(network, plan.spec.mean, plan.spec.std).to(device)
