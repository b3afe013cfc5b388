import csv
import io
import json
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from bench.errors import BenchError
from bench.ranking import rank, relative, summary
from bench.store import open_store, run_frame, save_run
from bench.tables import FORMATS, cell_text, write
from tests.factories import some_run

texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12), st.text("=+-@'\",|\\\t\r\nab", max_size=12)
)
FRAME = pd.DataFrame(
    {
        "rank": pd.array([1, None], dtype="Int64"),
        "slug": ["snip_0.9", "a|b"],
        "accuracy": [0.123456789, float("nan")],
        "limit": [None, None],
        "n": [10000, 2],
    }
)


def text(frame: pd.DataFrame, format: str) -> str:
    return write(frame, format).decode("utf-8")


@pytest.fixture(scope="module")
def ranking(tmp_path_factory) -> pd.DataFrame:
    """What a user exports: one run of which has no accuracy."""
    place = tmp_path_factory.mktemp("store") / "bench.db"
    runs = [some_run(accuracy=1 / 3), some_run(pruner="snip", sparsity=0.9, accuracy=0.1)]
    with open_store(f"sqlite:///{place}") as store:
        for run in [*runs, some_run(seed=7, scores=[])]:
            save_run(store, run)
        return rank(summary(run_frame(store)).reset_index()).reset_index(drop=True)


# exact text


def test_csv_has_full_numbers_and_empty_cells():
    assert text(FRAME, "csv") == (
        "rank,slug,accuracy,limit,n\n1,snip_0.9,0.123456789,,10000\n,a|b,,,2\n"
    )


def test_json_is_a_list_of_rows_with_null_for_what_is_missing():
    rows = json.loads(text(FRAME, "json"), parse_constant=pytest.fail)
    assert rows == [
        {"rank": 1, "slug": "snip_0.9", "accuracy": 0.123456789, "limit": None, "n": 10000},
        {"rank": None, "slug": "a|b", "accuracy": None, "limit": None, "n": 2},
    ]
    assert type(rows[0]["rank"]) is type(rows[0]["n"]) is int


def test_markdown_is_a_table_for_people():
    assert text(FRAME, "markdown") == (
        "| rank | slug | accuracy | limit | n |\n"
        "| ---: | --- | ---: | --- | ---: |\n"
        "| 1 | snip_0.9 | 0.1235 |  | 10000 |\n"
        "|  | a\\|b |  |  | 2 |\n"
    )


def test_latex_is_a_table_for_papers():
    assert text(FRAME, "latex") == (
        "\\begin{tabular}{rlrlr}\n"
        "\\toprule\n"
        "rank & slug & accuracy & limit & n \\\\\n"
        "\\midrule\n"
        "1 & snip\\_0.9 & 0.1235 &  & 10000 \\\\\n"
        " & a|b &  &  & 2 \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_a_table_without_rows_has_its_head():
    frame = FRAME.iloc[:0]
    assert text(frame, "csv") == "rank,slug,accuracy,limit,n\n"
    assert text(frame, "json") == "[]\n"
    assert text(frame, "markdown").count("\n") == 2
    assert "n \\\\\n\\midrule\n\\bottomrule" in text(frame, "latex")
    assert list(pd.read_parquet(io.BytesIO(write(frame, "parquet"))).columns) == list(FRAME)


@pytest.mark.parametrize("format", ["csv", "json", "markdown", "latex"])
def test_text_is_utf_8(format):
    assert "×ε, 枝刈り" in text(pd.DataFrame({"recipe": ["×ε, 枝刈り"]}), format)


# round trips of a ranking


def test_parquet_comes_back_equal(ranking):
    found = pd.read_parquet(io.BytesIO(write(ranking, "parquet")))
    assert_frame_equal(found, ranking, check_exact=True)
    assert found["rank"].tolist() == [1, 2, pd.NA]


def test_csv_comes_back_with_the_same_numbers(ranking):
    found = pd.read_csv(io.BytesIO(write(ranking, "csv")))
    assert list(found.columns) == list(ranking.columns)
    numbers = [name for name in ranking if pd.api.types.is_float_dtype(ranking[name])]
    assert {"accuracy", "sparsity", "size_bytes"} <= set(numbers)
    assert_frame_equal(found[numbers], ranking[numbers], check_exact=True, check_dtype=False)
    assert found["slug"].tolist() == ranking["slug"].tolist()


@pytest.mark.parametrize("to_dense", [False, True])
def test_json_of_a_ranking_has_no_nan_and_the_same_numbers(ranking, to_dense):
    table = rank(relative(ranking)) if to_dense else ranking
    rows = json.loads(text(table, "json"), parse_constant=pytest.fail)
    gaps = table["accuracy"].isna()
    assert [row["accuracy"] is None for row in rows] == gaps.tolist()
    assert [row["accuracy"] for row in rows if row["accuracy"] is not None] == (
        table.loc[~gaps, "accuracy"].tolist()
    )
    assert all(list(row) == list(table.columns) for row in rows)


@pytest.mark.parametrize("format", FORMATS)
def test_writing_leaves_the_frame_as_it_was(ranking, format):
    before = ranking.copy(deep=True)
    assert write(ranking, format) == write(ranking, format)
    assert_frame_equal(ranking, before)


# what a text could do to the reader


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_text_that_a_spreadsheet_would_run_is_quoted(start):
    cell = f"{start}HYPERLINK(1)"
    rows = list(csv.reader(io.StringIO(text(pd.DataFrame({"slug": [cell]}), "csv"), newline="")))
    assert rows == [["slug"], [f"'{cell}".replace("\r", "\n")]]


def test_a_carriage_return_starts_no_row_of_csv_that_could_be_a_formula():
    frame = pd.DataFrame({"recipe": ["a\r=1+1", "b\r\n=1+1"], "n": [1, 2]})
    rows = list(csv.reader(io.StringIO(text(frame, "csv"), newline="")))
    assert rows == [["recipe", "n"], ["a\n=1+1", "1"], ["b\n=1+1", "2"]]


def test_a_head_is_no_formula_either():
    frame = pd.DataFrame({"=HYPERLINK(1)": [1.0]})
    assert write(frame, "csv").decode().splitlines()[0] == "'=HYPERLINK(1)"


def test_a_negative_number_is_no_formula_and_stays_a_number():
    assert text(pd.DataFrame({"x": [-0.5], "n": [-3]}), "csv") == "x,n\n-0.5,-3\n"


@given(cells=st.lists(texts, min_size=1, max_size=4))
def test_any_text_comes_out_of_csv_and_json(cells):
    frame = pd.DataFrame({"slug": cells, "n": range(len(cells))})
    rows = list(csv.reader(io.StringIO(text(frame, "csv"), newline="")))
    found = [row[0] for row in rows[1:]]
    kept = [re.sub("\r\n?", "\n", cell) for cell in cells]
    assert [one.removeprefix("'") for one in found] == [one.removeprefix("'") for one in kept]
    assert not any(one.startswith(("=", "+", "-", "@", "\t", "\r")) for one in found)
    assert [row["slug"] for row in json.loads(text(frame, "json"))] == cells


@given(cells=st.lists(texts, min_size=2, max_size=2))
def test_any_text_stays_in_its_cell_of_a_markdown_table(cells):
    lines = text(pd.DataFrame([cells], columns=["one", "two"]), "markdown").split("\n")
    assert len(lines) == 4
    found = re.fullmatch(r"\| ((?:\\.|[^\\|])*) \| ((?:\\.|[^\\|])*) \|", lines[2], re.DOTALL)
    assert found
    assert [re.sub(r"\\(.)", r"\1", cell) for cell in found.groups()] == [
        " ".join(cell.splitlines()) for cell in cells
    ]


def test_latex_specials_are_escaped_in_cells_and_heads():
    cell = "\\input{x} 50% & $a_b^c$ #1 ~"
    lines = text(pd.DataFrame({"fgsm_linf": [0.5], "a_name": [cell]}), "latex").splitlines()
    assert lines[2] == r"fgsm\_linf & a\_name \\"
    assert lines[4] == (
        r"0.5 & \textbackslash{}input\{x\} 50\% "
        r"\& \$a\_b\textasciicircum{}c\$ \#1 \textasciitilde{} \\"
    )


def test_a_line_break_in_a_text_breaks_no_row_of_a_latex_table():
    lines = text(pd.DataFrame({"recipe": ["one\n\ntwo"]}), "latex").splitlines()
    assert lines[4] == r"one  two \\"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (0.123456, "0.1235"),
        (1.0, "1"),
        (123456.0, "1.235e+05"),
        (123456, "123456"),
        (0.0, "0"),
        (-0.25, "-0.25"),
        ("0.123456", "0.123456"),
        (True, "True"),
        (None, ""),
        (pd.NA, ""),
        (float("nan"), ""),
    ],
)
def test_a_cell_for_people_has_four_digits_or_nothing(cell, expected):
    assert cell_text(cell) == expected


@pytest.mark.parametrize("format", ["xlsx", "CSV", ""])
def test_an_unknown_format_is_refused_with_the_known_ones(format):
    with pytest.raises(BenchError, match="E-BAD-VALUE") as error:
        write(FRAME, format)
    assert f"got {format!r}" in error.value.message
    assert all(repr(known) in error.value.message for known in FORMATS)


def test_the_tests_above_know_every_format():
    assert set(FORMATS) == {"csv", "json", "parquet", "markdown", "latex"}
