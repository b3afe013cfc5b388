"""Small networks and batches; every test has its own cache."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

Batches = list[tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CACHE", str(folder))
    return folder


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def network(generator: torch.Generator) -> nn.Module:
    """Convolutions with padding and stride, BatchNorm far from the identity, dropout."""
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=(1, 0)),
        nn.BatchNorm2d(3),
        nn.LeakyReLU(0.05, inplace=True),
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(8, 5),
        nn.Tanh(),
        nn.Linear(5, 4),
    )
    for weight in (*network.parameters(), network[1].running_mean):
        weight.data.normal_(generator=generator)
    network[1].running_var.uniform_(0.5, 2, generator=generator)
    return network.eval()


@pytest.fixture
def batches(generator: torch.Generator) -> Batches:
    """Nine batches of three images and a last one of two."""
    images = torch.rand(29, 1, 8, 6, generator=generator)
    labels = torch.randint(0, 4, (29,), generator=generator)
    return list(zip(images.split(3), labels.split(3), strict=True))
