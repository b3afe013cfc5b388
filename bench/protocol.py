"""What is measured: the frozen constants of a protocol version, and the meaning of each metric.

Changing a value here changes the content hash, and rows of different hashes are never ranked
together; a change of meaning needs a new version as well.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.records import ProtocolId, canonical_json

CORRUPTIONS: tuple[str, ...] = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
    "speckle_noise",
    "gaussian_blur",
    "spatter",
    "saturate",
)
COMMON_CORRUPTIONS = CORRUPTIONS[:15]  # the benchmark's 15 without the 4 extra ones


@dataclass(frozen=True, slots=True)
class Metric:
    """How to read a number.

    Args:
        higher_is_better: None where neither end is better.
        low: Smallest possible value.
        high: Largest possible value.
        unit: Unit, or "" for a pure number.
        meaning: One line for tables and help.
    """

    higher_is_better: bool | None
    low: float
    high: float
    unit: str
    meaning: str


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
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Tasks and constants of one preset.

    Args:
        version: Grows with every change of meaning.
        preset: `standard`; `authors`, with quirks of their code; or `detectors`, every detector
            on every anomaly.
        tasks: In the order of evaluation.
        batch_size: Images of one forward pass.
        attacks: (attack, epsilon in image units); the audit rows are of scale-free losses.
        corruptions: Names, in the order of the table.
        severities: Of each corruption.
        shift_seed: Seed of the generated shifts.
        detectors: (task, keys of `bench.detectors.DETECTORS`): by which detectors its anomalies
            are looked for. Of the attacks the first is, of the shifts the worst severity; beyond
            them there is MSP of single images.
        detector_batch_sizes: Images that one outlier score speaks for.
        gradient_groups: Groups of a set that a detector by gradients looks at, at most; those of
            a shift are shared by the corruptions.
        fit_images: Training images, drawn at random, that detectors are fitted to.
        sensitivity_batch: Of them, the images of which SensNorm takes one sensitivity.
        viewed: Largest group of which SensNorm sees every image in eleven views.
        ece_bins: Equal-width bins of the calibration error.
        lipschitz_images: Test images of the Jacobian lower bound.
        latency_rounds: Interleaved timings of model and dense parent.
        audit_images: The first test images, which the task audit attacks as one batch.
        audit_epsilons: Of its attacks, in image units; the second is one that nothing withstands.
        pgd_steps: Of projected gradient descent.
        square_queries: Forward passes of the Square attack.
        attack_gradient: `input` differentiates through the normalisation; `unnormalised` takes
            the gradient of the bare network at un-normalised images (the authors' code).
        native_outlier_size: Outlier images keep their own size (the authors' Omniglot: 105×105)
            instead of the suite's.
    """

    version: int
    preset: str
    tasks: tuple[str, ...]
    batch_size: int
    attacks: tuple[tuple[str, float], ...]
    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    shift_seed: int
    detectors: tuple[tuple[str, tuple[str, ...]], ...]
    detector_batch_sizes: tuple[int, ...]
    gradient_groups: int
    fit_images: int
    sensitivity_batch: int
    viewed: int
    ece_bins: int
    lipschitz_images: int
    latency_rounds: int
    audit_images: int
    audit_epsilons: tuple[float, float]
    pgd_steps: int
    square_queries: int
    attack_gradient: str
    native_outlier_size: bool

    def detectors_of(self, task: str) -> tuple[str, ...]:
        """By which detectors the anomalies of a task are looked for."""
        return dict(self.detectors)[task]

    @property
    def id(self) -> ProtocolId:
        """Version, preset and the SHA-256 over all constants and the metrics' meaning."""
        content = canonical_json({"protocol": asdict(self), "metrics": _metric_meanings()})
        digest = hashlib.sha256(content.encode()).hexdigest()
        return ProtocolId(version=self.version, preset=self.preset, sha256=digest)


def as_record(protocol: Protocol) -> dict[str, Any]:
    """Everything that `bench protocol --json` prints: constants, metrics, content hash."""
    return {
        **asdict(protocol),
        "sha256": protocol.id.sha256,
        "metrics": {
            name: {
                "higher_is_better": metric.higher_is_better,
                "low": metric.low if math.isfinite(metric.low) else None,
                "high": metric.high if math.isfinite(metric.high) else None,
                "unit": metric.unit,
                "meaning": metric.meaning,
            }
            for name, metric in METRICS.items()
        },
    }


def as_markdown() -> str:
    """The table of metrics as it stands in the README."""
    arrows = {True: "↑", False: "↓", None: ""}
    rows = ["| metric | | unit | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{name}` | {arrows[metric.higher_is_better]} | {metric.unit} | {metric.meaning} |"
        for name, metric in METRICS.items()
    ]
    return "\n".join(rows)


def _metric_meanings() -> dict[str, list[str | bool | None]]:
    return {name: [m.higher_is_better, m.unit, m.meaning] for name, m in METRICS.items()}


PROTOCOL = Protocol(
    version=1,
    preset="standard",
    tasks=(
        "clean",
        "adversarial",
        "shift",
        "outliers",
        "out-of-domain",
        "lipschitz",
        "cost",
        "audit",
    ),
    batch_size=250,
    attacks=(
        ("fgsm-linf", 8 / 255),
        ("fgsm-l2", 8 / 255),
        ("fgsm-l2", 0.5),
        ("fgsm-linf-standardised", 8 / 255),
        ("fgsm-linf-margin", 8 / 255),
    ),
    corruptions=CORRUPTIONS,
    severities=(1, 2, 3, 4, 5),
    shift_seed=1234,
    detectors=(
        ("adversarial", ("msp", "gradnorm")),
        ("shift", ("msp", "gradnorm")),
        ("outliers", ("msp", "gradnorm", "sensnorm")),
        ("out-of-domain", ("msp", "gradnorm", "sensnorm")),
    ),
    detector_batch_sizes=(1, 2, 5, 100),
    gradient_groups=500,
    fit_images=10_000,
    sensitivity_batch=100,
    viewed=2,
    ece_bins=15,
    lipschitz_images=8,
    latency_rounds=7,
    audit_images=256,
    audit_epsilons=(8 / 255, 0.5),
    pgd_steps=10,
    square_queries=50,
    attack_gradient="input",
    native_outlier_size=False,
)

EVERY_DETECTOR = (
    "msp",
    "gradnorm",
    "sensnorm",
    "sensnorm-ce",
    "sensnorm-authors",
    "energy",
    "max-logit",
    "entropy",
    "gen",
    "kl-matching",
    "knn",
    "mahalanobis",
    "rmd",
    "vim",
    "odin",
)
ANOMALIES = ("adversarial", "shift", "outliers", "out-of-domain")

PROTOCOLS: Mapping[str, Protocol] = {
    "standard": PROTOCOL,
    "authors": replace(
        PROTOCOL,
        preset="authors",
        attack_gradient="unnormalised",
        native_outlier_size=True,
        detectors=(
            ("adversarial", ("msp", "gradnorm")),
            ("shift", ("msp", "gradnorm")),
            ("outliers", ("msp", "gradnorm", "sensnorm-authors")),
            ("out-of-domain", ("msp", "gradnorm", "sensnorm-authors")),
        ),
    ),
    "detectors": replace(
        PROTOCOL,
        preset="detectors",
        tasks=("clean", *ANOMALIES, "audit"),
        attacks=PROTOCOL.attacks[:1],
        severities=(5,),
        detectors=tuple((task, EVERY_DETECTOR) for task in ANOMALIES),
    ),
}
