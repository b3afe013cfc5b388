import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench import saliency
from bench.errors import BenchError
from bench.models import ARCHITECTURES, build, prunable
from bench.models.channels import channel_slices, narrowed
from bench.nodes import keep_nodes, node_scores
from bench.saliency import Scoring

FULL = {"a": 12, "b": 30, "c": 5}
TOTAL = 47
scopes = st.sampled_from(["global", "local"])
sparsities = st.floats(0, 0.999)
seeds = st.integers(0, 99)


def scores(seed: int, levels: int = 1_000_000) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        layer: torch.randint(0, levels, (width,), generator=generator).float()
        for layer, width in FULL.items()
    }


def count(kept) -> int:
    return sum(int(stays.sum()) for stays in kept.values())


def test_the_score_of_a_channel_sums_its_incoming_weights_and_no_others():
    network = build("lenet5")
    found = node_scores(saliency.magnitude(Scoring(network)), channel_slices("lenet5"))
    assert {layer: len(score) for layer, score in found.items()} == ARCHITECTURES["lenet5"].widths
    torch.testing.assert_close(found["conv2"][3], network.conv2.weight[3].abs().sum())
    torch.testing.assert_close(found["fc1"][83], network.fc1.weight[83].abs().sum())


def test_scores_of_nodes_are_taken_as_they_are_and_the_members_of_a_stream_add_up():
    ones = {name: torch.ones(len(weight)) for name, weight in prunable(build("resnet18")).items()}
    members = {"conv1": 1, "layer1.0.conv2": 10, "layer1.1.conv2": 100}
    given_scores = ones | {
        f"{name}.weight": value * torch.arange(64.0) for name, value in members.items()
    }
    found = node_scores(given_scores, channel_slices("resnet18"))
    assert found["conv1"].tolist() == [111.0 * channel for channel in range(64)]
    assert found["layer1.0.conv1"].tolist() == [1.0] * 64
    assert found["layer2.0.conv2"].tolist() == [3.0] * 128


def test_a_saliency_of_another_network_is_no_silent_nothing():
    with pytest.raises(RuntimeError):
        node_scores({"network.conv1.weight": torch.ones(6)}, channel_slices("lenet5"))


@given(seed=seeds, tenths=st.integers(0, 9), levels=st.sampled_from([1, 3, 10**6]))
def test_exactly_so_many_channels_stay_even_among_ties(seed, tenths, levels):
    kept = keep_nodes(scores(seed, levels), tenths / 10, full=FULL)
    assert count(kept) == TOTAL * (10 - tenths) // 10


@given(seed=seeds, tenths=st.integers(0, 9))
def test_local_scope_counts_within_each_layer(seed, tenths):
    kept = keep_nodes(scores(seed), tenths / 10, "local", full=FULL)
    assert {layer: int(stays.sum()) for layer, stays in kept.items()} == {
        layer: max(1, width * (10 - tenths) // 10) for layer, width in FULL.items()
    }


def test_nine_tenths_of_ten_channels_leave_one():
    assert count(keep_nodes({"a": torch.arange(10.0)}, 0.9, full={"a": 10})) == 1


@given(seed=seeds, scope=scopes, sparsity=sparsities)
def test_every_layer_keeps_its_best_channel(seed, scope, sparsity):
    found = scores(seed, 50)
    kept = keep_nodes(found, sparsity, scope, full=FULL)
    assert all(bool(kept[layer][score.argmax()]) for layer, score in found.items())


def test_the_best_of_a_poor_layer_stays_in_place_of_a_better_channel():
    given_scores = {"rich": torch.tensor([7.0, 9.0, 8.0, torch.inf]), "poor": torch.zeros(4)}
    kept = keep_nodes(given_scores, 5 / 8, full={"rich": 4, "poor": 4})
    assert kept["rich"].tolist() == [False, True, False, True]
    assert kept["poor"].tolist() == [True, False, False, False]
    fewest = keep_nodes(given_scores, 0.99, full={"rich": 4, "poor": 4})
    assert fewest["rich"].tolist() == [False, False, False, True]
    assert fewest["poor"].tolist() == [True, False, False, False]


@given(seed=seeds, sparsity=sparsities)
def test_no_channel_that_goes_is_worth_more_than_one_that_stays_beside_the_best(seed, sparsity):
    found = scores(seed)
    kept = keep_nodes(found, sparsity, full=FULL)
    flat, stays = torch.cat(list(found.values())), torch.cat(list(kept.values()))
    best = torch.cat([score == score.max() for score in found.values()])
    assert (
        stays.all() or not (stays & ~best).any() or flat[~stays].max() <= flat[stays & ~best].min()
    )


def test_of_equal_scores_the_earlier_channel_stays():
    kept = keep_nodes({"a": torch.ones(3), "b": torch.ones(5)}, 0.5, full={"a": 3, "b": 5})
    assert kept["a"].tolist() == [True, True, True]
    assert kept["b"].tolist() == [True, False, False, False, False]


@given(seed=seeds, scope=scopes, steps=st.lists(sparsities, min_size=2, max_size=4))
def test_steps_lead_where_one_step_leads(seed, scope, steps):
    """Sparsities are of the full network, however few channels are left."""
    left = {layer: torch.arange(width) for layer, width in FULL.items()}
    found = scores(seed, 20)
    for sparsity in sorted(steps):
        kept = keep_nodes({k: found[k][left[k]] for k in left}, sparsity, scope, full=FULL)
        left = {layer: left[layer][stays] for layer, stays in kept.items()}
    at_once = keep_nodes(found, max(steps), scope, full=FULL)
    assert all(torch.equal(left[k], at_once[k].nonzero().flatten()) for k in left)


@pytest.mark.parametrize("scope", ["global", "local"])
def test_a_network_that_is_narrow_already_keeps_what_it_has(scope):
    few = {layer: score[:4] for layer, score in scores(0).items()}
    kept = keep_nodes(few, 0.1, scope, full=FULL)
    assert all(bool(stays.all()) for stays in kept.values())


@pytest.mark.parametrize("score", [saliency.magnitude, saliency.crop, saliency.crop_nodes])
def test_a_network_is_narrowed_along_a_schedule(score):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(8, 1, 28, 28, generator=generator)
    labels = torch.randint(0, 10, (8,), generator=generator)
    network, full = build("lenet5"), ARCHITECTURES["lenet5"].widths
    slices = channel_slices("lenet5")
    for sparsity, left in [(0.5, 113), (0.8, 45), (0.9, 22)]:
        found = node_scores(score(Scoring(network, [(images, labels)])), slices)
        kept = keep_nodes(found, sparsity, full=full)
        network = narrowed("lenet5", network, kept)
        assert count(kept) == left
        assert network(images).isfinite().all()


@pytest.mark.parametrize("sparsity", [-0.1, 1, 90, float("nan")])
def test_a_sparsity_in_the_wrong_unit_is_refused(sparsity):
    with pytest.raises(BenchError, match=r"E-BAD-VALUE: sparsity.*keeps 10 %"):
        keep_nodes(scores(0), sparsity, full=FULL)


@pytest.mark.parametrize("scope", ["global", "local"])
def test_a_score_that_is_not_a_number_is_refused(scope):
    with pytest.raises(BenchError, match="E-BAD-VALUE: saliency: got NaN"):
        keep_nodes({"a": torch.tensor([1.0, float("nan")])}, 0.5, scope, full={"a": 2})
