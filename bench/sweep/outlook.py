"""How far a sweep is, and how long it will take by what its units have taken so far."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from bench.store.claims import Status
from bench.sweep.units import Unit


@dataclass(frozen=True, slots=True)
class Outlook:
    """A sweep at one moment.

    Args:
        total: Units.
        done: Of them, scored and stored.
        failed: Of them, ended without a result.
        blocked: Of them, not to be begun, as their dense network failed.
        working: Unit and progress of those that are being done.
        left: Seconds until all is done; None if nobody can tell yet.
    """

    total: int
    done: int
    failed: int
    blocked: int
    working: Sequence[tuple[Unit, Status]]
    left: float | None


Expectation = Callable[[Unit], float]  # seconds that a unit will take


def outlook(
    units: Sequence[Unit],
    found: Mapping[str, Status],
    workers: int,
    expect: Expectation | None = None,
) -> Outlook:
    """What is known of a sweep.

    Args:
        units: All of it.
        found: Key -> progress, as `status_of` gives it.
        workers: That share what is left.
        expect: In place of what the units that are done tell.
    """
    state = {unit.key: found[unit.key].state for unit in units if unit.key in found}
    waiting = [unit for unit in units if state.get(unit.key) not in ("done", "failed")]
    blocked = [u for u in waiting if u.parent and state.get(u.parent.key) == "failed"]
    working = [
        (unit, found[unit.key])
        for unit in units
        if state.get(unit.key) == "claimed" and not found[unit.key].lapsed
    ]
    expect = expect or expectation(units, found)
    left = None
    if expect:
        spent = sum(min(progress.seconds, expect(unit)) for unit, progress in working)
        ahead = sum(map(expect, waiting)) - sum(map(expect, blocked)) - spent
        sharing = min(max(workers, len(working)), len(waiting) - len(blocked))
        left = ahead / max(sharing, 1)
    states = list(state.values())
    counts = states.count("done"), states.count("failed"), len(blocked)
    return Outlook(len(units), *counts, working, left)


def expectation(units: Sequence[Unit], found: Mapping[str, Status]) -> Expectation | None:
    """Seconds that a unit will take: as those took that are most like it; None if none is done."""
    taken: dict[tuple[object, ...], list[float]] = {}
    for unit in units:
        if unit.key in found and found[unit.key].state == "done":
            for like in _alike(unit):
                taken.setdefault(like, []).append(found[unit.key].seconds)
    usual = {like: mean(seconds) for like, seconds in taken.items()}
    if not usual:
        return None
    return lambda unit: next(usual[like] for like in _alike(unit) if like in usual)


def _alike(unit: Unit) -> list[tuple[object, ...]]:
    """Groups that a unit is in, from the closest to that of all."""
    world = unit.plan.suite, unit.plan.network
    return [(*world, unit.cut.pruner if unit.cut else "dense"), world, ()]
