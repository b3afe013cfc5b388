"""What a worker does: claims a unit, makes and scores its network, stores the run, and so on.

Killed at any moment it loses no more than the work since its last checkpoint: a whole submission
folder is there or not, and the run comes into the store together with the end of its claim.
"""

import errno
import os
import platform
import secrets
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.baselines import prune, train_dense
from bench.data import Progress, Suite, load_suite
from bench.errors import BenchError
from bench.evaluation import evaluate
from bench.store import Store, open_store
from bench.store.claims import LEASE, claim, fail, finish, progress_of, renew
from bench.submissions import load_submission
from bench.submissions.card import FILE
from bench.sweep.units import Unit

RENEWED = 4  # times that a claim is renewed within its lease
PAUSE = 0.5  # seconds until a worker without a ready unit looks again
OF_THE_PLACE = ("E-NO-STORE", "E-DISK-FULL")  # errors that no other unit would escape


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where the work is done.

    Args:
        units: All of the sweep.
        store: URL of the store.
        out: Folder of the submissions.
        lease: Seconds that a claim holds without being renewed.
    """

    units: Sequence[Unit]
    store: str
    out: Path
    lease: float = LEASE


def work(place: Workplace) -> None:
    """Does units until none is left to do, and none is being done that might come back.

    Raises:
        BenchError: E-NO-STORE or E-DISK-FULL, which no other unit would escape.
    """
    owner = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(4)}"
    wanted = [unit.wanted for unit in place.units]
    by_key = {unit.key: unit for unit in place.units}
    with open_store(place.store) as store:
        while True:
            key = claim(store, wanted, owner, lease=place.lease)
            if key:
                _do(by_key[key], place, store, owner)
            elif any(one.state == "claimed" for one in progress_of(store, by_key.keys()).values()):
                time.sleep(PAUSE)
            else:
                return


def gone(owner: str) -> bool:
    """Whether the process of an owner on this machine has ended; of other machines none has."""
    host, process, _ = owner.rsplit(":", 2)
    if host != platform.node():
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
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise BenchError("E-DISK-FULL", f"{unit.name}: {error}") from error
            fail(store, unit.key, owner, _last_words(error))
        except Exception as error:  # a fault in one unit is written down and does not stop others
            fail(store, unit.key, owner, _last_words(error))


def made(unit: Unit, out: Path, progress: Progress) -> Path:
    """The submission folder of a unit; trained and pruned now if it is not there.

    So is that of its parent, which another machine may have made.
    """
    folder = out / unit.folder
    if (folder / FILE).is_file():
        return folder
    if unit.cut is None:
        return train_dense(unit.plan, folder, progress=progress)
    parent = made(unit.parent, out, progress) if unit.parent else None
    return prune(unit.plan, unit.cut, folder, parent=parent, progress=progress)


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
        while not ended.wait(place.lease / RENEWED):
            with suppress(BenchError):  # busy or gone: the end of the unit will tell
                renew(store, unit.key, owner, note, lease=place.lease)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        ended.set()
        thread.join()


def _last_words(error: Exception) -> str:
    return "".join(traceback.format_exception(error)[-2:])
