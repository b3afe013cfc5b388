"""Sweeps run on both databases, on PostgreSQL among the slow tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.recipes import RECIPES
from bench.sweep import units
from tests.databases import address
from tests.sweep.grids import FEW, SHORT


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind of database."""
    return address(request, tmp_path)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As a worker of a sweep computes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two epochs make a network of the digits that can be pruned, and two tasks score it."""
    monkeypatch.setattr(units, "usual", lambda kind: FEW)
    monkeypatch.setitem(RECIPES, "digits-20", SHORT)  # type: ignore[arg-type]
    units._training.cache_clear()
    yield
    units._training.cache_clear()
