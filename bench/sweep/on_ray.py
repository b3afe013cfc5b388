"""Workers as actors of a Ray cluster: the same loop, with its results through the store alone.

The only import of Ray.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from bench.environment import choose_device
from bench.errors import BenchError
from bench.store import Store, open_store
from bench.store.claims import give_back
from bench.sweep.work import Workplace, check_idle, gone, owner_here, work

PAUSE = 1.0  # seconds between two looks at the store
PATIENCE = 60  # seconds until the cluster has to have answered, slow disks included
HASTE = {"RAY_gcs_rpc_server_connect_timeout_s": "3", "RAY_py_gcs_connect_timeout_s": "3"}
SILENCE = "RAY_DEDUP_LOGS_SKIP_REGEX"  # of what nodes say, which Ray prints to stdout


def work_on_ray(
    place: Workplace,
    *,
    address: str,
    workers: int | None,
    threads: int,
    gpus: float,
    look: Callable[[Store], None],
) -> None:
    """Runs all units in actors of a cluster; one that is lost is begun again where there is room.

    Args:
        place: What is to be done, and where: every node needs this package, the data root and the
            store at the same address; where the folder is not shared, each trains its own parents.
        address: HOST:PORT of the cluster, which this machine is a node of; `auto` for the one
            that was started on it.
        workers: Actors; None for as many as the cluster can hold at once.
        threads: CPUs of each.
        gpus: Of each.
        look: Called again and again while they work.

    Raises:
        BenchError: E-MISSING-PACKAGE, here or on a node; E-BAD-VALUE for no share of GPUs, if
            there is no such cluster or it cannot hold one worker, if a worker's device or program
            is not that of the units, or if a SQLite store is to be shared by several hosts; what a
            worker could not go on after.
    """
    if find_spec("ray") is None:
        raise BenchError("E-MISSING-PACKAGE", "--ray needs Ray: pip install 'sparse-bench[ray]'")
    _check_gpus(gpus)
    _check_cluster(address)
    os.environ.setdefault(SILENCE, "^")
    ray: Any = import_module("ray")  # which takes a second
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, str(error)) from error
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        _check_reach(place, {node["NodeManagerHostname"] for node in nodes})
        room = _room([node["Resources"] for node in nodes], threads, gpus)
        crew = _Crew(ray, place, threads, gpus)
        with open_store(place.store) as store:
            give_back(store, gone, blame=False)
            _watch(crew, workers or room, store, look)
    finally:
        ray.shutdown()


def _check_gpus(gpus: float) -> None:
    if gpus != round(gpus, 0 if gpus > 1 else 4):
        raise BenchError(
            "E-BAD-VALUE",
            f"--gpus: got {gpus:g}, expected a whole number, or a share of one GPU of at most four "
            "decimals, e.g. 0.25",
        )


def _check_cluster(address: str) -> None:
    """Asks in a process of its own: `ray.init` tries for minutes, and then ends the program."""
    if address == "local":  # for which Ray would begin a cluster, and ask for a token from then on
        raise _no_cluster(address, "that would begin one; without --ray the workers are local")
    ask = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    env = os.environ | HASTE
    try:
        subprocess.run(ask, env=env, check=True, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.CalledProcessError as error:
        raise _no_cluster(address, error.stderr.strip().rpartition("\n")[2]) from error
    except subprocess.TimeoutExpired as error:
        raise _no_cluster(address, f"no answer within {PATIENCE} seconds") from error


def _no_cluster(address: str, why: str) -> BenchError:
    return BenchError(
        "E-BAD-VALUE",
        f"--ray: got {address}, expected HOST:PORT of a cluster that this machine is a node of, or "
        f"auto; {why}",
    )


def _check_reach(place: Workplace, hosts: set[str]) -> None:
    if len(hosts) > 1 and place.store.startswith("sqlite"):
        raise BenchError(
            "E-BAD-VALUE",
            f"--store: got a SQLite file for the hosts {sorted(hosts)}, expected a database that "
            "all of them reach, e.g. postgresql+psycopg://user@host/bench",
        )


def _room(nodes: Sequence[Mapping[str, float]], threads: int, gpus: float) -> int:
    """Workers that nodes of these resources can hold at once; none is spread over two."""
    wants = {"CPU": threads, "GPU": gpus}
    room = sum(
        int(min(node.get(kind, 0) // much for kind, much in wants.items() if much))
        for node in nodes
    )
    if not room:
        has = ", ".join(f"{node.get('CPU', 0):g} and {node.get('GPU', 0):g}" for node in nodes)
        raise BenchError(
            "E-BAD-VALUE",
            f"--ray: a worker wants {threads} CPUs and {gpus:g} GPUs on one node, the nodes have "
            f"{has}",
        )
    return room


class _Worker:
    """What an actor is: one worker on some node."""

    def where(self) -> tuple[str, str]:
        """What the owner of all its claims begins with; its node."""
        ray: Any = import_module("ray")
        return f"{owner_here()}:", ray.get_runtime_context().get_node_id()

    def work(
        self, place: Workplace, threads: int, folder: Path, devices: set[str]
    ) -> tuple[str, str] | None:
        """The error that it could not go on after, if any."""
        if folder.is_dir():  # where a pruner of the user's own and a relative path are looked for
            os.chdir(folder)
        torch.set_num_threads(threads)
        try:
            _check_devices(_devices(place), devices)
            work(place)
        except BenchError as error:
            return error.code, error.message
        return None


def _devices(place: Workplace) -> set[str]:
    """What the units would be computed on in this process; their keys depend on it."""
    return {choose_device(unit.plan.device).type for unit in place.units}


def _check_devices(got: set[str], expected: set[str]) -> None:
    if got != expected:
        raise BenchError(
            "E-BAD-VALUE",
            f"--device: got {sorted(got)} for a worker on {platform.node()}, expected "
            f"{sorted(expected)} as where the sweep was begun; name the device, and with --gpus "
            "give each worker its own",
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """An actor and what it was asked: where it is, and to work."""

    actor: Any
    where: Any
    end: Any


class _Crew:
    """The actors of one sweep.

    Args:
        ray: The module, connected to a cluster.
        place: As for `work_on_ray`.
        threads: As for `work_on_ray`.
        gpus: As for `work_on_ray`.
    """

    def __init__(self, ray: Any, place: Workplace, threads: int, gpus: float) -> None:
        self.ray = ray
        self.kind = ray.remote(num_cpus=threads, num_gpus=gpus, max_restarts=0)(_Worker)
        self.idle = 0  # that died one after another while they started
        self.task = (ray.put(place), threads, Path.cwd(), _devices(place))

    def begun(self) -> _Member:
        """One more, which waits for room if there is none."""
        actor = self.kind.remote()
        return _Member(actor, actor.where.remote(), actor.work.remote(*self.task))

    def ended(self, working: Sequence[_Member]) -> list[_Member]:
        """Those that have ended or are lost, after a pause at most."""
        ends, _ = self.ray.wait(
            [one.end for one in working], num_returns=len(working), timeout=PAUSE
        )
        return [one for one in working if one.end in ends]

    def lost(self, one: _Member, store: Store) -> bool:
        """Whether one that has ended did not do so by itself; if so its claim is given back.

        Raises:
            BenchError: What it could not go on after.
        """
        errors = self.ray.exceptions
        try:
            told = self.ray.get(one.end)
        except errors.ActorUnavailableError:  # on a lost node, perhaps: the lease will end
            return True
        except (errors.ActorDiedError, errors.OutOfMemoryError):
            self._clear_up(self._where(one), store)
            return True
        if told:
            raise BenchError(*told)
        return False

    def _clear_up(self, where: tuple[str, str] | None, store: Store) -> None:
        """Gives back the claim of one that died somewhere, or while it started."""
        self.idle = 0 if where else self.idle + 1
        check_idle(self.idle)
        if where:
            owner, node = where
            alive = {each["NodeID"] for each in self.ray.nodes() if each["Alive"]}
            give_back(store, lambda claimed: claimed.startswith(owner), blame=node in alive)

    def _where(self, one: _Member) -> tuple[str, str] | None:
        """Where a dead one was; None if it died before it could tell.

        Raises:
            BenchError: E-MISSING-PACKAGE if it could not start, as the next one could not.
        """
        try:
            where: tuple[str, str] = self.ray.get(one.where)
            return where
        except self.ray.exceptions.ActorDiedError as error:
            if not error.actor_init_failed:
                return None
            why = str(error).strip().rpartition("\n")[2]
            raise BenchError(
                "E-MISSING-PACKAGE",
                f"--ray: a node cannot load sparse-bench as it is here: {why}",
            ) from error

    def dismiss(self, one: _Member) -> None:
        """Ends its process, and so makes room for another."""
        self.ray.kill(one.actor)


def _watch(crew: _Crew, count: int, store: Store, look: Callable[[Store], None]) -> None:
    """Keeps as many at work until all have ended by themselves."""
    working = [crew.begun() for _ in range(count)]
    while working:
        look(store)
        for one in crew.ended(working):
            working.remove(one)
            lost = crew.lost(one, store)
            crew.dismiss(one)
            if lost:
                working.append(crew.begun())
    look(store)
