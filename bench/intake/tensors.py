"""From the bytes of a stranger's file to canonical safetensors. Nothing is unpickled.

What a file is, is read off its content, never off its name.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import safetensors.numpy

from bench.errors import BenchError
from bench.intake.archive import CONVERT, records
from bench.intake.header import (
    MOST_AXES,
    MOST_NUMBERS,
    MOST_TENSORS,
    check_name,
    entries,
    is_safetensors,
)
from bench.intake.modules import state_of
from bench.intake.numbers import bytes_each, kept, numbers
from bench.intake.outline import Outline, Storage, outlined

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
Named = Iterable[tuple[str, np.ndarray]]


def as_safetensors(place: str, content: bytes, *, pickled_module: bool = False) -> bytes:
    """The named tensors of a safetensors file or a zip state-dict, as safetensors.

    Args:
        place: What to call the file in errors.
        content: All of it.
        pickled_module: Whether it is a pickled `nn.Module`, whose state-dict is meant.

    Returns:
        Contiguous, finite tensors: floating point as float32, counters as int64.

    Raises:
        BenchError: One code for every kind of file that is refused.
    """
    if content[:4] == b"PK\x03\x04":
        named = _state_dict(place, records(place, content), pickled_module)
    elif is_safetensors(content):
        named = _safetensors(place, content)
    else:
        raise _refusal(place, content)
    tensors = {name: _finite(place, name, kept(values)) for name, values in named}
    if not tensors:
        raise BenchError("E-NOT-A-STATE-DICT", f"{place}: holds no tensor; {CONVERT}")
    return safetensors.numpy.save(tensors)


def _safetensors(place: str, content: bytes) -> Named:
    for name, entry in entries(place, content).items():
        stored = numbers(entry.kind, memoryview(content)[entry.start : entry.stop])
        yield name, stored.reshape(entry.shape)


def _state_dict(place: str, archive: Mapping[str, memoryview], pickled_module: bool) -> Named:
    if bytes(archive.get("byteorder", b"little")) != b"little":
        raise BenchError("E-BAD-TENSOR", f"{place}: not of little-endian numbers; {CONVERT}")
    found = outlined(place, bytes(archive["data.pkl"]), objects=pickled_module)
    outlines = state_of(place, found) if pickled_module else _innermost(place, found)
    if len(outlines) > MOST_TENSORS:
        raise BenchError("E-TOO-LARGE", f"{place}: {len(outlines):,} tensors")
    total, stored = 0, dict[str, tuple[Storage, np.ndarray]]()
    for name, outline in outlines.items():
        check_name(place, name)
        if outline is None and name.endswith("_extra_state"):
            continue
        if not isinstance(outline, Outline):
            raise BenchError(
                "E-NOT-A-STATE-DICT",
                f"{place}: entry {name!r} is a {type(outline).__name__}, expected a tensor; "
                f"{CONVERT}",
            )
        _check_outline(f"{place}: tensor {name!r}", outline)
        total += math.prod(outline.shape)
        if total > MOST_NUMBERS:
            raise BenchError("E-TOO-LARGE", f"{place}: more than {MOST_NUMBERS:,} numbers")
        storage = outline.storage
        known, flat = stored.get(storage.key) or (storage, _numbers(place, storage, archive))
        if known != storage:
            raise BenchError("E-BAD-TENSOR", f"{place}: data/{storage.key} is of two kinds")
        stored[storage.key] = known, flat
        yield name, _view(flat, outline)


def _innermost(place: str, found: object) -> dict[str, object]:
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
        f"{place}: got a {type(found).__name__}, expected names with tensors; {CONVERT}",
    )


def _check_outline(place: str, outline: Outline) -> None:
    """A view of numbers that are all there, none of them shown more often than it is stored."""
    storage, offset, shape, stride = outline
    if not (type(shape) is tuple is type(stride) and len(shape) == len(stride) <= MOST_AXES):
        raise BenchError("E-BAD-TENSOR", f"{place} has a shape that weights cannot have")
    counts = (offset, storage.numbers, *shape, *stride)
    if not all(type(count) is int and 0 <= count < 2**63 for count in counts) or 0 in shape:
        raise BenchError("E-BAD-TENSOR", f"{place} has sizes that are no counts")
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if last >= storage.numbers:
        raise BenchError("E-BAD-TENSOR", f"{place} reaches beyond its numbers")
    repeats = any(step == 0 and size > 1 for size, step in zip(shape, stride, strict=True))
    if repeats or math.prod(shape) > storage.numbers:
        raise BenchError("E-BAD-TENSOR", f"{place} repeats its numbers")


def _numbers(place: str, storage: Storage, archive: Mapping[str, memoryview]) -> np.ndarray:
    content = archive.get(f"data/{storage.key}", memoryview(b""))
    expected = storage.numbers * bytes_each(storage.kind)
    if len(content) != expected:
        raise BenchError(
            "E-BROKEN-FILE",
            f"{place}: data/{storage.key[:20]}: got {len(content):,} bytes, expected {expected:,}",
        )
    return numbers(storage.kind, content)


def _view(flat: np.ndarray, outline: Outline) -> np.ndarray:
    """Of numbers that `_check_outline` has found to be there."""
    sizes = zip(outline.shape, outline.stride, strict=True)
    strides = tuple(step * flat.itemsize if size > 1 else 0 for size, step in sizes)
    return np.lib.stride_tricks.as_strided(flat[outline.offset :], outline.shape, strides)


def _finite(place: str, name: str, values: np.ndarray) -> np.ndarray:
    count = values.size - int(np.isfinite(values).sum())
    if count:
        raise BenchError(
            "E-BAD-TENSOR", f"{place}: tensor {name!r} has {count} values that are not finite"
        )
    return values


def _refusal(place: str, content: bytes) -> BenchError:
    """The reason why a file that is neither zip nor safetensors is refused."""
    if content[:1] == b"\x80" or content[257:262] == b"ustar":
        return BenchError(
            "E-LEGACY-FORMAT",
            f"{place}: written by an old torch.save, or a plain pickle; {CONVERT}",
        )
    return BenchError(
        "E-UNKNOWN-FORMAT",
        f"{place}: starts with {content[:8]!r}, expected a zip state-dict or safetensors; "
        f"{CONVERT}",
    )
