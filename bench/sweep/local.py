"""Workers as processes of this machine, each of few threads, watched and replaced when they die."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue

import torch

from bench.environment import choose_device
from bench.errors import BenchError
from bench.store import Store, open_store
from bench.store.claims import give_back, status_of
from bench.sweep.work import Workplace, check_idle, gone, work

PAUSE = 0.2  # seconds between two looks at the workers
GRACE = 10.0  # seconds in which a worker may end by itself
FAULT = 1  # exit code of Python after an error that nobody caught
TERMINATED = 128 + signal.SIGTERM  # exit code of a worker that was asked to end


def work_locally(
    place: Workplace, *, workers: int, threads: int, look: Callable[[Store], None]
) -> None:
    """Runs all units in processes of their own.

    Args:
        place: What is to be done, and where.
        workers: Processes.
        threads: Of each, for torch; one worker gives the same bytes as many of as many threads.
        look: Called again and again while they work.

    Raises:
        BenchError: What a worker could not go on after, as E-DISK-FULL; E-WORKERS-KILLED if too
            many are killed one after another while none works at a unit.
    """
    context = _context()
    told = context.SimpleQueue()

    def begun() -> BaseProcess:
        process: BaseProcess = context.Process(
            target=_worker, args=(place, threads, told), daemon=True
        )
        process.start()
        return process

    with open_store(place.store) as store:
        give_back(store, gone, blame=False)
        processes, idle = [begun() for _ in range(workers)], 0
        try:
            while processes:
                look(store)
                time.sleep(PAUSE)
                ended = [one for one in processes if not one.is_alive()]
                processes = [one for one in processes if one not in ended]
                if not told.empty():
                    raise _error(told.get())
                if killed := sum(bool(one.exitcode) for one in ended):
                    worked = give_back(store, gone, blame=True) or _at_work(store)
                    if not worked and any(one.exitcode == FAULT for one in ended):
                        raise _error(None)
                    idle = 0 if worked else idle + killed
                    check_idle(idle)
                    processes += [begun() for _ in range(killed)]
        finally:
            for process in processes:
                process.terminate()
            until = time.monotonic() + GRACE
            for process in processes:
                process.join(max(until - time.monotonic(), 0))
                process.kill()
                process.join()
            give_back(store, gone, blame=False)
            look(store)


def _context() -> ForkServerContext | SpawnContext:
    """How workers start: on Linux forked from one process that has imported everything.

    Elsewhere libraries of the system do not survive a fork.
    """
    if sys.platform != "linux":
        return get_context("spawn")
    forked = get_context("forkserver")
    forked.set_forkserver_preload([__name__])
    return forked


def _error(told: tuple[str, str] | None) -> Exception:
    """What a worker could not go on after; None is a fault."""
    return BenchError(*told) if told else RuntimeError("a worker failed; what it says is above")


def _at_work(store: Store) -> bool:
    return any(one.state == "claimed" and not one.lapsed for one in status_of(store).values())


def _worker(place: Workplace, threads: int, told: "SimpleQueue[tuple[str, str] | None]") -> None:
    """A process: works until nothing is left, or until the sweep is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the sweep, which ends its workers
    threading.Thread(target=_end_with_the_sweep, daemon=True).start()
    torch.set_num_threads(threads)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it tidies up
    try:
        try:
            work(place)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already
    except BenchError as error:
        told.put((error.code, error.message))
    except KeyboardInterrupt:
        sys.exit(TERMINATED)
    except Exception:
        told.put(None)
        raise


def _end_with_the_sweep() -> None:
    sweep = multiprocessing.parent_process()
    if sweep:
        sweep.join()
    os._exit(1)


def usual_workers(device: str, threads: int) -> int:
    """As many workers as there are cores for their threads; on an accelerator one."""
    if choose_device(device).type != "cpu":
        return 1
    has = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, has // threads)
