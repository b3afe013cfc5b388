"""What a Bayesian network is trained on: a sample's error, and the distance from the prior."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from bench.models import Normalised
from bench.models.mean_field import MeanField, divergence
from bench.setting import Setting
from bench.training import Loss, usual_loss


def objective(model: Normalised, setting: Setting) -> Loss:
    """The loss that a network is trained on: `variational` of a Bayesian one, else the usual."""
    if not isinstance(model.network, MeanField):
        return usual_loss(model)
    recipe, count = setting.recipe, len(setting.data.labels)
    weight = (recipe.kl_weight or 0.0) / count
    return partial(variational, kl_weight=weight, reverse=recipe.reverse_kl)


def variational(
    model: Any,
    images: Tensor,
    labels: Tensor,
    generator: torch.Generator,
    *,
    kl_weight: float,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of one sampled network + kl_weight · KL(q ‖ p), and its logits.

    With β / N of N training images as weight, this is the paper's N · NLL + β · KL over N, which
    has the same minimum and stays comparable with a cross-entropy.

    Args:
        model: A `MeanField` behind its normalisation.
        images: (B, C, H, W) float32 in [0, 1].
        labels: (B,) int64.
        generator: Draws the weights.
        kl_weight: At least 0.
        reverse: KL(p ‖ q) instead, as in the authors' code.

    References:
        Blundell et al., Weight uncertainty in neural networks, 2015, equation 2.
    """
    network, inputs = model.network, model.normalised(images)
    logits = functional_call(network.mean, network.sampled(generator), (inputs,))
    distance = divergence(network, reverse=reverse)
    return cross_entropy(logits, labels) + kl_weight * distance, logits
