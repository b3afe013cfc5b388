"""Random numbers by counter, and the noises that are made of them."""

import math

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import kstest, norm, poisson
from torch import Tensor

from bench.data.corruptions import corrupt
from bench.data.corruptions.counters import Counter, mixed
from bench.data.corruptions.noise import poisson as photons
from bench.data.corruptions.noise import shot_noise

WORD = (1 << 64) - 1


def finalised(value: int) -> int:
    """SplitMix64's finaliser on unsigned 64-bit integers."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & WORD
    value = (value ^ value >> 27) * 0x94D049BB133111EB & WORD
    return value ^ value >> 31


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


@pytest.mark.parametrize("value", [0, 1, -1, 2**63 - 1, -(2**63), 0x123456789ABCDEF, -(2**40) - 7])
def test_mixing_is_the_finaliser_of_splitmix64(value: int) -> None:
    assert mixed(torch.tensor([value])).item() == signed(finalised(value & WORD))


def test_the_first_numbers_of_splitmix64_are_the_published_ones() -> None:
    # seed 1234567, as in the reference implementation's test
    golden = 0x9E3779B97F4A7C15
    states = [signed((1234567 + turn * golden) & WORD) for turn in (1, 2, 3)]
    assert [number & WORD for number in mixed(torch.tensor(states)).tolist()] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_uniform_numbers_are_uniform_and_inside_the_open_interval() -> None:
    draws = Counter.of(0, "uniform", 0, 500).uniform(4, 500).double()
    assert draws.shape == (500, 4, 500)
    assert 0 < draws.min() < 1e-5
    assert 1 - 1e-5 < draws.max() < 1
    assert kstest(draws.flatten().numpy(), "uniform").statistic < 2 / math.sqrt(1e6)
    assert abs(draws.mean() - 0.5) < 4 * math.sqrt(1 / 12 / 1e6)
    assert abs(draws.var() - 1 / 12) < 4 * math.sqrt(1 / 180 / 1e6)


@pytest.mark.parametrize("extreme", [0, 2**23 - 1])
def test_the_most_extreme_uniform_numbers_are_finite_normal_ones(extreme: int) -> None:
    uniform = torch.tensor(float(extreme)).add(0.5).mul(2.0**-23)
    assert 0 < uniform < 1
    expected = ndtri((extreme + 0.5) / 2**23)
    assert abs(expected) > 5.2
    assert torch.special.ndtri(uniform).item() == pytest.approx(expected, rel=1e-6)


def correlation(one: Tensor, other: Tensor) -> float:
    return abs(np.corrcoef(one.flatten().numpy(), other.flatten().numpy())[0, 1])


def test_neighbouring_images_elements_streams_seeds_and_severities_are_not_correlated() -> None:
    counter = Counter.of(0, "fog 1", 0, 300)
    draws = counter.uniform(3000)
    others = [
        (draws[:-1], draws[1:]),
        (draws[:, :-1], draws[:, 1:]),
        (draws[:, :-32], draws[:, 32:]),
        (draws, counter.stream(0).uniform(3000)),
        (counter.stream(0).uniform(3000), counter.stream(1).uniform(3000)),
        (draws, Counter.of(1, "fog 1", 0, 300).uniform(3000)),
        (draws, Counter.of(0, "fog 2", 0, 300).uniform(3000)),
    ]
    for one, other in others:
        assert correlation(one, other) < 4 / math.sqrt(one.numel())


def test_every_bit_is_as_often_set_as_not() -> None:
    bits = Counter.of(3, "bits", 0, 200).bits(1000).numpy().view(np.uint64)
    shares = [((bits >> np.uint64(place)) & np.uint64(1)).mean() for place in range(64)]
    assert np.abs(np.array(shares) - 0.5).max() < 4.5 * 0.5 / math.sqrt(bits.size)


def test_normal_numbers_have_the_moments_of_the_normal_distribution() -> None:
    draws = Counter.of(0, "normal", 0, 1000).normal(1000).double()
    moments = [(draws**power).mean().item() for power in (1, 2, 3, 4)]
    deviations = [1, math.sqrt(2), math.sqrt(15), math.sqrt(96)]
    for moment, expected, deviation in zip(moments, (0, 1, 0, 3), deviations, strict=True):
        assert abs(moment - expected) < 4 * deviation / 1000
    assert kstest(draws.flatten().numpy(), "norm").statistic < 2e-3


def test_whole_numbers_are_uniform_from_low_to_below_high() -> None:
    draws = Counter.of(0, "whole", 0, 300).integers(-2, 3, 1000).numpy()
    found, counts = np.unique(draws, return_counts=True)
    assert found.tolist() == [-2, -1, 0, 1, 2]
    assert np.abs(counts / 60_000 - 1).max() < 4 * math.sqrt(4 / 300_000)


def test_a_part_of_the_images_has_the_numbers_it_has_in_the_whole() -> None:
    whole, part = Counter.of(5, "x", 0, 50), Counter.of(5, "x", 20, 10)
    assert torch.equal(whole.bits(3, 5)[20:30], part.bits(3, 5))
    assert torch.equal(whole.stream(4).normal(7)[20:30], part.stream(4).normal(7))


def flat(level: int, count: int = 100) -> Tensor:
    return torch.full((count, 3, 32, 32), level, dtype=torch.uint8)


@pytest.mark.parametrize(("severity", "sigma"), [*enumerate((0.04, 0.06, 0.08, 0.09, 0.10), 1)])
def test_gaussian_noise_has_its_standard_deviation_everywhere(severity: int, sigma: float) -> None:
    residual = corrupt(flat(128), "gaussian_noise", severity, seed=0).double() - 128
    wanted = math.sqrt((255 * sigma) ** 2 + 1 / 12)  # rounding adds a twelfth of a level²
    assert abs(residual.mean()) < 4 * wanted / math.sqrt(residual.numel())
    assert residual.std().item() == pytest.approx(wanted, rel=4 / math.sqrt(2 * residual.numel()))
    levels = torch.arange(-20, 21)  # a level stands for all values up to half a level above
    shares = (residual.flatten() <= levels[:, None]).double().mean(1).numpy()
    wanted_shares = norm.cdf((levels.numpy() + 0.5) / (255 * sigma))
    assert np.abs(shares - wanted_shares).max() < 2 / math.sqrt(residual.numel())


@pytest.mark.parametrize(("severity", "sigma"), [*enumerate((0.06, 0.10, 0.12, 0.16, 0.20), 1)])
@pytest.mark.parametrize("level", [50, 100, 150])
def test_speckle_grows_with_the_value_it_changes(severity: int, sigma: float, level: int) -> None:
    if sigma * 4 * level > 255 - level:
        level = 110  # no noise may be cut off at white
    residual = corrupt(flat(level), "speckle_noise", severity, seed=0).double() - level
    wanted = math.sqrt((level * sigma) ** 2 + 1 / 12)
    assert residual.std().item() == pytest.approx(wanted, rel=4 / math.sqrt(2 * residual.numel()))
    assert not corrupt(flat(0), "speckle_noise", severity, seed=0).any()


@pytest.mark.parametrize(("severity", "white"), [*enumerate((500, 250, 100, 75, 50), 1)])
@pytest.mark.parametrize("level", [26, 102])
def test_shot_noise_has_the_variance_of_counted_photons(
    severity: int, white: int, level: int
) -> None:
    value = level / 255  # numbers before they are rounded to levels, whose grid is another
    found = shot_noise(flat(level) / 255, white, Counter.of(0, "shot", 0, 100)).double()
    mean, count = value * white, found.numel()
    assert found.mean().item() == pytest.approx(value, rel=4 / math.sqrt(mean * count))
    spread = math.sqrt((2 + 1 / mean) / count)  # of an estimated Poisson variance
    assert found.var().item() == pytest.approx(value / white, rel=4 * spread)
    if white < 255:  # levels tell single photons apart
        levels = corrupt(flat(level), "shot_noise", severity, seed=0).double()
        counts = (levels * white / 255).round()
        assert ((counts * 255 / white).round() - levels).abs().max() <= 0
    assert not corrupt(flat(0), "shot_noise", severity, seed=0).any()


@pytest.mark.parametrize(
    ("mean", "bound"),
    [(0.5, 0), (3, 0), (9.9, 0), (10.5, 1.1e-3), (12, 9e-4), (50, 2.1e-4), (500, 2.1e-5)],
)
def test_photons_are_quantiles_of_the_poisson_distribution(mean: float, bound: float) -> None:
    places = 2**20
    uniform = (torch.arange(places).float() + 0.5) / places
    normal = torch.special.ndtri(uniform)
    counts = photons(torch.full_like(uniform, mean), uniform, normal).numpy()
    assert (np.diff(counts) >= 0).all()
    levels = np.arange(counts.max() + 1)
    below = np.searchsorted(counts, levels, side="right") / places
    distance = np.abs(below - poisson.cdf(levels, np.float32(mean))).max()
    assert distance < bound + 1 / places


def test_no_light_gives_no_photons() -> None:
    uniform = torch.linspace(1e-6, 1 - 1e-6, 1001)
    assert not photons(torch.zeros(1001), uniform, torch.special.ndtri(uniform)).any()


@pytest.mark.parametrize(("severity", "amount"), [*enumerate((0.01, 0.02, 0.03, 0.05, 0.07), 1)])
def test_impulses_are_a_share_of_the_values_and_half_of_them_are_white(
    severity: int, amount: float
) -> None:
    changed = corrupt(flat(99), "impulse_noise", severity, seed=0)
    assert changed.unique().tolist() == [0, 99, 255]
    for level in (0, 255):
        share = (changed == level).double().mean().item()
        assert abs(share - amount / 2) < 4 * math.sqrt(amount / 2 / changed.numel())
    struck = changed != 99  # each channel by itself
    together = (struck[:, 0] & struck[:, 1]).double().mean().item()
    assert abs(together - amount**2) < 4 * amount / math.sqrt(changed.numel() / 3)
