"""Maximum softmax probability (Hendrycks and Gimpel, 2017)."""

import torch
from torch import Tensor

from bench.inference import Evidence, groups


def msp(evidence: Evidence, batch_size: int) -> Tensor:
    """Minus the mean maximum softmax probability of each group.

    Args:
        evidence: Of N images.
        batch_size: Images of one group, consecutive; the last may be smaller.

    Returns:
        (⌈N / batch_size⌉,) float32 in [-1, -1/K]; higher = more anomalous.
    """
    return -torch.cat([block.mean(1) for block in groups(evidence.msp, batch_size)])
