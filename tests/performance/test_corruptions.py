"""Generated corruptions in images per second against the same made one image at a time."""

import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.data.corruptions import CORRUPTIONS, corrupt
from tests.data.corruptions.photographs import patches
from tests.performance.one_by_one import ONE_BY_ONE, corrupted

SEVERITIES, TIMED = (1, 2, 3, 4, 5), 3
IMAGES, PIECE = 1000, 100  # ours; a piece is what is corrupted at a time
THEIR_IMAGES, THEIR_PIECE = 50, 5
ROUNDS, LEAST = 5, 10
COMPARED = 100
FIXED = (
    "defocus_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "gaussian_blur",
    "saturate",
)


def shortest(work: Callable[[int], object], pieces: Sequence[int]) -> float:
    """Seconds of all pieces, of each the shortest of several rounds.

    Pieces are short because other work on the machine disturbs every long one.
    """
    times = []
    for _ in range(ROUNDS):
        for piece in pieces:
            started = time.perf_counter()
            work(piece)
            times.append(time.perf_counter() - started)
    return float(np.array(times).reshape(-1, len(pieces)).min(0).sum())


def seconds_an_image(name: str, images: Tensor) -> tuple[float, float]:
    single = [np.ascontiguousarray(image) for image in images.permute(0, 2, 3, 1).numpy()]
    random = np.random.default_rng(0)

    def ours(first: int) -> object:
        return corrupt(images[first : first + PIECE], name, TIMED, seed=0, first=first)

    def theirs(first: int) -> object:
        part = single[first : first + THEIR_PIECE]
        return [corrupted(image, name, TIMED, random) for image in part]

    return (
        shortest(ours, range(0, IMAGES, PIECE)) / IMAGES,
        shortest(theirs, range(0, THEIR_IMAGES, THEIR_PIECE)) / THEIR_IMAGES,
    )


def test_all_corruptions_are_made_ten_times_as_fast_as_one_by_one() -> None:
    images = patches(IMAGES)
    for name in CORRUPTIONS:
        corrupt(images[:PIECE], name, TIMED, seed=0)  # tables are made once
    spent = {name: seconds_an_image(name, images) for name in CORRUPTIONS}
    sys.stdout.write("\nimages a second        ours  one by one   ratio\n")
    for name, (ours, theirs) in spent.items():
        sys.stdout.write(f"{name:18}{1 / ours:9.0f}{1 / theirs:12.0f}{theirs / ours:8.1f}\n")
    ours, theirs = np.sum(list(spent.values()), 0)
    sys.stdout.write(f"{'all':18}{1 / ours:9.0f}{1 / theirs:12.0f}{theirs / ours:8.1f}\n")
    assert theirs / ours >= LEAST


def both(name: str, severity: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(COMPARED, H, W, 3) clean levels, ours and theirs."""
    images, random = patches(COMPARED), np.random.default_rng(0)
    clean = images.permute(0, 2, 3, 1).numpy()
    ours = corrupt(images, name, severity, seed=0).permute(0, 2, 3, 1).to(torch.float64).numpy()
    theirs = np.stack([corrupted(image, name, severity, random) for image in clean])
    return clean.astype(float), ours, theirs.astype(float)


@pytest.mark.parametrize("name", FIXED)
def test_what_is_not_random_comes_out_alike_one_by_one(name: str) -> None:
    assert tuple(ONE_BY_ONE) == tuple(CORRUPTIONS)
    for severity in SEVERITIES:
        _, ours, theirs = both(name, severity)
        # Pillow rounds after each pass of a resize, four times; halves may round either way
        assert np.abs(ours - theirs).mean() < 0.4


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in FIXED])
def test_what_is_random_changes_images_as_much_one_by_one(name: str) -> None:
    for severity in SEVERITIES:
        clean, ours, theirs = both(name, severity)
        for measure in (np.mean, np.std):
            found, expected = (measure(made - clean, axis=(1, 2, 3)) for made in (ours, theirs))
            gap = found - expected
            # 110 comparisons: four and a half standard errors of the mean gap of an image
            assert abs(gap.mean()) <= 4.5 * gap.std() / np.sqrt(COMPARED)
        assert theirs.std() > 0
        assert found.mean() == pytest.approx(expected.mean(), rel=0.1)  # of the deviation
