"""What a worker does: claims a unit, makes and scores its network, stores the run, and so on.

Killed at any moment it loses no more than the work since its last checkpoint: a whole submission
folder is there or not, and the run comes into the store together with the end of its claim.
"""

import fcntl
import os
import platform
import secrets
import shutil
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bench.baselines import prune, train_dense
from bench.data import Progress, Suite, load_suite
from bench.environment import program
from bench.errors import BenchError
from bench.evaluation import evaluate
from bench.files import is_full
from bench.store import Store, open_store
from bench.store.claims import LEASE, claim, fail, finish, renew, unfinished
from bench.submissions import load_submission
from bench.submissions.card import FILE
from bench.sweep.units import Unit, check_unchanged

RENEWED = 4  # times that a claim is renewed within its lease
PAUSE = 0.5  # seconds until a worker without a ready unit looks again
OF_THE_PLACE = ("E-NO-STORE", "E-DISK-FULL")  # errors that no other unit would escape


IDLE = 20  # workers killed one after another, none at a unit, after which others would be too


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where the work is done.

    Args:
        units: All of the sweep.
        store: URL of the store.
        out: Folder of the submissions.
        lease: Seconds that a claim holds without being renewed.
        program: By which the keys of the units were made.
    """

    units: Sequence[Unit]
    store: str
    out: Path
    lease: float = LEASE
    program: Sequence[str] = field(default_factory=program)


def work(place: Workplace) -> None:
    """Does units until none is left to do, and none is being done that might come back.

    Raises:
        BenchError: E-NO-STORE or E-DISK-FULL, which no other unit would escape; E-BAD-VALUE if
            this process computes by another program than the units are of.
    """
    _check_program(place)
    owner = f"{owner_here()}:{secrets.token_hex(4)}"
    wanted = [unit.wanted for unit in place.units]
    by_key = {unit.key: unit for unit in place.units}
    with open_store(place.store) as store:
        while True:
            key = claim(store, wanted, owner, lease=place.lease)
            if key:
                _do(by_key[key], place, store, owner)
            elif unfinished(store, wanted):
                time.sleep(PAUSE)
            else:
                return


def check_idle(idle: int) -> None:
    """Refuses to begin yet another worker where so many died before they began a unit.

    Raises:
        BenchError: E-WORKERS-KILLED.
    """
    if idle >= IDLE:
        raise BenchError(
            "E-WORKERS-KILLED",
            f"got {idle} workers killed one after another before they began a unit, mostly for "
            "want of memory; take fewer --workers",
        )


def _check_program(place: Workplace) -> None:
    if list(program()) != list(place.program):
        raise BenchError(
            "E-BAD-VALUE",
            f"{platform.node()} computes by {program()}, expected {list(place.program)} (torch, "
            "sparse-bench, its files): install the same everywhere, or begin the sweep anew",
        )


@cache
def machine() -> str:
    """Name of this machine, on Linux also of its start and of its room for processes.

    Two containers may have one name, and each processes of the same numbers.
    """
    boot, room = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if not boot.is_file():
        return platform.node()
    return f"{platform.node()}:{boot.read_text()[:8]}:{room.stat().st_ino}"


def owner_here() -> str:
    """What the owner of every claim of this process begins with."""
    return f"{machine()}:{os.getpid()}"


def gone(owner: str) -> bool:
    """Whether the process of an owner on this machine has ended; of other machines none has."""
    host, process, _ = owner.rsplit(":", 2)
    if host != machine():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _do(unit: Unit, place: Workplace, store: Store, owner: str) -> None:
    """One unit, from the claim to its end; what goes wrong in it is written down there."""
    with _renewing(unit, place, store, owner) as progress:
        try:
            check_unchanged(unit)
            loaded = load_submission(made(unit, place.out, progress))
            suite = _suite(
                unit.plan.suite, unit.limit, unit.plan.root, unit.protocol.native_outlier_size
            )
            device = unit.plan.device
            run, outcomes = evaluate(
                loaded, suite, protocol=unit.protocol, device=device, progress=progress
            )
            finish(store, unit.key, owner, run, outcomes)
        except BenchError as error:
            if error.code in OF_THE_PLACE:
                raise
            fail(store, unit.key, owner, str(error))
        except (Exception, SystemExit) as error:  # which does not stop the others
            if isinstance(error, OSError) and is_full(error):
                raise BenchError("E-DISK-FULL", f"{unit.name}: {error}") from error
            fail(store, unit.key, owner, _last_words(error))


def made(unit: Unit, out: Path, progress: Progress) -> Path:
    """The submission folder of a unit; trained and pruned now if it is not there.

    So is that of its parent, which another machine may have made.
    """
    folder = out / unit.folder
    with _alone(folder):
        if (folder / FILE).is_file():
            return folder
        if unit.cut is None:
            return train_dense(unit.plan, folder, progress=progress)
        parent = made(unit.parent, out, progress) if unit.parent else None
        return prune(unit.plan, unit.cut, folder, parent=parent, progress=progress)


def checkpoints(unit: Unit, out: Path) -> set[tuple[str, int]]:
    """Name and time of each file from which the unfinished work at a unit could go on."""
    found = set()
    for file in out.glob(f".{unit.folder}.*.unfinished/*"):
        with suppress(FileNotFoundError):
            found.add((file.name, file.stat().st_mtime_ns))
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until nobody else makes a folder, and clears away what those left who were killed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.parent / f".{folder.name}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _clear_away(folder, but=".unfinished")
        yield
        _clear_away(folder)
        lock.unlink(missing_ok=True)


def _clear_away(folder: Path, *, but: str = "") -> None:
    for left in folder.parent.glob(f".{folder.name}.*"):
        if left.is_dir() and left.suffix != but:
            shutil.rmtree(left)


@cache
def _suite(name: str, limit: int | None, root: Path | None, native_size: bool) -> Suite:
    return load_suite(name, limit=limit, root=root, native_size=native_size)


@contextmanager
def _renewing(unit: Unit, place: Workplace, store: Store, owner: str) -> Iterator[Progress]:
    """Renews the claim in a thread while the work goes on; gives the progress that it tells."""
    note, ended = "begins", threading.Event()

    def progress(what: str, done: int, total: int) -> None:
        nonlocal note
        note = f"{what} {done}/{total}"

    def beat() -> None:
        before = checkpoints(unit, place.out)
        while not ended.wait(place.lease / RENEWED):
            now = checkpoints(unit, place.out)
            with suppress(BenchError):  # busy or gone: the end of the unit will tell
                renew(store, unit.key, owner, note, lease=place.lease, advanced=now != before)
                before = now

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        ended.set()
        thread.join()


def _last_words(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)[-2:])
