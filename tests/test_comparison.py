"""Two runs side by side, and the command that prints it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from bench.cli import app
from bench.comparison import Agreement, agreement, comparisons
from bench.errors import BenchError
from bench.headline import HEADLINE
from bench.protocol import METRICS
from bench.ranking import summary
from bench.records import Run, Score
from bench.store import TRUTH, Outcome, open_store, run_frame, save_run, score_frame, true_outcome
from tests.factories import on_other_data, some_run

N = 100
LABELS = np.arange(N) % 10


def right(count: int, *, labels: np.ndarray = LABELS) -> Outcome:
    """The first `count` images right, the others the next class."""
    wrong = (labels + 1) % 10
    return Outcome(
        np.where(np.arange(N) < count, labels, wrong), np.linspace(1, 0.2, N, np.float32)
    )


def run_of(seed: int, accuracy: float, **values: float) -> Run:
    """A run with an accuracy and costs."""
    measured = Score.about("clean", "digits").measured
    scores = [measured("accuracy", accuracy, N), measured("brier", 1 - accuracy, N)]
    costs = Score.about("cost", "digits")
    scores += [costs.measured(name, value, 1) for name, value in values.items()]
    return some_run(seed=seed, scores=scores)


RUNS = (
    run_of(1, 0.9, size_bytes=10, macs_sparse=5),
    run_of(2, 0.7, size_bytes=10, macs_sparse=4),
    run_of(3, 0.89, size_bytes=11),
)
KEPT = [{"digits": right(count), TRUTH: true_outcome(LABELS)} for count in (90, 70, 89)]


def filled(folder: Path, outcomes=KEPT) -> str:
    url = f"sqlite:///{folder / 'bench.db'}"
    with open_store(url) as store:
        for run, kept in zip(RUNS, outcomes, strict=True):
            save_run(store, run, kept)
    return url


def lines(url: str, outcomes=KEPT):
    with open_store(url, readonly=True) as store:
        scores, table = score_frame(store), summary(run_frame(store))
    ids = [run.run_id for run in RUNS]
    kept = dict(zip(ids, outcomes, strict=True))
    return comparisons(table.loc[ids], kept.__getitem__, scores)


def compare(*words: object):
    ids = [word.run_id if isinstance(word, Run) else str(word) for word in words]
    return CliRunner().invoke(app, ["compare", *ids])


def test_agreement_counts_every_image_once():
    one, other = right(90), right(70)
    odd = np.array(other.predicted)
    odd[95:] = (LABELS[95:] + 2) % 10
    found = agreement("digits", {"digits": one, TRUTH: true_outcome(LABELS)}, {"digits": other})
    assert found == Agreement(n=100, both=70, first=20, second=0, neither=10, same=80)
    bare = {"digits": one}, {"digits": other}
    assert agreement("digits", *bare, true_outcome(LABELS)) == found
    moved = {"digits": Outcome(odd, other.confidence), TRUTH: true_outcome(LABELS)}
    assert agreement("digits", moved, KEPT[0]) == Agreement(100, 70, 0, 20, 10, 75)


@pytest.mark.parametrize(
    "missing",
    [{}, {TRUTH: true_outcome(LABELS)}, {"digits": right(9)}, {**KEPT[0], "digits": None}],
)
def test_there_is_no_agreement_without_answers_and_labels(missing):
    if missing.get("digits", 0) is None:
        missing = {**missing, "digits": Outcome(LABELS[:9], np.ones(9, np.float32))}
    other = {"digits": right(70)}
    assert agreement("digits", missing, other) is None


def test_each_number_of_the_first_run_stands_against_that_of_each_other(tmp_path):
    found = lines(filled(tmp_path)).set_index(["run_id", "number"])
    second, third = (run.run_id for run in RUNS[1:])
    assert len(found) == 4 + 3  # the third has no macs
    row = found.loc[(second, "accuracy")]
    assert row["difference"] == pytest.approx(-0.2)
    stderr = np.sqrt((0.2 - 0.04) / 99)
    assert row["low"] == pytest.approx(-0.2 - 1.96 * stderr, abs=1e-5)
    assert row["high"] == pytest.approx(-0.2 + 1.96 * stderr, abs=1e-5)
    assert row["p"] == pytest.approx(2 * binomtest(0, 20).pvalue)  # Holm over the two accuracies
    assert row[["better", "test"]].tolist() == ["first", "McNemar"]
    row = found.loc[(third, "accuracy")]
    assert row[["p", "better"]].tolist() == [1, "no difference"]
    verdicts = found[["better", "test"]].apply(tuple, axis=1)
    assert verdicts[(second, "brier")] == ("", "none")
    assert verdicts[(second, "size_bytes")] == ("equal", "exact")
    assert verdicts[(second, "macs_sparse")] == ("second", "exact")
    assert verdicts[(third, "size_bytes")] == ("first", "exact")
    assert found.loc[(second, "macs_sparse"), ["low", "high", "p"]].isna().all()


def test_without_answers_an_accuracy_is_compared_by_its_error(tmp_path):
    found = lines(filled(tmp_path), [KEPT[0], {}, KEPT[2]]).set_index(["run_id", "number"])
    paired, apart = (found.loc[(run.run_id, "accuracy")] for run in (RUNS[2], RUNS[1]))
    assert (paired["test"], apart["test"]) == ("McNemar", "unpaired")
    own = np.sqrt(0.09 / 99 + 0.21 / 100)
    assert apart["high"] - apart["low"] == pytest.approx(2 * 1.96 * own, abs=1e-5)


# the command


@pytest.fixture
def store(tmp_path, monkeypatch) -> str:
    url = filled(tmp_path)
    monkeypatch.setenv("BENCH_STORE", url)
    return url


def test_the_first_line_counts_images_and_the_table_names_the_better_run(store):
    done = compare(*RUNS[:2])
    assert done.exit_code == 0, done.exception
    first, title = done.output.splitlines()[:2]
    assert first == (
        "Of 100 clean images A and B both get 70 right, A alone 20, B alone 0, neither 10; "
        "they answer 80 alike (80.0%)."
    )
    assert re.match(rf"A dense \({RUNS[0].run_id[:8]}\), B dense \({RUNS[1].run_id[:8]}\)", title)
    row = re.search(r"^ *accuracy.*$", done.output, re.MULTILINE)[0].split("  ")
    cells = [cell.strip() for cell in row if cell.strip()]
    assert cells == [
        "accuracy", "0.9", "0.7", "-0.2", "-0.2788 to -0.1212", "< 0.0001", "A", "McNemar",
    ]  # fmt: skip
    assert re.search(r"macs_sparse +5 +4 +-1 +– +– +B +exact", done.output)
    assert re.search(r"brier .* – +– +– +none", done.output)


def test_each_further_run_is_compared_with_the_first(store):
    done = compare(*RUNS)
    assert done.output.count("Of 100 clean images A and ") == 2
    assert re.search(r"A and C both get 89 right, A alone 1, C alone 0", done.output)
    row = re.search(r"^ *accuracy +0.9 +0.89 .*$", done.output, re.MULTILINE)[0]
    assert re.search(r"1 +no difference +McNemar", row)


def test_what_only_one_of_two_has_is_named_with_the_reason(store):
    ensemble = replace(
        RUNS[1],
        submission=replace(RUNS[1].submission, kind="ensemble", weights_sha256="e" * 64),
        scores=(
            RUNS[1].scores[0],
            replace(Score.about("clean", "digits"), metric="brier", reason="not_applicable"),
            Score.about("clean", "digits").measured("nll", 0.1, N),
        ),
    )
    with open_store(store) as opened:
        assert save_run(opened, ensemble)
    done = compare(RUNS[0], ensemble)
    lines = done.output.splitlines()
    assert f"B dense ({ensemble.run_id[:8]}, ensemble)" in done.output
    assert "A has no NLL: not run." in lines
    assert "B has no Brier: not applicable." in lines
    assert "B has no sparse MACs, bytes: not run." in lines
    assert "Lipschitz" not in done.output  # neither has one
    scores = compare(RUNS[0], ensemble, "--all").output
    assert re.search(r"clean +digits +brier +0.1 +– +–", scores)


def test_every_score_is_shown_where_it_is_asked_for(store):
    done = compare(*RUNS, "--all")
    assert done.output.count("first dense, second dense") == 2
    assert "better" in done.output
    assert "McNemar" not in done.output


@pytest.mark.parametrize(
    ("outcomes", "line"),
    [
        ([{}, KEPT[1], {}], "no answers to single images are stored of A."),
        ([{}, {}, {}], "no answers to single images are stored of A and B."),
        (
            [{"digits": kept["digits"]} for kept in KEPT],
            "neither A nor B keeps the labels of its test set.",
        ),
    ],
)
def test_runs_that_are_no_pair_say_why(tmp_path, monkeypatch, outcomes, line):
    monkeypatch.setenv("BENCH_STORE", filled(tmp_path, outcomes))
    done = compare(*RUNS[:2])
    first = done.output.splitlines()[0]
    assert "npaired, with wider intervals than needed: " in first
    assert first.endswith(line)
    assert re.search(r"accuracy .* A +unpaired", done.output)


def test_one_run_or_the_same_twice_or_too_many_are_refused(store):
    for words, got in (
        (RUNS[:1], "got 1, expected 2 to 26"),
        ([RUNS[0], RUNS[0]], "the same run twice"),
        (["a"] * 27, "got 27, expected 2 to 26"),
    ):
        error = compare(*words).exception
        assert isinstance(error, BenchError)
        assert error.code == "E-BAD-VALUE"
        assert got in error.message


def test_runs_of_other_images_or_protocols_are_refused(store):
    others = on_other_data(RUNS[1]), replace(RUNS[1], limit=50)
    with open_store(store) as opened:
        for other in others:
            save_run(opened, other)
    for other in others:
        error = compare(RUNS[0], RUNS[2], other).exception
        assert error.code == "E-NOT-COMPARABLE"


def test_every_headline_number_has_a_better_end():
    assert all(METRICS[column.metric].higher_is_better is not None for column in HEADLINE.values())
