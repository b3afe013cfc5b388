"""A grid is read strictly, and every mistake has one sentence that names it."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.sweep.grid import read_grid

WHOLE = """
suites = ["digits", "mnist"]
architectures = ["lenet5"]
pruners = ["snip", {name = "imp", scope = "local", sparsities = [0.3]}]
sparsities = [0.5, 0.9]
seeds = [1, 2]
recipe = "short-10"
preset = "authors"
limit = 100
"""
OPTIONS = '{name = "x", moment = "early", options = {a = true, b = 0.5, c = 3, d = "word"}}'


def written(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_field_is_read(tmp_path):
    grid = read_grid(written(tmp_path, WHOLE))
    assert (grid.suites, grid.architectures) == (["digits", "mnist"], ["lenet5"])
    assert [(row.name, row.scope, row.sparsities) for row in grid.pruners] == [
        ("snip", None, None),
        ("imp", "local", [0.3]),
    ]
    assert (grid.sparsities, grid.seeds) == ([0.5, 0.9], [1, 2])
    assert (grid.recipe, grid.preset, grid.limit) == ("short-10", "authors", 100)


def test_options_become_what_would_be_typed(tmp_path):
    grid = read_grid(written(tmp_path, f"sparsities = [0.5]\npruners = [{OPTIONS}]"))
    assert grid.pruners[0].texts == {
        "a": "true",
        "b": "0.5",
        "c": "3",
        "d": "word",
        "moment": "early",
    }


def test_what_is_left_out_is_one_dense_network_on_digits(tmp_path):
    grid = read_grid(written(tmp_path, "limit = 10"))
    assert (grid.suites, grid.seeds, grid.pruners) == (["digits"], [1234], [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("# nothing yet", "is empty"),
        ("suites = []", "suites: got []"),
        ("seeds = []", "seeds: got []"),
        ("seeds = [-1]", "seeds.0: got -1"),
        ("seeds = [1.5]", "seeds.0: got 1.5"),
        ("limit = 0", "limit: got 0"),
        ('limit = "10"', "limit: got '10'"),
        ("sparsities = [1.0]", "sparsities.0: got 1.0"),
        ("sparsities = [nan]", "sparsities.0: got nan"),
        ("sparsity = [0.5]", "sparsity: unknown; known are suites, architectures, pruners"),
        ('pruners = ["snip"]', "snip has no sparsities"),
        ('sparsities = [0.5]\npruners = [{name = "imp", sparsities = []}]', "imp has no"),
        ("sparsities = [0.5]\npruners = [{}]", "pruners.0.name"),
        ("sparsities = [0.5]\npruners = [7]", "pruners.0"),
        ("suites = [", "not readable"),
    ],
)
def test_what_is_no_grid_is_refused_with_what_is_wrong(tmp_path, text, said):
    with pytest.raises(BenchError) as refused:
        read_grid(written(tmp_path, text))
    assert refused.value.code == "E-GRID"
    assert said in refused.value.message


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(BenchError, match="E-NO-SUCH-FILE"):
        read_grid(tmp_path / "none.toml")
    (tmp_path / "grid.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BenchError, match="E-GRID"):
        read_grid(tmp_path / "grid.toml")
