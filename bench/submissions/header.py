"""The header of a safetensors file, read strictly: the format's library accepts more."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import BenchError

LARGEST_HEADER = 2**23
MOST_TENSORS = 20_000
MOST_AXES = 8
MOST_NUMBERS = 2**28  # of all tensors: 1 GiB of float32
SIZES: Mapping[str, int] = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "U8": 1,
    "BOOL": 1,
}
NAME = re.compile(r"[A-Za-z0-9_.]{1,256}", re.ASCII)


def is_safetensors(content: bytes) -> bool:
    """Whether it begins like one."""
    length = int.from_bytes(content[:8], "little")
    return len(content) >= 10 and content[8:9] == b"{" and length <= len(content) - 8


def check_header(path: Path, content: bytes) -> None:
    """Names once each, known types, no empty tensor, and bytes that are all spoken for, once.

    Raises:
        BenchError: E-TOO-LARGE, E-BAD-NAME, E-BAD-TENSOR, or E-BROKEN-FILE for the rest.
    """
    length = int.from_bytes(content[:8], "little")
    if length > LARGEST_HEADER:
        raise BenchError("E-TOO-LARGE", f"{path}: a header of {length:,} bytes")
    try:
        header = json.loads(content[8 : 8 + length], object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BenchError("E-BROKEN-FILE", f"{path}: its header is damaged ({error})") from error
    header.pop("__metadata__", None)
    if len(header) > MOST_TENSORS:
        raise BenchError("E-TOO-LARGE", f"{path}: {len(header):,} tensors")
    spans = sorted(_span(path, name, entry) for name, entry in header.items())
    if len(content) > MOST_NUMBERS and sum(_numbers(e) for e in header.values()) > MOST_NUMBERS:
        raise BenchError("E-TOO-LARGE", f"{path}: more than {MOST_NUMBERS:,} numbers")
    end = 0
    for start, stop in spans:
        if start != end:
            raise BenchError("E-BROKEN-FILE", f"{path}: bytes overlap or belong to no tensor")
        end = stop
    if end != len(content) - 8 - length:
        raise BenchError(
            "E-BROKEN-FILE",
            f"{path}: got {len(content) - 8 - length:,} bytes of tensors, expected {end:,}",
        )


def check_name(path: Path, name: object) -> None:
    """Letters, digits, `_` and `.`, as PyTorch's names are.

    Raises:
        BenchError: E-BAD-NAME.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BenchError(
            "E-BAD-NAME",
            f"{path}: tensor {str(name)[:80]!r}: expected 1 to 256 letters, digits, _ and .",
        )


def _numbers(entry: Mapping[str, Any]) -> int:
    return math.prod(entry["shape"])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _span(path: Path, name: str, entry: Any) -> tuple[int, int]:
    check_name(path, name)
    place = f"{path}: tensor {name!r}"
    try:
        kind, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = all(type(number) is int for number in (*shape, start, stop))
    except (TypeError, KeyError, ValueError) as error:
        raise BenchError("E-BROKEN-FILE", f"{place} is described wrongly") from error
    if kind not in SIZES:
        raise BenchError("E-BAD-TENSOR", f"{place} is {str(kind)[:20]!r}, expected {list(SIZES)}")
    if not whole or min(shape, default=1) < 1 or len(shape) > MOST_AXES:
        raise BenchError("E-BAD-TENSOR", f"{place} has a shape that weights cannot have")
    if start < 0 or stop - start != SIZES[kind] * math.prod(shape):
        raise BenchError("E-BROKEN-FILE", f"{place} has bytes that do not fit its shape")
    return start, stop
