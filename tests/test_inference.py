"""What a pass over images keeps: answers, and the features where one layer gives them."""

import pytest
import torch
from torch import nn

from bench.detectors.gradnorm import gradnorm
from bench.errors import BenchError
from bench.inference import Evidence, gather

IMAGES = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class HeadFirst(nn.Module):
    """Registers the layer that gives its logits before its others."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(20, 10)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images))


def seen(network: nn.Module) -> Evidence:
    return gather(network.eval(), IMAGES.split(5), "images")


def test_features_are_the_inputs_of_the_layer_that_gives_the_answers():
    body = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU())
    for end in ([], [nn.LogSoftmax(1)]):
        found = seen(nn.Sequential(body, nn.Linear(20, 10), *end))
        torch.testing.assert_close(found.features, body(IMAGES).detach())


@pytest.mark.parametrize(
    "network",
    [
        HeadFirst(),
        nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Tanh()),
        nn.Sequential(nn.Conv2d(1, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ],
    ids=["head first", "changed after", "no Linear layer"],
)
def test_there_are_none_where_the_last_linear_layer_is_another(network):
    found = seen(network)
    torch.testing.assert_close(found.logits, network(IMAGES).detach())
    with pytest.raises(BenchError, match="E-NO-FEATURES"):
        gradnorm(found, 1)


def test_probabilities_are_no_answers():
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Softmax(1))
    with pytest.raises(BenchError, match=r"E-BAD-OUTPUT: .* images are probabilities"):
        seen(network)
