"""A lower bound on the Lipschitz constant: the largest slope that the model has at given images."""

import torch
from torch import Tensor, nn


def jacobian_norm(model: nn.Module, images: Tensor) -> float:
    """Largest spectral norm of the Jacobian over the images, exact but for rounding.

    The K rows of every image's Jacobian come from K backward passes over all images at once, and
    its norm from the K × K Gram matrix: for few classes cheaper than an iteration, and without
    its tolerance.

    Args:
        model: In evaluation mode; answers (N, C, H, W) with (N, K), image by image.
        images: (N, C, H, W) float, N at least 1.

    Returns:
        max_x ‖J(x)‖₂, at least 0, in logits per unit of the images.

    Raises:
        ValueError: If there is no image.
    """
    if not len(images):
        raise ValueError(f"images: got shape {tuple(images.shape)}, expected at least one image")
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        totals = model(images).sum(0)
        rows = [torch.autograd.grad(total, images, retain_graph=True)[0] for total in totals]
    jacobians = torch.stack(rows, dim=1).flatten(2).cpu().double()
    largest = torch.linalg.eigvalsh(jacobians @ jacobians.mT).max()
    return float(largest.clamp_min(0).sqrt())
