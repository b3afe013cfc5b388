"""Kills a worker at every place where it writes, one after another, until no place is new.

Run as `python -m tests.sweep.faults URL FOLDER`. A place is the moment before or after a commit, an
fsync or a rename, named by the functions that it happens in. Each worker is killed at the first
place where none was killed before, and the next goes on, grid after grid, until one ends without
a new place. All of them are in FOLDER/seen.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sqlalchemy.engine.default import DefaultDialect

import bench
from bench.recipes import RECIPES
from bench.store import open_store
from bench.store.claims import give_back, status_of
from bench.sweep import units as planning
from bench.sweep.work import gone, work
from tests.sweep.grids import FEW, SHORT, small, workplace

HOME = str(Path(bench.__file__).parent)
CALLERS = 2  # functions of the package that tell a place from others


def killing(function: Callable[..., Any], what: str, seen: Path) -> Callable[..., Any]:
    """The function, with death before it or after it where nobody died yet."""

    def call(*arguments: Any, **named: Any) -> Any:
        die_once(f"before {what} in {place()}", seen)
        result = function(*arguments, **named)
        die_once(f"after {what} in {place()}", seen)
        return result

    return call


def place() -> str:
    """The innermost functions of the package that are running."""
    frame, names = sys._getframe(2), []
    while frame and len(names) < CALLERS:
        if frame.f_code.co_filename.startswith(HOME):
            names.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
        frame = frame.f_back  # type: ignore[assignment]
    return " of ".join(names)


def die_once(name: str, seen: Path) -> None:
    known = seen.read_text().splitlines() if seen.exists() else []
    if name not in known:
        with seen.open("a") as stream:
            stream.write(f"{name}\n")
        os.kill(os.getpid(), signal.SIGKILL)


def worker(url: str, folder: Path, seed: int) -> None:
    """A worker whose every write may be its last."""
    seen = folder / "seen"
    os.fsync = killing(os.fsync, "fsync", seen)
    for name in ("replace", "rename"):
        setattr(Path, name, killing(getattr(Path, name), name, seen))
    DefaultDialect.do_commit = killing(  # type: ignore[method-assign]
        DefaultDialect.do_commit, "commit", seen
    )
    with open_store(url) as store:
        give_back(store, gone, blame=False)
    work(workplace(units(seed), url, folder, lease=1.0))


def units(seed: int) -> list[Any]:
    return small(pruners=["imp"], seeds=[seed])


def main(url: str, folder: Path) -> None:
    torch.set_num_threads(1)
    RECIPES["digits-20"] = SHORT  # type: ignore[index]
    planning.usual = lambda kind: FEW
    seed = deaths = 1
    while True:
        child = os.fork()
        if not child:
            worker(url, folder, seed)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        deaths += os.WIFSIGNALED(status)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            if deaths == 0:
                break  # a whole grid without a place that is new
            seed, deaths = seed + 1, 0
    keys = [unit.key for number in range(1, seed + 1) for unit in units(number)]
    with open_store(url) as store:
        assert {one.state for one in status_of(store, keys).values()} == {"done"}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
