"""What a network is trained in: images in memory, a recipe, random streams, a place to resume.

The loop is in `training.py`; what it has reached is in its `Training`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import pad

from bench.data import ImageSet, Progress, silent
from bench.errors import BenchError
from bench.recipes import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Images and labels on the device.

    Args:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
        augment: Batches are cropped and flipped at random.
    """

    images: Tensor
    labels: Tensor
    augment: bool = False

    @classmethod
    def on(cls, device: torch.device, images: ImageSet, *, augment: bool = False) -> Self:
        """The whole set, copied to a device."""
        pixels, labels = (torch.tensor(part) for part in (images.images, images.labels))
        return cls(pixels.to(device), labels.to(device), augment)

    @property
    def memory_format(self) -> torch.memory_format:
        """In which convolutions of such images train fastest; measured by `make bench`."""
        return torch.channels_last if self.images.shape[1] > 1 else torch.contiguous_format

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once in random order: float32 images in [0, 1] and int64 labels.

        The last batch may be smaller; a single image joins the batch before, as BatchNorm cannot
        learn from one.
        """
        count = len(self.labels)
        order = torch.randperm(count, generator=generator).to(self.labels.device)
        sizes = [min(size, count - start) for start in range(0, count, size)]
        if len(sizes) > 1 and sizes[-1] == 1:
            sizes[-2:] = [size + 1]
        for chosen in order.split(sizes):
            pixels = self.images[chosen]
            if self.augment:
                pixels = crop_and_flip(pixels, generator)
            images = pixels.to(torch.float32, memory_format=self.memory_format).div_(255)
            yield images, self.labels[chosen]

    def part(self, chosen: Tensor, *, augment: bool) -> Self:
        """The images of some indices."""
        return replace(
            self, images=self.images[chosen], labels=self.labels[chosen], augment=augment
        )


def crop_and_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image shifted by up to 4 pixels over zero padding, and flipped with probability ½.

    Args:
        images: (B, C, H, W), any type.
        generator: On the CPU.

    Returns:
        Same shape and type.
    """
    count, _, height, width = images.shape
    draws = torch.randint(0, 9, (2, count, 1), generator=generator).to(images.device)
    flipped = torch.rand(count, 1, generator=generator).to(images.device) < 0.5
    rows = draws[0] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    columns = draws[1] + torch.where(flipped, columns.flip(0), columns)
    index = torch.arange(count, device=images.device).view(-1, 1, 1)
    padded = pad(images, (4, 4, 4, 4)).permute(0, 2, 3, 1)
    return padded[index, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)


class Epoch(NamedTuple):
    """One point of the learning curve.

    Args:
        phase: `training`, or what else was trained (`edge-popup`: scores of weights).
        epoch: From 1 within its phase.
        loss: Mean of the objective over the training images.
        accuracy: Share of them that were right in the step that they were trained in; None for a
            flow, which classifies nothing.
        sparsity: To which the network had been pruned.
    """

    phase: str
    epoch: int
    loss: float
    accuracy: float | None
    sparsity: float


def _no_outliers() -> TrainingSet:
    raise BenchError("E-NO-DATA", "outliers: this setting has none, expected a training set")


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What stays the same while a network is trained and pruned.

    Args:
        architecture: As `bench.models.architecture` takes it, or key of `FLOWS`.
        data: The training set.
        recipe: How it is trained on.
        stream: (purpose) -> a generator of its own, the same whenever it is asked for.
        outliers: Loads the training set of anomalies, for objectives that see one.
        checkpoints: Folder of this unfinished work and of no other, or None to keep none.
        progress: Called with (what, done, total) after each epoch.
        curve: Every epoch trained so far, in order.
    """

    architecture: str
    data: TrainingSet
    recipe: Recipe
    stream: Callable[[str], torch.Generator]
    outliers: Callable[[], TrainingSet] = _no_outliers
    checkpoints: Path | None = None
    progress: Progress = silent
    curve: list[Epoch] = field(default_factory=list)
