"""The dense run that a pruned one starts from or is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.environment import choose_device
from bench.errors import BenchError
from bench.models import ends
from bench.plans import Plan
from bench.recipes import RECIPES
from bench.records import BAYESIAN
from bench.submissions import LoadedSubmission, load_submission
from bench.submissions.card import read_card

SOME_ZEROS = 0.01  # share of zeros that a dense network may have


@dataclass(frozen=True, slots=True)
class Parent:
    """A dense network and what is known about it.

    Args:
        plan: The asked one, with what it leaves open as the parent has it.
        loaded: The network, on the plan's device; None if there is no parent.
        training: What its card says of its training; empty for a bare file.
    """

    plan: Plan
    loaded: LoadedSubmission | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str | None:
        """Of the weights."""
        return self.loaded.record.weights_sha256 if self.loaded else None


def parent_of(plan: Plan, source: Path | None) -> Parent:
    """Loads a parent and checks that it is of the plan, and dense.

    Args:
        plan: As asked.
        source: Submission folder or weights file; a bare file gets the suite's normalisation.

    Raises:
        BenchError: E-BAD-VALUE if it is not dense, does not fit the suite, or is of another seed,
            suite, recipe or architecture; all that refuses a submission.
    """
    if source is None:
        return Parent(plan)
    spec = plan.spec
    loaded = load_submission(source, architecture=plan.architecture, mean=spec.mean, std=spec.std)
    loaded.model.to(choose_device(plan.device))
    training = told_by(source)
    _check_dense(loaded, plan, source)
    facts: dict[str, Any] = {name: training[name] for name in ("suite", "seed") if name in training}
    bayesian = loaded.record.kind == "bayesian"
    facts["architecture"] = BAYESIAN * bayesian + loaded.record.architecture
    if training.get("recipe") in RECIPES:  # else it is of the owner's own
        facts["recipe"] = training["recipe"]
    for name, value in facts.items():
        if getattr(plan, name) not in (None, value):
            raise BenchError(
                "E-BAD-VALUE",
                f"{name}: got {getattr(plan, name)}, the parent {source} has {value}; "
                f"a pruned run is compared with the dense run of the same {name}",
            )
    return Parent(replace(plan, **facts), loaded, training)


def told_by(source: Path | None) -> dict[str, Any]:
    """What the card of a parent says of its training; nothing of a bare file, or of none."""
    if source is None or not source.is_dir():
        return {}
    return read_card(source).training.model_dump(exclude_none=True)


def _check_dense(loaded: LoadedSubmission, plan: Plan, source: Path) -> None:
    record = loaded.record
    if record.kind == "ensemble":
        raise BenchError(
            "E-BAD-VALUE", f"the parent {source} is an ensemble, expected one of its members"
        )
    if record.pruner not in (None, "dense") or (record.measured_sparsity or 0) > SOME_ZEROS:
        raise BenchError(
            "E-BAD-VALUE",
            f"the parent {source} is pruned ({record.pruner or 'unnamed'}, measured sparsity "
            f"{record.measured_sparsity:g}), expected a dense network",
        )
    if record.kind == "flow":
        return  # knows no classes, and refuses images that it cannot take
    spec = plan.spec
    channels, classes = ends(loaded.model)
    if (channels, classes) != (spec.shape[0], spec.classes):
        raise BenchError(
            "E-BAD-VALUE",
            f"the parent {source} takes {channels} channels and tells {classes} classes apart, "
            f"{plan.suite} has {spec.shape[0]} and {spec.classes}",
        )
