"""Image folders: `CLASS/NAME.png` at any depth, also JPEG and WebP.

Canonical order is by file name and then by class, numbers by their value: files numbered through
over the classes (`7/00000.png`, `2/00001.png`) keep the order of the set that they were written
from. The label is the place of the class folder's name in order.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from bench.data.formats import Opened, checked_count, reading
from bench.data.images import BLOCK, Arrays, Shape
from bench.data.pictures import SUFFIXES, decode, read_picture


def find_folder(root: Path, split: str, *, prefix: str) -> Opened | None:
    """The images in `ROOT/PREFIX+SPLIT`, if there are any."""
    return open_folder(root / f"{prefix}{split}")


def open_folder(folder: Path) -> Opened | None:
    """A folder of class folders, or None if there is no image in it."""
    files = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    if not files:
        return None
    files.sort(key=lambda path: (_natural(path.stem), _natural(_class(folder, path))))
    ordered = tuple(files)
    return Opened(
        ordered,
        lambda: checked_count(folder, len(ordered)),
        partial(_read, folder, ordered),
    )


def _read(
    folder: Path, files: tuple[Path, ...], n: int, shape: Shape, done: Callable[[int], None]
) -> Arrays:
    classes = sorted({_class(folder, path) for path in files}, key=_natural)
    places = {name: place for place, name in enumerate(classes)}
    images = np.empty((n, *shape), np.uint8)
    for at, path in enumerate(files[:n]):
        with reading(path):
            images[at] = decode(read_picture(path), shape)
        if at % BLOCK == BLOCK - 1:
            done(at + 1)
    labels = [places[_class(folder, path)] for path in files[:n]]
    return images, np.array(labels, np.int64)


def _class(folder: Path, path: Path) -> str:
    return path.parent.relative_to(folder).as_posix()


def _natural(name: str) -> tuple[str | int, ...]:
    """Text and numbers in turns, so that 10 comes after 9."""
    parts = re.split(r"([0-9]+)", name)
    return tuple(int(part) if at % 2 else part for at, part in enumerate(parts))
