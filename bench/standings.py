"""How sure a rank is: tests of every pair of comparable runs on one headline number.

Answers to the same images are compared image by image; runs whose answers are not stored, by
their numbers and errors alone. No torch; nothing is read from a store here.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench import paired
from bench.answers import Answers, Sample, follows, sample
from bench.errors import BenchError
from bench.headline import HEADLINE, higher_is_better
from bench.paired import Pairs
from bench.ranking import GROUP
from bench.store import TRUTH, Outcome

Outcomes = Callable[[str], Answers]  # run_id -> its stored answers, empty if there are none
LEVEL = 0.05  # of all tests together
CLOSE = 1e-9  # between a number and the same one from its answers
EXACT = ("lip_product_log10", "lip_upper_log10", "lip_lower", "macs_sparse", "size_bytes")
EVERY_IMAGE = ("shift_auroc", "ood_msp", "ood_gradnorm", "out_of_domain_msp")


class Tested(NamedTuple):
    """R runs, each against each, on one headline number.

    Args:
        pairs: Row minus column; p of each test by itself.
        test: (R,) how each run is compared: `McNemar`, `paired`, `DeLong`, `unpaired`, `exact`
            (no sampling error), `none` (nothing stored allows a test).
    """

    pairs: Pairs
    test: list[str]


def standings(
    runs: pd.DataFrame, column: str, outcomes: Outcomes, scores: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Between which ranks each run lies, and with which it is tied.

    Args:
        runs: Rows of one group, as `bench.ranking.summary` has them: indexed by `run_id`.
        column: Of `bench.ranking.HEADLINE`.
        outcomes: Stored answers of a run; those that `bench.answers.needed` names are enough.
        scores: What `bench.store.score_frame` returns, for the errors of runs without answers
            and of numbers that do not follow from answers; without it these have no test.

    Returns:
        Indexed as `runs`: `low` and `high` (Int64), the interval of the rank; `tie` (Int64), the
        first rank of the run's group, as `bench.paired.tie_groups` makes them; `test` (text), as
        in `Tested`. A run without a value or a test has neither interval nor group; the others'
        intervals allow for it if it has a value. The level is 0.05 for all pairs together (Holm).

    Raises:
        BenchError: E-NOT-COMPARABLE for runs of more than one group.
    """
    valued = runs[runs[column].notna()]
    found = every_pair(valued, column, outcomes, scores)
    sign = 1 if higher_is_better(column) else -1
    sure = paired.holm(found.pairs.p) < LEVEL
    better = sure & (sign * found.pairs.difference > 0)
    known = np.array([test != "none" for test in found.test], bool)
    values = sign * valued[column].to_numpy(float)[known]
    low, high = paired.rank_intervals(better)
    ranks = {
        "low": low[known],
        "high": high[known],
        "tie": paired.tie_groups(values, better[np.ix_(known, known)]),
    }
    result = pd.DataFrame(ranks, index=valued.index[known], dtype="Int64").reindex(runs.index)
    words = pd.Series(found.test, index=valued.index, dtype=object)
    return result.assign(test=words.reindex(runs.index).fillna("none"))


def every_pair(
    runs: pd.DataFrame, column: str, outcomes: Outcomes, scores: pd.DataFrame | None = None
) -> Tested:
    """Every pair of runs on one headline number; arguments and errors as for `standings`.

    Every run has a value. Two runs are compared image by image where the answers of both are
    stored, are of the same images, and give the numbers of both.
    """
    if len(runs[GROUP].drop_duplicates()) > 1:
        raise BenchError(
            "E-NOT-COMPARABLE",
            "only runs of the same suite, limit, protocol and images can be compared",
        )
    values = runs[column].to_numpy(float)
    if column in EXACT:
        difference = values[:, None] - values
        same = (difference == 0).astype(float)
        return Tested(Pairs(difference, np.zeros_like(difference), same), ["exact"] * len(runs))
    samples = _samples(runs, column, outcomes)
    errors = np.array([np.nan if one is None else one.stderr for one in samples], float)
    if scores is not None and np.isnan(errors).any():
        errors = np.where(np.isnan(errors), _stored_errors(runs, column, scores), errors)
    pairs = paired.unpaired_pairs(values, errors)
    test = ["none" if np.isnan(error) else "unpaired" for error in errors]
    alike = _alike(samples)
    if len(alike) > 1 or len(alike) == len(runs) == 1:
        block = np.ix_(list(alike), list(alike))
        for whole, part in zip(pairs, _paired(alike.values()), strict=True):
            whole[block] = part
        for place, one in alike.items():
            test[place] = one.test
    return Tested(pairs, test)


def _samples(runs: pd.DataFrame, column: str, outcomes: Outcomes) -> list[Sample | None]:
    """Of each run, if it gives the run's number; by another run's labels if it keeps none."""
    found: dict[object, Sample | None] = dict.fromkeys(runs.index)
    if not follows(column):
        return list(found.values())
    truth: Outcome | None = None
    for again in (False, True):
        for run_id, suite, value in zip(runs.index, runs["suite"], runs[column], strict=True):
            if found[run_id] is None and (truth is not None or not again):
                answers = outcomes(run_id)
                truth = truth or answers.get(TRUTH)
                one = sample(column, suite, answers, truth)
                found[run_id] = one if one and abs(one.value - value) <= CLOSE else None
    return list(found.values())


def _alike(samples: list[Sample | None]) -> dict[int, Sample]:
    """Place of a run -> its sample, of the layout that most runs have."""
    known = {place: one for place, one in enumerate(samples) if one is not None}
    layouts = Counter(one.layout for one in known.values()).most_common(1)
    return {place: one for place, one in known.items() if one.layout == layouts[0][0]}


def _paired(samples: Iterable[Sample]) -> Pairs:
    contents = [one.content for one in samples]
    placed = [content for content in contents if isinstance(content, paired.Placements)]
    if placed:
        return paired.auroc_pairs(placed)
    return paired.accuracy_pairs(np.array(contents))


def _stored_errors(runs: pd.DataFrame, column: str, scores: pd.DataFrame) -> np.ndarray:
    """(R,) standard error of each run's number by its scores alone, NaN where they give none.

    That of a mean is at most the mean of theirs, which is taken: its sets share images.
    """
    scores = scores[scores["run_id"].isin(runs.index) & scores["value"].notna()]
    rows = HEADLINE[column].rows(scores)
    if HEADLINE[column].metric == "accuracy":
        n = rows.groupby("run_id")["n"].min().reindex(runs.index)
        return np.array([paired.accuracy_error(*one) for one in zip(runs[column], n, strict=True)])
    stderr = rows["stderr"].astype(float)
    if column in EVERY_IMAGE:
        stderr = stderr.fillna(_by_counts(rows, scores))
    means = stderr.groupby(rows["run_id"]).agg(lambda errors: errors.mean(skipna=False))
    return means.reindex(runs.index).to_numpy(float)


def _by_counts(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.Series:
    """Standard error of each area, where the score of the clean set tells both counts apart."""
    clean = HEADLINE["accuracy"].rows(scores).drop_duplicates("run_id").set_index("run_id")
    inside = rows["run_id"].map(clean["n"])
    counted = (inside > 0) & (rows["n"] > inside)
    parts = zip(rows["value"][counted], inside[counted], rows["n"][counted], strict=True)
    errors = [paired.auroc_error(area, int(n), int(total - n)) for area, n, total in parts]
    return pd.Series(errors, index=rows.index[counted], dtype=float)
