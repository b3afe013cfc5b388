import numpy as np
import pytest

from bench.densities import bars, quantiles_of, window
from bench.metric_meanings import QUANTILES
from bench.records import Score


def test_bars_of_normal_quantiles_follow_the_density():
    values = np.random.default_rng(0).normal(size=100_000)
    found = list(bars(list(np.quantile(values, np.linspace(0, 1, 21)))))
    assert sum(bar.height * (bar.high - bar.low) for bar in found) == pytest.approx(1)
    for bar in found[5:15]:  # without the long tails
        middle = (bar.low + bar.high) / 2
        assert bar.height == pytest.approx(np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi), rel=0.05)


def test_images_that_are_all_alike_are_thin_bars():
    assert all(np.isfinite(bar.height) for bar in bars([7.0] * 21))
    assert [bar.height for bar in bars([0.0, 0.0, 10.0])] == pytest.approx([0.5 / 0.01, 0.05])


def test_a_window_leaves_tails_out():
    assert window([[-1000.0, 0.0, 10.0, 11.0], [2.0, 3.0, 4.0, 99.0]]) == (-3.0, 13.0)


def test_quantiles_are_read_off_the_scores_of_each_set():
    rows = [
        Score(task="likelihood", set=name, metric=metric, value=share + shift, n=9)
        for name, shift in (("digits", 0), ("patches", 5))
        for metric, share in QUANTILES.items()
    ]
    rows.append(Score(task="likelihood", set="digits", metric="auroc", value=0.5, n=9))
    found = quantiles_of(rows)
    assert found["digits"] == list(QUANTILES.values())
    assert found["patches"][0] == 5
