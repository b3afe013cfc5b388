"""Square of AutoAttack, which sees no gradient. The one place that knows pyautoattack."""

import torch
from pyautoattack.square import SquareAttack
from torch import Tensor, nn


def square(
    model: nn.Module, images: Tensor, labels: Tensor, epsilon: float, queries: int
) -> Tensor:
    """Random squares of colour that are kept where they bring the margin down.

    Args:
        model: In evaluation mode; answers with logits.
        images: (N, C, H, W) float32 in [0, 1].
        labels: (N,) int64, the true classes (untargeted).
        epsilon: Radius of the L∞ ball in image units.
        queries: Forward passes an image, at most.

    Returns:
        Images in [0, 1], at most epsilon away in every value; those that no query got
        misclassified as they were.

    References:
        Andriushchenko et al., Square Attack: a query-efficient black-box adversarial attack via
        random search, 2020.
    """
    with torch.no_grad(), torch.random.fork_rng():  # it seeds the global generators
        attack = SquareAttack(model, n_queries=queries, eps=epsilon, seed=0)
        return attack.perturb(images, labels)
