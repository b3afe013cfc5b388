"""SensNorm (Ayle et al., 2022, section 6), see `bench.sensitivity`."""

import hashlib

import torch
from torch import Tensor

from bench.detectors.known import Known
from bench.errors import BenchError
from bench.inference import Detector, Exhibit, batches
from bench.models.kinds import kind_of
from bench.sensitivity import Options, Views, cached_statistics, sensitivity_scores, with_views
from bench.setting import TrainingSet

PROBE = 4  # images whose answers tell networks of the same weights apart


def sensnorm(known: Known, options: Options) -> Detector:
    """How unusual the weights' sensitivity to a group is, beside that to training batches.

    Args:
        known: Its training images give the statistics.
        options: An entry of `bench.sensitivity.VARIANTS`.

    Raises:
        BenchError: E-NO-DATA without training images, E-TOO-FEW-IMAGES if they are less than two
            batches, E-BAD-OUTPUT if a sensitivity is not finite, E-NO-FEATURES for a loss of logits
            where several networks answer together: log-probabilities in their place would make
            it the cross-entropy.
    """
    if options.loss == "neg-logit" and kind_of(known.model) != "classifier":
        raise BenchError(
            "E-NO-FEATURES",
            "sensnorm: its loss is a logit, and several networks that answer together have none; "
            "sensnorm-ce takes the cross-entropy",
        )
    sample, size = known.sample, known.batch_size
    statistics = cached_statistics(
        known.model,
        lambda: TrainingSet.on(known.device, sample, augment=known.augment).batches(
            size, torch.Generator().manual_seed(0)
        ),
        options,
        fingerprint=sample.fingerprint,
        batch_size=size,
        recipe=f"augment {known.augment}, answers {_answers(known)}",
    )
    views = Views(mean=known.model.mean)

    def score(exhibit: Exhibit, batch_size: int) -> Tensor:
        groups = exhibit.groups(batch_size)
        seen = with_views(groups, views) if batch_size <= known.viewed else groups
        return sensitivity_scores(known.model, seen, statistics)

    return score


@torch.inference_mode()
def _answers(known: Known) -> str:
    (images,) = batches(known.sample.images[:PROBE], PROBE, known.device)
    return hashlib.sha256(known.model(images).float().cpu().numpy().tobytes()).hexdigest()
