"""The wide field: detectors of pytorch-ood (extra `ood`), fed from one forward pass.

The only import of that package, which takes seconds. Its scores are of single images; a group
has their mean.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.inference import Evidence, group_means

ODIN = "odin"
Wide = Callable[[Evidence, int], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What a detector may be fitted to.

    Args:
        evidence: Of the training images.
        labels: (N,) int64, theirs.
        head: The classifier, from features to logits.
    """

    evidence: Evidence
    labels: Tensor
    head: nn.Linear


def wide_detector(name: str, known: Known) -> Wide:
    """A fitted detector: (evidence, batch_size) -> scores of groups; higher = more anomalous.

    Args:
        name: Key of `WIDE`.
        known: Of the training set.

    Raises:
        BenchError: E-MISSING-PACKAGE without the extra.
    """
    score = WIDE[name](known)
    return lambda evidence, batch_size: group_means(score(evidence).float(), batch_size)


def odin(model: nn.Module, batches: Iterable[Tensor], batch_size: int) -> Tensor:
    """ODIN, which needs the gradient of the images and thus the model itself.

    Args:
        model: Answers images in [0, 1] with logits.
        batches: (B, C, H, W) float32, of any sizes.
        batch_size: Images of one group, consecutive; the last may be smaller.

    Returns:
        (groups,) scores; higher = more anomalous.

    Raises:
        BenchError: E-MISSING-PACKAGE without the extra.
    """
    detector = _detector("ODIN", model)
    scores = torch.cat([detector.predict(images).detach().cpu() for images in batches])
    return group_means(scores.float(), batch_size)


def _detector(name: str, *arguments: Any) -> Any:
    try:
        return getattr(import_module("pytorch_ood.detector"), name)(*arguments)
    except ImportError as error:
        raise BenchError(
            "E-MISSING-PACKAGE",
            "this detector is pytorch-ood's, which is not installed: pip install "
            "'sparse-bench[ood]'",
        ) from error


def _by_logits(name: str) -> Callable[[Known], Callable[[Evidence], Tensor]]:
    def make(_: Known) -> Callable[[Evidence], Tensor]:
        detector = _detector(name, None)
        return lambda evidence: detector.predict_logits(evidence.logits)

    return make


def _by_features(name: str) -> Callable[[Known], Callable[[Evidence], Tensor]]:
    def make(known: Known) -> Callable[[Evidence], Tensor]:
        detector = _detector(name, None).fit_features(known.evidence.features, known.labels)
        return lambda evidence: detector.predict_features(evidence.features)

    return make


def _kl_matching(known: Known) -> Callable[[Evidence], Tensor]:
    detector = _detector("KLMatching", None).fit_logits(known.evidence.logits)
    return lambda evidence: detector.predict_logits(evidence.logits)


def _vim(known: Known) -> Callable[[Evidence], Tensor]:
    """The principal subspace has half of the features' dimensions."""
    weight = known.head.weight.detach().cpu()
    bias = known.head.bias.detach().cpu()
    detector = _detector("ViM", None, weight.shape[1] // 2, weight, bias)
    detector.fit_features(known.evidence.features, known.labels)
    return lambda evidence: detector.predict_features(evidence.features)


WIDE: Mapping[str, Callable[[Known], Callable[[Evidence], Tensor]]] = {
    "energy": _by_logits("EnergyBased"),
    "max-logit": _by_logits("MaxLogit"),
    "entropy": _by_logits("Entropy"),
    "gen": _by_logits("GEN"),
    "kl-matching": _kl_matching,
    "knn": _by_features("KNN"),
    "mahalanobis": _by_features("Mahalanobis"),
    "rmd": _by_features("RMD"),
    "vim": _vim,
}
