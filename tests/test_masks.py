import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from bench import saliency
from bench.errors import BenchError
from bench.masks import apply, keep_top, targets
from bench.saliency import Scoring

SHAPES = {"a": (4, 3, 3, 3), "b": (10, 7), "c": (5,)}
TOTAL = 108 + 70 + 5
scopes = st.sampled_from(["global", "local"])
sparsities = st.floats(0, 0.999)


def scores(seed: int, levels: int = 1_000_000) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randint(0, levels, shape, generator=generator).float()
        for name, shape in SHAPES.items()
    }


def small_network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


@given(seed=st.integers(0, 99), tenths=st.integers(0, 9), levels=st.sampled_from([1, 3, 10**6]))
def test_exactly_k_weights_stay_even_among_ties(seed, tenths, levels):
    kept = keep_top(scores(seed, levels), tenths / 10)
    assert sum(int(mask.sum()) for mask in kept.values()) == TOTAL * (10 - tenths) // 10


@given(seed=st.integers(0, 99), tenths=st.integers(0, 9))
def test_local_scope_counts_within_each_tensor(seed, tenths):
    kept = keep_top(scores(seed), tenths / 10, "local")
    for mask in kept.values():
        assert int(mask.sum()) == max(1, mask.numel() * (10 - tenths) // 10)


@given(seed=st.integers(0, 99), scope=scopes, one=sparsities, two=sparsities)
def test_masks_nest_as_sparsity_grows(seed, scope, one, two):
    low, high = sorted((one, two))
    loose, strict = keep_top(scores(seed, 5), low, scope), keep_top(scores(seed, 5), high, scope)
    assert all(bool((loose[name] | ~strict[name]).all()) for name in loose)


@given(seed=st.integers(0, 99), sparsity=sparsities)
def test_no_pruned_weight_is_worth_more_than_a_kept_one(seed, sparsity):
    given_scores = scores(seed)
    kept = keep_top(given_scores, sparsity)
    flat = torch.cat([score.flatten() for score in given_scores.values()])
    chosen = torch.cat([mask.flatten() for mask in kept.values()])
    assert chosen.all() or flat[~chosen].max() <= flat[chosen].min()


def test_of_equal_scores_the_earlier_weight_stays():
    assert keep_top({"w": torch.zeros(4)}, 0.5)["w"].tolist() == [True, True, False, False]


def test_minus_infinity_is_never_revived():
    score = torch.tensor([-torch.inf, 1.0, -2.0, -torch.inf])
    assert keep_top({"w": score}, 0.5)["w"].tolist() == [False, True, True, False]


@given(seed=st.integers(0, 99), scope=scopes, one=sparsities, two=sparsities)
def test_what_an_earlier_mask_removed_never_returns(seed, scope, one, two):
    earlier = keep_top(scores(seed), one, scope)
    later = keep_top(scores(seed + 1), two, scope, within=earlier)
    assert all(bool((earlier[name] | ~later[name]).all()) for name in earlier)
    if scope == "global" and two >= one:
        alone = keep_top(scores(seed + 1), two)
        assert sum(map(torch.sum, later.values())) == sum(map(torch.sum, alone.values()))


def test_halving_closes_half_of_the_gap_at_each_step():
    expected = [0.5, 0.7, 0.8, 0.85, 0.875, 0.8875, 0.89375, 0.9]
    assert targets("halving", 0.9, 6) == pytest.approx(expected, abs=1e-12)
    expected = [0.5, 0.74, 0.86, 0.92, 0.95, 0.965, 0.9725, 0.98]
    assert targets("halving", 0.98, 6) == pytest.approx(expected, abs=1e-12)
    expected = [0.2, 0.3, 0.35, 0.375, 0.3875, 0.39375, 0.396875, 0.4]
    assert targets("halving", 0.4, 6) == pytest.approx(expected, abs=1e-12)
    assert targets("halving", 0.1, 6) == [0.1]


def test_exponential_removes_the_same_share_of_what_is_left():
    found = targets("exponential", 0.875, 3)
    assert found == pytest.approx([0.5, 0.75, 0.875], abs=1e-12)


@given(st.sampled_from(["one-shot", "halving", "exponential"]), sparsities, st.integers(1, 9))
def test_every_schedule_ascends_and_ends_at_the_sparsity(schedule, sparsity, steps):
    found = targets(schedule, sparsity, steps)
    assert found == sorted(found)
    assert found[-1] == sparsity


def test_global_magnitude_equals_torch():
    network = small_network()
    mask = keep_top(saliency.magnitude(Scoring(network)), 0.9)
    names = [(network[0], "weight"), (network[3], "weight")]
    gone = 1476 - 147
    prune.global_unstructured(names, pruning_method=prune.L1Unstructured, amount=gone)
    assert torch.equal(mask["0.weight"], network[0].weight_mask.bool())
    assert torch.equal(mask["3.weight"], network[3].weight_mask.bool())


def test_apply_zeroes_what_is_outside_the_mask_and_nothing_else():
    network = small_network()
    before = network[0].weight.detach().clone()
    mask = keep_top(saliency.magnitude(Scoring(network)), 0.5)
    apply(network, mask)
    assert torch.equal(network[0].weight, before * mask["0.weight"])


@pytest.mark.parametrize("sparsity", [-0.1, 1, 90, float("nan")])
def test_a_sparsity_in_the_wrong_unit_is_refused(sparsity):
    with pytest.raises(BenchError, match="keeps 10 %"):
        keep_top({"w": torch.ones(3)}, sparsity)


def test_a_saliency_that_is_not_a_number_is_refused():
    with pytest.raises(BenchError, match="NaN"):
        keep_top({"w": torch.tensor([1.0, float("nan")])}, 0.5)
