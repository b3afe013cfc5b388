"""CIFAR-10 and CIFAR-100 as their authors publish them: Python pickles, or the binary version.

A pickle is a program, and it is never run: its opcodes are listed, and the byte string and the
integers that stand behind the known keys are picked out of the list.
"""

import pickletools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.data.formats import Opened, broken, checked_count, reading
from bench.data.images import Arrays, Shape, fit

PIXELS = 3 * 32 * 32
MAX_BYTES = 2**28  # the largest official file has 155 MB
TEXT = ("STRING", "BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "BINBYTES", "SHORT_BINBYTES")
NUMBERS = ("INT", "BININT", "BININT1", "BININT2")
KEYS = ("data", "labels", "fine_labels", "coarse_labels", "filenames", "batch_label")
NUMPY = (
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
)
MEANT = (  # what a dictionary of arrays, lists and texts is written with
    *("PROTO", "STOP", "MARK", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1"),
    *("TUPLE2", "TUPLE3", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "PUT", "BINPUT"),
    *("LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "NONE", "NEWFALSE", "NEWTRUE"),
    *("REDUCE", "BUILD", "GLOBAL", "DICT", "LIST", "LONG1", *TEXT, *NUMBERS),
)


@dataclass(frozen=True, slots=True)
class CifarLayout:
    """Names and numbers in which CIFAR-10 and CIFAR-100 differ.

    Args:
        python: Folder of the Python version.
        binary: Folder of the binary version.
        batches: Split → names of its files, without the binary version's suffix.
        label_key: Key of the labels in the pickle.
        label_bytes: Bytes before the pixels of a binary record; the last one is the label.
    """

    python: str
    binary: str
    batches: Mapping[str, tuple[str, ...]]
    label_key: str
    label_bytes: int


CIFAR10 = CifarLayout(
    python="cifar-10-batches-py",
    binary="cifar-10-batches-bin",
    batches={
        "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test": ("test_batch",),
    },
    label_key="labels",
    label_bytes=1,
)
CIFAR100 = CifarLayout(
    python="cifar-100-python",
    binary="cifar-100-binary",
    batches={"train": ("train",), "test": ("test",)},
    label_key="fine_labels",
    label_bytes=2,
)


def find_cifar(root: Path, split: str, *, layout: CifarLayout) -> Opened | None:
    """The split, if all its files are there; the Python version comes first."""
    names = layout.batches[split]
    for paths, read in (
        (tuple(root / layout.python / name for name in names), _pickled),
        (tuple(root / layout.binary / f"{name}.bin" for name in names), _records),
    ):
        if all(path.is_file() for path in paths):
            one = partial(read, layout=layout)
            return Opened(paths, partial(_count, paths, one), partial(_read, paths, one))
    return None


def _count(paths: tuple[Path, ...], one: Callable[[Path], Arrays]) -> int:
    return checked_count(paths[0], sum(len(one(path)[1]) for path in paths))


def _read(
    paths: tuple[Path, ...],
    one: Callable[[Path], Arrays],
    n: int,
    shape: Shape,
    done: Callable[[int], None],
) -> Arrays:
    parts: list[Arrays] = []
    read = 0
    for path in paths:
        if read < n:
            parts.append(one(path))
            read += len(parts[-1][1])
            done(min(read, n))
    images = np.concatenate([rows for rows, _ in parts])[:n].reshape(n, 3, 32, 32)
    labels = np.concatenate([named for _, named in parts])[:n]
    return fit(images, shape), labels.astype(np.int64)


def _content(path: Path) -> bytes:
    with reading(path):
        if path.stat().st_size > MAX_BYTES:
            raise broken(path, f"{path.stat().st_size} bytes ({MAX_BYTES} can be read)")
        return path.read_bytes()


def _records(path: Path, *, layout: CifarLayout) -> Arrays:
    """(N, 3072) uint8 and (N,) of the binary version."""
    content = np.frombuffer(_content(path), np.uint8)
    if len(content) % (layout.label_bytes + PIXELS):
        raise broken(path, f"{len(content)} bytes, not whole records of labels and 3072 pixels")
    rows = content.reshape(-1, layout.label_bytes + PIXELS)
    return rows[:, layout.label_bytes :], rows[:, layout.label_bytes - 1]


def _pickled(path: Path, *, layout: CifarLayout) -> Arrays:
    """(N, 3072) uint8 and (N,) of the Python version, without running it."""
    texts: dict[str, str] = {}
    numbers: dict[str, list[int]] = {}
    with reading(path):
        for key, value in _literals(path):
            if isinstance(value, int):
                numbers.setdefault(key, []).append(value)
            elif len(value) > len(texts.get(key, "")):
                texts[key] = value
        pixels = np.frombuffer(texts.get("data", "").encode("latin-1"), np.uint8)
        labels = np.array(numbers.get(layout.label_key, []), np.int64)
    if not len(labels) or len(pixels) != len(labels) * PIXELS:
        raise broken(path, f"{len(pixels)} bytes of pixels for {len(labels)} labels, not 3072 each")
    return pixels.reshape(-1, PIXELS), labels


def _literals(path: Path) -> Iterator[tuple[str, str | int]]:
    """Every text and number of the pickle, with the dictionary key that came before it."""
    key = ""
    for opcode, argument, _ in pickletools.genops(_content(path)):
        if opcode.name not in MEANT or (opcode.name == "GLOBAL" and argument not in NUMPY):
            raise broken(path, f"the pickle instruction {opcode.name} {argument!r:.80}")
        if isinstance(argument, int) and opcode.name in NUMBERS:
            yield key, int(argument)
        elif isinstance(argument, str | bytes) and opcode.name in TEXT:
            text = argument.decode("latin-1") if isinstance(argument, bytes) else argument
            if text in KEYS:
                key = text
            else:
                yield key, text
