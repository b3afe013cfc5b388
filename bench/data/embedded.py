"""The sets that come with scikit-learn: handwritten digits, and patches of two photographs."""

import numpy as np
from sklearn.datasets import load_digits, load_sample_images

from bench.data.images import Arrays, ImageSet, Shape, fingerprint, fit

TRAINING = 1200  # of the 1797 digits; the remaining 597 are the test set
SIDE = 28


def embedded_set(name: str, limit: int | None, shape: Shape) -> ImageSet:
    """One of the sets that need no file.

    Args:
        name: `digits`, `digits-train`, `patches` or `patches-train`.
        limit: First images to take, or None for all.
        shape: Channels, height and width to bring them to.
    """
    content, _, split = name.partition("-")
    make = _patches if content == "patches" else _digits
    images, labels = make(training=split == "train")
    images, labels = fit(images[:limit], shape), labels[:limit]
    return ImageSet(name, images, labels, fingerprint(images, labels))


def _digits(*, training: bool) -> Arrays:
    """scikit-learn's digits, 8×8 with values 0 to 16, as (N, 1, 28, 28) uint8.

    Bilinear between pixel centres, the border repeated, 16 mapped to 255, rounded half up. The
    centre of pixel i of 28 lies at (4i − 5)/14 of 8, so weights are whole fourteenths and all of
    it is integer arithmetic.
    """
    bunch = load_digits()
    part = slice(None, TRAINING) if training else slice(TRAINING, None)
    rows = _fourteenths()
    sums = rows @ bunch.images[part].astype(np.int64) @ rows.T  # in [0, 16·14²]
    largest = 16 * 14**2
    images = (2 * 255 * sums + largest) // (2 * largest)
    return images.astype(np.uint8)[:, None], bunch.target[part].astype(np.int64)


def _fourteenths() -> np.ndarray:
    """(28, 8) int64: weight of each source pixel in each target pixel, rows sum to 14."""
    weights = np.zeros((SIDE, 8), np.int64)
    for target in range(SIDE):
        left, rest = divmod(4 * target - 5, 14)
        weights[target, max(left, 0)] += 14 - rest
        weights[target, min(left + 1, 7)] += rest
    return weights


def _patches(*, training: bool) -> Arrays:
    """Grey 28×28 patches of scikit-learn's two photographs, (660, 1, 28, 28) uint8.

    A grid without overlap from the top left corner, row by row; rests at the right and at the
    bottom are left out. The label is the photograph. The grid for training begins half a patch
    further in: other patches, of the same photographs.
    """
    first = SIDE // 2 if training else 0
    photographs = load_sample_images().images
    grids = [
        _grid(fit(photo.transpose(2, 0, 1)[None], (1, *photo.shape[:2]))[0, 0, first:, first:])
        for photo in photographs
    ]
    labels = [np.full(len(grid), place, np.int64) for place, grid in enumerate(grids)]
    return np.concatenate(grids)[:, None], np.concatenate(labels)


def _grid(picture: np.ndarray) -> np.ndarray:
    down, across = picture.shape[0] // SIDE, picture.shape[1] // SIDE
    tiles = picture[: down * SIDE, : across * SIDE].reshape(down, SIDE, across, SIDE)
    return tiles.transpose(0, 2, 1, 3).reshape(-1, SIDE, SIDE)
