"""What the page knows: the numbers of the ranking, their reasons and meanings."""

import json
import math

import pandas as pd
import pytest

from bench.errors import BenchError
from bench.flags import FLAGS
from bench.headline import HEADLINE
from bench.html_board import board_html
from bench.html_board.content import WHO
from bench.legend import CONVENTIONS, REASONS, explained
from bench.protocol import PROTOCOL
from bench.ranking import rank, relative
from bench.records import REASONS as KNOWN
from tests.factories import some_run, summary_of
from tests.html_board.reading import Page, rows_of


def group_of(data: dict, size: int) -> dict:
    (group,) = [group for group in data["groups"] if len(group["runs"]["rows"]) == size]
    return group


def test_a_group_has_its_runs_best_first_with_the_numbers_of_the_ranking(page, table):
    group = group_of(page.data, 5)
    rows = rows_of(group["runs"])
    ranked = rank(table[table["data"] != on_data(table, group)], "accuracy").reset_index()
    assert [row["run_id"] for row in rows] == ranked["run_id"].tolist()
    for row, expected in zip(rows, ranked.to_dict("records"), strict=True):
        for column in HEADLINE:
            if math.isnan(expected[column]):
                gone = HEADLINE[column].task == "likelihood"
                assert row[column] == ("not_applicable" if gone else "not_run")
            else:
                assert row[column] == expected[column]


def on_data(table: pd.DataFrame, group: dict) -> str:
    (other,) = [data for data in table["data"].unique() if json.loads(data) != group["images"]]
    return other


def test_a_missing_number_has_its_typed_reason(table):
    missing = "accuracy: failed; brier: declined; nll: not_applicable"
    gone = table.iloc[:1].assign(accuracy=float("nan"), brier=float("nan"), missing=missing)
    (row,) = rows_of(Page(board_html(gone)).data["groups"][0]["runs"])
    assert {name: row[name] for name in ("accuracy", "brier", "nll", "ece")} == {
        "accuracy": "failed",
        "brier": "declined",
        "nll": "not_applicable",
        "ece": "not_run",
    }


def test_ratios_have_their_mean_and_deviation(page, table):
    group = group_of(page.data, 5)
    rows = {row["pruner"]: row for row in rows_of(group["ratios"])}
    own = table[table["data"] != on_data(table, group)]
    expected = relative(own).set_index("pruner")
    assert set(rows) == set(expected.index) == {"dense", "snip"}
    assert rows["snip"]["accuracy"] == [pytest.approx(1 / 3 / 0.8), pytest.approx(0)]
    assert rows["snip"]["seeds"] == 2
    assert rows["snip"]["nll"] is None
    for column in HEADLINE:
        mean, deviation = expected.loc["snip", [column, f"{column}_std"]]
        assert rows["snip"][column] == (None if math.isnan(mean) else [mean, deviation])


def test_one_seed_has_no_deviation_and_no_dense_no_ratio(tmp_path):
    (tmp_path / "two").mkdir()
    one = Page(board_html(summary_of(tmp_path, some_run(accuracy=0.5)))).data["groups"][0]
    assert rows_of(one["ratios"])[0]["accuracy"] == [1, None]
    alone = summary_of(tmp_path / "two", some_run(pruner="snip", sparsity=0.9))
    assert Page(board_html(alone)).data["groups"][0]["ratios"]["rows"] == []


def test_a_group_names_its_protocol_its_images_and_its_newest_run(page):
    group, other = group_of(page.data, 5), group_of(page.data, 1)
    assert group["protocol"] == f"{PROTOCOL.version} {PROTOCOL.preset}"
    assert group["sha256"] == other["sha256"] == PROTOCOL.id.sha256
    assert (group["newest"], other["newest"]) == ("2026-11-23", "2026-12-01")
    assert group["images"]["digits"] == "ab" * 32
    assert group["name"].startswith("digits · standard 1")
    assert group["name"] != other["name"]
    assert group["id"] != other["id"]


def test_links_to_a_group_stay_good_when_others_come_in(page, table):
    first = group_of(page.data, 5)
    less = Page(board_html(table[table["data"] == json_of(first["images"])])).data["groups"]
    assert [group["id"] for group in less] == [first["id"]]


def json_of(images: dict) -> str:
    return json.dumps(images, separators=(",", ":"), sort_keys=True)


def test_every_column_and_reason_is_explained(page):
    data = page.data
    for group in data["groups"]:
        for part in ("runs", "ratios"):
            assert set(group[part]["columns"]) <= set(data["columns"])
    assert set(data["columns"]) == {*WHO, *HEADLINE}
    assert data["columns"]["brier"] == {
        "headline": True,
        "title": "Brier",
        "higher": False,
        "meaning": explained("brier", to_dense=False),
        "ratio": explained("brier", to_dense=True),
    }
    assert all(column["meaning"] for column in data["columns"].values())
    assert data["reasons"] == REASONS
    assert set(REASONS) == set(KNOWN)
    assert data["conventions"] == CONVENTIONS


def test_flags_that_occur_are_explained_and_others_said_to_be_unknown(table):
    flags = ["saturated partial", "made-up", *[""] * (len(table) - 2)]
    found = Page(board_html(table.assign(flags=flags))).data["flags"]
    assert found == {
        "saturated": FLAGS["saturated"].meaning,
        "partial": FLAGS["partial"].meaning,
        "made-up": "not a flag of this version",
    }


def test_the_command_that_made_it_names_no_place_of_the_machine(table):
    command = Page(board_html(table, "brier")).data["command"]
    assert command == "bench export --html board.html --by brier"


def test_equal_rows_give_equal_bytes_in_any_order(table):
    content = board_html(table)
    assert board_html(table.iloc[::-1]) == board_html(table.sample(frac=1, random_state=3))
    assert board_html(table.iloc[::-1]) == content


def test_making_a_page_leaves_the_table_as_it_was(table):
    before = table.copy(deep=True)
    board_html(table)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("by", ["beauty", "slug", ""])
def test_a_column_that_does_not_rank_is_refused(table, by):
    with pytest.raises(BenchError, match="E-BAD-VALUE"):
        board_html(table, by)


def test_no_runs_are_a_page_without_groups(table):
    assert Page(board_html(table.iloc[:0])).data["groups"] == []


def test_seeds_beyond_what_a_browser_counts_stay_whole(table):
    seeds = [2**53 - 1, 2**53 + 1, *[None] * (len(table) - 2)]
    found = table.assign(seed=pd.array(seeds, dtype="Int64").astype(object))
    rows = [r for g in Page(board_html(found)).data["groups"] for r in rows_of(g["runs"])]
    assert {row["seed"] for row in rows} == {2**53 - 1, str(2**53 + 1), None}
