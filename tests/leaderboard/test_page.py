"""The page as a visitor meets it: what stands there, and what a click changes."""

import json
import sqlite3
from dataclasses import replace

import pytest

from bench.flags import FLAGS
from bench.headline import HEADLINE
from bench.protocol import PROTOCOLS
from bench.records import Run, Score
from tests.factories import fill, on_other_data, some_run
from tests.leaderboard.visits import HOSTILE, at, charts, choose, options, said, switch, table

GROUP, RANK_BY = "Suite and protocol", "Rank by"


def scored(accuracy: float, brier: float, **run) -> Run:
    pairs = (("accuracy", accuracy), ("brier", brier))
    scores = [Score(task="clean", set="digits", metric=m, value=v, n=9) for m, v in pairs]
    return some_run(scores=scores, **run)


# stores with nothing to show


def test_without_a_store_the_page_says_how_to_make_one(file_url):
    page = at()
    assert [error.value for error in page.error] == [
        f"{file_url}: no such file; `bench evaluate` makes one"
    ]
    assert any("bench demo" in line.value for line in page.text)
    assert len(page.dataframe) == len(page.selectbox) == len(charts(page)) == 0


def test_an_empty_store_says_what_fills_it(url):
    fill(url)
    page = at()
    assert len(page.error) == len(page.dataframe) == 0
    assert [line.value.partition(".")[0] for line in page.info] == ["This store has no runs yet"]
    assert "`bench evaluate MODEL`" in page.info[0].value


def test_an_empty_file_says_that_it_is_no_store_yet(file_url, tmp_path):
    (tmp_path / "bench.db").touch()
    assert ["without a store's tables" in error.value for error in at().error] == [True]


def test_a_file_that_is_no_database_is_named(file_url, tmp_path):
    (tmp_path / "bench.db").write_text("thesis" * 100)
    assert ["cannot be opened as a store" in error.value for error in at().error] == [True]


def test_a_store_of_a_newer_program_says_which_program_reads_it(file_url, tmp_path):
    fill(file_url, some_run())
    connection = sqlite3.connect(tmp_path / "bench.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    page = at()
    assert len(page.error) == 1
    assert "has schema 9999" in page.error[0].value
    assert "use the program that wrote it, or a newer one" in page.error[0].value
    assert len(page.dataframe) == 0


# which store


def test_without_a_name_it_is_the_store_of_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("BENCH_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    fill("sqlite:///bench.db", some_run(pruner="crop", sparsity=0.5))
    assert table(at())["slug"].tolist() == ["crop-0.5"]


def test_a_visit_leaves_the_store_as_it_was(file_url, tmp_path):
    fill(file_url, some_run())
    before = (tmp_path / "bench.db").read_bytes()
    choose(at(), RANK_BY, "brier")
    assert (tmp_path / "bench.db").read_bytes() == before


# the ranking


def test_one_run_is_a_table_of_one_row_and_a_chart(url):
    run = some_run(pruner="snip", sparsity=0.9, accuracy=0.8)
    fill(url, run)
    page = at()
    rows = table(page)
    assert len(rows) == 1
    row = rows.iloc[0]
    assert row[["rank", "slug", "pruner", "seed"]].tolist() == [1, "snip-0.9", "snip", 1234]
    assert row[["sparsity", "accuracy", "shift"]].tolist() == pytest.approx([0.9, 0.8, 0.5])
    assert f"1 of 1 runs, on all images. Protocol {run.protocol.sha256[:12]}" in said(page)


def test_a_number_that_is_missing_is_explained_and_no_empty_column_stands_there(url):
    fill(url, some_run())
    row = table(at()).iloc[0]
    assert "AUROC outliers, SensNorm: not run" in row["missing"]
    assert "ood_sensnorm" not in row.index
    assert "flags" not in row.index


def test_each_flag_of_the_table_is_explained_below_it_and_no_other(url):
    fill(url, replace(some_run(), flags=("saturated", "of-another-version")))
    page = at()
    assert table(page)["flags"].tolist() == ["saturated of-another-version"]
    explained = [line.value for line in page.main.text]
    assert explained == [f"saturated: {FLAGS['saturated'].meaning}."]


def test_rows_are_ordered_by_the_number_that_the_visitor_picks(url):
    fill(url, scored(0.9, 0.3), scored(0.8, 0.1, pruner="snip", sparsity=0.9))
    page = at()
    assert table(page)["slug"].tolist() == ["dense", "snip-0.9"]
    assert "share of images" in page.main.caption[0].value
    page = choose(page, RANK_BY, "brier")
    assert table(page)["slug"].tolist() == ["snip-0.9", "dense"]
    assert table(page)["rank"].tolist() == [1, 2]
    assert "Lower is better" in page.main.caption[0].value


def test_every_number_that_can_rank_is_offered_and_shown_though_no_run_has_it(url):
    fill(url, some_run(scores=[]))
    page = at()
    assert options(page, RANK_BY) == [column.title for column in HEADLINE.values()]
    for column in HEADLINE:
        page = choose(page, RANK_BY, column)
        assert table(page)[column].isna().tolist() == [True]
    page = switch(page, "Relative to dense")
    assert table(page)[column].isna().tolist() == [True]


@pytest.mark.parametrize(
    "field",
    [
        *("pruner", "moment", "scope", "structure", "recipe"),
        *("seed", "declared_sparsity", "measured_sparsity"),
    ],
)
def test_submissions_that_do_not_declare_a_field_are_shown(url, field):
    runs = some_run(), some_run(pruner="snip", sparsity=0.5)
    fill(url, *(replace(run, submission=replace(run.submission, **{field: None})) for run in runs))
    assert table(at())["accuracy"].tolist() == [0.9, 0.9]
    for tab in ("Curves", "Corruptions"):
        at(tab=tab)


def test_headers_show_which_end_is_better(url):
    fill(url, some_run())
    columns = json.loads(at().dataframe[0].proto.columns)
    assert columns["accuracy"]["label"] == "accuracy ↑"
    assert columns["brier"]["label"] == "Brier ↓"


# groups


def test_runs_of_two_protocols_are_never_in_one_table(url):
    dense, snip = some_run(accuracy=0.7), some_run(pruner="snip", sparsity=0.9)
    other = PROTOCOLS["authors"].id
    fill(url, dense, replace(snip, protocol=other))
    page = at()
    names = {f"digits · {preset} 1" for preset in ("standard", "authors")}
    assert set(options(page, GROUP)) == names
    for preset, run in (("standard", dense), ("authors", replace(snip, protocol=other))):
        page = choose(page, GROUP, f"digits · {preset} 1")
        assert table(page)["slug"].tolist() == [run.submission.slug]
        assert table(page)["rank"].tolist() == [1]
        assert f"Protocol {run.protocol.sha256[:12]}" in said(page)


def test_other_images_under_the_same_names_can_be_picked(url):
    run = some_run(accuracy=0.7)
    fill(url, run, on_other_data(some_run(accuracy=0.6)), replace(run, limit=100))
    page = at()
    found = []
    for name in options(page, GROUP):
        page = choose(page, GROUP, name)
        found += table(page)["accuracy"].tolist()
    assert sorted(found) == [0.6, 0.7, 0.7]


# relative to dense


def test_the_toggle_turns_numbers_into_ratios_to_the_same_seed(url):
    dense = [some_run(seed=1, accuracy=0.8), some_run(seed=2, accuracy=0.5)]
    snip = [some_run(pruner="snip", sparsity=0.9, seed=s, accuracy=0.4) for s in (1, 2)]
    fill(url, *dense, *snip)
    page = at()
    assert len(table(page)) == 4
    page = switch(page, "Relative to dense")
    rows = table(page).set_index("pruner")
    assert rows["rank"].to_dict() == {"dense": 1, "snip": 2}
    assert rows["seeds"].to_dict() == {"dense": 2, "snip": 2}
    assert rows["accuracy"].to_dict() == pytest.approx({"dense": 1, "snip": 0.65})
    assert rows.loc["snip", "accuracy_std"] == pytest.approx(0.3 / 2**0.5)
    columns = json.loads(page.dataframe[0].proto.columns)
    assert columns["accuracy"]["help"].endswith("Ratio to dense.")
    page = switch(page, "Relative to dense", on=False)
    assert len(table(page)) == 4


def test_runs_that_differ_in_their_seed_become_one_row_if_the_visitor_wants(url):
    dense = [some_run(seed=1, accuracy=0.8), some_run(seed=2, accuracy=0.5)]
    snip = [some_run(pruner="snip", sparsity=s, seed=1, accuracy=0.4) for s in (0.5, 0.9)]
    fill(url, *dense, *snip)
    page = switch(at(), "Means over seeds")
    rows = table(page).set_index(["pruner", "sparsity"])
    assert rows["seeds"].to_dict() == {("dense", 0): 2, ("snip", 0.5): 1, ("snip", 0.9): 1}
    assert rows.loc[("dense", 0), "accuracy"] == pytest.approx(0.65)
    assert rows.loc[("dense", 0), "accuracy_std"] == pytest.approx(0.3 / 2**0.5)
    assert "tie" not in rows
    assert len(table(switch(page, "Means over seeds", on=False))) == 4
    assert "Means over seeds" not in [one.label for one in switch(page, "Relative to dense").toggle]


def test_runs_that_do_not_declare_their_pruner_are_no_mean(url):
    nameless = [some_run(seed=seed) for seed in (1, 2)]
    nameless = [
        replace(run, submission=replace(run.submission, pruner=None, weights_sha256=str(number)))
        for number, run in enumerate(nameless)
    ]
    fill(url, some_run(seed=3), *nameless)
    page = switch(at(), "Means over seeds")
    assert table(page)["pruner"].tolist() == ["dense"]
    assert ["2 runs that do not declare" in line.value for line in page.caption].count(True) == 1


def test_of_one_seed_there_are_no_means_to_ask_for(url):
    fill(url, some_run(), some_run(pruner="snip", sparsity=0.9))
    assert "Means over seeds" not in [one.label for one in at().toggle]


def test_ratios_without_a_dense_run_say_what_is_needed(url):
    fill(url, some_run(pruner="snip", sparsity=0.9))
    page = switch(at(), "Relative to dense")
    assert ["score the dense " in line.value for line in page.info] == [True]
    assert len(page.dataframe) == len(charts(page)) == 0


# strangers' words


def test_hostile_words_are_shown_as_words_and_are_no_markup(url):
    run = some_run()
    fields = {"slug": HOSTILE, "pruner": HOSTILE, "recipe": HOSTILE, "architecture": HOSTILE}
    hostile = replace(run, submission=replace(run.submission, **fields), flags=(HOSTILE,))
    fill(url, hostile, some_run(seed=2))
    page = at()
    for column in ("slug", "pruner", "architecture", "flags"):
        assert HOSTILE in table(page)[column].tolist()
    assert "onerror" not in json.dumps(charts(page))
    written = [e for e in (*page.main, *page.sidebar) if e.type not in ("main", "sidebar")]
    shown_as_they_are = ("dataframe", "vega_lite_chart", "selectbox", "multiselect")
    plain = [e for e in written if e.type not in shown_as_they_are]
    assert len(plain) >= 7
    assert "onerror" not in "".join(str(element.proto) for element in plain)
    assert not any(getattr(element.proto, "allow_html", False) for element in plain)
