"""Finds a split of a set under the data root, in a fixed order of layouts.

1. the authors' or torchvision's layout (`sets`); 2. `SET/SPLIT.parquet`; 3. `SET/SPLIT.npz`;
4. `SET/SPLIT.npy` beside `SET/SPLIT-labels.npy`; 5. the image folder `SET/SPLIT/CLASS/*.png`;
6. the declared prefix `SET/SPLIT-firstN.parquet` (or `.npz`), the largest N.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data.arrays import open_npy, open_npz
from bench.data.folders import open_folder
from bench.data.formats import Opened, broken
from bench.data.images import Arrays, Shape
from bench.data.parquet import open_parquet
from bench.data.sets import SETS, split_name
from bench.errors import BenchError

SHARED = (".parquet", ".npz", ".npy with -labels.npy", "/CLASS/*.png", "-firstN.parquet")


@dataclass(frozen=True, slots=True)
class Source:
    """A split of a set, found but not yet decoded.

    Args:
        set: Key of `SETS`.
        split: Key of its splits.
        opened: The files and how to read them.
        prefix: N if the files hold the first N images of the split only, else None.
    """

    set: str
    split: str
    opened: Opened
    prefix: int | None = None

    @property
    def name(self) -> str:
        """Name in tables: `svhn`, `svhn-train`."""
        return split_name(self.set, self.split)

    @property
    def where(self) -> Path:
        """The file, or the folder of several files."""
        files = self.opened.files
        return files[0] if len(files) == 1 else files[0].parent

    @property
    def identity(self) -> str:
        """Sixteen hex digits that change when a file is another or was changed."""
        digest = hashlib.sha256()
        for path in self.opened.files:
            state = path.stat()
            digest.update(f"{path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:16]

    def count(self) -> int:
        """Images that the files hold, checked against what their name and the set promise.

        Raises:
            BenchError: E-BROKEN-DATA if the number is another.
        """
        count = self.opened.count()
        promised = self.prefix or SETS[self.set].splits[self.split]
        if promised not in (None, count):
            raise broken(
                self.where,
                f"{count} images where {self.set}/{self.split} has {promised} (a part of a split "
                f"is declared by its name, {self.set}/{self.split}-first{count})",
            )
        return count

    def read(self, limit: int | None, shape: Shape, done: Callable[[int], None]) -> Arrays:
        """The first `limit` images, or all; a split that is smaller than the limit is taken whole.

        Raises:
            BenchError: E-TOO-FEW-IMAGES if a prefix is asked for more than it holds;
                E-BROKEN-DATA.
        """
        count = self.count()
        if self.prefix is not None and (limit is None or limit > count):
            wanted = "all" if limit is None else str(limit)
            raise BenchError(
                "E-TOO-FEW-IMAGES",
                f"{self.name}: got {wanted} images asked for, but {self.where} holds only the "
                f"first {count} of the {self.split} split; --limit {count} or less works, in "
                "training a recipe of no more images",
            )
        return self.opened.read(min(limit or count, count), shape, done)


def find(name: str, split: str, root: Path) -> Source | None:
    """The split under the root in the first layout that is there, or None.

    Args:
        name: Key of `SETS`.
        split: Key of the set's splits.
        root: Data root.
    """
    opened = SETS[name].official(root, split) or _shared(root / name, split)
    if opened:
        return Source(name, split, opened)
    return _prefix(name, split, root / name)


def open_path(path: Path) -> Opened | None:
    """A parquet, NumPy or image folder source by its own name, or None if it is no such thing."""
    if path.is_dir():
        return open_folder(path)
    readers = {".parquet": open_parquet, ".npz": open_npz, ".npy": open_npy}
    return readers[path.suffix](path) if path.is_file() and path.suffix in readers else None


def _shared(folder: Path, split: str) -> Opened | None:
    names = [f"{split}{suffix}" for suffix in (".parquet", ".npz", ".npy", "")]
    opened = (open_path(folder / name) for name in names)
    return next((found for found in opened if found), None)


def _prefix(name: str, split: str, folder: Path) -> Source | None:
    pattern = re.compile(rf"{re.escape(split)}-first([1-9][0-9]*)\.(?:parquet|npz)")
    held = [
        (int(match[1]), path)
        for path in sorted(folder.glob(f"{split}-first*"))
        if (match := pattern.fullmatch(path.name))
    ]
    if not held:
        return None
    count, path = max(held)
    opened = open_path(path)
    return Source(name, split, opened, prefix=count) if opened else None


def missing_sentence(name: str, split: str, root: Path) -> str:
    """Why a split cannot be used, and how to get it."""
    layouts = [SETS[name].layout, *(f"{name}/{split}{form}" for form in SHARED)]
    fetching = f"`bench data fetch {name}`, " if SETS[name].layout else ""
    by_hand = f"{SETS[name].by_hand}; else " if SETS[name].by_hand else f"try {fetching}"
    return (
        f"{name}: found no {split} split under {root}, expected "
        f"{', '.join(filter(None, layouts))}; {by_hand}`bench data import {name} {split} "
        "SOURCE`, or set BENCH_DATA to the folder that has it"
    )
