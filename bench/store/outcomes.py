"""What is kept of every image of a set, and its compressed form. No SQL here."""

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Answers of a model to the N images of one set.

    Args:
        predicted: (N,) integers in [0, 65 536): the most probable class.
        msp: (N,) float32: its probability.
    """

    predicted: np.ndarray
    msp: np.ndarray


def compress(outcome: Outcome) -> bytes:
    """Zlib over the classes as little-endian uint16, then the probabilities as float32."""
    content = outcome.predicted.astype("<u2").tobytes() + outcome.msp.astype("<f4").tobytes()
    return zlib.compress(content, level=6)


def decompress(content: bytes, n: int) -> Outcome:
    """The outcome of n images; probabilities are the same bit for bit."""
    raw = zlib.decompress(content)
    return Outcome(
        predicted=np.frombuffer(raw, "<u2", count=n),
        msp=np.frombuffer(raw, "<f4", offset=2 * n, count=n),
    )
