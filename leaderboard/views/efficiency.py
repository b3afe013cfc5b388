"""What networks cost beside one dense network: DataFrame in, DataFrame out (Tables 2 and 3)."""

import pandas as pd

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
SINGLE = "classifier"


def costs(scores: pd.DataFrame) -> pd.DataFrame:
    """The cost of each run: a column for each metric of `RATIOS`, indexed by `run_id`.

    Args:
        scores: Of `bench.store.score_frame`, of the task cost.
    """
    own = scores[scores["metric"].isin(list(RATIOS))]
    return own.pivot_table(index="run_id", columns="metric", values="value")


def efficiency(rows: pd.DataFrame, group: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Ratios to one dense network of the same architecture, the mean of those that are there.

    Args:
        rows: Of `bench.ranking.summary`, to be shown.
        group: All runs among which the dense ones are looked for.
        costs: What `costs` returns, of both.

    Returns:
        Indexed as `rows`: who, accuracy, AUROC, `inference ×` (the latency ratio, measured against
        a dense network when the run was scored), and the ratios; NaN without a dense run.
    """
    single = group[(group["pruner"] == DENSE) & (group["kind"] == SINGLE)]
    dense = costs.reindex(single.index).groupby(single["architecture"]).mean()
    base = dense.reindex(rows["architecture"]).set_index(rows.index)
    found = costs.reindex(rows.index) / base
    told = rows[[*WHO, "accuracy", "ood_msp", "latency_ratio"]]
    named = told.rename(columns={"ood_msp": "AUROC, MSP", "latency_ratio": "inference ×"})
    ratios = found.reindex(columns=list(RATIOS)).rename(columns=RATIOS)
    return named.join(ratios.dropna(axis="columns", how="all"))
