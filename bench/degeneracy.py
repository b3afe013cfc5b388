"""Answers that tell images apart badly: constant, saturated or tied. Pure functions of answers."""

from torch import Tensor


def top_class_share(log_probabilities: Tensor) -> float:
    """Share of images that get the most frequent answer.

    Args:
        log_probabilities: (N, K) float.

    Returns:
        In [1/K, 1]; 1 if every image gets the same class.
    """
    return float(log_probabilities.argmax(1).bincount().max()) / len(log_probabilities)


def saturated_share(log_probabilities: Tensor) -> float:
    """Share of images with a confidence of exactly 1, which no detector by confidence can rank.

    Args:
        log_probabilities: (N, K) float32; the softmax rounds to 1 from a margin of about 17 on.

    Returns:
        In [0, 1].
    """
    return float((log_probabilities.max(1).values.exp() == 1).double().mean())


def tied_share(logits: Tensor) -> float:
    """Share of images whose margin is 0, or exactly that of another image.

    The margin is the difference of the two largest logits. It stays apart where confidences
    round to 1, so that images hardly ever tie unless rounding eats the answers.

    Args:
        logits: (N, K) float, K at least 2; as the model answers, not yet rounded by a softmax.

    Returns:
        In [0, 1].
    """
    first, second = logits.topk(2, dim=1).values.unbind(1)
    margins = first - second
    _, which, counts = margins.unique(return_inverse=True, return_counts=True)
    return float(((counts[which] > 1) | (margins == 0)).double().mean())
