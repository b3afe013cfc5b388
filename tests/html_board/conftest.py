"""A small board and its page."""

from dataclasses import replace

import pandas as pd
import pytest

from bench.html_board import board_html
from tests.factories import on_other_data, some_run, summary_of
from tests.html_board.reading import Page


@pytest.fixture(scope="session")
def table(tmp_path_factory) -> pd.DataFrame:
    """Two seeds of dense and snip, one run of no score, one on other images."""
    runs = [
        some_run(pruner=pruner, sparsity=sparsity, seed=seed, accuracy=accuracy)
        for pruner, sparsity, accuracy in (("dense", 0.0, 0.8), ("snip", 0.9, 1 / 3))
        for seed in (1, 2)
    ]
    other = replace(on_other_data(some_run()), started="2026-12-01T00:00:00+00:00")
    place = tmp_path_factory.mktemp("board")
    return summary_of(place, *runs, some_run(pruner="crop", sparsity=0.5, scores=[]), other)


@pytest.fixture(scope="session")
def page(table) -> Page:
    return Page(board_html(table))
