import pytest

from bench.errors import BenchError
from bench.likelihood_chart import likelihood_png
from tests.factories import some_run
from tests.leaderboard.test_tabs_of_kinds import flow


def test_a_picture_has_a_panel_for_each_flow():
    one, two = (likelihood_png([flow(0.5, 0.6)] * count) for count in (1, 2))
    heights = [int.from_bytes(content[20:24], "big") for content in (one, two)]
    assert heights == [260, 460]


def test_a_classifier_has_no_densities():
    with pytest.raises(BenchError, match="E-NOT-COMPARABLE"):
        likelihood_png([some_run()])
