"""Cells of corruptions and detectors, and the series that they are made of."""

from dataclasses import replace

import pandas as pd
import pytest

from bench.ranking import summary
from bench.records import Run, Score
from bench.store import open_store, run_frame, save_run, score_frame
from leaderboard.views.corruptions import BLOCKS, of_ratios, of_runs
from leaderboard.views.detectors import board_cells, mean_board, with_best
from leaderboard.views.heat import heat_map, shaded
from leaderboard.views.lines import with_lines
from leaderboard.views.series import ATTACK, CORRUPTION, reasons, wide
from tests.factories import some_run


def shifted(corruption: str, severity: int, value: float | None, reason=None) -> Score:
    return Score(
        task="shift",
        set="c",
        metric="accuracy",
        n=9,
        value=value,
        corruption=corruption,
        severity=severity,
        reason=reason,
    )


def run_of(pruner: str, seed: int, *scores: Score) -> Run:
    sparsity = 0 if pruner == "dense" else 0.9
    return some_run(pruner=pruner, sparsity=sparsity, seed=seed, scores=scores)


@pytest.fixture
def frames(tmp_path):
    def frames(*runs: Run) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
            for run in runs:
                assert save_run(store, run)
            scores = score_frame(store, task="shift").dropna(subset=["task"])
            table = with_lines(summary(run_frame(store)))
        return table, wide(scores, CORRUPTION), reasons(scores, CORRUPTION)

    return frames


def cell(cells: pd.DataFrame, row: str, column: str) -> pd.Series:
    found = cells[(cells["row"] == row) & (cells["column"] == column)]
    assert len(found) == 1
    return found.iloc[0]


def test_severities_are_averaged_and_a_failed_one_is_not_passed_over(frames):
    _, numbers, why = frames(
        run_of(
            "snip",
            1,
            *(shifted("fog", severity, severity / 10) for severity in (1, 2, 3)),
            shifted("snow", 1, 0.5),
            shifted("snow", 2, None, "failed"),
            shifted("frost", 1, 0.5),
            shifted("frost", 2, None, "not_run"),
        )
    )
    assert numbers["fog"].tolist() == pytest.approx([0.2])
    assert numbers["snow"].isna().all()
    assert numbers["frost"].tolist() == [0.5]
    assert why["snow"].tolist() == ["failed"]


def test_attacks_are_named_with_their_radius_in_steps_of_colour():
    scores = pd.DataFrame(
        {
            "run_id": ["a", "a"],
            "attack": ["fgsm-l2", "fgsm-l2"],
            "epsilon": [8 / 255, 0.5],
            "value": [0.3, 0.2],
            "reason": [None, None],
        }
    )
    assert list(wide(scores, ATTACK)) == ["fgsm-l2 ε 8/255", "fgsm-l2 ε 0.5"]


def test_rows_are_ordered_by_their_mean_and_columns_by_block(frames):
    cells = of_runs(
        *frames(
            run_of("snip", 1, shifted("fog", 1, 0.1), shifted("shot_noise", 1, 0.3)),
            run_of("crop", 1, shifted("fog", 1, 0.6), shifted("shot_noise", 1, 0.2)),
        )
    )
    assert list(dict.fromkeys(cells["row"])) == ["crop 90 %", "snip 90 %"]
    assert list(dict.fromkeys(cells["column"])) == ["shot_noise", "fog"]
    assert cell(cells, "crop 90 %", "fog")[["value", "block"]].tolist() == [0.6, "weather"]


def test_runs_of_several_seeds_are_told_apart(frames):
    cells = of_runs(*frames(*(run_of("snip", seed, shifted("fog", 1, 0.1)) for seed in (1, 2))))
    assert sorted(cells["row"]) == ["snip 90 % · 1", "snip 90 % · 2"]


def test_a_missing_number_has_its_reason(frames):
    cells = of_runs(
        *frames(run_of("snip", 1, shifted("fog", 1, 0.1), shifted("snow", 1, None, "declined")))
    )
    assert cell(cells, "snip 90 %", "snow")["reason"] == "declined"
    assert cell(cells, "snip 90 %", "fog")["reason"] == ""


def test_ratios_are_means_over_seeds_without_dense(frames):
    runs = [run_of("dense", 1, shifted("fog", 1, 0.8)), run_of("dense", 2, shifted("fog", 1, 0.5))]
    runs += [run_of("snip", seed, shifted("fog", 1, 0.4)) for seed in (1, 2)]
    cells = of_ratios(*frames(*runs))
    assert cells["row"].tolist() == ["snip 90 %"]
    assert cells["value"].tolist() == pytest.approx([0.65])


def test_a_ratio_that_is_missing_has_the_reason_of_its_run_or_says_that_dense_has_none(frames):
    dense = run_of("dense", 1, shifted("fog", 1, 0.8), shifted("snow", 1, None, "failed"))
    snip = run_of("snip", 1, shifted("fog", 1, None, "declined"), shifted("snow", 1, 0.4))
    cells = of_ratios(*frames(dense, snip))
    assert cell(cells, "snip 90 %", "fog")["reason"] == "declined"
    assert "dense" in cell(cells, "snip 90 %", "snow")["reason"]


def test_without_dense_there_are_no_ratios(frames):
    assert of_ratios(*frames(run_of("snip", 1, shifted("fog", 1, 0.4)))).empty


def test_every_corruption_has_a_block():
    assert list(dict.fromkeys(BLOCKS.values())) == ["noise", "blur", "weather", "digital", "extra"]
    assert len(BLOCKS) == 19


@pytest.mark.parametrize(
    ("up", "centre", "shades"),
    [
        (True, None, [0, 0.25, 1]),
        (False, None, [1, 0.75, 0]),
        (True, 1.0, [0.25, 0.375, 0.75]),
        (False, 1.0, [0.75, 0.625, 0.25]),
    ],
)
def test_blue_is_the_better_end_and_the_middle_is_neutral(up, centre, shades):
    furthest = [1.4] if centre else []
    cells = pd.DataFrame({"value": [0.8, 0.9, 1.2, None, *furthest]})
    found = shaded(cells, higher_is_better=up, centre=centre)
    assert found["shade"].tolist()[:3] == pytest.approx(shades)
    assert pd.isna(found["shade"].iloc[3])
    assert found["text"].tolist()[:4] == ["0.800", "0.900", "1.200", "–"]


def test_equal_numbers_are_neutral():
    cells = pd.DataFrame({"value": [1.0, 1.0]})
    for centre in (None, 1.0):
        found = shaded(cells, higher_is_better=True, centre=centre)
        assert found["shade"].tolist() == [0.5, 0.5]


def test_hostile_words_are_data_and_order_and_nothing_else():
    hostile = "<script>alert(1)</script>"
    cells = pd.DataFrame(
        {"row": [hostile], "column": ["fog"], "value": [0.5], "block": ["weather"]}
    )
    told = ["row", "column", "value"]
    chart = heat_map(shaded(cells, higher_is_better=True, centre=None), diverging=False, told=told)
    spec = chart.to_dict()
    assert hostile in str(spec.pop("datasets"))
    for layer in spec["layer"][:3]:
        assert layer["encoding"]["y"].pop("sort") == [hostile]
    assert "script" not in str(spec)


# detectors


def board(**numbers: float) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([[1], list(numbers)], names=["batch_size", "detector"])
    return pd.DataFrame({"mnist": list(numbers.values())}, index=index)


def test_several_boards_are_averaged_and_what_one_lacks_is_missing():
    found = mean_board([board(msp=0.2, knn=0.5), board(msp=0.4, vim=0.5)])["mnist"]
    assert found.loc[(1, "msp")] == pytest.approx(0.3)
    assert found.loc[[(1, "knn"), (1, "vim")]].isna().all()


def test_cells_are_those_of_the_batch_size():
    cells = board_cells(board(msp=0.2, knn=0.5), 1)
    assert cells[["row", "column", "value"]].values.tolist() == [
        ["msp", "mnist", 0.2],
        ["knn", "mnist", 0.5],
    ]
    assert board_cells(board(msp=0.2), 5).empty


@pytest.mark.parametrize(("up", "texts"), [(True, ["a", "★ b"]), (False, ["★ a", "b"])])
def test_the_best_of_a_column_has_a_star(up, texts):
    cells = board_cells(board(msp=0.2, knn=0.5), 1).assign(text=["a", "b"])
    assert with_best(cells, higher_is_better=up)["text"].tolist() == texts


def test_a_detector_without_company_is_not_the_best():
    cells = board_cells(board(msp=0.2), 1).assign(text=["a"])
    assert with_best(cells, higher_is_better=True)["text"].tolist() == ["a"]


def test_a_run_without_a_seed_has_a_row(frames):
    run = run_of("snip", 1, shifted("fog", 1, 0.1))
    run = replace(run, submission=replace(run.submission, seed=None))
    assert of_runs(*frames(run))["row"].tolist() == ["snip 90 %"]
