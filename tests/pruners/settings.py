"""Small settings in which a pruner's work can be followed by hand."""

import torch
from torch import nn

from bench.baselines import Plan
from bench.models import Normalised, initialised
from bench.models import architecture as row_of
from bench.recipes import Recipe
from bench.setting import Setting, TrainingSet
from bench.training import Training
from bench.variational import objective

BAYESIAN_ONLY = ("snr", "snr-s")


def random_set(count: int, shape: tuple[int, int, int], *, seed: int = 0) -> TrainingSet:
    """Random uint8 images whose labels are their brightest third, or so."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
    return TrainingSet(images, images.float().mean((1, 2, 3)).argsort().argsort() % 3)


def tiny(architecture: str, recipe: Recipe | None = None) -> Training[Normalised]:
    """A fresh network on ten random images, trained for two epochs at most."""
    channels = row_of(architecture).channels
    side = 28 if channels == 1 else 32
    data = random_set(10, (channels, side, side))
    setting = Setting(
        architecture,
        data,
        recipe or Recipe(epochs=2, early=1, batch_size=4),
        Plan("digits").stream,
        outliers=lambda: data,
    )
    generator = torch.Generator().manual_seed(0)
    network = initialised(architecture, classes=10, channels=channels, generator=generator)
    model = Normalised(network, (0.5,) * channels, (0.5,) * channels).eval()
    return Training(setting, model, loss=objective(model, setting))


def tiny_for(pruner: str) -> Training[Normalised]:
    """A small network that the pruner can score."""
    return tiny("bayesian:lenet5-plain" if pruner in BAYESIAN_ONLY else "lenet5")


def linear_model(inputs: int, outputs: int) -> Normalised:
    """One layer without bias or normalisation, its weights the same every time."""
    layer = nn.Linear(inputs, outputs, bias=False)
    with torch.no_grad():
        drawn = torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(1))
        layer.weight.copy_(drawn / inputs**0.5)
    return Normalised(nn.Sequential(nn.Flatten(), layer))
