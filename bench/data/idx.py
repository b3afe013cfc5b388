"""The idx format of the MNIST family, plain or gzipped, in torchvision's layout `NAME/raw`."""

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from bench.data.formats import Opened, broken, checked_count, reading
from bench.data.images import Arrays, Shape, fit

STEMS = {"train": "train", "test": "t10k"}
MAX_SIDE = 4096


def find_idx(root: Path, split: str, *, folder: str) -> Opened | None:
    """The split in `ROOT/FOLDER/raw`, if images and labels are both there."""
    raw = root / folder / "raw"
    images = _plain_or_gzipped(raw / f"{STEMS[split]}-images-idx3-ubyte")
    labels = _plain_or_gzipped(raw / f"{STEMS[split]}-labels-idx1-ubyte")
    return open_idx(images, labels) if images and labels else None


def open_idx(images: Path, labels: Path) -> Opened:
    """A pair of idx files; a name that ends in `.gz` is gzipped."""
    return Opened((images, labels), partial(_count, images, labels), partial(_read, images, labels))


def _plain_or_gzipped(path: Path) -> Path | None:
    candidates = (path, path.with_name(f"{path.name}.gz"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _sizes(path: Path, file: BinaryIO, rank: int) -> tuple[int, ...]:
    magic = file.read(4)
    if magic != bytes([0, 0, 8, rank]):
        raise broken(path, f"the first bytes {magic.hex()}, not 00 00 08 0{rank}")
    sizes = tuple(int.from_bytes(file.read(4), "big") for _ in range(rank))
    if not all(0 < side <= MAX_SIDE for side in sizes[1:]):
        raise broken(path, f"images of {sizes[1:]} pixels")
    return sizes


def _count(images: Path, labels: Path) -> int:
    with reading(images), _open(images) as file:
        count = checked_count(images, _sizes(images, file, 3)[0])
    with reading(labels), _open(labels) as file:
        named = _sizes(labels, file, 1)[0]
    if named != count:
        raise broken(labels, f"{named} labels for {count} images")
    return count


def _read(images: Path, labels: Path, n: int, shape: Shape, done: Callable[[int], None]) -> Arrays:
    pixels = _content(images, 3, n)
    named = _content(labels, 1, n)
    done(n)
    return fit(pixels[:, None], shape), named.astype(np.int64)


def _content(path: Path, rank: int, n: int) -> np.ndarray:
    """First n entries, (n, …) uint8; reading all of them also checks the end of the file."""
    with reading(path), _open(path) as file:
        count, *sizes = _sizes(path, file, rank)
        wanted = n * int(np.prod(sizes))
        content = file.read(wanted)
        if len(content) != wanted:
            raise broken(path, f"{len(content)} of the {wanted} bytes that its header promises")
        if n == count and file.read(1):
            raise broken(path, "bytes after the last entry")
    return np.frombuffer(content, np.uint8).reshape(n, *sizes)
