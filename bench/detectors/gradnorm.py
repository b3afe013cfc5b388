"""GradNorm (Huang et al., 2021) in closed form: no backward pass."""

import torch
from torch import Tensor

from bench.inference import Evidence, groups


def gradnorm(evidence: Evidence, batch_size: int) -> Tensor:
    """Minus the L1 norm of the last layer's gradient towards the uniform prediction.

    The loss of a group of B images is mean_b Σ_c −log p_bc (targets of one, temperature 1); its
    gradient with respect to the last weight matrix is (1/B)(K·P − 1)ᵀH, the bias left out. The
    norm is large in-distribution, hence the sign.

    Args:
        evidence: Of N images.
        batch_size: Images of one group, consecutive; the last may be smaller.

    Returns:
        (⌈N / batch_size⌉,) float32, at most 0; higher = more anomalous.

    Raises:
        BenchError: E-NO-FEATURES where no single layer gives the logits.

    References:
        Huang, Geng and Li, On the importance of gradients for detecting distributional shifts in
        the wild, 2021; Ayle et al., 2022, section 6.
    """
    features = evidence.head_inputs
    residuals = evidence.log_probabilities.exp().mul(evidence.log_probabilities.shape[1]).sub(1)
    if batch_size == 1:  # the gradient is an outer product, whose norm is the product of norms
        return -(residuals.abs().sum(1) * features.abs().sum(1))
    blocks = zip(groups(residuals, batch_size), groups(features, batch_size), strict=True)
    return -torch.cat([(r.mT @ h).abs().sum((1, 2)) / r.shape[1] for r, h in blocks])
