"""Does it find anomalies? A small network on the embedded digits, patches of photographs."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from bench.data.embedded import embedded_set
from bench.metrics import auroc
from bench.sensitivity import (
    VARIANTS,
    Views,
    sensitivity_scores,
    training_statistics,
    with_views,
)

BATCH = 5


def pixels(name):
    found = embedded_set(name, None, (1, 28, 28))
    return torch.from_numpy(found.images).float() / 255, torch.from_numpy(found.labels)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """Right on more than nine of ten digits of the test set."""
    layers = nn.AvgPool2d(2), nn.Flatten(), nn.Linear(196, 32), nn.ReLU(), nn.Linear(32, 10)
    network, generator = nn.Sequential(*layers), torch.Generator().manual_seed(0)
    for weight in network.parameters():
        weight.data.normal_(std=0.05, generator=generator)
    images, labels = pixels("digits-train")
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        cross_entropy(network(images), labels).backward()
        optimizer.step()
    images, labels = pixels("digits")
    assert (network(images).argmax(1) == labels).float().mean() > 0.9
    return network.eval()


@pytest.fixture(scope="module", params=VARIANTS)
def statistics(request, trained):
    images, labels = pixels("digits-train")
    batches = zip(images.split(100), labels.split(100), strict=True)
    return training_statistics(trained, batches, VARIANTS[request.param])


def test_patches_stand_out_from_digits(trained, statistics):
    """The patches light up borders that digits leave dark, where the deviations are small."""
    inside, outside = (
        sensitivity_scores(trained, pixels(name)[0].split(BATCH), statistics)
        for name in ("digits", "patches")
    )
    assert len(inside) == 120
    assert len(outside) == 132
    assert auroc(inside, outside) > 0.95


def test_single_patches_stand_out_by_their_views(trained, statistics):
    inside, outside = (
        sensitivity_scores(trained, with_views(pixels(name)[0][:150].split(1), Views()), statistics)
        for name in ("digits", "patches")
    )
    assert auroc(inside, outside) > 0.9


def test_digits_do_not_stand_out_from_digits(trained, statistics):
    images, _ = pixels("digits-train")
    shuffled = images[torch.randperm(1200, generator=torch.Generator().manual_seed(0))]
    one, other = (
        sensitivity_scores(trained, half.split(BATCH), statistics) for half in shuffled.split(600)
    )
    assert auroc(one, other) == pytest.approx(0.5, abs=0.15)
