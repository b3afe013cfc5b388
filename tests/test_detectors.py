import pytest
import torch
from torch import nn
from torch.nn.functional import log_softmax

from bench.detectors import DETECTORS
from bench.detectors.gradnorm import gradnorm
from bench.detectors.msp import msp
from bench.inference import Evidence, gather

SIZES = (1, 2, 5, 100)


@pytest.fixture
def network() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 12), nn.ReLU(), nn.Linear(12, 10)).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(103, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def gradnorm_by_autograd(network: nn.Sequential, group: torch.Tensor) -> float:
    network.zero_grad()
    loss = -log_softmax(network(group), 1).sum(1).mean()
    loss.backward()
    return float(network[-1].weight.grad.abs().sum())


@pytest.mark.parametrize("batch_size", SIZES)
def test_gradnorm_is_the_gradient_that_autograd_finds(network, images, batch_size):
    ours = gradnorm(gather(network, images.split(50), "images"), batch_size)
    expected = [-gradnorm_by_autograd(network, group) for group in images.split(batch_size)]
    torch.testing.assert_close(ours, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_msp_of_a_group_is_minus_the_mean_of_its_images():
    probabilities = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    evidence = Evidence(probabilities.log(), torch.zeros(3, 1))
    torch.testing.assert_close(msp(evidence, 1), torch.tensor([-0.9, -0.5, -0.8]))
    torch.testing.assert_close(msp(evidence, 2), torch.tensor([-0.7, -0.8]))


def test_gradnorm_of_a_uniform_answer_is_zero():
    evidence = Evidence(torch.full((4, 10), 0.1).log(), torch.ones(4, 3))
    torch.testing.assert_close(gradnorm(evidence, 1), torch.zeros(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch_size", SIZES)
@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_every_detector_gives_one_finite_score_a_group(name, batch_size, network, images):
    evidence = gather(network, images.split(50), "images")
    scores = DETECTORS[name](evidence, batch_size)
    assert scores.shape == (-(-len(images) // batch_size),)
    assert scores.isfinite().all()


@pytest.mark.parametrize("batch_size", SIZES)
@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_every_detector_judges_a_group_by_itself(name, batch_size, network, images):
    """The order of the groups, and of the images within one, changes nothing else."""
    whole = images[:100]
    turned = torch.cat([group.flip(0) for group in reversed(whole.split(batch_size))])
    scores = DETECTORS[name](gather(network, [whole], "images"), batch_size)
    again = DETECTORS[name](gather(network, [turned], "images"), batch_size)
    torch.testing.assert_close(again.flip(0), scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_every_detector_leaves_the_model_untouched(name, network, images):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    DETECTORS[name](gather(network, [images], "images"), 5)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.training
    assert not network[-1]._forward_pre_hooks
