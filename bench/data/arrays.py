"""NumPy files: `SPLIT.npz` with images and labels, or `SPLIT.npy` beside `SPLIT-labels.npy`.

Images are uint8, (N, H, W), (N, H, W, C) or (N, C, H, W) with C of 1 or 3; labels are integers,
(N,). In an `.npz` the two are known by their rank, whatever their names. Pickles are refused.
"""

import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from bench.data.formats import Opened, broken, checked_count, reading
from bench.data.images import Arrays, Shape, fit

MAX_BYTES = 2**32


def open_npz(path: Path) -> Opened:
    """One `.npz` file."""
    return Opened((path,), partial(_count, (path,)), partial(_read, (path,)))


def open_npy(images: Path) -> Opened:
    """An `.npy` file of images; the labels are beside it."""
    files = (images, images.with_name(f"{images.stem}-labels.npy"))
    return Opened(files, partial(_count, files), partial(_read, files))


def _count(files: tuple[Path, ...]) -> int:
    images, _ = _load(files)
    return checked_count(files[0], len(images))


def _read(files: tuple[Path, ...], n: int, shape: Shape, done: Callable[[int], None]) -> Arrays:
    images, labels = _load(files)
    with reading(files[0]):
        pixels = fit(_channels_first(images[:n]), shape)
    done(n)
    return np.ascontiguousarray(pixels), labels[:n].astype(np.int64)


def _load(files: tuple[Path, ...]) -> Arrays:
    with reading(files[0]):
        found = _npz(files[0]) if len(files) == 1 else [_npy(path) for path in files]
    images = [array for array in found if array.ndim >= 3 and array.dtype == np.uint8]
    labels = [array for array in found if array.ndim == 1 and array.dtype.kind in "iu"]
    if len(images) != 1 or len(labels) != 1 or len(images[0]) != len(labels[0]):
        kinds = [f"{array.dtype}{list(array.shape)}" for array in found]
        raise broken(files[0], f"{kinds}, not N uint8 images and N integer labels")
    return images[0], labels[0]


def _npy(path: Path) -> np.ndarray:
    with reading(path):
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return array


def _npz(path: Path) -> list[np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES:
        raise broken(path, f"{size} bytes of arrays ({MAX_BYTES} can be read)")
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]


def _channels_first(images: np.ndarray) -> np.ndarray:
    if images.ndim == 3:
        return images[:, None]
    return images.transpose(0, 3, 1, 2) if images.shape[3] in (1, 3) else images
