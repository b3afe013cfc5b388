"""Fast gradient sign method: one step of size epsilon up the loss, then back into [0, 1].

The gradient is taken once a loss and serves every step made from it. No model is called here
but for its gradient.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.errors import BenchError

Loss = Callable[..., Tensor]
Step = Callable[[Tensor, Tensor, float], Tensor]


@dataclass(frozen=True, slots=True)
class Attack:
    """A single-step attack.

    Args:
        loss: (logits, labels, reduction) -> scalar, whose gradient the step follows.
        step: (images, gradient, epsilon) -> attacked images.
    """

    loss: Loss
    step: Step


def standardised_cross_entropy(logits: Tensor, labels: Tensor, reduction: str) -> Tensor:
    """Cross-entropy of logits brought to mean 0 and standard deviation 1 per image.

    Multiplying all logits by a constant makes the plain cross-entropy gradient underflow to zero
    and a model look robust; this loss does not change.

    Args:
        logits: (N, K) float.
        labels: (N,) int64.
        reduction: As in `torch.nn.functional.cross_entropy`.

    Returns:
        The reduced loss.
    """
    centred = logits - logits.mean(1, keepdim=True)
    spread = centred.square().mean(1, keepdim=True).sqrt()
    return cross_entropy(centred / spread.clamp_min(1e-12), labels, reduction=reduction)


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the label minus the largest of the others; negative where misclassified.

    Args:
        logits: (N, K) float, K at least 2.
        labels: (N,) int64.

    Returns:
        (N,) float.
    """
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return own - others.max(1).values


def margin_loss(logits: Tensor, labels: Tensor, reduction: str) -> Tensor:
    """Largest of the other logits minus the label's, which no positive factor masks.

    Args:
        logits: (N, K) float, K at least 2.
        labels: (N,) int64.
        reduction: `sum` or `mean`.

    Returns:
        The reduced loss.

    References:
        f₆ of Carlini and Wagner, Towards evaluating the robustness of neural networks, 2017.
    """
    reduced: Tensor = getattr(-margins(logits, labels), reduction)()
    return reduced


def input_gradients(
    network: nn.Module, images: Tensor, labels: Tensor, losses: Sequence[Loss]
) -> list[Tensor]:
    """Gradient of each loss at the images, from one forward pass.

    Losses are summed over the images, so that the gradient of one image does not depend on the
    others.

    Args:
        network: In evaluation mode; answers with logits.
        images: (N, C, H, W) float32.
        labels: (N,) int64, the true classes (untargeted).
        losses: At least one.

    Returns:
        One (N, C, H, W) float32 gradient a loss.
    """
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        logits = network(images)
        values = [loss(logits, labels, reduction="sum") for loss in losses]
        return [
            torch.autograd.grad(value, images, retain_graph=value is not values[-1])[0]
            for value in values
        ]


def gives_no_direction(gradient: Tensor) -> Tensor:
    """(N,) bool: the images whose (N, ...) gradient is zero or no number throughout."""
    return (gradient.flatten(1).sign() == 0).all(1)


def linf_step(images: Tensor, gradient: Tensor, epsilon: float) -> Tensor:
    """clip(x + epsilon sign(g)) to [0, 1].

    Args:
        images: (N, C, H, W) float32 in [0, 1].
        gradient: Same shape.
        epsilon: Radius of the L∞ ball in image units, in (0, 1].

    Returns:
        Attacked images in [0, 1], at most epsilon away in every value.

    Raises:
        BenchError: E-BAD-VALUE if epsilon is out of range.

    References:
        Goodfellow et al., Explaining and harnessing adversarial examples, 2015.
    """
    _check_epsilon(epsilon, 1.0)
    return (images + epsilon * gradient.sign()).clamp_(0, 1)


def l2_step(images: Tensor, gradient: Tensor, epsilon: float) -> Tensor:
    """clip(x + epsilon g/‖g‖₂) to [0, 1], the norm taken over all values of one image.

    Args:
        images: (N, C, H, W) float32 in [0, 1].
        gradient: Same shape.
        epsilon: Radius of the L2 ball in image units, in (0, √(C·H·W)].

    Returns:
        Attacked images in [0, 1], at most epsilon away in Euclidean norm.

    Raises:
        BenchError: E-BAD-VALUE if epsilon is out of range.
    """
    _check_epsilon(epsilon, images[0].numel() ** 0.5)
    norms = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
    return (images + epsilon * gradient / norms.view(-1, 1, 1, 1)).clamp_(0, 1)


def _check_epsilon(epsilon: float, largest: float) -> None:
    if not 0 < epsilon <= largest:
        raise BenchError(
            "E-BAD-VALUE",
            f"epsilon: got {epsilon:g}, expected (0, {largest:g}]; 8/255 is {8 / 255:.4f}",
        )
