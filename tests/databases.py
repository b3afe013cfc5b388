"""A PostgreSQL server of the tests' own, and an empty database in it for each test that asks."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.required import skip_or_fail

NUMBERS = count(1)


def programs() -> Path:
    """Where initdb and pg_ctl are."""
    found = shutil.which("initdb") or next(
        map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None
    )
    if found is None:
        skip_or_fail("PostgreSQL's initdb is not installed")
    return Path(str(found)).parent


def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty store of the kind of database that the parameter of a fixture names."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql"))
    return f"sqlite:///{tmp_path / 'bench.db'}"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Address of a running server; it does not run as root, so root lends it another user."""
    home = programs()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # sockets need a short path, pytest's are long
    user = {}
    if os.geteuid() == 0:
        somebody = pwd.getpwnam("nobody")
        os.chown(folder, somebody.pw_uid, somebody.pw_gid)
        user = {"user": somebody.pw_uid, "group": somebody.pw_gid}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = {"check": True, "cwd": folder, "stdout": subprocess.DEVNULL, **user}
    make = [home / "initdb", "--pgdata", folder / "data", "--auth", "trust", "--username", "bench"]
    try:
        subprocess.run([*make, "--no-sync"], **run)
        control = [home / "pg_ctl", "--pgdata", folder / "data", "--wait"]
        settings = f"-p {port} -k {folder} -c fsync=off -c listen_addresses=127.0.0.1"
        log = ["--log", folder / "log", "-o", settings]
        subprocess.run([*control, *log, "start"], **run)
        yield f"bench@127.0.0.1:{port}"
        subprocess.run([*control, "--mode", "immediate", "stop"], **run)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgresql(postgresql_server: str) -> str:
    """URL of an empty database."""
    name = f"bench{next(NUMBERS)}"
    with psycopg.connect(f"postgresql://{postgresql_server}/postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://{postgresql_server}/{name}"
