"""Progress on stderr: a bar with the time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Report = Callable[[str, int, int], None]
LINES_EVERY = 10.0  # seconds between two plain lines of the same work


@contextmanager
def shown(quiet: bool) -> Iterator[Report]:
    """A report of (what, done, total) that shows each kind of work as it advances.

    What stands behind a comma (`training, 2.718 bits/dim`) tells of the moment: the work is the
    same.
    """
    if quiet:
        yield lambda what, done, total: None
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _Bars(bars)
    else:
        yield _Lines()


def under(name: str, progress: Report) -> Report:
    """The same report, its work named as part of something larger."""
    return lambda what, done, total: progress(f"{name}: {what}", done, total)


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.ids: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        work = _work(what)
        if work not in self.ids:
            self.ids[work] = self.bars.add_task(what, total=total)
        self.bars.update(self.ids[work], description=what, completed=done, total=total)


class _Lines:
    def __init__(self) -> None:
        self.started: dict[str, float] = {}
        self.printed: dict[str, float] = {}
        self.again: set[str] = set()  # work of which there is more than one round

    def __call__(self, what: str, done: int, total: int) -> None:
        now, work = time.monotonic(), _work(what)
        if done == 0 and work in self.started:
            self.again.add(work)
            self.started[work] = self.printed[work] = now
        began = self.started.setdefault(work, now)
        minor = done < total or work in self.again
        if minor and now - self.printed.get(work, began) < LINES_EVERY:
            return
        self.printed[work] = now
        left = (now - began) / max(done, 1) * (total - done)
        print(f"{what}: {done}/{total}, {left:.0f} s left", file=sys.stderr, flush=True)


def _work(what: str) -> str:
    return what.partition(", ")[0]
