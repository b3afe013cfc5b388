"""The wide field: detectors of pytorch-ood (extra `ood`), fed from one forward pass.

The only import of that package, which takes seconds. Its scores are of single images; a group
has their mean.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from bench.detectors.known import PASS, Known
from bench.errors import BenchError
from bench.inference import Detector, Evidence, Exhibit, group_means
from bench.models.kinds import kind_of

ODIN_STEP, ODIN_TEMPERATURE = 0.0014, 1000.0  # of the images in [0, 1]; of the softmax
Judge = Callable[[Evidence], Tensor]  # (N,) scores


def check_installed(names: Iterable[str]) -> None:
    """Whether the detectors of these names can be had.

    Raises:
        BenchError: E-MISSING-PACKAGE without the extra.
    """
    wide = sorted(set(names) & set(WIDE))
    if wide and find_spec("pytorch_ood") is None:
        raise BenchError(
            "E-MISSING-PACKAGE",
            f"detectors: {', '.join(wide)} are pytorch-ood's, which is not installed: pip "
            "install 'sparse-bench[ood]'",
        )


def by_images(make: Callable[[Known], Judge]) -> Callable[[Known], Detector]:
    """A detector whose score of a group is the mean of those of its images."""

    def prepare(known: Known) -> Detector:
        judge = lru_cache(maxsize=2)(make(known))  # clean and anomalous, at every batch size
        return lambda exhibit, batch_size: group_means(judge(exhibit.evidence).float(), batch_size)

    return prepare


def odin(known: Known) -> Detector:
    """ODIN, which needs the gradient of the images and thus the model itself."""
    detector = _detector("ODIN", known.model, None, ODIN_STEP, ODIN_TEMPERATURE)

    def score(exhibit: Exhibit, batch_size: int) -> Tensor:
        groups, scores = exhibit.groups(batch_size), []
        while block := list(islice(groups, max(1, PASS // batch_size))):
            scores.append(detector.predict(torch.cat(block)).detach().cpu())
        return group_means(torch.cat(scores).float(), batch_size)

    return score


def _detector(name: str, *arguments: Any) -> Any:
    return getattr(import_module("pytorch_ood.detector"), name)(*arguments)


def _by_logits(name: str) -> Callable[[Known], Judge]:
    def make(_: Known) -> Judge:
        detector = _detector(name, None)
        return lambda evidence: detector.predict_logits(evidence.logits)

    return make


def _by_features(name: str) -> Callable[[Known], Judge]:
    def make(known: Known) -> Judge:
        detector = _detector(name, None).fit_features(known.evidence.head_inputs, known.labels)
        return lambda evidence: detector.predict_features(evidence.head_inputs)

    return make


def _energy(known: Known) -> Judge:
    if kind_of(known.model) != "classifier":
        raise BenchError("E-NO-FEATURES", "energy: log-probabilities all have the energy 0")
    return _by_logits("EnergyBased")(known)


def _kl_matching(known: Known) -> Judge:
    detector = _detector("KLMatching", None).fit_logits(known.evidence.logits)
    return lambda evidence: detector.predict_logits(evidence.logits)


def _vim(known: Known) -> Judge:
    """The principal subspace has half of the features' dimensions."""
    features = known.evidence.head_inputs  # refuses where there is no such layer
    weight, bias = (part.detach().cpu() for part in (known.head.weight, known.head.bias))
    detector = _detector("ViM", None, weight.shape[1] // 2, weight, bias)
    detector.fit_features(features, known.labels)
    return lambda evidence: detector.predict_features(evidence.head_inputs)


WIDE: Mapping[str, Callable[[Known], Detector]] = {
    "energy": by_images(_energy),
    "max-logit": by_images(_by_logits("MaxLogit")),
    "entropy": by_images(_by_logits("Entropy")),
    "gen": by_images(_by_logits("GEN")),
    "kl-matching": by_images(_kl_matching),
    "knn": by_images(_by_features("KNN")),
    "mahalanobis": by_images(_by_features("Mahalanobis")),
    "rmd": by_images(_by_features("RMD")),
    "vim": by_images(_vim),
    "odin": odin,
}
