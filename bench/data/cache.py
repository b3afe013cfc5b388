"""Decoded sets as memory-mapped arrays.

An entry is a folder with `images.npy`, `labels.npy` and, written last, `entry.json`: an entry
without it does not exist. Two writers write the same bytes, so whichever is last changes nothing.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench.data.images import BLOCK, ImageSet, Progress, Shape, fingerprint
from bench.data.sources import Source
from bench.places import appearing, cache_root

FORMAT = 1  # of decoding, resizing and these files: another number, other entries


def cached(source: Source, limit: int | None, shape: Shape, progress: Progress) -> ImageSet:
    """The images of a source: mapped from the cache, decoded into it on first need.

    Args:
        source: Where they come from; a changed file is decoded anew.
        limit: First images to take, or None for all.
        shape: Channels, height and width to bring them to.
        progress: Called while they are decoded.

    Raises:
        BenchError: E-TOO-FEW-IMAGES, E-BROKEN-DATA.
    """
    size = "x".join(map(str, shape))
    key = f"{source.name}-{source.identity}-{size}-{limit or 'all'}-v{FORMAT}"
    folder = cache_root() / "sets" / key
    found = _opened(source.name, folder)
    if found:
        return found
    total = limit or source.count()
    what = f"decoding {source.name}"
    images, labels = source.read(limit, shape, lambda done: progress(what, done, total))
    mark = fingerprint(images, labels)
    save_array(folder / "images.npy", images.shape, blocks(images))
    save_array(folder / "labels.npy", labels.shape, [labels])
    save_entry(folder / "entry.json", {"fingerprint": mark, "images": len(images)})
    return _opened(source.name, folder) or ImageSet(source.name, images, labels, mark)


def _opened(name: str, folder: Path) -> ImageSet | None:
    """The entry, or None if it is not there, not finished or damaged."""
    entry = load_entry(folder / "entry.json")
    images, labels = map_array(folder / "images.npy"), map_array(folder / "labels.npy")
    if entry is None or images is None or labels is None:
        return None
    return ImageSet(name, images, np.asarray(labels), entry["fingerprint"])


def blocks(images: np.ndarray) -> Iterator[np.ndarray]:
    """Consecutive parts of an array, to go over a large one with little memory."""
    for start in range(0, len(images), BLOCK):
        yield images[start : start + BLOCK]


@contextmanager
def _created(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[BinaryIO]:
    with appearing(path) as temporary, temporary.open("wb") as file:
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        yield file


def save_array(path: Path, shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> None:
    """Writes an `.npy` file part by part, atomically.

    Args:
        path: Where it appears.
        shape: Of the whole array.
        parts: Consecutive rows, all of one dtype: uint8 images or int64 labels.
    """
    dtype = np.dtype(np.uint8 if len(shape) > 1 else "<i8")
    with _created(path, shape, dtype) as file:
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype).data)


def map_array(path: Path) -> np.ndarray | None:
    """The array mapped into memory, or None if the file is not there or damaged.

    Copy-on-write: torch takes it as writable, and the file stays as it is.
    """
    try:
        array: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return array


def save_entry(path: Path, entry: dict[str, Any]) -> None:
    """Writes the record that says that an entry is whole."""
    with appearing(path) as temporary:
        temporary.write_text(json.dumps(entry, sort_keys=True), encoding="utf-8")


def load_entry(path: Path) -> dict[str, Any] | None:
    """The record of an entry, or None if the entry is not whole."""
    try:
        entry: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return entry
