"""What gives a cheat by weights alone away: attacks that disagree, blank answers, odd weights.

Nothing is judged here: `bench.flags` reads the numbers.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from bench import degeneracy
from bench.attacks.auto import square
from bench.attacks.fgsm import (
    Loss,
    gives_no_direction,
    input_gradients,
    linf_step,
    margin_loss,
    standardised_cross_entropy,
)
from bench.attacks.noise import sign_noise
from bench.attacks.pgd import pgd
from bench.classification import accuracy_score
from bench.inference import Case, Findings, batches, gather
from bench.models.sparsity import near_zero
from bench.records import Score


def audit(case: Case) -> Findings:
    """Accuracy of the first test images under attacks of every kind, and shares that are telling.

    The images are one batch. Attacks differentiate through the normalisation in every preset.
    """
    count = min(case.protocol.audit_images, len(case.suite.test.images))
    (images,) = batches(case.suite.test.images[:count], count, case.device)
    labels = torch.tensor(case.suite.test.labels[:count])
    about = Score.about("audit", case.suite.test.name)
    clean = case.clean.log_probabilities[:count]
    scores = [
        accuracy_score(about, clean, labels),
        about.measured("top_class_share", degeneracy.top_class_share(clean), count),
        about.measured("saturated_share", degeneracy.saturated_share(clean), count),
        about.measured("tied_share", degeneracy.tied_share(case.clean.logits[:count]), count),
    ]
    scores += _under_attack(case, about, images, labels)
    weights = near_zero(case.submission.model)
    scores += [
        about.measured("denormal_share", weights.denormal, weights.count),
        about.measured("tiny_share", weights.tiny, weights.count),
    ]
    return Findings(scores)


def _under_attack(case: Case, about: Score, images: Tensor, labels: Tensor) -> list[Score]:
    model, protocol, truth = case.submission.model, case.protocol, labels.to(case.device)
    near, far = protocol.audit_epsilons
    losses: list[Loss] = [cross_entropy, standardised_cross_entropy, margin_loss]
    plain, scale_free, margin = input_gradients(model, images, truth, losses)
    attacked: dict[tuple[str, float], Callable[[], Tensor]] = {
        ("fgsm-linf", near): lambda: linf_step(images, plain, near),
        ("fgsm-linf-standardised", near): lambda: linf_step(images, scale_free, near),
        ("fgsm-linf-margin", near): lambda: linf_step(images, margin, near),
        ("noise-linf", near): lambda: sign_noise(images, near),
        ("pgd-linf", near): lambda: pgd(model, images, truth, near, protocol.pgd_steps),
        ("square-linf", near): lambda: square(model, images, truth, near, protocol.square_queries),
        ("pgd-linf", far): lambda: pgd(model, images, truth, far, protocol.pgd_steps),
    }
    scores = []
    for done, ((name, epsilon), attack) in enumerate(attacked.items(), start=1):
        evidence = gather(model, [attack()], f"{about.set} under {name}")
        under = replace(about, attack=name, epsilon=epsilon)
        scores.append(accuracy_score(under, evidence.log_probabilities, labels))
        case.progress("audit", done, len(attacked))
    gone = float(gives_no_direction(plain).double().mean())
    under = replace(about, attack="fgsm-linf", epsilon=near)
    return [*scores, under.measured("zero_gradient_share", gone, len(labels))]
