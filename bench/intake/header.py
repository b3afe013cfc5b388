"""The header of a safetensors file, read strictly: the format's library accepts more."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from bench.errors import BenchError
from bench.intake.numbers import bytes_each

LARGEST_HEADER = 2**23
MOST_TENSORS = 20_000
MOST_AXES = 8
MOST_NUMBERS = 2**28  # of all tensors: 1 GiB of float32
KINDS: Mapping[str, str] = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
NAME = re.compile(r"[A-Za-z0-9_.]{1,256}", re.ASCII)


class Entry(NamedTuple):
    """A tensor: what its numbers are, and which bytes of the file."""

    kind: str
    shape: tuple[int, ...]
    start: int
    stop: int


def is_safetensors(content: bytes) -> bool:
    """Whether it begins like one."""
    length = int.from_bytes(content[:8], "little")
    return len(content) >= 10 and content[8:9] == b"{" and length <= len(content) - 8


def entries(place: str, content: bytes) -> dict[str, Entry]:
    """What the header says: names once each, and bytes that are all spoken for, once.

    Args:
        place: For the errors.
        content: Of the file.

    Raises:
        BenchError: E-TOO-LARGE, E-BAD-NAME, E-BAD-TENSOR, or E-BROKEN-FILE for the rest.
    """
    length = int.from_bytes(content[:8], "little")
    header = _header(place, content, length)
    if len(header) > MOST_TENSORS:
        raise BenchError("E-TOO-LARGE", f"{place}: {len(header):,} tensors")
    found = {name: _entry(place, name, told, 8 + length) for name, told in header.items()}
    if sum(math.prod(entry.shape) for entry in found.values()) > MOST_NUMBERS:
        raise BenchError("E-TOO-LARGE", f"{place}: more than {MOST_NUMBERS:,} numbers")
    end = 8 + length
    for entry in sorted(found.values(), key=lambda entry: entry.start):
        if entry.start != end:
            raise BenchError("E-BROKEN-FILE", f"{place}: bytes overlap or belong to no tensor")
        end = entry.stop
    if end != len(content):
        raise BenchError(
            "E-BROKEN-FILE", f"{place}: got {len(content):,} bytes, expected {end:,} by its header"
        )
    return found


def _header(place: str, content: bytes, length: int) -> dict[str, Any]:
    """{name: entry}, without the metadata, which must be texts."""
    if length > LARGEST_HEADER:
        raise BenchError("E-TOO-LARGE", f"{place}: a header of {length:,} bytes")
    try:
        text = content[8 : 8 + length].decode()
        header: dict[str, Any] = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_number
        )
        notes = header.pop("__metadata__", {})
    except (ValueError, RecursionError, AttributeError) as error:
        raise BenchError(
            "E-BROKEN-FILE", f"{place}: its header is damaged ({type(error).__name__})"
        ) from error
    if type(notes) is not dict or not all(type(note) is str for note in notes.values()):
        raise BenchError("E-BROKEN-FILE", f"{place}: its metadata are no texts")
    return header


def check_name(place: str, name: object) -> None:
    """Letters, digits, `_` and `.`, as PyTorch's names are.

    Raises:
        BenchError: E-BAD-NAME.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BenchError(
            "E-BAD-NAME",
            f"{place}: tensor {_short(name)}: expected 1 to 256 letters, digits, _ and .",
        )


def _short(name: object) -> str:
    return repr(name[:80]) if isinstance(name, str) else f"named by a {type(name).__name__}"


def _no_number(constant: str) -> None:
    raise ValueError(constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _entry(place: str, name: str, told: Any, base: int) -> Entry:
    check_name(place, name)
    place = f"{place}: tensor {name!r}"
    try:
        kind, shape, (start, stop) = told["dtype"], told["shape"], told["data_offsets"]
        whole = all(type(number) is int for number in (*shape, start, stop))
    except (TypeError, KeyError, ValueError) as error:
        raise BenchError("E-BROKEN-FILE", f"{place} is described wrongly") from error
    if set(told) != {"dtype", "shape", "data_offsets"} or type(shape) is not list:
        raise BenchError("E-BROKEN-FILE", f"{place} is described wrongly")
    if type(kind) is not str or kind not in KINDS:
        raise BenchError("E-BAD-TENSOR", f"{place} is {str(kind)[:20]!r}, expected {list(KINDS)}")
    if not whole or min(shape, default=1) < 1 or len(shape) > MOST_AXES:
        raise BenchError("E-BAD-TENSOR", f"{place} has a shape that weights cannot have")
    if start < 0 or stop - start != bytes_each(KINDS[kind]) * math.prod(shape):
        raise BenchError("E-BROKEN-FILE", f"{place} has bytes that do not fit its shape")
    return Entry(KINDS[kind], tuple(shape), base + start, base + stop)
