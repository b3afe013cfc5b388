"""Each detector of the wide field is pytorch-ood's own on the same images."""

import pytest
import torch
from pytorch_ood import detector as theirs
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench.detectors.ood import WIDE, Known, odin, wide_detector
from bench.inference import gather

CLASSES = 4


@pytest.fixture(scope="module")
def network():
    generator = torch.Generator().manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(48, 12), nn.ReLU())
    network = nn.Sequential(encoder, nn.Linear(12, CLASSES)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return network


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(1)
    training = torch.rand(240, 3, 4, 4, generator=generator)
    return training, torch.arange(240) % CLASSES, torch.rand(31, 3, 4, 4, generator=generator) * 2


def published(name, network):
    """The package's class with the model itself, as its users make it."""
    encoder, head = network[0], network[1]
    return {
        "energy": lambda: theirs.EnergyBased(network),
        "max-logit": lambda: theirs.MaxLogit(network),
        "entropy": lambda: theirs.Entropy(network),
        "gen": lambda: theirs.GEN(network),
        "kl-matching": lambda: theirs.KLMatching(network),
        "knn": lambda: theirs.KNN(encoder),
        "mahalanobis": lambda: theirs.Mahalanobis(encoder),
        "rmd": lambda: theirs.RMD(encoder),
        "vim": lambda: theirs.ViM(encoder, 6, head.weight, head.bias),
    }[name]().to("cpu")


@pytest.mark.parametrize("name", WIDE)
def test_every_wide_detector_equals_the_packages_own(name, network, images):
    training, labels, strange = images
    reference = published(name, network)
    if reference.requires_fit:
        reference.fit(DataLoader(TensorDataset(training, labels), 60))
    with torch.no_grad():
        expected = reference.predict(strange).float()
    known = Known(gather(network, training.split(50), "training"), labels, network[1])
    evidence = gather(network, strange.split(7), "strange")
    judge = wide_detector(name, known)
    torch.testing.assert_close(judge(evidence, 1), expected, rtol=1e-4, atol=1e-5)
    pairs = [part.mean() for part in expected.split(5)]
    torch.testing.assert_close(judge(evidence, 5), torch.stack(pairs), rtol=1e-4, atol=1e-5)


def test_odin_equals_the_packages_own_and_leaves_the_network_alone(network, images):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    expected = theirs.ODIN(network).predict(images[2]).detach()
    torch.testing.assert_close(odin(network, images[2].split(31), 1), expected)
    found = odin(network, images[2].split(8), 5)
    torch.testing.assert_close(found, torch.stack([p.mean() for p in expected.split(5)]))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
