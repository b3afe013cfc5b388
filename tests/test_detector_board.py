import math
from dataclasses import replace

import pytest

from bench.detector_board import SHIFT, detector_board
from bench.records import Score
from tests.factories import some_run

ONE = {"detector": "msp", "batch_size": 1}


def score(task, set_, value, **conditions):
    return Score.about(task, set_, **conditions).measured("auroc", value, 9)


def test_every_number_is_in_its_place():
    mnist, fog = Score.about("outliers", "mnist", **ONE), {"severity": 5, "corruption": "fog"}
    board = detector_board(
        some_run(
            scores=(
                score("outliers", "mnist", 0.1, detector="knn", batch_size=5),
                score("outliers", "mnist", 0.2, **ONE),
                score("outliers", "mnist", 0.3, detector="knn", batch_size=1),
                mnist.measured("fpr95", 0.9, 9),
                score("clean", "mnist", 0.9),
                score("adversarial", "test", 0.4, attack="fgsm-linf", epsilon=8 / 255, **ONE),
                score("shift", "c", 0.5, **fog, **ONE),
                score("shift", "c", 0.7, **(fog | {"corruption": "snow"}), **ONE),
                score("shift", "c", 0.9, **(fog | {"severity": 4}), **ONE),
                replace(
                    Score.about("shift", "c", severity=5, corruption="saturate", **ONE),
                    reason="not_applicable",
                ),
                score("out-of-domain", "mnist×255", 0.6, **ONE),
                Score.about("outliers", "kmnist", **ONE),
            )
        )
    )
    assert list(board.columns) == ["mnist", "fgsm-linf 0.03137", SHIFT, "mnist×255"]
    assert list(board.index) == [(1, "knn"), (1, "msp"), (5, "knn")]
    assert board.loc[(1, "msp")].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.6])
    assert board.loc[(5, "knn"), "mnist"] == 0.1
    assert math.isnan(board.loc[(5, "knn"), SHIFT])


def test_a_mean_with_a_failure_in_it_is_none():
    broken = Score.about("shift", "c", severity=5, corruption="fog", **ONE)
    board = detector_board(
        some_run(
            scores=(
                replace(broken, reason="failed"),
                score("shift", "c", 0.7, severity=5, corruption="snow", **ONE),
            )
        )
    )
    assert math.isnan(board.loc[(1, "msp"), SHIFT])
