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
    "I16": 2,
    "I8": 1,
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
    header = _header(path, content, length)
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


def _header(path: Path, content: bytes, length: int) -> dict[str, Any]:
    """{name: entry}, without the metadata, which must be texts."""
    if length > LARGEST_HEADER:
        raise BenchError("E-TOO-LARGE", f"{path}: a header of {length:,} bytes")
    try:
        text = content[8 : 8 + length].decode()
        header: dict[str, Any] = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_number
        )
        notes = header.pop("__metadata__", {})
    except (ValueError, RecursionError, AttributeError) as error:
        raise BenchError(
            "E-BROKEN-FILE", f"{path}: its header is damaged ({type(error).__name__})"
        ) from error
    if type(notes) is not dict or not all(type(note) is str for note in notes.values()):
        raise BenchError("E-BROKEN-FILE", f"{path}: its metadata are no texts")
    return header


def check_name(path: Path, name: object) -> None:
    """Letters, digits, `_` and `.`, as PyTorch's names are.

    Raises:
        BenchError: E-BAD-NAME.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BenchError(
            "E-BAD-NAME",
            f"{path}: tensor {_short(name)}: expected 1 to 256 letters, digits, _ and .",
        )


def _short(name: object) -> str:
    return repr(name[:80]) if isinstance(name, str) else f"named by a {type(name).__name__}"


def _numbers(entry: Mapping[str, Any]) -> int:
    return math.prod(entry["shape"])


def _no_number(constant: str) -> None:
    raise ValueError(constant)


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
    if set(entry) != {"dtype", "shape", "data_offsets"} or type(shape) is not list:
        raise BenchError("E-BROKEN-FILE", f"{place} is described wrongly")
    if type(kind) is not str or kind not in SIZES:
        raise BenchError("E-BAD-TENSOR", f"{place} is {str(kind)[:20]!r}, expected {list(SIZES)}")
    if not whole or min(shape, default=1) < 1 or len(shape) > MOST_AXES:
        raise BenchError("E-BAD-TENSOR", f"{place} has a shape that weights cannot have")
    if start < 0 or stop - start != SIZES[kind] * math.prod(shape):
        raise BenchError("E-BROKEN-FILE", f"{place} has bytes that do not fit its shape")
    return start, stop
