"""The official CIFAR-10-C arrays: `CIFAR-10-C/CORRUPTION.npy` and `CIFAR-10-C/labels.npy`.

A file holds the five severities of N images each, one after the other: (5N, 32, 32, 3) uint8.
"""

from pathlib import Path

import numpy as np

from bench.data.formats import broken, reading
from bench.errors import BenchError

FOLDER = "CIFAR-10-C"
SEVERITIES = 5


def find_cifar10c(root: Path) -> Path | None:
    """The folder of the official arrays, if it is under the data root."""
    folder = root / FOLDER
    return folder if folder.is_dir() else None


def official_images(folder: Path, corruption: str, severity: int) -> np.ndarray:
    """All images of one corruption at one severity, mapped into memory.

    Args:
        folder: `CIFAR-10-C`.
        corruption: Name of the file without its suffix.
        severity: 1 to 5.

    Returns:
        (N, 3, 32, 32) uint8, a view of the file; 5N is the number of rows in it.

    Raises:
        BenchError: E-NO-DATA if the file is not there, E-BROKEN-DATA if it is another array.
    """
    path = folder / f"{corruption}.npy"
    images = _mapped(path)
    if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3) or len(images) % SEVERITIES:
        raise broken(path, f"{images.dtype}{list(images.shape)}, not uint8[50000, 32, 32, 3]")
    return _rows(images, severity).transpose(0, 3, 1, 2)


def official_labels(folder: Path, severity: int) -> np.ndarray:
    """(N,) int64 labels of the images of one severity; errors as `official_images`."""
    path = folder / "labels.npy"
    labels = _mapped(path)
    if labels.dtype.kind not in "iu" or labels.ndim != 1 or len(labels) % SEVERITIES:
        raise broken(path, f"{labels.dtype}{list(labels.shape)}, not integers [50000]")
    return _rows(labels, severity).astype(np.int64)


def _mapped(path: Path) -> np.ndarray:
    if not path.is_file():
        raise BenchError(
            "E-NO-DATA",
            f"{path}: got no such file, expected all 19 corruptions and labels.npy beside each "
            "other; run `bench data fetch cifar10-c`, or take the folder away to generate shifts",
        )
    with reading(path):
        array: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


def _rows(array: np.ndarray, severity: int) -> np.ndarray:
    count = len(array) // SEVERITIES
    return array[(severity - 1) * count : severity * count]
