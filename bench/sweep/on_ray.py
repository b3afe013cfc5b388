"""Workers as tasks of a Ray cluster: the same loop, with its results through the store alone.

The only import of Ray.
"""

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from bench.errors import BenchError
from bench.store import Store, open_store
from bench.store.claims import give_back
from bench.sweep.work import Workplace, gone, work

PAUSE = 1.0  # seconds between two looks at the store


def work_on_ray(
    place: Workplace,
    *,
    address: str,
    workers: int | None,
    threads: int,
    gpus: float,
    look: Callable[[Store], None],
) -> None:
    """Runs all units in tasks of a cluster; a task of a lost node is begun again on another.

    Args:
        place: What is to be done, and where: every node needs this package, the data root and the
            store at the same address; where the folder is not shared, each trains its own parents.
        address: Of the cluster, as `ray.init` takes it; `auto` for the one on this machine.
        workers: Tasks; None for as many as the cluster has room for now.
        threads: CPUs of each.
        gpus: Of each.
        look: Called again and again while they work.

    Raises:
        BenchError: E-MISSING-PACKAGE; E-BAD-VALUE if there is no such cluster, or a SQLite store is
            to be shared by several hosts; what a worker could not go on after.
    """
    if find_spec("ray") is None:
        raise BenchError("E-MISSING-PACKAGE", "--ray needs Ray: pip install 'sparse-bench[ray]'")
    ray: Any = import_module("ray")  # which takes a second
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BenchError("E-BAD-VALUE", f"--ray: no cluster at {address}: {error}") from error
    try:
        _check_reach(place, {node["NodeManagerHostname"] for node in ray.nodes()})
        room = _room(ray.cluster_resources(), threads, gpus)
        task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=-1)(_task)
        running = [task.remote(place, threads, Path.cwd()) for _ in range(workers or room)]
        with open_store(place.store) as store:
            give_back(store, gone, blame=False)
            while running:
                look(store)
                ended, running = ray.wait(running, timeout=PAUSE)
                for told in ray.get(ended):
                    if told:
                        raise BenchError(*told)
            look(store)
    finally:
        ray.shutdown()


def _task(place: Workplace, threads: int, folder: Path) -> tuple[str, str] | None:
    """One worker on some node; the error that it could not go on after, if any."""
    if folder.is_dir():  # where a pruner of the user's own and a relative path are looked for
        os.chdir(folder)
    torch.set_num_threads(threads)
    try:
        work(place)
    except BenchError as error:
        return error.code, error.message
    return None


def _room(has: dict[str, Any], threads: int, gpus: float) -> int:
    """Tasks that a cluster of these resources can hold at once."""
    room = int(has.get("CPU", 0) // threads)
    if gpus:
        room = min(room, int(has.get("GPU", 0) // gpus))
    if not room:
        raise BenchError(
            "E-BAD-VALUE",
            f"--ray: a worker wants {threads} CPUs and {gpus:g} GPUs, the cluster has "
            f"{has.get('CPU', 0):g} and {has.get('GPU', 0):g}",
        )
    return room


def _check_reach(place: Workplace, hosts: set[str]) -> None:
    if len(hosts) > 1 and place.store.startswith("sqlite"):
        raise BenchError(
            "E-BAD-VALUE",
            f"--store: got a SQLite file for the hosts {sorted(hosts)}, expected a database that "
            "all of them reach, e.g. postgresql+psycopg://user@host/bench",
        )
