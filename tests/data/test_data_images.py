"""Fingerprints and the ways in which images take a shape, against independent computations."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.data.images import fingerprint, fit


def test_the_fingerprint_is_sha256_of_shape_pixels_and_labels() -> None:
    images = np.arange(2 * 1 * 2 * 2, dtype=np.uint8).reshape(2, 1, 2, 2)
    labels = np.array([3, 300])
    content = b"2,1,2,2" + bytes(range(8)) + bytes([3, *[0] * 7, 44, 1, *[0] * 6])
    assert fingerprint(images, labels) == hashlib.sha256(content).hexdigest()


def test_the_fingerprint_ignores_memory_order_and_integer_width() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2500, 4, 3, 3), np.uint8)
    labels = generator.integers(0, 9, 2500)
    other = np.asfortranarray(images)
    assert fingerprint(images, labels) == fingerprint(other, labels.astype(np.uint8))


def test_the_fingerprint_sees_order_labels_shape_and_every_pixel() -> None:
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    labels = np.array([0, 1])
    changed = images.copy()
    changed[1, 2, 1, 1] += 1
    marks = {
        fingerprint(images, labels),
        fingerprint(images[::-1], labels),
        fingerprint(images, labels[::-1]),
        fingerprint(images.reshape(2, 3, 4, 1), labels),
        fingerprint(changed, labels),
    }
    assert len(marks) == 5


def test_colour_becomes_grey_as_in_pillow_and_grey_colour_by_repetition() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 64, 64), np.uint8)
    grey = fit(images, (1, 64, 64))
    for image, found in zip(images, grey, strict=True):
        picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        assert np.array_equal(found[0], np.asarray(picture.convert("L")))
    assert np.array_equal(fit(grey, (3, 64, 64)), np.concatenate([grey] * 3, axis=1))


@pytest.mark.parametrize("size", [(28, 28), (13, 40), (105, 105), (211, 211)])
def test_resizing_agrees_with_torchs_antialiased_bilinear_filter(size: tuple[int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 105, 105), np.uint8)
    found = fit(images, (3, *size))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(images).float(), size, mode="bilinear", antialias=True, align_corners=False
    )
    # Pillow rounds to whole grey levels after each of the two directions
    assert np.abs(found - expected.numpy()).max() <= 1.01


@settings(deadline=None)
@given(st.integers(0, 255), st.sampled_from([1, 3]), st.integers(1, 60), st.integers(1, 60))
def test_a_constant_image_stays_constant(
    level: int, channels: int, height: int, width: int
) -> None:
    images = np.full((1, 1, 20, 30), level, np.uint8)
    found = fit(images, (channels, height, width))
    assert found.shape == (1, channels, height, width)
    assert (found == level).all()


def test_four_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="got 4"):
        fit(np.zeros((1, 4, 2, 2), np.uint8), (3, 2, 2))
