"""Times of works that take turns, and what is said of them."""

import statistics
import sys
import time
from collections.abc import Callable

Clock = Callable[[], float]


def seconds(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """How long it takes, once."""
    started = clock()
    work()
    return clock() - started


def interleaved(
    rounds: int, clock: Clock = time.perf_counter, **works: Callable[[], object]
) -> dict[str, float]:
    """Median seconds of each work; all take turns, so that a slow moment meets all."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(seconds(work, clock))
    return {name: statistics.median(times) for name, times in taken.items()}


def said(text: str) -> None:
    """A line of the report of `make bench`."""
    sys.stdout.write(f"\n{text}\n")
