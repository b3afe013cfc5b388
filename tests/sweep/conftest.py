"""Sweeps run on both databases, on PostgreSQL among the slow tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind of database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql"))
    return f"sqlite:///{tmp_path / 'bench.db'}"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As a worker of a sweep computes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
