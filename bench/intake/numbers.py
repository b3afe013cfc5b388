"""Numbers as files store them, and as weights are kept: float32, counters int64."""

from collections.abc import Mapping

import numpy as np

STORED: Mapping[str, str] = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",  # the upper half of a float32
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "i1",
    "uint8": "u1",
    "bool": "u1",  # a byte that is neither 0 nor 1 is true, as torch reads it
}


def bytes_each(kind: str) -> int:
    """Bytes of one number of a key of `STORED`."""
    return np.dtype(STORED[kind]).itemsize


def numbers(kind: str, content: bytes | memoryview) -> np.ndarray:
    """(N,) numbers of a key of `STORED`, of N times `bytes_each` bytes; bfloat16 as float32."""
    stored = np.frombuffer(content, STORED[kind])
    if kind == "bfloat16":
        return (stored.astype("<u4") << 16).view("<f4")
    return stored != 0 if kind == "bool" else stored


def kept(values: np.ndarray) -> np.ndarray:
    """A contiguous copy: floating point as float32, all else as int64."""
    kind = np.float32 if values.dtype.kind == "f" else np.int64
    with np.errstate(all="ignore"):  # what is too large becomes infinite, and is refused as that
        return np.array(values, kind, order="C")
