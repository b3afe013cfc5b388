"""Several networks that answer as one, against numpy and scipy in float64."""

import copy

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.attacks.fgsm import input_gradients
from bench.models import Normalised, initialised
from bench.models.ensemble import COMBINE, Ensemble
from bench.models.kinds import head, kind_of, members_of
from bench.submissions import weights_sha256


def member(seed: int) -> nn.Module:
    """With logits of some size, so that the two means differ."""
    generator = torch.Generator().manual_seed(seed)
    network = initialised("lenet5", classes=10, channels=1, generator=generator).eval()
    with torch.no_grad():
        network.fc2.weight *= 5
    return network


def images(count: int = 12) -> Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(9))


def logits(ensemble: Ensemble, inputs: Tensor) -> np.ndarray:
    """(M, N, K) float64."""
    with torch.inference_mode():
        return np.stack([network(inputs).double().numpy() for network in ensemble.members])


@pytest.fixture(scope="module")
def three() -> list[nn.Module]:
    return [member(seed) for seed in range(3)]


@pytest.mark.parametrize("combine", COMBINE)
def test_answers_are_the_mean_by_hand(three, combine):
    ensemble = Ensemble(three, combine)
    each = logits(ensemble, images())
    by_hand = {
        "probabilities": np.log(softmax(each, axis=2).mean(0)),
        "logits": log_softmax(each.mean(0), axis=1),
    }
    with torch.inference_mode():
        answers = ensemble(images()).numpy()
    np.testing.assert_allclose(answers, by_hand[combine], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.exp(answers).sum(1), 1, atol=1e-5)
    assert np.abs(by_hand["probabilities"] - by_hand["logits"]).max() > 0.01


@pytest.mark.parametrize("combine", COMBINE)
def test_five_times_the_same_member_is_that_member(three, combine):
    with torch.inference_mode():
        alone = three[0](images()).log_softmax(1)
        together = Ensemble([copy.deepcopy(three[0]) for _ in range(5)], combine)(images())
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("combine", COMBINE)
def test_the_loss_is_at_most_the_mean_loss_of_the_members(three, combine):
    """Jensen: log of a mean is at least the mean of logs; logsumexp is convex."""
    labels = torch.arange(200) % 10
    with torch.inference_mode():
        together = cross_entropy(Ensemble(three, combine)(images(200)), labels)
        apart = torch.stack([cross_entropy(network(images(200)), labels) for network in three])
    assert together < apart.mean()


def test_a_member_that_is_sure_leaves_finite_answers():
    class Sure(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return torch.tensor([[200.0, 0.0, 0.0]]).expand(len(inputs), 3)

    for combine in COMBINE:
        answers = Ensemble([Sure(), Sure()], combine)(images(2))
        torch.testing.assert_close(answers[:, 1], torch.full((2,), -200.0))


@pytest.mark.parametrize("combine", COMBINE)
def test_attacks_follow_the_gradient_of_the_explicit_average(three, combine):
    model = Normalised(Ensemble(three, combine), (0.5,), (0.5,))
    shown, labels = images(), torch.arange(12) % 10
    (found,) = input_gradients(model, shown, labels, [cross_entropy])
    leaf = shown.double().requires_grad_()
    doubles = [copy.deepcopy(network).double() for network in three]
    each = torch.stack([network((leaf - 0.5) / 0.5) for network in doubles])
    if combine == "probabilities":
        chosen = each.softmax(2).mean(0)[range(12), labels].log()
    else:
        chosen = each.mean(0).log_softmax(1)[range(12), labels]
    (expected,) = torch.autograd.grad(-chosen.sum(), leaf)
    scale = expected.flatten(1).norm(dim=1)[:, None, None, None]
    ours = found / found.flatten(1).norm(dim=1)[:, None, None, None]
    torch.testing.assert_close(ours, (expected / scale).float(), rtol=1e-3, atol=1e-4)


def test_what_is_averaged_is_part_of_the_weights(three):
    first, second = (weights_sha256(Ensemble(three, c).state_dict()) for c in COMBINE)
    assert first != second


def test_kinds_and_members(three):
    single, several = Normalised(three[0]), Normalised(Ensemble(three), (0.5,), (0.5,))
    assert (kind_of(single), kind_of(several)) == ("classifier", "ensemble")
    assert (head(single), head(several)) == (three[0].fc2, None)
    assert members_of(single) == [single]
    assert [part.network for part in members_of(several)] == three
    assert {part.mean for part in members_of(several)} == {(0.5,)}
