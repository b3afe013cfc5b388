"""The dense run that a pruned one starts from or is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.environment import choose_device
from bench.errors import BenchError
from bench.models import Normalised
from bench.plans import Plan
from bench.submissions import load_submission
from bench.submissions.card import read_card


@dataclass(frozen=True, slots=True)
class Parent:
    """A dense network and what is known about it.

    Args:
        plan: The asked one, with what it leaves open as the parent has it.
        model: On the plan's device; None if there is no parent.
        sha256: Of its weights.
        epochs: That it was trained, if its card says so.
    """

    plan: Plan
    model: Normalised | None = None
    sha256: str | None = None
    epochs: int | None = None


def parent_of(plan: Plan, source: Path | None, *, needed_by: str | None) -> Parent:
    """Loads a parent and checks that it is of the plan.

    Args:
        plan: As asked.
        source: Submission folder or weights file; a bare file gets the suite's normalisation.
        needed_by: Pruner that cannot do without one.

    Raises:
        BenchError: E-BAD-VALUE if it is missing though needed, or if seed, suite, recipe or
            architecture are others; all that refuses a submission.
    """
    if source is None:
        if needed_by:
            raise BenchError(
                "E-BAD-VALUE", f"{needed_by} prunes a trained network: give its folder with --from"
            )
        return Parent(plan)
    spec = plan.spec
    loaded = load_submission(source, architecture=plan.architecture, mean=spec.mean, std=spec.std)
    training: Mapping[str, Any] = read_card(source)["training"] if source.is_dir() else {}
    facts: dict[str, Any] = {
        "suite": training.get("suite"),
        "seed": loaded.record.seed,
        "architecture": loaded.record.architecture,
        "recipe": loaded.record.recipe,
    }
    known = {name: value for name, value in facts.items() if value is not None}
    for name, value in known.items():
        asked = getattr(plan, name)
        if asked not in (None, value):
            raise BenchError(
                "E-BAD-VALUE",
                f"{name}: got {asked}, the parent {source} has {value}; "
                f"a pruned run is compared with the dense run of the same {name}",
            )
    return Parent(
        replace(plan, **known),
        loaded.model.to(choose_device(plan.device)),
        loaded.record.weights_sha256,
        training.get("epochs"),
    )
