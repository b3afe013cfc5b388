"""Images as the project holds them: uint8 arrays, their fingerprint, and how they take a shape.

Nothing here knows where images come from.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

Shape = tuple[int, int, int]  # channels, height, width
Arrays = tuple[np.ndarray, np.ndarray]  # (N, C, H, W) uint8 images, (N,) int64 labels
Progress = Callable[[str, int, int], None]  # what, done, total
LUMA = (19595, 38470, 7471)  # ITU-R 601 weights × 2¹⁶: what Pillow's mode L is made with
BLOCK = 1000  # images handled at a time


def silent(what: str, done: int, total: int) -> None:
    """The progress report of a caller who wants none."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """N labelled images in canonical order.

    Args:
        name: Name of the set in tables and records.
        images: (N, C, H, W) uint8; may be memory-mapped.
        labels: (N,) int64; classes of the set itself, from 0.
        fingerprint: SHA-256 of these images and labels, see `fingerprint`.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    fingerprint: str


def fingerprint(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 of what is looked at, not of the file that it came from.

    Hashed are the shape as `N,C,H,W`, the pixels in C order and the labels as little-endian
    int64: the same images in the same order have the same fingerprint from any source.

    Args:
        images: (N, C, H, W) uint8.
        labels: (N,) integers.

    Returns:
        64 hex digits.
    """
    digest = hashlib.sha256(",".join(map(str, images.shape)).encode())
    for start in range(0, len(images), BLOCK):
        digest.update(images[start : start + BLOCK].tobytes())
    digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def fit(images: np.ndarray, shape: Shape) -> np.ndarray:
    """The images in the channels and the size of a suite.

    Grey becomes colour by repetition, colour becomes grey by the ITU-R 601 luma in integers.
    Another size is reached with Pillow's bilinear filter with antialiasing (the filter grows with
    the scale when an image shrinks), one channel at a time: integer arithmetic, the same bytes on
    every machine.

    Args:
        images: (N, C, H, W) uint8 with C of 1 or 3.
        shape: Channels (1 or 3), height and width wanted.

    Returns:
        (N, *shape) uint8.

    Raises:
        ValueError: If the images have other than 1 or 3 channels.
    """
    if images.shape[1] not in (1, 3):
        raise ValueError(f"channels: got {images.shape[1]}, expected 1 or 3")
    if images.shape[1] > shape[0]:
        luma = np.tensordot(images.astype(np.uint32), np.array(LUMA, np.uint32), axes=(1, 0))
        images = ((luma + 2**15) >> 16).astype(np.uint8)[:, None]
    if images.shape[2:] != shape[1:]:
        images = np.stack([[_resized(plane, shape) for plane in image] for image in images])
    return np.repeat(images, shape[0], axis=1) if images.shape[1] < shape[0] else images


def _resized(plane: np.ndarray, shape: Shape) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(picture.resize((shape[2], shape[1]), Image.Resampling.BILINEAR))
