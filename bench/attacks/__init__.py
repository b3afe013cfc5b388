"""Attacks: name -> how the step is made from the gradient of which loss."""

from collections.abc import Mapping

from torch.nn.functional import cross_entropy

from bench.attacks.fgsm import (
    Attack,
    l2_step,
    linf_step,
    margin_loss,
    standardised_cross_entropy,
)

ATTACKS: Mapping[str, Attack] = {
    "fgsm-linf": Attack(cross_entropy, linf_step),
    "fgsm-l2": Attack(cross_entropy, l2_step),
    "fgsm-linf-standardised": Attack(standardised_cross_entropy, linf_step),
    "fgsm-linf-margin": Attack(margin_loss, linf_step),
}

__all__ = ["ATTACKS", "Attack"]
