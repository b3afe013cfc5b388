"""What each metric is called, which end of it is better, and what it means."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Metric:
    """How to read a number.

    Args:
        higher_is_better: None where neither end is better.
        low: Smallest possible value.
        high: Largest possible value.
        unit: Unit, or "" for a pure number.
        meaning: One line for tables and help.
        task: The only task that gives it; a protocol without the task does not depend on it.
    """

    higher_is_better: bool | None
    low: float
    high: float
    unit: str
    meaning: str
    task: str | None = None


QUANTILES: Mapping[str, float] = {f"log_density_p{p:02}": p / 100 for p in range(0, 101, 5)}

METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(True, 0, 1, "", "share of images whose most probable class is the label"),
    "brier": Metric(False, 0, 2, "", "squared distance to the one-hot label, summed over classes"),
    "brier_l2": Metric(False, 0, math.sqrt(2), "", "the paper's: the distance itself, not squared"),
    "nll": Metric(False, 0, math.inf, "nat", "negative log-probability of the label"),
    "ece": Metric(False, 0, 1, "", "expected calibration error, 15 equal-width bins"),
    "auroc": Metric(True, 0, 1, "", "area under the ROC curve; the anomaly is the positive class"),
    "aupr_id": Metric(True, 0, 1, "", "average precision with in-distribution as positive"),
    "aupr_outlier": Metric(True, 0, 1, "", "average precision with the anomaly as positive"),
    "fpr95": Metric(
        False, 0, 1, "", "share of anomalies that pass where 95 % of in-distribution images pass"
    ),
    "zero_gradient_share": Metric(
        False, 0, 1, "", "share of images whose input gradient is exactly zero"
    ),
    "top_class_share": Metric(False, 0, 1, "", "share of images with the most frequent answer"),
    "saturated_share": Metric(False, 0, 1, "", "share of images of confidence 1 in float32"),
    "tied_share": Metric(False, 0, 1, "", "share of images whose margin is 0 or another's too"),
    "denormal_share": Metric(False, 0, 1, "", "share of prunable weights that are denormal"),
    "tiny_share": Metric(False, 0, 1, "", "share of prunable weights below 1e-8 but not zero"),
    "lip_product_log10": Metric(
        False, -math.inf, math.inf, "log10", "the paper's product of the layers' spectral norms"
    ),
    "lip_upper_log10": Metric(
        False, -math.inf, math.inf, "log10", "upper bound; residual branches are summed"
    ),
    "lip_lower": Metric(
        False, 0, math.inf, "", "largest spectral norm of the Jacobian on test images"
    ),
    "sparsity": Metric(True, 0, 1, "", "share of prunable weights that are zero or removed"),
    "layer_sparsity": Metric(None, 0, 1, "", "the same for one layer"),
    "parameters": Metric(False, 0, math.inf, "", "numbers in the network, buffers not counted"),
    "nonzero": Metric(False, 0, math.inf, "", "prunable weights that are not zero"),
    "macs_dense": Metric(False, 0, math.inf, "MAC", "multiply-adds of one image, zeros included"),
    "macs_sparse": Metric(False, 0, math.inf, "MAC", "multiply-adds with a nonzero weight"),
    "size_bytes": Metric(False, 0, math.inf, "B", "size of the weights as canonical safetensors"),
    "latency_ratio": Metric(
        False, 0, math.inf, "", "time of a forward pass over that of the dense network"
    ),
    "peak_memory_bytes": Metric(
        False, 0, math.inf, "B", "tensors alive at once in a forward pass of one batch"
    ),
    "bits_per_dim": Metric(
        *(
            False,
            -math.inf,
            math.inf,
            "bit",
            "minus the mean log2-density, over the values of an image",
        ),
        task="likelihood",
    ),
    "log_density": Metric(
        *(None, -math.inf, math.inf, "nat", "mean log-density of an image"), task="likelihood"
    ),
    **{
        name: Metric(
            *(None, -math.inf, math.inf, "nat", "log-density that so many % of images are below"),
            task="likelihood",
        )
        for name in QUANTILES
    },
}


def as_markdown() -> str:
    """The table of metrics as it stands in the README; alike neighbours share a line."""
    arrows = {True: "↑", False: "↓", None: ""}
    rows = ["| metric | | unit | meaning |", "|---|---|---|---|"]
    for metric, names in groupby(METRICS, key=METRICS.__getitem__):
        first, *rest = (f"`{name}`" for name in names)
        shown = f"{first} … {rest[-1]}" if rest else first
        rows.append(
            f"| {shown} | {arrows[metric.higher_is_better]} | {metric.unit} | {metric.meaning} |"
        )
    return "\n".join(rows)
