"""What is measured: the frozen constants of a protocol version.

Changing a value here changes the content hash, and rows of different hashes are never ranked
together; a change of meaning needs a new version as well.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

from bench.errors import BenchError
from bench.metric_meanings import METRICS, Metric
from bench.records import ProtocolId, canonical_json

__all__ = [
    "ANOMALIES",
    "COMMON_CORRUPTIONS",
    "CORRUPTIONS",
    "METRICS",
    "PROTOCOL",
    "PROTOCOLS",
    "Protocol",
    "as_record",
    "protocol_named",
    "usual",
]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Tasks and constants of one preset.

    Args:
        version: Grows with every change of meaning.
        preset: `standard`; `authors`, with quirks of their code; `detectors`, every detector on
            every anomaly; `flows`, for densities.
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
        return dict(self.detectors).get(task, ())

    @property
    def metrics(self) -> dict[str, Metric]:
        """Those that its tasks may give."""
        return {
            name: metric for name, metric in METRICS.items() if metric.task in (None, *self.tasks)
        }

    @property
    def id(self) -> ProtocolId:
        """Version, preset and the SHA-256 over all constants and the metrics' meaning."""
        meanings = {
            name: [metric.higher_is_better, metric.unit, metric.meaning]
            for name, metric in self.metrics.items()
        }
        content = canonical_json({"protocol": asdict(self), "metrics": meanings})
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
                "low": metric.low if isfinite(metric.low) else None,
                "high": metric.high if isfinite(metric.high) else None,
                "unit": metric.unit,
                "meaning": metric.meaning,
            }
            for name, metric in protocol.metrics.items()
        },
    }


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
    "flows": replace(PROTOCOL, preset="flows", tasks=("likelihood", "cost"), detectors=()),
}


def protocol_named(preset: str) -> Protocol:
    """The protocol of a preset.

    Raises:
        BenchError: E-BAD-VALUE if there is none.
    """
    if preset not in PROTOCOLS:
        raise BenchError("E-BAD-VALUE", f"preset: got {preset!r}, expected {list(PROTOCOLS)}")
    return PROTOCOLS[preset]


def usual(kind: str) -> Protocol:
    """What a kind of submission is scored by where nobody says."""
    return PROTOCOLS["flows"] if kind == "flow" else PROTOCOL
