"""What the controls on the left leave, and what the shipped runs add."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from bench.places import cache_root
from bench.protocol import PROTOCOLS
from bench.records import Run, file_bytes
from bench.store import Outcome, open_store, save_run
from leaderboard.shipped import SUBMISSIONS, shipped_store
from leaderboard.source import opened
from tests.factories import fill, some_run
from tests.leaderboard.visits import at, choose, said, settled, switch, table


def slugs(page: AppTest) -> list[str]:
    return sorted(table(page)["slug"]) if len(page.dataframe) else []


@pytest.fixture
def filled(url) -> list[Run]:
    runs = [
        some_run(),
        some_run(pruner="snip", sparsity=0.5),
        some_run(pruner="snip", sparsity=0.9),
        replace(some_run(pruner="crop", sparsity=0.9), flags=("saturated",)),
    ]
    structured = replace(runs[3].submission, structure="structured", pruner=None)
    runs.append(replace(runs[0], submission=replace(structured, slug="mine", weights_sha256="0")))
    fill(url, *runs)
    return runs


@pytest.mark.parametrize(
    ("address", "left"),
    [
        ({"search": "snip"}, ["snip-0.5", "snip-0.9"]),
        ({"search": "SNIP 0.9"}, ["snip-0.9"]),
        ({"search": "saturated"}, ["crop-0.9"]),
        ({"search": "[("}, []),
        ({"pruner": ["snip", "dense"]}, ["dense", "snip-0.5", "snip-0.9"]),
        ({"pruner": "not declared"}, ["mine"]),
        ({"structure": "structured"}, ["mine"]),
        ({"sparsity": ["0.4", "0.6"]}, ["snip-0.5"]),
        ({"unflagged": "true"}, ["dense", "mine", "snip-0.5", "snip-0.9"]),
        ({"search": "snip", "sparsity": ["0.9", "1.0"]}, ["snip-0.9"]),
    ],
)
def test_an_address_shows_the_rows_that_it_asks_for(filled, address, left):
    page = at(**address)
    assert slugs(page) == left
    assert said(page).startswith(f"{len(left)} of 5 runs")
    assert bool(page.info) is not bool(left)


def test_an_address_with_nonsense_shows_the_page_as_it_is(filled):
    nonsense = {"by": "beauty", "sparsity": ["x", "y"], "tab": "Nowhere", "group": "none"}
    page = at(**nonsense)
    assert len(table(page)) == 5
    assert ["asks for 'none'" in line.value for line in page.sidebar.text] == [True]
    told = at(tab="Submission", run="gone · seed 1").main.text[0].value
    assert told.startswith("The link asks for 'gone · seed 1', which is not here")


def test_an_address_ranks_and_picks_columns(filled):
    page = at(by="Brier", columns=["NLL", "shift"])
    assert list(table(page))[6:8] == ["brier", "shift"]
    assert list(table(page))[:6] == ["rank", "tie", "between", "slug", "pruner", "sparsity"]


def test_only_filters_that_could_leave_something_out_are_offered(url):
    fill(url, some_run(), some_run(pruner="snip", sparsity=0.9))
    assert [box.label for box in at().sidebar.multiselect] == ["Pruner"]


def test_a_filter_of_one_group_does_not_empty_another(url):
    other = replace(some_run(pruner="crop", sparsity=0.5), protocol=PROTOCOLS["authors"].id)
    fill(url, some_run(), some_run(pruner="snip", sparsity=0.9), other)
    page = at(pruner="snip")
    page = choose(page, "Suite and protocol", "digits · authors 1")
    assert slugs(page) == ["crop-0.5"]


def test_a_switch_is_taken_back_by_a_second_click(filled):
    page = switch(at(), "Without flagged runs")
    assert len(table(page)) == 4
    assert len(table(switch(page, "Without flagged runs", on=False))) == 5


def test_a_run_without_a_dense_one_is_not_said_to_be_left_out_for_want_of_room(url):
    fill(url, some_run(), *(some_run(pruner="snip", sparsity=0.5, seed=seed) for seed in (1234, 7)))
    page = at(tab="Corruptions", relative="true")
    assert not any("Shown are the best" in line.value for line in page.caption)


def test_a_filter_leaves_ratios_to_the_dense_runs_that_it_hides(filled):
    page = at(pruner="snip", relative="true")
    assert table(page)["pruner"].tolist() == ["snip", "snip"]
    assert table(page)["accuracy"].tolist() == [1.0, 1.0]


def test_filters_hold_for_ratios_too(url):
    """A seed that is filtered away is in no mean, and its flag is not shown."""
    seeds = [(1, 0.5, ()), (2, 0.25, ("masked-gradients",))]
    for seed, accuracy, flags in seeds:
        run = some_run(pruner="snip", sparsity=0.5, seed=seed, accuracy=accuracy)
        fill(url, some_run(seed=seed, accuracy=0.5), replace(run, flags=flags))
    both = table(at(pruner="snip", relative="true"))
    assert both[["accuracy", "seeds", "flags"]].to_numpy().tolist() == [
        [0.75, 2, "masked-gradients"]
    ]
    page = table(at(pruner="snip", relative="true", unflagged="true"))
    assert page[["accuracy", "seeds"]].to_numpy().tolist() == [[1.0, 1]]
    assert "flags" not in page


def test_a_measured_sparsity_is_within_a_range_that_ends_at_the_same_hundredth(url):
    fill(url, some_run(), some_run(pruner="snip", sparsity=0.980001))
    assert slugs(at(sparsity=["0.5", "0.98"])) == ["snip-0.980001"]
    assert slugs(at(sparsity=["0.0", "0.97"])) == ["dense"]


def test_a_link_that_filters_by_what_is_not_here_says_so(filled):
    page = at(pruner="imp")
    assert len(slugs(page)) == 5
    assert any("'imp', which is not here" in line.value for line in page.sidebar.text)


# shipped runs


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Run:
    run = replace(some_run(pruner="imp", sparsity=0.9), trust="official")
    folder = tmp_path / "submissions" / "imp"
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(file_bytes(run))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("leaderboard.shipped.SUBMISSIONS", folder.parent)
    return run


def test_shipped_runs_stand_beside_the_stored_ones(url, shipped):
    fill(url, some_run())
    rows = table(at()).set_index("slug")["trust"]
    assert rows.to_dict() == {"dense": "self-reported", "imp-0.9": "official"}


def test_a_grid_is_shipped_as_one_packed_record_a_seed(url, shipped, tmp_path):
    fill(url, some_run())
    folder = tmp_path / "submissions" / "grid-imp-0.5"
    folder.mkdir()
    for seed in (1234, 2345):
        run = some_run(pruner="imp", sparsity=0.5, seed=seed)
        (folder / f"run-{seed}.json.gz").write_bytes(gzip.compress(file_bytes(run)))
    assert sorted(slugs(at())) == ["dense", "imp-0.5", "imp-0.5", "imp-0.9"]


def test_without_a_store_the_shipped_runs_are_shown_and_the_store_is_missed(file_url, shipped):
    page = at()
    assert slugs(page) == ["imp-0.9"]
    assert ["no such file" in line.value for line in page.warning] == [True]
    assert len(page.error) == 0
    assert [line.value for line in page.main.text] == ["Shown are the runs that the project ships."]


def test_shipped_runs_that_cannot_be_read_leave_the_visitors_own(url, shipped):
    fill(url, some_run())
    assert len(slugs(at())) == 2
    (kept,) = (shipped_place := cache_root() / "shipped").glob("*.db")
    kept.write_bytes(b"damaged")
    page = at()
    assert slugs(page) == ["dense"]
    assert ["cannot be opened as a store" in line.value for line in page.warning] == [True]
    kept.unlink()
    shipped_place.rmdir()
    shipped_place.write_bytes(b"a file in place of the folder")
    page = at()
    assert slugs(page) == ["dense"]
    assert ["cannot be kept" in line.value for line in page.warning] == [True]


@pytest.mark.usefixtures("file_url")
def test_a_clone_without_a_store_opens_on_the_grid_and_says_that_recipes_differ(monkeypatch):
    monkeypatch.setattr("leaderboard.shipped.SUBMISSIONS", SUBMISSIONS)
    page = at()
    assert any("Of 2 training recipes" in line.value for line in page.caption)
    rows = table(at(means="true", recipe="short-10"))
    assert len(rows) == 53
    assert set(rows["seeds"]) == {3}


def test_of_two_records_of_a_run_that_of_more_trust_is_shown(url, shipped):
    fill(url, replace(shipped, trust="self-reported"))
    assert table(at())["trust"].tolist() == ["official"]
    card = at(tab="Submission").dataframe[0].value
    assert dict(card.itertuples(index=False))["trust"] == "official"


@pytest.mark.parametrize("trust", ["self-reported", "official"])
def test_the_answers_that_a_visitor_stored_count_for_a_shipped_run_too(file_url, shipped, trust):
    answers = Outcome(np.arange(597) % 10, np.linspace(0, 1, 597, dtype=np.float32))
    with open_store(file_url) as store:
        save_run(store, replace(shipped, trust=trust), {"digits": answers})
    url = shipped_store()
    source = opened((file_url, url))
    kept = source.outcomes(shipped.run_id)["digits"]
    assert kept.predicted.tolist() == answers.predicted.tolist()
    assert source.home(shipped.run_id) == (file_url if trust == "official" else url)
    assert len(next(iter(source.groups().values()))) == 1


def test_a_run_that_is_added_is_there_at_the_next_click(url):
    fill(url, some_run())
    page = at()
    with open_store(url) as store:
        save_run(store, some_run(pruner="snip", sparsity=0.9))
    assert slugs(settled(page.run())) == ["dense", "snip-0.9"]


# from the board to a run's own tab


def test_a_link_to_a_submission_and_to_a_comparison_shows_the_runs_that_it_names(filled):
    names = {run.run_id: run.submission.slug for run in filled}
    labels = [f"snip-{part} · seed 1234 · {id_[:6]}" for id_, part in _snips(names)]
    page = at(tab="Submission", run=labels[1])
    shown = dict(page.dataframe[0].value.itertuples(index=False))
    assert shown["slug"] == "snip-0.9"
    assert at(tab="Compare", compared=labels).multiselect(key="compared").value == [
        id_ for id_, _ in _snips(names)
    ]


def _snips(names: dict[str, str]) -> list[tuple[str, str]]:
    found = [(id_, slug.removeprefix("snip-")) for id_, slug in names.items() if "snip" in slug]
    return sorted(found, key=lambda item: item[1])
