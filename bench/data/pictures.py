"""Decoding of one encoded picture: PNG, JPEG or WebP, of bounded size."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from bench.data.images import Shape, fit

FORMATS = ("PNG", "JPEG", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_PIXELS = 2**20
MAX_BYTES = 2**24  # of one encoded picture
GREY, COLOUR = ("1", "L", "LA"), ("P", "RGB", "RGBA")


def decode(encoded: bytes, shape: Shape) -> np.ndarray:
    """The picture in the channels and the size of a suite, otherwise as `pixels_of`.

    Args:
        encoded: A whole PNG, JPEG or WebP file.
        shape: Channels, height and width wanted.

    Returns:
        (*shape,) uint8.
    """
    image: np.ndarray = fit(pixels_of(encoded)[None], shape)[0]
    return image


def pixels_of(encoded: bytes) -> np.ndarray:
    """The picture in its own size.

    That is looked at before a pixel is decoded. Transparency is dropped.

    Args:
        encoded: A whole PNG, JPEG or WebP file.

    Returns:
        (C, H, W) uint8, C of 1 or 3.

    Raises:
        ValueError: If the picture is too large or has more than eight bits a channel; Pillow
            raises others on damaged bytes.
    """
    with Image.open(BytesIO(encoded), formats=FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"{picture.width}×{picture.height} pixels; {MAX_PIXELS} can be read")
        if picture.mode not in GREY + COLOUR:
            raise ValueError(f"mode {picture.mode}; 8-bit grey or colour can be read")
        pixels = np.asarray(picture.convert("L" if picture.mode in GREY else "RGB"))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def read_picture(path: Path) -> bytes:
    """The encoded picture of a file, of a longer one its beginning alone."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES)
