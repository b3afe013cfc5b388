"""Which stored answers a headline number follows from, and what each image adds to it.

No torch; nothing is read from a store here.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np

from bench import paired
from bench.headline import HEADLINE, Column
from bench.records import Score
from bench.store import TRUTH, Outcome, outcome_key

Answers = Mapping[str, Outcome]  # key -> answers of one run


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


Pick = Callable[[str], bool]  # of a key


def _clean(column: Column, suite: str) -> Pick:
    return lambda key: key == suite


def _attacked(column: Column, suite: str) -> Pick:
    parts = product(column.conditions["attack"], column.conditions["epsilon"])
    about = (Score.about(column.task, "", attack=name, epsilon=size) for name, size in parts)
    return {outcome_key(score) for score in about}.__contains__


def _shifted(column: Column, suite: str) -> Pick:
    some = column.conditions.get("corruption")
    return lambda key: "/" in key and (some is None or key.partition("/")[0] in some)


def _outlying(column: Column, suite: str) -> Pick:
    return lambda key: key not in (suite, TRUTH) and not any(mark in key for mark in "@/×")


def _out_of_domain(column: Column, suite: str) -> Pick:
    return lambda key: key.endswith("×255")


# task -> which answers are of a column of the task
KEYS: Mapping[str, Callable[[Column, str], Pick]] = {
    "clean": _clean,
    "adversarial": _attacked,
    "shift": _shifted,
    "outliers": _outlying,
    "out-of-domain": _out_of_domain,
    "likelihood": _outlying,
}


def follows(column: str) -> bool:
    """Whether a headline number is an accuracy or an area by confidence, which answers give."""
    told = HEADLINE[column]
    by_confidence = told.task == "likelihood" or told.conditions.get("detector") == ("msp",)
    area = told.metric == "auroc" and by_confidence
    return told.task in KEYS and (told.metric == "accuracy" or area)


def _own(column: str, suite: str) -> Pick:
    """Under which keys the answers are of which the number is the mean, or the lowest."""
    return KEYS[HEADLINE[column].task](HEADLINE[column], suite)


def needed(column: str, suite: str) -> Callable[[str], bool]:
    """Whether a headline number is looked for under a key: what need not be loaded for it.

    Args:
        column: Of `bench.headline.HEADLINE`; if it does not follow from answers, none are needed.
        suite: Name of the suite, which is also that of its test set.
    """
    if not follows(column):
        return lambda key: False
    beside = TRUTH if HEADLINE[column].metric == "accuracy" else suite
    own = _own(column, suite)
    return lambda key: key == beside or own(key)


def sample(column: str, suite: str, answers: Answers, truth: Outcome | None) -> Sample | None:
    """A headline number from the answers of a run.

    Args:
        column: Of `bench.headline.HEADLINE`.
        suite: Name of the suite.
        answers: Of the run, by key.
        truth: The labels, if the run has none of its own.

    Returns:
        None if the number does not follow from answers, or these are not stored, or are of
        fewer than two images or of unequal numbers of images where those are the same.
    """
    if not follows(column):
        return None
    keys = sorted(filter(_own(column, suite), answers))
    sets = [answers[key] for key in keys]
    if HEADLINE[column].metric == "accuracy":
        return _accuracy(column, sets, keys, answers.get(TRUTH, truth))
    if suite not in answers:
        return None
    return _area(answers[suite], sets, keys, changed=HEADLINE[column].task == "shift")


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
    sizes = [len(answers.confidence) for answers in (clean, *sets)]
    if not sets or min(sizes) < 2 or (changed and len(set(sizes)) > 1):
        return None
    found = paired.placements(-clean.confidence, [-answers.confidence for answers in sets])
    found = paired.as_one(found) if changed else found
    stderr = float(np.sqrt(paired.area_covariance([found])[0, 0]))
    return Sample(float(found.inside.mean()), stderr, "DeLong", (*sizes, *keys), found)
