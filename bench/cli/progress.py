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
    """A report of (what, done, total) that shows each kind of work as it advances."""
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
        if what not in self.ids:
            self.ids[what] = self.bars.add_task(what, total=total)
        self.bars.update(self.ids[what], completed=done, total=total)


class _Lines:
    def __init__(self) -> None:
        self.started: dict[str, float] = {}
        self.printed: dict[str, float] = {}
        self.again: set[str] = set()  # work of which there is more than one round

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done == 0 and what in self.started:
            self.again.add(what)
            self.started[what] = self.printed[what] = now
        began = self.started.setdefault(what, now)
        minor = done < total or what in self.again
        if minor and now - self.printed.get(what, began) < LINES_EVERY:
            return
        self.printed[what] = now
        left = (now - began) / max(done, 1) * (total - done)
        print(f"{what}: {done}/{total}, {left:.0f} s left", file=sys.stderr, flush=True)
