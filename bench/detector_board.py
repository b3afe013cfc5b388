"""Which detector finds which anomaly: one number of a run as a table (the paper's Table 4)."""

import pandas as pd

from bench.headline import PASSED_OVER
from bench.records import Run, Score

SHIFT = "worst shifts"


def detector_board(run: Run, metric: str = "auroc") -> pd.DataFrame:
    """A number of every detector on every anomaly.

    Args:
        run: With scores of detectors; of the preset `detectors` it has all of them.
        metric: `auroc`, `aupr_outlier`, `aupr_id` or `fpr95`.

    Returns:
        Indexed by `batch_size` and `detector`, in the run's order; a column for each attack,
        `worst shifts` (mean over the corruptions at the highest severity), and each outlier and
        out-of-domain set that was there. NaN where a number is missing, or one of those of a mean
        has failed.
    """
    noticed = [score for score in run.scores if score.metric == metric and score.detector]
    worst = max((score.severity for score in noticed if score.severity), default=0)
    rows = [
        (score.batch_size, score.detector, _anomaly(score), score.value)
        for score in noticed
        if score.severity in (None, worst) and score.reason not in PASSED_OVER
    ]
    frame = pd.DataFrame(rows, columns=["batch_size", "detector", "anomaly", "value"])
    frame = frame.astype({"value": float})
    keys = ["batch_size", "detector", "anomaly"]
    means = frame.groupby(keys, sort=False)["value"].agg(lambda part: part.mean(skipna=False))
    table = means.unstack("anomaly")[list(dict.fromkeys(frame["anomaly"]))]
    order = list(dict.fromkeys(frame["detector"]))
    return table.sort_index(
        key=lambda level: level.map(order.index) if level.name == "detector" else level
    ).rename_axis(columns=None)


def _anomaly(score: Score) -> str:
    if score.task == "adversarial":
        return f"{score.attack} {score.epsilon:.4g}"
    return SHIFT if score.task == "shift" else score.set
