"""Every tab over stores of every kind, without a browser."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from bench.protocol import PROTOCOLS
from leaderboard.tabs import TABS
from tests.factories import fill, some_run
from tests.leaderboard import many
from tests.leaderboard.visits import at, choose, options, switch

STORES: dict[str, Callable[[str], None]] = {
    "one run": lambda url: fill(url, some_run()),
    "one run without scores": lambda url: fill(url, some_run(scores=())),
    "two protocols": lambda url: fill(
        url,
        *(
            some_run(pruner=pruner, sparsity=sparsity, seed=seed, protocol=protocol)
            for protocol in (PROTOCOLS["standard"], PROTOCOLS["authors"])
            for pruner, sparsity in (("dense", 0.0), ("snip", 0.9))
            for seed in (1, 2)
        ),
    ),
}


def drawn(page: AppTest) -> int:
    """How many elements are there below the choice of the tab."""
    return len(page.main.children)


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("store", STORES)
def test_a_tab_shows_something_of_every_group(url, store, tab):
    STORES[store](url)
    page = at(tab=tab)
    for group in options(page, "Suite and protocol"):
        page = choose(page, "Suite and protocol", group)
        assert drawn(page) > 2
        assert [error.value for error in page.error] == []
        page = switch(page, "Relative to dense")
        assert drawn(page) > 2
        page = switch(page, "Relative to dense", on=False)


@pytest.mark.parametrize("tab", TABS)
def test_no_tab_is_asked_about_an_empty_store(url, tab):
    fill(url)
    page = at(tab=tab)
    assert ["no runs yet" in line.value for line in page.info] == [True]
    assert drawn(page) == 2


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('large') / 'bench.db'}"
    many.fill(url, 10_000)
    return url


@pytest.mark.slow
@pytest.mark.parametrize("tab", TABS)
def test_a_tab_shows_ten_thousand_runs(large, monkeypatch, tab):
    monkeypatch.setenv("BENCH_STORE", large)
    page = at(tab=tab)
    assert [error.value for error in page.error] == []
    assert drawn(page) > 2
