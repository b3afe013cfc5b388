"""SVHN's cropped digits, `SPLIT_32x32.mat`: in the root as torchvision puts them, or in `svhn/`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.io import loadmat, whosmat

from bench.data.formats import Opened, broken, checked_count, reading
from bench.data.images import Arrays, Shape, fit


def find_svhn(root: Path, split: str) -> Opened | None:
    """The split's MATLAB file, if it is there."""
    name = f"{split}_32x32.mat"
    paths = [path for path in (root / name, root / "svhn" / name) if path.is_file()]
    return open_svhn(paths[0]) if paths else None


def open_svhn(path: Path) -> Opened:
    """One MATLAB file with X (32, 32, 3, N) uint8 and y (N, 1), where 10 is the digit 0."""
    return Opened((path,), partial(_count, path), partial(_read, path))


def _count(path: Path) -> int:
    """N by the headers alone, before anything large is read."""
    with reading(path):
        found = {name: (shape, kind) for name, shape, kind in whosmat(path)}
    shape, kind = found.get("X", ((), ""))
    if len(shape) != 4 or shape[2] != 3 or max(shape[:2]) > 256 or kind != "uint8":
        raise broken(path, f"the variables {found}, not X (32, 32, 3, N) uint8")
    count = int(shape[3])
    if found.get("y", ((), ""))[0] != (count, 1):
        raise broken(path, f"the variables {found}, not y ({count}, 1)")
    return checked_count(path, count)


def _read(path: Path, n: int, shape: Shape, done: Callable[[int], None]) -> Arrays:
    _count(path)
    with reading(path):
        content = loadmat(path, variable_names=["X", "y"])
        images = np.ascontiguousarray(content["X"][..., :n].transpose(3, 2, 0, 1))
        labels = content["y"][:n, 0].astype(np.int64)
    done(n)
    return fit(images, shape), np.where(labels == 10, 0, labels)
