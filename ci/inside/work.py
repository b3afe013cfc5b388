"""The network and the training images as submitted code sees them, and what it gives back."""

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from bench.models import Normalised, build
from bench.streams import stream
from bench.submissions import canonical_bytes

BATCH_SIZE = 512


class Batches:
    """Training batches; every pass over them has an order of its own that follows from the seed.

    Args:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
        seed: Of the order.
    """

    def __init__(self, images: Tensor, labels: Tensor, seed: int) -> None:
        self.images, self.labels, self.seed, self.passes = images, labels, seed, 0

    def __len__(self) -> int:
        return -(-len(self.labels) // BATCH_SIZE)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(B, C, H, W) float32 images in [0, 1] and their (B,) int64 labels."""
        self.passes += 1
        order = stream(f"batches {self.seed} {self.passes}")
        for chosen in torch.randperm(len(self.labels), generator=order).split(BATCH_SIZE):
            yield self.images[chosen].float() / 255, self.labels[chosen]


def seed_everything(seed: int) -> None:
    """The generators that submitted code may draw from without a word, dropout's too."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def pruned(prune: Callable[..., Any], task: Mapping[str, Any], folder: Path) -> bytes:
    """Safetensors of what the function returns, or has left in the model if that is None.

    Args:
        prune: (model, batches, sparsity, seed) -> the model, another, its state-dict or None.
        task: Content of `task.json`.
        folder: With `weights.safetensors`, `images.npy` and `labels.npy`.
    """
    network = build(task["architecture"], classes=task["classes"], channels=task["channels"])
    network.load_state_dict(safetensors.torch.load_file(folder / "weights.safetensors"))
    model = Normalised(network, tuple(task["mean"]), tuple(task["std"]))
    seed_everything(task["seed"])
    images, labels = (torch.from_numpy(np.load(folder / f"{n}.npy")) for n in ("images", "labels"))
    found = prune(model, Batches(images, labels, task["seed"]), task["sparsity"], task["seed"])
    if found is None:
        found = model
    state = found.state_dict() if isinstance(found, nn.Module) else found
    return canonical_bytes({name: tensor.clone() for name, tensor in state.items()})
