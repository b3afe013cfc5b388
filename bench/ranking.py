"""Comparing runs: headline numbers, ratios to dense, ranks. Pandas only; nothing is measured here.

Runs are compared only within a group: the same suite, limit, protocol and images.
"""

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.headline import HEADLINE, higher_is_better, is_logarithm
from bench.protocol import METRICS
from bench.records import CONDITIONS, TRUST, Run

GROUP = ["suite", "limit", "protocol", "data"]
FAMILY = [*GROUP, "architecture", "recipe"]  # whose dense run of a seed a ratio is to
# what a curve joins
PRUNED = ["kind", "architecture", "recipe", "pruner", "moment", "scope", "structure"]
SEVERAL = ("ensemble", "bayesian")  # kinds that are compared with the dense one of a single network
RUN_COLUMNS = [
    "slug",
    "kind",
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

# Of one type also where no run declares any
WORDS = ["recipe", "pruner", "moment", "scope", "structure"]
SHARES = ["sparsity", "declared_sparsity"]
DUPLICATE = "duplicate-weights"


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a run with the headline numbers, and what follows from the other runs.

    Args:
        runs: What `bench.store.run_frame` returns.

    Returns:
        Indexed by `run_id`: the run's columns, those of `GROUP`, the columns of `HEADLINE`
        (float, NaN where there is none) and `missing` (text: why). `flags` says of weights that
        another entry of the group has, that they are `duplicate-weights`.
    """
    table = runs.set_index("run_id")[[*RUN_COLUMNS, *GROUP, *HEADLINE, "missing"]]
    table = table.astype(dict.fromkeys(WORDS, "str") | dict.fromkeys(SHARES, float))
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
        What `over_seeds` returns of what `to_dense` returns.
    """
    names = columns or list(HEADLINE)
    return over_seeds(to_dense(table, names), names)


def to_dense(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Each run's numbers divided by those of the dense run of its seed.

    Args:
        table: What `summary` returns, and any further numeric columns; rows of several groups may
            be in it and are not mixed.
        columns: Of numbers. Of `HEADLINE`'s logarithms the difference is taken.

    Returns:
        The rows with a dense run, of a single network, of the same group, architecture, recipe
        and seed, that of most trust and then the earliest; not indexed. NaN where one of the two
        numbers is missing, or the dense one is 0.
    """
    seeded = table.dropna(subset=["seed"])
    single = ~seeded["kind"].isin(SEVERAL)
    dense = of_each_seed(seeded[single & (seeded["pruner"] == "dense")], FAMILY)
    paired = seeded.merge(
        dense[[*FAMILY, "seed", *columns]], on=[*FAMILY, "seed"], suffixes=("", "_dense")
    )
    for name in columns:
        base = paired[f"{name}_dense"]
        logarithm = name in HEADLINE and is_logarithm(name)
        ratio = paired[name] / base.where(base != 0)
        paired[name] = paired[name] - base if logarithm else ratio
    return paired.drop(columns=[f"{name}_dense" for name in columns])


def over_seeds(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Mean and deviation over the runs that differ in their seed alone.

    Of several runs of one seed that of most trust counts, and then the earliest.

    Args:
        table: What `summary` or `to_dense` returns.
        columns: Of numbers.

    Returns:
        One row for each group, `PRUNED` and `declared_sparsity`, which is the `stated_sparsity`,
        with `flags` (of any of its runs), `seeds` (count), `sparsity` (mean of the measured), and
        for each column `NAME` (mean; NaN if one of the runs has none) and `NAME_std` (sample
        deviation, NaN for one run).
    """
    told = stated_sparsity(table)
    keys = [*GROUP, *PRUNED, "declared_sparsity"]
    runs = of_each_seed(table.assign(declared_sparsity=told), keys)
    grouped = runs.groupby(keys, dropna=False, sort=True)
    result = grouped.agg(
        flags=("flags", any_of),
        trust=("trusted", lambda trusted: TRUST[trusted.min()]),
        seeds=("seed", "nunique"),
        sparsity=("sparsity", "mean"),
    )
    for name in columns:
        result[name] = grouped[name].mean(skipna=False)
        result[f"{name}_std"] = grouped[name].std(ddof=1, skipna=False)
    return result.reset_index()


def stated_sparsity(table: pd.DataFrame) -> pd.Series:
    """The declared sparsity, where there is none the measured one to three digits."""
    return table["declared_sparsity"].fillna(table["sparsity"].round(3))


def of_each_seed(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Of the runs of one seed that are the same in these columns one; those without seed all.

    With a column `trusted`, the place of the level of trust.
    """
    ordered = table.assign(trusted=_trusted).sort_values(
        ["trusted", "started"], ascending=[False, True], kind="stable"
    )
    return ordered[ordered["seed"].isna() | ~ordered.duplicated([*keys, "seed"])]


def _trusted(table: pd.DataFrame) -> pd.Series:
    """Places of the levels of trust; a word that is none is of the least."""
    places = {word: place for place, word in enumerate(TRUST)}
    return table["trust"].map(places).fillna(0).astype(int)


def any_of(flags: pd.Series) -> str:
    """The flags that any of some runs has, each once."""
    return " ".join(dict.fromkeys(" ".join(flags).split()))


def usual(group: pd.DataFrame) -> str:
    """What a group is ranked by where nobody says: accuracy, of flows the AUROC by likelihood."""
    return "accuracy" if group["likelihood_auroc"].isna().all() else "likelihood_auroc"


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
    found = ranks(table, by)
    ranked = table.loc[found.index]
    ranked.insert(0, "rank", found)
    return ranked


def ranks(table: pd.DataFrame, by: str = "accuracy") -> pd.Series:
    """The ranks that `rank` gives, from best to worst in every group.

    Args:
        table: As for `rank`; no two rows have one label.
        by: As for `rank`.

    Returns:
        Int64, missing where there is no value; labelled as the table.

    Raises:
        BenchError: As `rank`.
    """
    if by not in HEADLINE or higher_is_better(by) is None:
        raise BenchError("E-BAD-VALUE", f"rank by: got {by!r}, expected one of {list(HEADLINE)}")
    groups = _groups(table)
    found = table[by].groupby(groups).rank(method="min", ascending=not higher_is_better(by))
    order = np.lexsort([found.to_numpy(), groups])  # stable, and NaN comes last
    return found.astype("Int64").iloc[order]


def _groups(table: pd.DataFrame) -> np.ndarray:
    """(N,) the number of each row's group, by the columns in which the groups differ."""
    several = [column for column in GROUP if table[column].nunique(dropna=False) > 1]
    if not several:
        return np.zeros(len(table), int)
    return table.groupby(several, dropna=False).ngroup().to_numpy()


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
