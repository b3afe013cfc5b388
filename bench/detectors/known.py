"""What a detector may be made ready with."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from bench.data import ImageSet
from bench.data.images import fingerprint
from bench.errors import BenchError
from bench.inference import Evidence, batches, gather
from bench.models import Normalised, last_linear

PASS = 250  # images of a forward pass


@dataclass(frozen=True, eq=False)
class Known:
    """A model, and images that it was trained on.

    Args:
        model: On its device, in evaluation mode.
        training: A sample of the training set, or None if that is not on this machine.
        augment: Whether a training image shifted and mirrored is of the same class.
        batch_size: Training images of which SensNorm takes one sensitivity.
        viewed: Largest group of which SensNorm sees every image in eleven views.
    """

    model: Normalised
    training: ImageSet | None
    augment: bool
    batch_size: int
    viewed: int

    @property
    def device(self) -> torch.device:
        """The model's."""
        return next(self.model.parameters()).device

    @property
    def sample(self) -> ImageSet:
        """The training images.

        Raises:
            BenchError: E-NO-DATA if there are none.
        """
        if self.training is None:
            raise BenchError("E-NO-DATA", "this detector needs the suite's training images")
        return self.training

    @property
    def labels(self) -> Tensor:
        """(N,) int64, of the training images."""
        return torch.from_numpy(self.sample.labels)

    @property
    def head(self) -> nn.Linear:
        """The classifier, from features to logits."""
        return last_linear(self.model)

    @cached_property
    def evidence(self) -> Evidence:
        """The model's answers to the training images."""
        stream = batches(self.sample.images, PASS, self.device)
        return gather(self.model, stream, self.sample.name)


def drawn(images: ImageSet, order: np.ndarray, count: int) -> ImageSet:
    """The images of the first `count` indices of an order, as they stand in the set."""
    chosen = np.sort(order[:count])
    pixels, labels = images.images[chosen], images.labels[chosen]
    return ImageSet(f"a sample of {images.name}", pixels, labels, fingerprint(pixels, labels))
