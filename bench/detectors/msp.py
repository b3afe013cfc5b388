"""Maximum softmax probability (Hendrycks and Gimpel, 2017)."""

from torch import Tensor

from bench.inference import Evidence, group_means


def msp(evidence: Evidence, batch_size: int) -> Tensor:
    """Minus the mean maximum softmax probability of each group.

    Args:
        evidence: Of N images.
        batch_size: Images of one group, consecutive; the last may be smaller.

    Returns:
        (⌈N / batch_size⌉,) float32 in [-1, -1/K]; higher = more anomalous.
    """
    return -group_means(evidence.msp, batch_size)
