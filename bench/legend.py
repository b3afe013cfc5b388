"""What a reader needs beside the numbers: names of the groups, meanings of the columns."""

from collections.abc import Mapping

import pandas as pd

from bench.protocol import METRICS
from bench.ranking import GROUP, HEADLINE, higher_is_better, is_logarithm
from bench.records import Reason

MEANINGS = {
    "accuracy": "on the clean test set",
    "fgsm_linf": "under FGSM L∞, ε = 8/255",
    "fgsm_linf_worst": "the same on the most harmful loss; no factor of the logits raises it",
    "fgsm_l2": "under FGSM L2, ε = 8/255",
    "fgsm_l2_half": "under FGSM L2, ε = 0.5",
    "shift": "mean over all corruptions and severities",
    "shift_15": "mean over the 15 corruptions of RobustBench",
    "shift_auroc": "shifted against clean by MSP, mean over all corruptions and severities",
    "ood_msp": "outlier sets against clean by MSP, mean over the sets measured",
    "ood_gradnorm": "outlier sets against clean by GradNorm, mean over the sets measured",
    "ood_sensnorm": "outlier sets against clean by SensNorm, mean over the sets measured",
    "out_of_domain_msp": "an outlier set × 255 against clean by MSP",
    "out_of_domain_sensnorm": "the same by SensNorm",
}
REASONS: Mapping[Reason, str] = {
    "not_run": "not asked for, or its images are not on the machine that scored",
    "not_applicable": "cannot exist for this network or these images",
    "failed": "the measurement ended without a finite number",
    "declined": "refused by whoever scored it",
}
CONVENTIONS = (
    "Runs are ranked only within one suite, limit, protocol and set of images. Anomalies are "
    "the positive class; fpr95 is the share of outliers that pass at the threshold that passes "
    "95 % of the in-distribution images. Sets named …-c* are generated, not the official ones."
)


def groups(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of `bench.ranking.summary` by comparable group, each under a readable name."""
    named: dict[str, pd.DataFrame] = {}
    for _, rows in table.groupby(GROUP, dropna=False, sort=True):
        first = rows.iloc[0]
        images = "all images" if pd.isna(first["limit"]) else f"first {first['limit']:g} images"
        name = f"{first['suite']} · {images} · protocol {first['version']} {first['preset']}"
        if name in named:  # other constants or other images under the same names
            name += f" · {first['protocol'][:6]} · {len(named) + 1}"
        named[name] = rows
    return named


def explained(column: str, *, to_dense: bool) -> str:
    """Help text of a headline column, with the end that is better."""
    better = {True: "Higher is better.", False: "Lower is better.", None: ""}
    metric = METRICS[HEADLINE[column][0]]
    meaning = f"{metric.meaning}; {MEANINGS.get(column, '')}".rstrip("; ")
    shown = f"{'Difference' if is_logarithm(column) else 'Ratio'} to dense." if to_dense else ""
    return f"{meaning}. {better[higher_is_better(column)]} {shown}".rstrip()
