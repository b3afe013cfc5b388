"""One plain training loop over images held in memory, and the named recipes.

What is pruned, and when, is decided in `baselines.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.nn.utils import clip_grad_norm_

from bench import masks
from bench.data import ImageSet, Progress, silent
from bench.errors import BenchError


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained: Adam at a constant rate on the cross-entropy.

    Args:
        epochs: Passes over the training set.
        batch_size: Images of one step; the last of an epoch may be smaller.
        learning_rate: Of Adam.
        weight_decay: Added to the gradient (L2), for all parameters.
        clip: Largest norm of the gradient.
        augment: Random crops from 4 pixels of zero padding, and horizontal flips.
        images: Only the first so many training images; None for all.
    """

    epochs: int
    batch_size: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 5e-5
    clip: float = 10.0
    augment: bool = False
    images: int | None = None


RECIPES: Mapping[str, Recipe] = {
    "paper-30": Recipe(epochs=30),
    "paper-50": Recipe(epochs=50, augment=True),
    "short-10": Recipe(epochs=10),
    "tiny-4-of-10000": Recipe(epochs=4, batch_size=128, images=10_000),
    "digits-20": Recipe(epochs=20, batch_size=64),
}
LONG = ("resnet18", "resnet18-relu", "alexnet", "conv6")  # 50 epochs in the paper, LeNet5 30


def default_recipe(suite: str, architecture: str) -> str:
    """The paper's recipe for an architecture; `digits-20` for the small embedded suite."""
    if suite == "digits":
        return "digits-20"
    return "paper-50" if architecture in LONG else "paper-30"


def recipe_named(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        BenchError: E-BAD-VALUE if there is none.
    """
    if name not in RECIPES:
        raise BenchError("E-BAD-VALUE", f"recipe: got {name!r}, expected one of {list(RECIPES)}")
    return RECIPES[name]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Images and labels on the device.

    Args:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    @classmethod
    def on(cls, device: torch.device, images: ImageSet) -> "TrainingSet":
        """The whole set, copied to a device."""
        return cls(
            torch.tensor(images.images, device=device),
            torch.tensor(images.labels, device=device),
        )

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of uint8 images and labels in random order, each image once."""
        order = torch.randperm(len(self.labels), generator=generator).to(self.labels.device)
        for chosen in order.split(size):
            yield self.images[chosen], self.labels[chosen]


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


def train(
    model: nn.Module,
    data: TrainingSet,
    recipe: Recipe,
    generator: torch.Generator,
    *,
    mask: masks.Mask | None = None,
    progress: Progress = silent,
) -> list[float]:
    """Trains a model in place and leaves it in evaluation mode.

    Args:
        model: Takes images in [0, 1].
        data: On the model's device.
        recipe: How.
        generator: Draws the order and the augmentation.
        mask: Weights outside it are zero after every step.
        progress: Called after each epoch.

    Returns:
        Mean training loss of every epoch.
    """
    optimizer = torch.optim.Adam(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    masks.apply(model, mask or {})
    model.train()
    losses = []
    with torch.random.fork_rng():  # dropout draws from torch's global generator only
        torch.random.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        for epoch in range(recipe.epochs):
            losses.append(_epoch(model, data, recipe, optimizer, generator, mask or {}))
            progress("training", epoch + 1, recipe.epochs)
    model.eval()
    return losses


def _epoch(
    model: nn.Module,
    data: TrainingSet,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    mask: masks.Mask,
) -> float:
    """Mean loss of one pass over the data."""
    total = torch.zeros((), device=data.labels.device)
    for pixels, labels in data.shuffled(recipe.batch_size, generator):
        images = crop_and_flip(pixels, generator) if recipe.augment else pixels
        loss = cross_entropy(model(images.float().div_(255)), labels)
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        masks.apply(model, mask)
        total += loss.detach() * len(labels)
    return total.item() / len(data.labels)
