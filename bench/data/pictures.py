"""Decoding of one encoded picture: PNG, JPEG or WebP, of bounded size."""

from io import BytesIO

import numpy as np
from PIL import Image

from bench.data.images import Shape, fit

FORMATS = ("PNG", "JPEG", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_PIXELS = 2**20
GREY, COLOUR = ("1", "L", "LA"), ("P", "RGB", "RGBA")


def decode(encoded: bytes, shape: Shape) -> np.ndarray:
    """The picture in the channels and the size of a suite.

    Its size is looked at before a pixel is decoded. Transparency is dropped.

    Args:
        encoded: A whole PNG, JPEG or WebP file.
        shape: Channels, height and width wanted.

    Returns:
        (C, H, W) uint8.

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
    channels_first = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    image: np.ndarray = fit(channels_first[None], shape)[0]
    return image
