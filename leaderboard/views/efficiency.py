"""What networks cost beside one dense network: DataFrame in, DataFrame out (Tables 2 and 3)."""

import pandas as pd

from bench.ranking import SEVERAL
from leaderboard.views.marks import DENSE

# metric of the task cost -> title of its ratio
RATIOS = {
    "peak_memory_bytes": "memory ×",
    "macs_dense": "MACs ×",
    "macs_sparse": "sparse MACs ×",
    "parameters": "parameters ×",
    "nonzero": "nonzero ×",
    "size_bytes": "bytes ×",
}
WHO = ("kind", "slug", "architecture", "sparsity")


def references(group: pd.DataFrame) -> pd.DataFrame:
    """The dense single networks of a group, which all are compared with."""
    return group[(group["pruner"] == DENSE) & ~group["kind"].isin(SEVERAL)]


def efficiency(rows: pd.DataFrame, dense: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Ratios to one dense network of the same architecture, the mean of those that are there.

    Args:
        rows: Of `bench.ranking.summary`, to be shown.
        dense: Of `references`.
        scores: Of `bench.store.score_frame`, of both: the task cost, the metrics of `RATIOS`.

    Returns:
        Indexed as `rows`: who, accuracy, AUROC, `inference ×` (the latency ratio, measured against
        a dense network when the run was scored), and the ratios; NaN without a dense run.
    """
    costs = scores.pivot_table(index="run_id", columns="metric", values="value")
    means = costs.reindex(dense.index).groupby(dense["architecture"]).mean()
    base = means.reindex(rows["architecture"]).set_index(rows.index)
    found = costs.reindex(rows.index) / base
    told = rows[[*WHO, "accuracy", "ood_msp", "latency_ratio"]]
    named = told.rename(columns={"ood_msp": "AUROC, MSP", "latency_ratio": "inference ×"})
    ratios = found.reindex(columns=list(RATIOS)).rename(columns=RATIOS)
    return named.join(ratios.dropna(axis="columns", how="all"))
