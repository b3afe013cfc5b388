"""On a Ray cluster a lost node costs time and nothing else, and what cannot work is refused."""

import multiprocessing
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import psutil
import pytest

from bench.errors import BenchError
from bench.store import open_store
from bench.store.claims import DEATHS, status_of
from bench.sweep import on_ray as module
from bench.sweep.on_ray import work_on_ray
from bench.sweep.work import Workplace, work
from tests.sweep.grids import QUICK, content, small, workplace

pytestmark = pytest.mark.timeout(280)

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
WORKERS = {"workers": None, "threads": 1, "gpus": 0, "look": bool}
LEASE = 3.0
PATIENCE = 200.0  # seconds, on a busy machine
DEADLY = "import os, signal\n\ndef prune(scoring):\n    os.kill(os.getpid(), signal.SIGKILL)\n"


@pytest.fixture(scope="module")
def cluster():
    """A head that has room for one worker."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray-") as home:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TMPDIR", home)
        cluster = import_module("ray.cluster_utils").Cluster()
        cluster.add_node(**NODE, include_dashboard=False)
        yield cluster
        cluster.shutdown()


@contextmanager
def driven(place: Workplace, address: str, exitcode: int = 0):
    """Does all units on the cluster meanwhile, in a process of its own, as `ray.init` has one."""
    wanted = {**WORKERS, "address": address}
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=work_on_ray, args=(place,), kwargs=wanted)
    process.start()
    try:
        yield
        process.join(PATIENCE)
        assert process.exitcode == exitcode
    finally:
        process.kill()
        process.join()


def found(place: Workplace):
    with open_store(place.store) as store:
        return status_of(store, [unit.key for unit in place.units])


def claimed_on(node, place: Workplace) -> list[str]:
    """Owners of the claims whose processes are a node's."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    own = {str(child.pid) for child in raylet.children(recursive=True)}
    owners = [one.owner for one in found(place).values() if one.state == "claimed"]
    return [owner for owner in owners if owner.split(":")[-2] in own]


def awaited(look):
    until = time.monotonic() + PATIENCE
    while not (seen := look()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return seen


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_node_killed_at_its_work_changes_nothing_but_the_time(
    cluster, postgresql, tmp_path, capfd
):
    units = small(pruners=["magnitude"], seeds=[1, 2], recipe=QUICK)
    place = workplace(units, postgresql, tmp_path, LEASE)
    node = cluster.add_node(**NODE)
    with driven(place, cluster.address):
        (owner,) = awaited(lambda: claimed_on(node, place))
        cluster.remove_node(node, allow_graceful=False)
    after = found(place)
    assert [after[unit.key].state for unit in units] == ["done"] * 4
    assert owner not in {one.owner for one in after.values()}
    assert capfd.readouterr() == ("", "")
    alone = workplace(units, f"sqlite:///{tmp_path / 'alone.db'}", tmp_path / "alone")
    work(alone)
    assert content(place.store) == content(alone.store)


@pytest.mark.slow
def test_a_unit_that_kills_its_workers_fails_and_the_sweep_ends(
    cluster, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    Path("deadly.py").write_text(DEADLY)
    units = small(pruners=["deadly:prune"], recipe=QUICK)
    place = workplace(units, f"sqlite:///{tmp_path / 'bench.db'}", tmp_path)
    with driven(place, cluster.address):
        pass
    dense, pruned = (found(place)[unit.key] for unit in units)
    assert (dense.state, pruned.state) == ("done", "failed")
    assert f"died {DEATHS} times" in pruned.note
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_worker_that_dies_while_it_starts_is_begun_again(cluster, nothing, tmp_path, capfd):
    trap = tmp_path / "torch.py"
    trap.write_text("import os, pathlib\npathlib.Path(__file__).unlink()\nos._exit(1)")
    node = cluster.add_node(**NODE, env_vars={"PYTHONPATH": str(tmp_path)})
    with driven(nothing, cluster.address):
        pass
    cluster.remove_node(node)
    assert not trap.exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_node_that_cannot_load_the_package_is_named_as_the_reason(
    cluster, nothing, tmp_path, capfd
):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    node = cluster.add_node(**NODE, env_vars={"PYTHONPATH": str(tmp_path)})
    with driven(nothing, cluster.address, exitcode=1):
        pass
    cluster.remove_node(node)
    said = "E-MISSING-PACKAGE: --ray: a node cannot load sparse-bench as it is here: ImportError: "
    assert said + "no torch here" in capfd.readouterr().err


@pytest.mark.slow
def test_a_cluster_without_the_gpus_that_are_asked_for_is_refused(cluster, tmp_path):
    (tmp_path / "grid.toml").write_text("limit = 10")
    words = ["sweep", "grid.toml", "--ray", cluster.address, "--gpus", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words, "--store", "sqlite:///bench.db"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    said = re.sub(r"\s+", " ", done.stderr)
    assert "E-BAD-VALUE" in said
    assert "a worker wants 1 CPUs and 1 GPUs on one node, the nodes have 1 and 0" in said
    assert "Traceback" not in said


def refused(place: Workplace, address: str, **changes) -> BenchError:
    """The refusal, which comes before this process asks Ray for anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "import_module", lambda name: pytest.fail(f"{name} was imported"))
        with pytest.raises(BenchError) as error:
            work_on_ray(place, address=address, **WORKERS | changes)
    return error.value


@pytest.fixture
def nothing(tmp_path) -> Workplace:
    return workplace([], f"sqlite:///{tmp_path / 'bench.db'}", tmp_path)


@pytest.mark.parametrize("address", ["local", "nonsense", "ray://127.0.0.1:10001"])
def test_what_is_no_address_of_a_cluster_is_refused(nothing, address):
    error = refused(nothing, address)
    assert error.code == "E-BAD-VALUE"
    assert f"got {address}, expected HOST:PORT" in error.message


@pytest.mark.slow
@pytest.mark.parametrize("listening", [False, True])
def test_an_address_at_which_no_cluster_answers_is_refused_soon(nothing, listening):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if listening:
            other.listen()
        begun = time.monotonic()
        error = refused(nothing, f"127.0.0.1:{other.getsockname()[1]}")
    assert error.code == "E-BAD-VALUE"
    assert "Timed out" in error.message
    assert time.monotonic() - begun < module.PATIENCE


@pytest.mark.parametrize("gpus", [1.5, 0.00001])
def test_a_share_of_gpus_that_no_cluster_gives_is_refused(nothing, gpus):
    error = refused(nothing, "auto", gpus=gpus)
    assert error.code == "E-BAD-VALUE"
    assert f"--gpus: got {gpus:g}, expected a whole number" in error.message


def test_without_ray_the_extra_is_named(nothing, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    error = refused(nothing, "auto")
    assert error.code == "E-MISSING-PACKAGE"
    assert "sparse-bench[ray]" in error.message


def test_a_sqlite_file_is_refused_for_several_hosts_alone(nothing, tmp_path):
    module._check_reach(nothing, {"one"})
    module._check_reach(workplace([], "postgresql+psycopg://one/bench", tmp_path), {"one", "two"})
    with pytest.raises(BenchError, match=r"E-BAD-VALUE: --store: .* hosts \['one', 'two'\]"):
        module._check_reach(nothing, {"two", "one"})


@pytest.mark.parametrize(
    ("nodes", "threads", "gpus", "room"),
    [
        ([{"CPU": 4}], 1, 0, 4),
        ([{"CPU": 4}, {"CPU": 3}], 2, 0, 3),
        ([{"CPU": 8, "GPU": 2}, {"CPU": 64}], 2, 1, 2),
        ([{"CPU": 8, "GPU": 1}], 1, 0.5, 2),
        ([{"CPU": 2, "GPU": 8}], 1, 0.5, 2),
    ],
)
def test_no_worker_is_counted_that_no_single_node_has_room_for(nodes, threads, gpus, room):
    assert module._room(nodes, threads, gpus) == room


@pytest.mark.parametrize(
    ("nodes", "threads", "gpus"),
    [
        ([], 1, 0),
        ([{"memory": 1.0}], 1, 0),
        ([{"CPU": 1}, {"CPU": 1}], 2, 0),
        ([{"CPU": 8}, {"GPU": 1}], 1, 1),
    ],
)
def test_a_worker_that_no_single_node_has_room_for_is_refused(nodes, threads, gpus):
    with pytest.raises(BenchError, match="E-BAD-VALUE: --ray: a worker wants"):
        module._room(nodes, threads, gpus)


def test_a_worker_with_another_device_is_refused_before_it_works(tmp_path):
    place = workplace(small(pruners=[]), f"sqlite:///{tmp_path / 'bench.db'}", tmp_path)
    code, message = module._Worker().work(place, 1, Path.cwd(), {"cuda"})
    assert code == "E-BAD-VALUE"
    assert "--device: got ['cpu']" in message
    assert "expected ['cuda'] as where the sweep was begun" in message
    assert not (tmp_path / "bench.db").exists()


def test_what_a_worker_cannot_go_on_after_is_told(tmp_path):
    place = workplace([], f"sqlite:///{tmp_path / 'no folder' / 'bench.db'}", tmp_path)
    told = module._Worker().work(place, 1, Path.cwd(), set())
    assert told is not None
    assert told[0] == "E-NO-STORE"
