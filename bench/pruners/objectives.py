"""What edge-popup looks for: an accurate network, a robust one, one that notices anomalies.

Each objective has a loss to train with and a quality to choose the best epoch by, measured on
images that are not trained on. A strength of 0 makes it the standard one.

References:
    Ayle et al., 2022, section 4 and table 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div

from bench import metrics
from bench.attacks.fgsm import input_gradients, linf_step
from bench.inference import Evidence, gather
from bench.models import Normalised
from bench.setting import Setting, TrainingSet
from bench.training import Loss, classification

Name = Literal["standard", "adversarial", "shift", "outlier"]
EPSILON = 8 / 255
VALIDATION = 0.2  # share of the images that choose the best epoch
KEPT = 0.5  # share of the values that the noise of `shift` leaves alone
BATCH_SIZE = 512


@dataclass(frozen=True, slots=True)
class Objective:
    """Loss and quality.

    Args:
        loss: As `Training.loss`.
        quality: (model, validation set) -> number, higher = better; the model is in evaluation
            mode.
    """

    loss: Loss
    quality: Callable[[nn.Module, TrainingSet], float]


def objective_named(name: Name, setting: Setting, strength: float | None) -> Objective:
    """The objective of a name.

    Args:
        name: `standard`: cross-entropy. `adversarial`: plus strength · KL(p(x) ‖ p(x′)) with x′
            from FGSM L∞ at 8/255 against the network of the moment. `shift`: cross-entropy on
            images of which half of the values carry Gaussian noise of standard deviation
            strength, in units of the normalised input. `outlier`: plus strength · cross-entropy
            to the uniform distribution on a training set of outliers.
        setting: Loads the outliers.
        strength: None for the paper's: 6, 1, 1.
    """
    if name == "standard" or strength == 0:
        return Objective(classification, accuracy)
    make, usual = OBJECTIVES[name]
    return make(setting, usual if strength is None else strength)


def split(data: TrainingSet, generator: torch.Generator) -> tuple[TrainingSet, TrainingSet]:
    """Four fifths to train with and, never augmented, a fifth to validate with."""
    order = torch.randperm(len(data.labels), generator=generator).to(data.labels.device)
    cut = len(order) - int(len(order) * VALIDATION)
    return data.part(order[:cut], augment=data.augment), data.part(order[cut:], augment=False)


def accuracy(model: nn.Module, data: TrainingSet) -> float:
    """Share of images whose largest logit is the label's."""
    return _accuracy(model, data, lambda images, _: images)


def _adversarial(_: Setting, strength: float) -> Objective:
    def loss(
        model: nn.Module, images: Tensor, labels: Tensor, __: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        attacked = _attacked(model.eval(), images, labels)
        model.train()
        clean, hit = model(images), model(attacked)
        distance = kl_div(
            hit.log_softmax(1), clean.log_softmax(1), reduction="batchmean", log_target=True
        )
        return cross_entropy(clean, labels) + strength * distance, clean

    def quality(model: nn.Module, data: TrainingSet) -> float:
        return _accuracy(model, data, lambda images, labels: _attacked(model, images, labels))

    return Objective(loss, quality)


def _shift(setting: Setting, strength: float) -> Objective:
    def loss(
        model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        return classification(model, _noisy(model, images, strength, generator), labels, generator)

    def quality(model: nn.Module, data: TrainingSet) -> float:
        draws = setting.stream("validation")
        return _accuracy(model, data, lambda images, _: _noisy(model, images, strength, draws))

    return Objective(loss, quality)


def _outlier(setting: Setting, strength: float) -> Objective:
    seen, unseen = split(setting.outliers(), setting.stream("outlier split"))

    def loss(
        model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        drawn = torch.randint(len(seen.labels), (len(images),), generator=generator)
        outliers = seen.images[drawn.to(images.device)].float() / 255
        logits, wild = model(torch.cat([images, outliers])).split(len(images))
        return cross_entropy(logits, labels) + strength * to_uniform(wild), logits

    def quality(model: nn.Module, data: TrainingSet) -> float:
        return metrics.auroc(-_msp(model, data), -_msp(model, unseen))

    return Objective(loss, quality)


OBJECTIVES: Mapping[str, tuple[Callable[[Setting, float], Objective], float]] = {
    "adversarial": (_adversarial, 6.0),
    "shift": (_shift, 1.0),
    "outlier": (_outlier, 1.0),
}


def to_uniform(logits: Tensor) -> Tensor:
    """Mean cross-entropy between the uniform distribution and (N, K) logits; at least log K."""
    logits = logits.float()
    return (logits.logsumexp(1) - logits.mean(1)).mean()


def _attacked(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    (gradient,) = input_gradients(model, images, labels, [cross_entropy])
    return linf_step(images, gradient, EPSILON)


def _noisy(model: nn.Module, images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    noise = torch.randn(images.shape, generator=generator)
    noise *= torch.rand(images.shape, generator=generator) >= KEPT
    normalised = next(module for module in model.modules() if isinstance(module, Normalised))
    unit = normalised.scale if normalised.std else 1.0
    return images + strength * noise.to(images.device) * unit


Change = Callable[[Tensor, Tensor], Tensor]


def _accuracy(model: nn.Module, data: TrainingSet, change: Change) -> float:
    evidence = _answers(model, data, change)
    return metrics.accuracy(evidence.logits, data.labels.cpu())


def _msp(model: nn.Module, data: TrainingSet) -> Tensor:
    return _answers(model, data, lambda images, _: images).msp


def _answers(model: nn.Module, data: TrainingSet, change: Change) -> Evidence:
    """Of the images in order, all changed before any is answered: a change may take gradients."""
    pairs = zip(data.images.split(BATCH_SIZE), data.labels.split(BATCH_SIZE), strict=True)
    return gather(model, [change(i.float() / 255, labels) for i, labels in pairs], "validation")
