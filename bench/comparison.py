"""Two runs side by side: what they get right together, and which differences are no chance.

Nothing is read from a store here.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.answers import Answers
from bench.headline import HEADLINE, higher_is_better, reasons_of
from bench.paired import holm
from bench.standings import LEVEL, Outcomes, every_pair
from bench.store import TRUTH, Outcome

NORMAL = 1.959964  # standard errors to either side that hold 95 %
NO_DIFFERENCE = "no difference"


class Agreement(NamedTuple):
    """How many of n clean test images two runs get right, and answer alike."""

    n: int
    both: int
    first: int
    second: int
    neither: int
    same: int


def agreement(
    suite: str, first: Answers, second: Answers, truth: Outcome | None = None
) -> Agreement | None:
    """What two runs answer to the clean test images; None if answers or labels are not stored.

    Args:
        suite: Name of the suite.
        first: Stored answers of a run.
        second: Of the other.
        truth: The labels, if neither keeps them.
    """
    truth = first.get(TRUTH) or second.get(TRUTH) or truth
    if truth is None or suite not in first or suite not in second:
        return None
    one, other, labels = first[suite].predicted, second[suite].predicted, truth.predicted
    if not len(one) == len(other) == len(labels):
        return None
    right, also = one == labels, other == labels
    counts = (right & also, right & ~also, also & ~right, ~right & ~also, one == other)
    return Agreement(len(labels), *(int(np.count_nonzero(count)) for count in counts))


def comparisons(runs: pd.DataFrame, outcomes: Outcomes, scores: pd.DataFrame) -> pd.DataFrame:
    """Each headline number of the first run against that of each other.

    Args:
        runs: Rows of one group, as `bench.ranking.summary` has them: indexed by `run_id`.
        outcomes: Stored answers of a run, empty if there are none.
        scores: What `bench.store.score_frame` returns of these runs.

    Returns:
        A row for each other run, in their order, and each number that both have: `run_id` (the
        other), `number`, `first`, `second`, `difference` (second minus first), `low` and `high`
        (ends of its 95 % interval, that of the line alone), `p` (adjusted by Holm for all rows),
        `better` (`first`, `second`, `equal`, `no difference`, or "" where nothing allows a test)
        and `test`, as in `bench.standings.Tested`. Where `test` is `exact`, there is no interval
        and no p. Interval and p follow from different tests, so that near the level one may say
        what the other does not.

    Raises:
        BenchError: E-NOT-COMPARABLE for runs of more than one group.
    """
    rows = [row for column in HEADLINE for row in _lines(runs, column, outcomes, scores)]
    table = pd.DataFrame(rows, columns=list(_LINE))
    table = table.sort_values("run_id", key=lambda ids: ids.map(runs.index.get_loc), kind="stable")
    table["p"] = holm(table["p"].to_numpy(float))
    table["better"] = [_better(row) for row in table.to_dict("records")]
    return table[[*_LINE[:-1], "better", "test"]]


def unmatched(
    first: Mapping[Hashable, Any], second: Mapping[Hashable, Any], names: tuple[str, str]
) -> Iterator[str]:
    """What `comparisons` has no row for, as only one of two runs has it.

    Args:
        first: A run as `comparisons` takes it, a row as a mapping.
        second: Another.
        names: Of the two.

    Yields:
        A sentence for each of the two and each reason, e.g. `B has no NLL, ECE: not run.`
    """
    for name, lacking, having in zip(names, (first, second), (second, first), strict=True):
        found = defaultdict(list)
        for number, reason in reasons_of(lacking["missing"]).items():
            if pd.notna(having[number]):
                found[reason].append(HEADLINE[number].title)
        for reason, titles in found.items():
            yield f"{name} has no {', '.join(titles)}: {reason.replace('_', ' ')}."


_LINE = ("run_id", "number", "first", "second", "difference", "low", "high", "p", "test")


def _lines(
    runs: pd.DataFrame, column: str, outcomes: Outcomes, scores: pd.DataFrame
) -> Iterator[tuple[object, ...]]:
    """One number of the first run against that of each other, if both have it."""
    valued = runs[runs[column].notna()]
    if runs.index[0] not in valued.index:
        return
    (difference, stderr, p), test = every_pair(valued, column, outcomes, scores)
    exact = test[0] == "exact"
    for other in range(1, len(valued)):
        gap, half = difference[other, 0], np.nan if exact else NORMAL * stderr[other, 0]
        word = test[0] if test[0] == test[other] else "unpaired"
        yield (
            *(valued.index[other], column, valued[column].iloc[0], valued[column].iloc[other]),
            *(gap, gap - half, gap + half, np.nan if exact else p[other, 0]),
            "none" if np.isnan(p[other, 0]) else word,
        )


def _better(row: Mapping[Hashable, Any]) -> str:
    """Which run has the better number, if that is no chance."""
    p, difference = row["p"], row["difference"]
    if row["test"] == "exact":
        if difference == 0:
            return "equal"
    elif np.isnan(p):
        return ""
    elif p >= LEVEL:
        return NO_DIFFERENCE
    return "second" if (difference > 0) == higher_is_better(row["number"]) else "first"
