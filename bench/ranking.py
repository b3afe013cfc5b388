"""Comparing runs: headline numbers, ratios to dense, ranks. Pandas only; nothing is measured here.

Runs are compared only within a group: the same suite, limit, protocol and images.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.protocol import COMMON_CORRUPTIONS, METRICS
from bench.records import CONDITIONS, TRUST, Run

GROUP = ["suite", "limit", "protocol", "data"]
RUN_COLUMNS = [
    "slug",
    "pruner",
    "sparsity",
    "architecture",
    "moment",
    "scope",
    "structure",
    "seed",
    "recipe",
    "declared_sparsity",
    "version",
    "preset",
    "flags",
    "weights_sha256",
    "started",
    "trust",
]

DUPLICATE = "duplicate-weights"
Pick = Callable[[pd.DataFrame], pd.Series]


def _of(task: str, metric: str) -> Pick:
    return lambda f: (f["task"] == task) & (f["metric"] == metric)


def _attacked(epsilon: float, *attacks: str) -> Pick:
    close = 1e-9
    return lambda f: (
        (f["task"] == "adversarial")
        & (f["metric"] == "accuracy")
        & f["attack"].isin(attacks)
        & ((f["epsilon"] - epsilon).abs() < close)
    )


def _noticed(task: str, detector: str) -> Pick:
    return lambda f: (
        (f["task"] == task)
        & (f["metric"] == "auroc")
        & (f["detector"] == detector)
        & (f["batch_size"] == 1)
    )


def _common(f: pd.DataFrame) -> pd.Series:
    return _of("shift", "accuracy")(f) & f["corruption"].isin(COMMON_CORRUPTIONS)


LOSSES = ("fgsm-linf", "fgsm-linf-standardised", "fgsm-linf-margin")
# column -> (metric whose direction it has, which scores are averaged)
HEADLINE: Mapping[str, tuple[str, Pick]] = {
    "accuracy": ("accuracy", _of("clean", "accuracy")),
    "fgsm_linf": ("accuracy", _attacked(8 / 255, "fgsm-linf")),
    "fgsm_linf_worst": ("accuracy", _attacked(8 / 255, *LOSSES)),
    "fgsm_l2": ("accuracy", _attacked(8 / 255, "fgsm-l2")),
    "fgsm_l2_half": ("accuracy", _attacked(0.5, "fgsm-l2")),
    "shift": ("accuracy", _of("shift", "accuracy")),
    "shift_15": ("accuracy", _common),
    "shift_auroc": ("auroc", _noticed("shift", "msp")),
    "ood_msp": ("auroc", _noticed("outliers", "msp")),
    "ood_gradnorm": ("auroc", _noticed("outliers", "gradnorm")),
    "ood_sensnorm": ("auroc", _noticed("outliers", "sensnorm")),
    "out_of_domain_msp": ("auroc", _noticed("out-of-domain", "msp")),
    "out_of_domain_sensnorm": ("auroc", _noticed("out-of-domain", "sensnorm")),
    "brier": ("brier", _of("clean", "brier")),
    "brier_l2": ("brier_l2", _of("clean", "brier_l2")),
    "nll": ("nll", _of("clean", "nll")),
    "ece": ("ece", _of("clean", "ece")),
    "lip_product_log10": ("lip_product_log10", _of("lipschitz", "lip_product_log10")),
    "lip_upper_log10": ("lip_upper_log10", _of("lipschitz", "lip_upper_log10")),
    "lip_lower": ("lip_lower", _of("lipschitz", "lip_lower")),
    "latency_ratio": ("latency_ratio", _of("cost", "latency_ratio")),
    "macs_sparse": ("macs_sparse", _of("cost", "macs_sparse")),
    "size_bytes": ("size_bytes", _of("cost", "size_bytes")),
}
LOWEST = ("fgsm_linf_worst",)  # not the mean: no factor of the logits raises it
# Reasons that a mean passes over: the set cannot exist, or is not on the machine that scored.
PASSED_OVER = ("not_applicable", "not_run")


def higher_is_better(column: str) -> bool | None:
    """Direction of a headline column."""
    return METRICS[HEADLINE[column][0]].higher_is_better


def is_logarithm(column: str) -> bool:
    """Whether a headline column is a logarithm, whose ratio to dense is a difference."""
    return METRICS[HEADLINE[column][0]].unit == "log10"


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a run with the headline numbers.

    A mean is over the sets that were measured; sets that are `not_applicable` or `not_run` for
    the whole group are no part of it. Where a set `failed` or was `declined`, or nothing was
    measured, there is no mean, and `missing` says why.

    Args:
        frame: What `bench.store.score_frame` returns.

    Returns:
        Indexed by `run_id`: the run's columns, those of `GROUP`, the columns of `HEADLINE`
        (float, NaN where there is none) and `missing` (text). `flags` says of weights that
        another entry of the group has, that they are `duplicate-weights`.
    """
    runs = frame.drop_duplicates("run_id").set_index("run_id")[[*RUN_COLUMNS, *GROUP]]
    table, missing = runs.copy(), pd.Series("", index=runs.index)
    for column, (_, pick) in HEADLINE.items():
        picked = frame[pick(frame)]
        broken = picked[picked["reason"].notna() & ~picked["reason"].isin(PASSED_OVER)]
        means = picked.groupby("run_id")["value"].agg("min" if column in LOWEST else "mean")
        means[broken["run_id"].unique()] = np.nan
        table[column] = means.reindex(runs.index).astype(float)
        # in the alphabet, `declined` and `failed` stand before the reasons that are passed over
        reasons = picked.groupby("run_id")["reason"].min().reindex(runs.index)
        gone = table[column].isna()
        missing[gone] += column + ": " + reasons[gone].fillna("not_run") + "; "
    table["missing"] = missing.str.removesuffix("; ")
    table["flags"] = table["flags"].where(~_duplicated(table), table["flags"] + f" {DUPLICATE}")
    table["flags"] = table["flags"].str.strip()
    return table.sort_index()


def _duplicated(table: pd.DataFrame) -> pd.Series:
    """Whether another entry of the group, by its slug, has the same weights."""
    twins = table.groupby([*GROUP, "weights_sha256"], dropna=False)["slug"]
    return twins.transform("nunique") > 1


def relative(table: pd.DataFrame, columns: list[str] | None = None) -> pd.DataFrame:
    """Mean and deviation over seeds of each number divided by the same-seed dense run's.

    Of logarithms the difference is taken, which is the logarithm of the ratio.

    Args:
        table: What `summary` returns; rows of several groups may be in it and are not mixed.
        columns: Of `HEADLINE`; None for all.

    Returns:
        One row for each group, architecture, recipe, pruner, moment, scope, structure and
        declared sparsity, with `flags` (of any of its runs), `seeds` (count), `sparsity` (mean of
        the measured), and for each column `NAME` (mean ratio; NaN if one of the seeds has none)
        and `NAME_std` (sample deviation, NaN for one seed). Runs without a dense run of their
        seed are left out, and so are runs that declare no seed.
    """
    names = columns or list(HEADLINE)
    family = [*GROUP, "architecture", "recipe"]
    seeded = table.dropna(subset=["seed"])
    dense = seeded[seeded["pruner"] == "dense"]
    dense = dense.assign(trusted=dense["trust"].map(TRUST.index))
    dense = dense.sort_values(["trusted", "started"], ascending=[False, True])
    dense = dense.drop_duplicates([*family, "seed"])  # that of most trust, then the earliest
    paired = seeded.merge(
        dense[[*family, "seed", *names]], on=[*family, "seed"], suffixes=("", "_dense")
    )
    for name in names:
        base = paired[f"{name}_dense"]
        ratio = paired[name] / base.where(base != 0)
        paired[name] = paired[name] - base if is_logarithm(name) else ratio
    kind = [*family, "pruner", "moment", "scope", "structure", "declared_sparsity"]
    grouped = paired.groupby(kind, dropna=False, sort=True)
    result = grouped.agg(
        flags=("flags", _any_of), seeds=("seed", "nunique"), sparsity=("sparsity", "mean")
    )
    for name in names:
        result[name] = grouped[name].mean(skipna=False)
        result[f"{name}_std"] = grouped[name].std(ddof=1, skipna=False)
    return result.reset_index()


def _any_of(flags: pd.Series) -> str:
    return " ".join(dict.fromkeys(" ".join(flags).split()))


def rank(table: pd.DataFrame, by: str = "accuracy") -> pd.DataFrame:
    """The rows of each group from best to worst.

    Args:
        table: What `summary` or `relative` returns.
        by: Column of `HEADLINE`.

    Returns:
        The same rows with a first column `rank`, 1 for the best; equal values share the better
        rank, rows without a value come last without a rank. Ranks start anew in every group.

    Raises:
        BenchError: E-BAD-VALUE if there is no such column or it has no better end.
    """
    if by not in HEADLINE or higher_is_better(by) is None:
        raise BenchError("E-BAD-VALUE", f"rank by: got {by!r}, expected one of {list(HEADLINE)}")
    ascending = not higher_is_better(by)
    ranks = table.groupby(GROUP, dropna=False)[by].rank(method="min", ascending=ascending)
    ranked = table.assign(rank=ranks.astype("Int64"))
    ranked = ranked.sort_values([*GROUP, "rank"], na_position="last", kind="stable")
    return ranked[["rank", *table.columns]]


def compare(first: Run, second: Run) -> pd.DataFrame:
    """Score by score, two runs of one group.

    Returns:
        The conditions, `metric`, `first`, `second`, `difference` (second minus first) and
        `better` (`first`, `second`, `equal`, or "" where neither end is better or one is
        missing).

    Raises:
        BenchError: As `check_comparable`.
    """
    check_comparable(first, second)
    keys = ["task", "set", *CONDITIONS, "metric"]
    frames = [
        pd.DataFrame(
            [[*(getattr(score, key) for key in keys), score.value] for score in run.scores],
            columns=[*keys, name],
            dtype=object,
        ).astype({name: float})
        for name, run in (("first", first), ("second", second))
    ]
    both = frames[0].merge(frames[1], on=keys, how="outer", sort=False)
    both["difference"] = both["second"] - both["first"]
    both["better"] = [
        _better(metric, difference)
        for metric, difference in zip(both["metric"], both["difference"], strict=True)
    ]
    return both


def check_comparable(first: Run, second: Run) -> None:
    """Two runs are of one group.

    Raises:
        BenchError: E-NOT-COMPARABLE if suite, limit, protocol or images differ.
    """
    for what in ("suite", "limit", "protocol", "data"):
        one, other = getattr(first, what), getattr(second, what)
        if one != other:
            raise BenchError(
                "E-NOT-COMPARABLE",
                f"{first.run_id} and {second.run_id}: {what} differs ({one} and {other}); only "
                "runs of the same suite, limit, protocol and images can be compared",
            )


def _better(metric: str, difference: float) -> str:
    up = METRICS[metric].higher_is_better
    if up is None or pd.isna(difference):
        return ""
    if difference == 0:
        return "equal"
    return "second" if (difference > 0) == up else "first"
