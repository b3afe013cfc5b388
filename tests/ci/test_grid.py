"""What a sweep made becomes folders of the repository, and a figure."""

import csv
import gzip
import json
from dataclasses import replace
from itertools import product

import pytest
from PIL import Image

from bench.errors import BenchError
from bench.files import write_atomically
from bench.records import file_bytes, from_json
from bench.store import open_store
from bench.store.claims import Wanted, claim, finish
from bench.submissions import load_submission
from bench.sweep.grid import Grid, read_grid
from ci.figures import COLUMNS, PICTURE, draw, fingerprint, grid_figure, means
from ci.grid import GRID, TIMES, names, ship
from ci.shipped import grid_runs
from leaderboard.shipped import SUBMISSIONS
from tests.factories import some_run

PLACE = {"architectures": ["lenet5"], "recipe": "digits-20", "limit": 60}
TWO = Grid(**PLACE, seeds=[1234, 7])
ALONE = Grid(**PLACE, seeds=[1234])


def of_seed(run, seed):
    return replace(run, submission=replace(run.submission, seed=seed))


def swept(store, *evaluations):
    """Ends a unit for each run."""
    for number, (run, outcomes) in enumerate(evaluations):
        key = claim(store, [Wanted(str(number), "unit", None)], "me")
        finish(store, key, "me", run, outcomes)


def test_each_network_gets_a_folder_and_each_seed_a_record(dense, scored, tmp_path):
    other, beside = of_seed(scored.run, 7), replace(scored.run, limit=50)
    out = tmp_path / "submissions"
    for name, record in (("grid-old", "run-1.json.gz"), ("grid-of-a-stranger", "run.json")):
        write_atomically(out / name / record, b"")
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        swept(store, scored, (other, {}), (beside, {}))
        ship(TWO, store, dense.parent, out)
    assert {path.name for path in out.iterdir() if path.is_dir()} == {
        "grid-dense",
        "grid-of-a-stranger",
    }
    folder = out / "grid-dense"
    records = {path.name: path for path in folder.glob("run-*")}
    assert set(records) == {"run-1234.json.gz", "run-7.json.gz"}
    for name, run in (("run-1234.json.gz", scored.run), ("run-7.json.gz", other)):
        record = json.loads(gzip.decompress(records[name].read_bytes()))
        assert from_json(record) == replace(run, trust="official")
    loaded = load_submission(folder)
    assert loaded.record.weights_sha256 == scored.run.submission.weights_sha256
    assert [row[:2] for row in _rows(out / TIMES)[1:]] == [["dense", "7"], ["dense", "1234"]]


def test_one_run_under_two_keys_is_one_run(dense, scored, tmp_path):
    """As where the program changed and the weights did not."""
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        swept(store, scored, scored)
        ship(ALONE, store, dense.parent, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*/run-*"))) == 1


def test_a_part_may_come_after_another(dense, scored, tmp_path):
    both, later = tmp_path / "both", tmp_path / "later"
    other = of_seed(scored.run, 7), {}
    with open_store(f"sqlite:///{tmp_path / 'both.db'}") as store:
        swept(store, scored, other)
        ship(TWO, store, dense.parent, both)
    with open_store(f"sqlite:///{tmp_path / 'first.db'}") as store:
        swept(store, scored)
        ship(ALONE, store, dense.parent, later)
    with open_store(f"sqlite:///{tmp_path / 'second.db'}") as store:
        swept(store, other)
        ship(TWO, store, tmp_path, later)
    assert _contents(later) == _contents(both)
    with open_store(f"sqlite:///{tmp_path / 'again.db'}") as store:
        swept(store, scored)
        ship(ALONE, store, dense.parent, later)
    assert [path.name for path in later.glob("*/run-*")] == ["run-1234.json.gz"]
    assert len(_rows(later / TIMES)) == 2


def _contents(folder):
    """Of a file of seconds, which each store has its own, only the names."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    rows = {
        name: [row[:3] for row in _rows(path)]
        for name, path in files.items()
        if path.suffix == ".csv"
    }
    return {name: rows.get(name, path.read_bytes()) for name, path in files.items()}


def test_a_run_whose_network_is_not_there_is_refused_before_anything_goes(scored, tmp_path):
    (tmp_path / "submissions" / "grid-old").mkdir(parents=True)
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        swept(store, scored)
        with pytest.raises(BenchError, match="E-NO-SUCH-FILE: dense: no folder has its weights"):
            ship(ALONE, store, tmp_path, tmp_path / "submissions")
    assert [path.name for path in (tmp_path / "submissions").iterdir()] == ["grid-old"]


def test_a_store_of_another_grid_or_with_a_network_twice_is_refused(dense, scored, tmp_path):
    out = tmp_path / "submissions"
    (out / "grid-old").mkdir(parents=True)
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        with pytest.raises(BenchError, match="E-BAD-VALUE: store: got no network of the grid"):
            ship(ALONE, store, dense.parent, out)
        swept(store, scored)
        claim(store, [Wanted("more", "unit", None)], "me")
        who = replace(scored.run.submission, weights_sha256="0" * 64)
        finish(store, "more", "me", replace(scored.run, submission=who), {})
        with pytest.raises(BenchError, match="E-BAD-VALUE: store: got dense 1234 twice"):
            ship(ALONE, store, dense.parent, out)
    assert (out / "grid-old").is_dir()


@pytest.fixture
def runs():
    pruned = product(("snip", "imp"), (0.5, 0.9), (1, 2))
    dense = [some_run(seed=seed, accuracy=0.9) for seed in (1, 2)]
    lost = {"snip": 0.1, "imp": 0.0}
    return dense + [
        some_run(
            pruner=name, sparsity=share, seed=seed, accuracy=0.9 - lost[name] - share / 10 * seed
        )
        for name, share, seed in pruned
    ]


@pytest.fixture
def rows(runs):
    return means(runs)


def test_the_figure_shows_means_and_deviations_over_seeds(rows):
    axes = grid_figure(rows).axes
    assert len(axes) == len(COLUMNS)
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["snip", "imp"]
    drawn = [one.lines for one in axes[0].containers]
    assert [list(points.get_xdata()) for points, _, _ in drawn] == [
        pytest.approx([0.825, 0.725]),
        pytest.approx([0.765, 0.665]),
    ]
    ((bars, *_),) = [bars for _, _, bars in drawn[:1]]
    (left, _), (right, _) = bars.get_segments()[0]
    assert right - left == pytest.approx(2 * 0.05 / 2**0.5)


def test_the_figure_of_one_seed_has_points_alone(runs):
    rows = means([run for run in runs if run.submission.seed == 1])
    points, _, (bars,) = grid_figure(rows).axes[0].containers[0].lines
    assert list(points.get_xdata()) == pytest.approx([0.85, 0.75])
    assert [left[0] for left, _ in bars.get_segments()] == pytest.approx([0.85, 0.75])


def test_what_hardly_classifies_is_named_under_the_figure_and_not_drawn(runs):
    wrecked = [
        some_run(pruner="random", sparsity=share, seed=1, accuracy=0.1) for share in (0.98, 0.9)
    ]
    figure = grid_figure(means([*runs, *wrecked]))
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "Not drawn, accuracy below 0.5: random 0.9, 0.98"
    assert min(x for one in figure.axes[0].containers for x in one.lines[0].get_xdata()) > 0.5
    assert grid_figure(means(runs)).legends[0].get_title().get_text() == ""


def test_the_figure_of_shipped_runs_says_of_which_numbers_it_is(runs, tmp_path, monkeypatch):
    for run in runs:
        folder = tmp_path / f"grid-{run.submission.slug}"
        folder.mkdir(exist_ok=True)
        packed = gzip.compress(file_bytes(run))
        (folder / f"run-{run.submission.seed}.json.gz").write_bytes(packed)
    monkeypatch.setattr("leaderboard.shipped.SUBMISSIONS", tmp_path)
    monkeypatch.setattr("ci.figures.PICTURE", tmp_path / "grid.png")
    draw()
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.text == {"Description": fingerprint(means(runs))}


def test_the_fingerprint_of_a_figure_is_of_its_numbers(rows):
    moved = rows.assign(accuracy=rows["accuracy"] + 1e-3)
    assert fingerprint(rows) == fingerprint(rows.sample(frac=1, random_state=0))
    assert fingerprint(rows) != fingerprint(moved)


def test_the_shipped_grid_is_of_its_file_and_one_seed_is_whole():
    runs, grid = grid_runs(), read_grid(GRID)
    shipped = [(run.submission.slug, run.submission.seed) for run in runs]
    assert len(set(shipped)) == len(shipped)
    first = {name for name in names(grid) if name[1] == grid.seeds[0]}
    assert first <= set(shipped) <= names(grid)
    timed = {run for _, _, run, _ in _rows(SUBMISSIONS / TIMES)[1:]}
    assert timed == {run.run_id for run in runs}


def test_the_shipped_figure_is_of_the_shipped_grid():
    with Image.open(PICTURE) as picture:
        assert picture.text["Description"] == fingerprint(means(grid_runs())), "make figures"


def _rows(path):
    with path.open() as file:
        return list(csv.reader(file))
