"""Pruners that attack: each is contained, leaves nothing behind, and ends in a code.

Those that only reach for something are also run without a fence, where they have to get hold of
it: a try that cannot succeed would show nothing.
"""

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.errors import BenchError
from bench.plans import Plan
from bench.submissions import LoadedSubmission
from ci.pruning import Box, check_sparse, pruned_in_sandbox
from ci.sandbox import MIB, MOUNTED, Level, Limits
from ci.shipped import ROOT
from tests.ci.hostile_reach import END, REACHING, START, WITHOUT_A_FENCE
from tests.ci.hostile_results import ANSWER, BOMBS, HONEST, NETWORKS

SPARSITY = 0.8
SLACK = 10.0  # seconds that a sandbox may take beyond its limit
# Attacks at import need no torch, which takes most of the memory and time.
QUICK = Limits(seconds=3, memory=1024 * MIB, scratch=32 * MIB, output=8 * MIB)
ROOMY = Limits(seconds=60)
LIMITS = {"the test labels": ROOMY}  # which imports scikit-learn


class Ended(NamedTuple):
    """How a pruner ended: the refusal or the network, and how long it took."""

    error: BenchError | None
    loaded: LoadedSubmission | None
    seconds: float

    @property
    def message(self) -> str:
        return self.error.message if self.error else ""


class Host(NamedTuple):
    """A folder of canaries and sockets that listen, outside of the sandbox."""

    folder: Path
    port: int
    abstract: str

    @property
    def reaching(self) -> str:
        values = (str(self.folder), str(ROOT), self.port, self.abstract, os.getpid())
        places = (os.environ.get("HOME", "/root"), os.environ.get("BENCH_DATA", "/no/data"))
        return START.replace("VALUES", repr((*values, *places)))

    def canaries(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    for name in ("secret", "bench.db", "canary"):
        (folder / name).write_text(f"the {name} of the host")
    abstract = f"\0sparse-bench-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as hidden,
    ):
        for server, address in ((named, str(folder / "sock")), (hidden, abstract)):
            server.bind(address)
            server.listen()
        yield Host(folder, tcp.getsockname()[1], abstract)


def ended(code: str, folder: Path, start, limits: Limits, level: Level = "strong") -> Ended:
    """Runs a pruner, as an evaluation does."""
    folder.mkdir(parents=True, exist_ok=True)
    path, clock = folder / "pruner.py", time.monotonic()
    path.write_text(code)
    try:
        loaded = pruned_in_sandbox(path, start, Plan("digits"), SPARSITY, Box(level, limits))
        check_sparse(loaded, SPARSITY)
    except BenchError as error:
        return Ended(error, None, time.monotonic() - clock)
    return Ended(None, loaded, time.monotonic() - clock)


@pytest.fixture(scope="session")
def outcomes(strong, host, start, tmp_path_factory) -> Iterator[dict[str, Future[Ended]]]:
    """Every attack, two at a time."""
    folder = tmp_path_factory.mktemp("hostile")
    codes = {
        name: (host.reaching + code + END, LIMITS.get(name, QUICK))
        for name, code in REACHING.items()
    }
    codes |= {name: (code.replace("ANSWER", ANSWER), QUICK) for name, (code, _) in BOMBS.items()}
    codes |= {name: (code, ROOMY) for name, (code, _) in NETWORKS.items()}
    with ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(ended, code, folder / name, start, limits)
            for name, (code, limits) in codes.items()
        }


def test_there_are_more_than_thirty_attacks():
    assert len(REACHING) + len(BOMBS) + len(NETWORKS) > 30


@pytest.mark.parametrize("name", REACHING)
def test_a_pruner_gets_no_hold_of(name, outcomes):
    found = outcomes[name].result()
    assert found.error is not None
    assert re.search(r"TRIED [1-9]\d* BREACHES \[\]$", found.message), found.message
    assert found.error.code == "E-PRUNER-FAILED"
    assert found.seconds < LIMITS.get(name, QUICK).seconds + SLACK


def test_the_labels_are_not_where_the_package_has_them(outcomes):
    message = outcomes["the test labels"].result().message
    assert "data FileNotFoundError / digits FileNotFoundError / patches " in message


@pytest.mark.parametrize("name", WITHOUT_A_FENCE)
def test_the_same_try_succeeds_without_a_fence(name, host, start, tmp_path):
    code = host.reaching + REACHING[name] + END
    message = ended(code, tmp_path, start, ROOMY, "weak").message
    assert re.search(r"BREACHES \[\(", message), message


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_or_a_false_result_ends_in_its_code(name, outcomes):
    found = outcomes[name].result()
    assert found.error is not None
    assert found.error.code in BOMBS[name][1].split(), found.message
    assert found.seconds < QUICK.seconds + SLACK
    assert found.message.isprintable()  # nothing steers a terminal, nor is it a line of its own


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_is_not_what_was_asked_for_is_refused(name, outcomes):
    found = outcomes[name].result()
    assert found.error is not None
    assert found.error.code == NETWORKS[name][1], found.message


def test_an_honest_pruner_is_let_out_as_it_is(strong, start, tmp_path):
    found = ended(HONEST, tmp_path, start, ROOMY)
    assert found.error is None, found.message
    assert 0.799 < found.loaded.record.measured_sparsity < 0.801
    kept, first = found.loaded.model.network.fc1.weight, start.network.fc1.weight
    assert (kept[kept != 0] == first[kept != 0]).all()


def test_nothing_is_left_of_them(outcomes, host, tmp_path_factory):
    before = {name: f"the {name} of the host".encode() for name in ("secret", "bench.db", "canary")}
    for outcome in outcomes.values():
        outcome.result()
    assert host.canaries() == before
    assert not list(ROOT.glob("**/planted*"))
    assert not Path("/dev/shm/left-behind").exists()
    assert soon(lambda: not inside())


def test_what_runs_in_a_sandbox_is_seen_while_it_runs(strong, start, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ended, "while True: pass", tmp_path, start, QUICK)
        assert soon(inside)
        assert running.result().error.code == "E-PRUNER-LIMIT"
    assert soon(lambda: not inside())


def soon(holds: Callable[[], object]) -> bool:
    """Whether it comes to hold within the slack."""
    deadline = time.monotonic() + SLACK
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(holds())


def inside() -> list[Path]:
    """Processes in a sandbox of this checkout, by what is mounted for them."""
    found = []
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            rows = [line.split() for line in mounts.read_text().splitlines()]
        except OSError:  # ended meanwhile, or another user's
            continue
        sources = [row[3] for row in rows if row[4] == f"{MOUNTED}/ci/inside"]
        found += [mounts for source in sources if f"{ROOT}/ci/inside".endswith(source)]
    return found
