"""A sweep as people see it: its plan, a live table, its state, its end."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from bench.cli.printing import print_rows
from bench.cli.progress import shown
from bench.errors import one_line
from bench.store import Store, is_there, open_store, shown_url
from bench.store.claims import Status, status_of
from bench.sweep.outlook import Outlook, expectation, outlook
from bench.sweep.units import Unit

EVERY = 1.0  # seconds between two looks at the store
SHARE = 0.01  # of the time that the looks may take
LINES_EVERY = 60.0  # seconds between two plain lines while nothing ends
Found = Mapping[str, Status]


def print_plan(
    units: Sequence[Unit], store: str, *, workers: int, threads: int, quiet: bool
) -> None:
    """Every unit, what it is pruned from, and how long all will take."""
    from bench.sweep.probe import probe

    found = _begun(units, store)
    expect = expectation(units, found)
    source = "those took that are done"
    if expect is None:
        source = "a few steps of each network tell"
        with shown(quiet) as progress:
            expect = probe(units, threads=threads, progress=progress)
    rows = [
        (unit.name, unit.parent.name if unit.parent else "", _state(found.get(unit.key)), about)
        for unit in units
        for about in [duration(expect(unit))]
    ]
    print_rows(("unit", "from", "state", "about"), rows)
    dense = sum(unit.parent is None for unit in units)
    view = outlook(units, found, workers, expect)
    print(f"{len(units)} units, {dense} of them dense networks that others share", file=sys.stderr)
    print(f"{_sentence(view)} on {workers} workers, as {source}", file=sys.stderr)


def print_status(units: Sequence[Unit], found: Found, workers: int) -> None:
    """A row a pruner, a column a sparsity, how many seeds are done; then what is not well."""
    cells: dict[str, dict[float, list[str]]] = {}
    for unit in units:
        name, sparsity = _place(unit)
        cells.setdefault(name, {}).setdefault(sparsity, []).append(_state(found.get(unit.key)))
    sparsities = sorted({sparsity for row in cells.values() for sparsity in row})
    rows = [
        (name, *(_count(row[one]) if one in row else "" for one in sparsities))
        for name, row in cells.items()
    ]
    print_rows(("", *(f"{sparsity:g}" for sparsity in sparsities)), rows)
    view = outlook(units, found, workers)
    for unit, status in view.working:
        print(f"{unit.name}: {status.note}, for {duration(status.seconds)}")
    print(_sentence(view))
    _print_failures(units, found)


@contextmanager
def watching(units: Sequence[Unit], workers: int, quiet: bool) -> Iterator[Callable[[Store], None]]:
    """What shows a sweep as it goes on: a live table on a terminal, plain lines elsewhere."""
    if quiet:
        yield lambda store: None
    elif sys.stderr.isatty():
        with Live(console=Console(stderr=True), auto_refresh=False) as live:
            yield _Looks(units, workers, lambda view: live.update(_table(view), refresh=True))
    else:
        yield _Looks(units, workers, _Lines())


def tell(units: Sequence[Unit], found: Found, out: Path, store: str) -> int:
    """How it ended, and where the results are; the exit code."""
    store = shown_url(store)
    view = outlook(units, found, 1)
    print(_sentence(view), file=sys.stderr)
    _print_failures(units, found)
    done = [unit for unit in units if _state(found.get(unit.key)) == "done"]
    elsewhere = sum(not (out / unit.folder).is_dir() for unit in done)
    if elsewhere:
        print(f"{elsewhere} of the {len(done)} submissions are not in {out}/", file=sys.stderr)
    print(f"Submissions: {out}/; every run: bench runs --store {store}", file=sys.stderr)
    print(f"The page: bench leaderboard --store {store}", file=sys.stderr)
    return code_of(view, found.values())


def code_of(view: Outlook, found: Iterable[Status]) -> int:
    """Exit code: 0 if all is done, 2 if units failed for a reason with a code, 1 for a fault."""
    notes = [one.note for one in found if one.state == "failed"]
    if view.done == view.total:
        return 0
    if view.done + view.failed + view.blocked < view.total:
        return 1
    return 2 if all(note.startswith("E-") for note in notes) else 1


def duration(seconds: float) -> str:
    """`2 h 05 min`, `3 min`, `20 s`."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min" if seconds >= 90 else f"{seconds:.0f} s"


class _Looks:
    """A look at the store now and then, seldom enough to cost next to nothing."""

    def __init__(
        self, units: Sequence[Unit], workers: int, show: Callable[[Outlook], None]
    ) -> None:
        self.units, self.workers, self.show = units, workers, show
        self.due = 0.0

    def __call__(self, store: Store) -> None:
        begun = time.monotonic()
        if begun >= self.due:
            found = status_of(store, [unit.key for unit in self.units])
            self.show(outlook(self.units, found, self.workers))
            self.due = begun + max(EVERY, (time.monotonic() - begun) / SHARE)


class _Lines:
    """A line whenever a unit ends, and now and then one in between."""

    def __init__(self) -> None:
        self.ended, self.due = -1, 0.0

    def __call__(self, view: Outlook) -> None:
        ended, now = view.done + view.failed, time.monotonic()
        if ended != self.ended or now >= self.due:
            self.ended, self.due = ended, now + LINES_EVERY
            working = "; ".join(f"{unit.name}, {one.note}" for unit, one in view.working)
            print(_sentence(view), working, sep=": " if working else "", file=sys.stderr)


def _table(view: Outlook) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=view.total, completed=view.done + view.failed, width=28)
    table.add_row(_sentence(view), bar, "")
    for unit, status in view.working:
        table.add_row(unit.name, status.note, duration(status.seconds))
    return table


def _sentence(view: Outlook) -> str:
    parts = [f"{view.done}/{view.total} done"]
    if view.failed:
        parts.append(f"{view.failed} failed")
    if view.blocked:
        parts.append(f"{view.blocked} wait for a dense network that failed")
    if view.left is not None and view.done + view.failed + view.blocked < view.total:
        parts.append(f"{duration(view.left)} left")
    return ", ".join(parts)


def _print_failures(units: Sequence[Unit], found: Found) -> None:
    failed = [unit for unit in units if _state(found.get(unit.key)) == "failed"]
    for unit in failed:
        print(f"{unit.name} failed: {one_line(found[unit.key].note)}", file=sys.stderr)
    if failed:
        print("Once that is mended: the same command with --retry-failed.", file=sys.stderr)


def _place(unit: Unit) -> tuple[str, float]:
    """Row and column of a unit."""
    world = f"{unit.plan.suite} {unit.plan.network}"
    if unit.cut is None:
        return f"{world} dense", 0.0
    slug = unit.name.split()[2].removesuffix(f"-{unit.cut.sparsity:g}")
    return f"{world} {slug}", unit.cut.sparsity


def _state(status: Status | None) -> str:
    if status is None:
        return ""
    return "was begun" if status.lapsed else status.state


def _count(states: Sequence[str]) -> str:
    failed = f", {states.count('failed')} failed" if "failed" in states else ""
    return f"{states.count('done')}/{len(states)}{failed}"


def _begun(units: Sequence[Unit], store: str) -> Found:
    """What the store knows of the units; a store that is not there knows nothing."""
    if not is_there(store):
        return {}
    with open_store(store, readonly=True) as opened:
        return status_of(opened, [unit.key for unit in units])
