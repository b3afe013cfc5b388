"""Fixtures shared by the rooms: the real data root, and the rule that nothing skips silently."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

from bench.baselines import Plan, train_dense
from bench.data import load_suite
from bench.evaluation import Evaluation, evaluate
from bench.recipes import RECIPES
from bench.submissions import load_submission
from tests.databases import postgresql, postgresql_server
from tests.required import skip_or_fail

__all__ = ["postgresql", "postgresql_server"]
settings.register_profile("without a stopwatch", deadline=None)
settings.load_profile("without a stopwatch")


@pytest.fixture(scope="session")
def data_root() -> Path:
    root = os.environ.get("BENCH_DATA")
    if not root or not Path(root).is_dir():
        skip_or_fail("$BENCH_DATA names no folder with the real data sets")
    return Path(str(root)).resolve()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests fill a cache of their own, unless the environment names one."""
    os.environ.setdefault("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Submission folder of a LeNet5 trained on the embedded digits."""
    return train_dense(Plan("digits"), tmp_path_factory.mktemp("dense") / "dense")


@pytest.fixture(scope="session")
def bayesian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Submission folder of a Bayesian LeNet5, trained for four epochs on the embedded digits."""
    plan = Plan("digits", "bayesian:lenet5-plain", recipe="bayesian-digits-4")
    with pytest.MonkeyPatch.context() as patch:
        short = replace(RECIPES["bayesian-digits-20"], epochs=4)
        patch.setitem(RECIPES, "bayesian-digits-4", short)  # type: ignore[arg-type]
        return train_dense(plan, tmp_path_factory.mktemp("bayesian") / "bayesian")


@pytest.fixture(scope="session")
def scored(dense: Path) -> Evaluation:
    """The same LeNet5, scored on the first 60 images of every set."""
    return evaluate(load_submission(dense), load_suite("digits", limit=60))
