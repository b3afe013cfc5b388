"""Which stored answers a headline number follows from, and what each image adds to it.

No torch; nothing is read from a store here.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from bench import paired
from bench.headline import HEADLINE, LOSSES
from bench.protocol import COMMON_CORRUPTIONS
from bench.records import Score
from bench.store import TRUTH, Outcome, outcome_key

Answers = Mapping[str, Outcome]  # key -> answers of one run
Pick = Callable[[str, str], bool]  # (key, suite)


class Sample(NamedTuple):
    """A headline number of one run as the mean of what its images add.

    Args:
        value: The number.
        stderr: Its standard error over the draw of the images.
        test: Of two such samples: `McNemar`, `paired` or `DeLong`.
        layout: Of which images; only samples of the same layout are pairs.
        content: (N,) float64, the share of right answers to each image; or placements.
    """

    value: float
    stderr: float
    test: str
    layout: tuple[object, ...]
    content: np.ndarray | paired.Placements


def _attacked(epsilon: float, *attacks: str) -> Pick:
    about = [Score.about("adversarial", "", attack=name, epsilon=epsilon) for name in attacks]
    keys = {outcome_key(score) for score in about}
    return lambda key, suite: key in keys


def _clean(key: str, suite: str) -> bool:
    return key == suite


def _shifted(key: str, suite: str) -> bool:
    return "/" in key


def _common(key: str, suite: str) -> bool:
    return key.partition("/")[0] in COMMON_CORRUPTIONS


def _outlying(key: str, suite: str) -> bool:
    return key not in (suite, TRUTH) and not any(mark in key for mark in "@/×")


def _unscaled(key: str, suite: str) -> bool:
    return key.endswith("×255")


# column -> the sets whose accuracies it is the mean of, or the lowest
ACCURACIES: Mapping[str, Pick] = {
    "accuracy": _clean,
    "fgsm_linf": _attacked(8 / 255, "fgsm-linf"),
    "fgsm_linf_worst": _attacked(8 / 255, *LOSSES),
    "fgsm_l2": _attacked(8 / 255, "fgsm-l2"),
    "fgsm_l2_half": _attacked(0.5, "fgsm-l2"),
    "shift": _shifted,
    "shift_15": _common,
}
# column -> the anomalies that it is the mean area of, by MSP
AREAS: Mapping[str, Pick] = {
    "shift_auroc": _shifted,
    "ood_msp": _outlying,
    "out_of_domain_msp": _unscaled,
}


def needed(column: str, suite: str) -> Callable[[str], bool]:
    """Whether a headline number is looked for under a key: what need not be loaded for it.

    Args:
        column: Of `bench.ranking.HEADLINE`; if it does not follow from answers, none are needed.
        suite: Name of the suite, which is also that of its test set.
    """
    if column in ACCURACIES:
        return lambda key: key == TRUTH or ACCURACIES[column](key, suite)
    return lambda key: column in AREAS and (key == suite or AREAS[column](key, suite))


def sample(column: str, suite: str, answers: Answers, truth: Outcome | None) -> Sample | None:
    """A headline number from the answers of a run.

    Args:
        column: Of `bench.ranking.HEADLINE`.
        suite: Name of the suite.
        answers: Of the run, by key.
        truth: The labels, if the run has none of its own.

    Returns:
        None if the number does not follow from answers, or these are not stored, or are of
        fewer than two images or of unequal numbers of images where those are the same.
    """
    if column in ACCURACIES:
        keys = sorted(key for key in answers if ACCURACIES[column](key, suite))
        labels = answers.get(TRUTH, truth)
        return _accuracy(column, [answers[key] for key in keys], keys, labels)
    if column in AREAS and suite in answers:
        keys = sorted(key for key in answers if AREAS[column](key, suite))
        changed = AREAS[column] is _shifted
        return _area(answers[suite], [answers[key] for key in keys], keys, changed=changed)
    return None


def _accuracy(
    column: str, sets: list[Outcome], keys: list[str], truth: Outcome | None
) -> Sample | None:
    if not sets or truth is None or len(truth.predicted) < 2:
        return None
    labels = truth.predicted
    if any(len(answers.predicted) != len(labels) for answers in sets):
        return None
    right = np.stack([answers.predicted == labels for answers in sets])
    if HEADLINE[column].lowest:
        right, keys = right[[right.mean(1).argmin()]], []
    share = right.mean(0)
    stderr = float(share.std(ddof=1) / np.sqrt(len(share)))
    test = "McNemar" if len(right) == 1 else "paired"
    return Sample(float(share.mean()), stderr, test, (len(share), *keys), share)


def _area(clean: Outcome, sets: list[Outcome], keys: list[str], *, changed: bool) -> Sample | None:
    sizes = [len(answers.msp) for answers in (clean, *sets)]
    if not sets or min(sizes) < 2 or (changed and len(set(sizes)) > 1):
        return None
    found = paired.placements(-clean.msp, [-answers.msp for answers in sets])
    found = paired.as_one(found) if changed else found
    stderr = float(np.sqrt(paired.area_covariance([found])[0, 0]))
    return Sample(float(found.inside.mean()), stderr, "DeLong", (*sizes, *keys), found)
