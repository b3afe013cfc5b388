"""What is kept of every image of a set, and its compressed form. No SQL here."""

import zlib
from dataclasses import dataclass

import numpy as np

from bench.records import Score

TRUTH = "truth"  # key of the labels of the test set, as if a model were sure of each
# Tasks whose sets have one answer an image
AS_THEY_ARE = ("clean", "outliers", "out-of-domain", "likelihood")


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Answers of a model to the N images of one set.

    Args:
        predicted: (N,) integers in [0, 65 536): the most probable class; of a flow 0.
        confidence: (N,) float32; higher = more in-distribution: the probability of that class
            (MSP), of a flow the log-density of the image in nats.
    """

    predicted: np.ndarray
    confidence: np.ndarray


def true_outcome(labels: np.ndarray) -> Outcome:
    """Labels of the test set as an outcome: predicted = label, of probability 1.

    Args:
        labels: (N,) integers in [0, 65 536).
    """
    return Outcome(predicted=labels, confidence=np.ones(len(labels), np.float32))


def outcome_key(score: Score) -> str:
    """Under which key the answers behind a score are stored; "" if none are."""
    keys = {
        "adversarial": f"{score.attack}@{score.epsilon or 0:.4f}",
        "shift": f"{score.corruption}/{score.severity}",
    }
    return score.set if score.task in AS_THEY_ARE else keys.get(score.task, "")


def compress(outcome: Outcome) -> bytes:
    """Zlib over the classes as little-endian uint16, then the confidences as float32."""
    content = outcome.predicted.astype("<u2").tobytes() + outcome.confidence.astype("<f4").tobytes()
    return zlib.compress(content, level=6)


def decompress(content: bytes, n: int) -> Outcome:
    """The outcome of n images; confidences are the same bit for bit.

    Raises:
        ValueError: If the content is not that of n images.
    """
    try:
        raw = zlib.decompressobj().decompress(content, 6 * n + 1)
    except zlib.error as error:
        raise ValueError(f"outcome: {error}") from error
    if len(raw) != 6 * n:
        raise ValueError(f"outcome: got {len(raw)} bytes, expected {6 * n} for {n} images")
    return Outcome(
        predicted=np.frombuffer(raw, "<u2", count=n),
        confidence=np.frombuffer(raw, "<f4", offset=2 * n, count=n),
    )
