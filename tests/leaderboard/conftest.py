"""Pages in tests show the store of the test alone, unless a test ships runs of its own."""

import sys

import pytest

from tests.databases import address

MAIN = sys.modules["__main__"]


@pytest.fixture(autouse=True)
def served(monkeypatch, tmp_path):
    """The page ships nothing of its own."""
    monkeypatch.setattr("leaderboard.shipped.SUBMISSIONS", tmp_path / "none")


@pytest.fixture(autouse=True)
def main_module():
    """`AppTest` leaves the page as the main module, which processes that others spawn would run."""
    yield
    sys.modules["__main__"] = MAIN


@pytest.fixture
def file_url(tmp_path, monkeypatch) -> str:
    """A SQLite file that is not there yet."""
    url = f"sqlite:///{tmp_path / 'bench.db'}"
    monkeypatch.setenv("BENCH_STORE", url)
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request, tmp_path, monkeypatch) -> str:
    """An empty store of each kind of database."""
    url = address(request, tmp_path)
    monkeypatch.setenv("BENCH_STORE", url)
    return url
