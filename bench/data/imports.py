"""Brings images that the user already has into the data root, in the project's own layout."""

import re
from pathlib import Path

import numpy as np

from bench.data.formats import Opened
from bench.data.images import Progress, silent
from bench.data.sets import SETS
from bench.data.sources import find, open_path
from bench.errors import BenchError
from bench.places import appearing, data_root


def import_set(
    name: str,
    split: str,
    source: Path,
    root: Path | None = None,
    *,
    progress: Progress | None = None,
) -> Path:
    """Decodes a user's images and writes them as `SET/SPLIT.npz` under the data root.

    The file appears when it is whole. Images of another size or channel number are brought to
    those that the set is published with.

    Args:
        name: Key of `SETS`.
        split: One of the set's splits, or `SPLIT-firstN` for its first N images.
        source: An image folder (`CLASS/*.png`), a `.npz`, `.npy` or `.parquet` file, or another
            data root that has the split in any layout.
        root: Data root; None means `$BENCH_DATA`, else the user's cache folder.
        progress: Called with (what, done, total).

    Returns:
        The file written.

    Raises:
        BenchError: E-BAD-VALUE for the name, the split, or a split that is already there;
            E-NO-SUCH-FILE; E-BROKEN-DATA, also if the number of images is not the split's.
    """
    place = data_root(root)
    whole, promised = _split(name, split)
    present = find(name, whole, place)
    if present and (present.prefix is None or promised == present.prefix):
        raise BenchError(
            "E-BAD-VALUE",
            f"{name}/{split}: got a split that is already at {present.where}, expected a new one; "
            "move that away first",
        )
    opened = _opened(name, whole, source)
    count = opened.count()
    expected = promised or SETS[name].splits[whole]
    if expected not in (None, count):
        raise BenchError(
            "E-BROKEN-DATA",
            f"{source}: got {count} images, expected the {expected} of {name}/{split}; a part of "
            f"the split is imported as {whole}-first{count}, if it is its first {count} images",
        )
    report = progress or silent
    target = place / name / f"{split}.npz"
    what = f"importing {name}/{split}"
    images, labels = opened.read(count, SETS[name].shape, lambda done: report(what, done, count))
    with appearing(target) as temporary, temporary.open("wb") as file:
        np.savez(file, images=images, labels=labels)
    return target


def _split(name: str, split: str) -> tuple[str, int | None]:
    """The split, and N of `SPLIT-firstN`."""
    if name not in SETS:
        raise BenchError("E-BAD-VALUE", f"set: got {name!r}, expected one of {list(SETS)}")
    match = re.fullmatch(r"(.+?)(?:-first([1-9][0-9]*))?", split)
    if not match or match[1] not in SETS[name].splits:
        raise BenchError(
            "E-BAD-VALUE",
            f"split: got {split!r}, expected one of {list(SETS[name].splits)}, or one of them with "
            "-firstN behind it for its first N images",
        )
    return match[1], int(match[2]) if match[2] else None


def _opened(name: str, split: str, source: Path) -> Opened:
    if not source.exists():
        raise BenchError("E-NO-SUCH-FILE", f"{source}: got no such file or folder")
    if source.is_dir() and (found := find(name, split, source)):
        return found.opened
    opened = open_path(source)
    if opened is None:
        raise BenchError(
            "E-BROKEN-DATA",
            f"{source}: got nothing that can be read, expected a folder CLASS/*.png, a .npz, .npy "
            "or .parquet file, or a folder in one of torchvision's layouts",
        )
    return opened
