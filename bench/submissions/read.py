"""Tensors from a file of a stranger. Nothing is unpickled, and no code of the file can run.

What a file is, is read off its content, never off its name.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from bench.errors import BenchError
from bench.submissions.archive import CONVERT, records
from bench.submissions.header import (
    MOST_AXES,
    MOST_NUMBERS,
    MOST_TENSORS,
    check_header,
    check_name,
    is_safetensors,
)
from bench.submissions.opened import file_content
from bench.submissions.outline import Outline, Storage, described

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a safetensors file or a zip state-dict.

    Args:
        path: A regular file.

    Returns:
        Fresh, contiguous, finite CPU tensors: floating point as float32, counters as int64.

    Raises:
        BenchError: One code for every kind of file that is refused.
    """
    content = file_content(path)
    if content[:4] == b"PK\x03\x04":
        named = _state_dict(path, records(path, content))
    elif is_safetensors(content):
        check_header(path, content)
        named = _safetensors(path, content)
    else:
        raise _refusal(path, content)
    tensors = {name: _fresh(path, name, tensor) for name, tensor in named}
    if not tensors:
        raise BenchError("E-NOT-A-STATE-DICT", f"{path}: holds no tensor; {CONVERT}")
    return tensors


def _safetensors(path: Path, content: bytes) -> Iterable[tuple[str, Tensor]]:
    try:
        return safetensors.torch.load(content).items()
    except Exception as error:
        raise BenchError(
            "E-BROKEN-FILE", f"{path}: not readable as safetensors ({error})"
        ) from error


def _state_dict(path: Path, entries: Mapping[str, memoryview]) -> Iterable[tuple[str, Tensor]]:
    if bytes(entries.get("byteorder", b"little")) != b"little":
        raise BenchError("E-BAD-TENSOR", f"{path}: not of little-endian numbers; {CONVERT}")
    outlines = _innermost(path, described(path, bytes(entries["data.pkl"])))
    if len(outlines) > MOST_TENSORS:
        raise BenchError("E-TOO-LARGE", f"{path}: {len(outlines):,} tensors")
    total, stored = 0, dict[str, tuple[Storage, Tensor]]()
    for name, outline in outlines.items():
        check_name(path, name)
        if outline is None and name.endswith("_extra_state"):
            continue
        if not isinstance(outline, Outline):
            raise BenchError(
                "E-NOT-A-STATE-DICT",
                f"{path}: entry {name!r} is a {type(outline).__name__}, expected a tensor; "
                f"{CONVERT}",
            )
        _check_outline(f"{path}: tensor {name!r}", outline)
        total += math.prod(outline.shape)
        if total > MOST_NUMBERS:
            raise BenchError("E-TOO-LARGE", f"{path}: more than {MOST_NUMBERS:,} numbers")
        storage = outline.storage
        kept, numbers = stored.get(storage.key) or (storage, _numbers(path, storage, entries))
        if kept != storage:
            raise BenchError("E-BAD-TENSOR", f"{path}: data/{storage.key} is of two kinds")
        stored[storage.key] = kept, numbers
        yield name, numbers.as_strided(outline.shape, outline.stride, outline.offset)


def _innermost(path: Path, found: object) -> dict[str, object]:
    """The state-dict, also where a checkpoint wraps it as `state_dict`, `model` or `net`."""
    for _ in range(2):
        if not isinstance(found, dict):
            break
        wrapped = (found.get(key) for key in WRAPPERS)
        inner = next((value for value in wrapped if isinstance(value, dict)), None)
        if inner is None:
            return found
        found = inner
    raise BenchError(
        "E-NOT-A-STATE-DICT",
        f"{path}: got a {type(found).__name__}, expected names with tensors; {CONVERT}",
    )


def _check_outline(place: str, outline: Outline) -> None:
    """A view of numbers that are all there, none of them shown more often than it is stored."""
    storage, offset, shape, stride = outline
    if not (type(shape) is tuple is type(stride) and len(shape) == len(stride) <= MOST_AXES):
        raise BenchError("E-BAD-TENSOR", f"{place} has a shape that weights cannot have")
    numbers = (offset, storage.numbers, *shape, *stride)
    counts = all(type(number) is int and 0 <= number < 2**63 for number in numbers)
    if not counts or 0 in shape:
        raise BenchError("E-BAD-TENSOR", f"{place} has sizes that are no counts")
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if last >= storage.numbers:
        raise BenchError("E-BAD-TENSOR", f"{place} reaches beyond its numbers")
    repeats = any(step == 0 and size > 1 for size, step in zip(shape, stride, strict=True))
    if repeats or math.prod(shape) > storage.numbers:
        raise BenchError("E-BAD-TENSOR", f"{place} repeats its numbers")


def _numbers(path: Path, storage: Storage, entries: Mapping[str, memoryview]) -> Tensor:
    kind = getattr(torch, storage.dtype)
    content = entries.get(f"data/{storage.key}", memoryview(b""))
    if len(content) != storage.numbers * kind.itemsize:
        raise BenchError(
            "E-BROKEN-FILE",
            f"{path}: data/{storage.key[:20]}: got {len(content):,} bytes, expected "
            f"{storage.numbers * kind.itemsize:,}",
        )
    if kind == torch.bool:  # a byte that is neither 0 nor 1 is true, as torch reads it
        return torch.frombuffer(bytearray(content), dtype=torch.uint8) != 0
    return torch.frombuffer(bytearray(content), dtype=kind)


def _fresh(path: Path, name: str, value: Tensor) -> Tensor:
    kind = torch.float32 if value.is_floating_point() else torch.int64
    fresh = value.to(kind, copy=True, memory_format=torch.contiguous_format)
    if not torch.isfinite(fresh).all():
        count = int((~torch.isfinite(fresh)).sum())
        raise BenchError(
            "E-BAD-TENSOR", f"{path}: tensor {name!r} has {count} values that are not finite"
        )
    return fresh


def _refusal(path: Path, content: bytes) -> BenchError:
    """The reason why a file that is neither zip nor safetensors is refused."""
    if content[:1] == b"\x80" or content[257:262] == b"ustar":
        return BenchError(
            "E-LEGACY-FORMAT", f"{path}: written by an old torch.save, or a plain pickle; {CONVERT}"
        )
    return BenchError(
        "E-UNKNOWN-FORMAT",
        f"{path}: starts with {content[:8]!r}, expected a zip state-dict or safetensors; {CONVERT}",
    )
