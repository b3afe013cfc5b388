from dataclasses import replace
from itertools import pairwise

import pytest

from bench.data.suites import SUITES
from bench.errors import BenchError
from bench.likelihood_chart import COLOURS, likelihood_png
from tests.factories import some_run
from tests.leaderboard.test_tabs_of_kinds import flow


def test_a_picture_has_a_panel_for_each_flow():
    one, two = (likelihood_png([flow(0.5, 0.6)] * count) for count in (1, 2))
    heights = [int.from_bytes(content[20:24], "big") for content in (one, two)]
    assert heights == [260, 460]


def test_every_image_set_is_drawn_and_those_of_a_suite_in_colours_of_their_own():
    assert len(set(COLOURS)) == len(COLOURS) > max(len(spec.outliers) for spec in SUITES.values())
    run = flow(0.5, 0.6)
    inside = [score for score in run.scores if score.set == run.suite]
    pictures = [likelihood_png([run])]
    for number in range(len(COLOURS)):
        more = tuple(replace(score, set=f"set {number}") for score in inside)
        run = replace(run, scores=(*run.scores, *more))
        pictures.append(likelihood_png([run]))
    assert all(one != other for one, other in pairwise(pictures))


def test_a_classifier_has_no_densities():
    with pytest.raises(BenchError, match="E-NOT-COMPARABLE"):
        likelihood_png([some_run()])
