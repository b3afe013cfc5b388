"""Blurs and resampling against SciPy and Pillow, image by image."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from bench.data.corruptions import CORRUPTIONS, corrupt
from bench.data.corruptions.blur import disk, glass_blur, motion_smear
from bench.data.corruptions.counters import Counter
from bench.data.corruptions.digital import elastic_transform
from bench.data.corruptions.sampling import motion_blur
from tests.data.corruptions.photographs import patches

EXACT = 0.5 + 1e-3  # rounding to whole levels, and single precision
COUNTER = Counter.of(0, "blurs", 0, 20)
SEVERITIES = (1, 2, 3, 4, 5)


def distance(found: Tensor, expected: np.ndarray) -> float:
    """Largest difference in levels from expected values in [0, 1]."""
    return float(np.abs(found.numpy() - expected.clip(0, 1) * 255).max())


def constant(name: str, severity: int) -> object:
    return CORRUPTIONS[name].severities[severity - 1]


@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize(("severity", "sigma"), [*enumerate((0.4, 0.6, 0.7, 0.8, 1.0), 1)])
def test_gaussian_blur_is_the_filter_of_scipy(severity: int, sigma: float, side: int) -> None:
    images = patches(20, side)
    expected = ndimage.gaussian_filter(
        images.numpy() / 255, sigma, mode="nearest", truncate=4, axes=(2, 3)
    )
    assert distance(corrupt(images, "gaussian_blur", severity, seed=0), expected) <= EXACT


def softened_disk(radius: float, soft: float) -> np.ndarray:
    place = np.arange(-8, 9)
    sharp = (place[:, None] ** 2 + place**2 <= radius**2).astype(float)
    bell = np.exp(-(np.array([-1, 0, 1]) ** 2) / (2 * soft**2))
    window = np.outer(bell, bell) / bell.sum() ** 2
    return ndimage.convolve(sharp / sharp.sum(), window, mode="constant")


LENSES = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))


@pytest.mark.parametrize(("severity", "lens"), [*enumerate(LENSES, 1)])
def test_defocus_blur_is_a_correlation_with_a_softened_disk(
    severity: int, lens: tuple[float, float]
) -> None:
    kernel = softened_disk(*lens)
    assert np.abs(disk(*lens) - kernel[6:11, 6:11]).max() < 1e-12
    assert disk(*lens).sum() == pytest.approx(1, abs=1e-12)
    images = patches(20)
    expected = ndimage.correlate(images.numpy() / 255, kernel[None, None], mode="mirror")
    assert distance(corrupt(images, "defocus_blur", severity, seed=0), expected) <= EXACT


def zoomed(image: np.ndarray, zoom: float) -> np.ndarray:
    """A channel, its middle enlarged to at least its own size, and what is too much cut off."""
    size = len(image)
    crop = math.ceil(size / zoom)
    top = (size - crop) // 2
    large = ndimage.zoom(image[top : top + crop, top : top + crop], zoom, order=1)
    trim = (len(large) - size) // 2
    return large[trim : trim + size, trim : trim + size]


@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize(("severity", "end"), [*enumerate((1.06, 1.11, 1.16, 1.21, 1.26), 1)])
def test_zoom_blur_is_the_mean_of_zooms_by_scipy(severity: int, end: float, side: int) -> None:
    images = patches(5, side)
    clean = images.numpy().reshape(-1, side, side) / 255
    zooms = np.arange(1, end, 0.01)
    total = [image + sum(zoomed(image, zoom) for zoom in zooms) for image in clean]
    expected = np.array(total).reshape(images.shape) / (len(zooms) + 1)
    assert distance(corrupt(images, "zoom_blur", severity, seed=0), expected) <= EXACT


def bright_pixel(count: int) -> Tensor:
    images = torch.zeros(count, 3, 32, 32)
    images[:, :, 16, 16] = 1
    return images


@pytest.mark.parametrize("severity", SEVERITIES)
def test_motion_blur_draws_a_bright_pixel_out_along_its_line(severity: int) -> None:
    radius, sigma = constant("motion_blur", severity)
    degrees = torch.arange(0, 360, 15, dtype=torch.float64)
    smeared = motion_blur(bright_pixel(len(degrees)), radius, sigma, degrees)
    assert smeared.sum((2, 3)).numpy() == pytest.approx(1, abs=1e-6)
    bell = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    for image, degree in zip(smeared[:, 0].numpy(), degrees.tolist(), strict=True):
        row, column = np.nonzero(image)
        # what is read at +s along the line comes to lie at −s
        down, right = -math.sin(math.radians(degree)), -math.cos(math.radians(degree))
        along = (row - 16) * down + (column - 16) * right
        across = (row - 16) * right - (column - 16) * down
        assert np.abs(across).max() <= math.sqrt(0.5) + 1e-9
        assert along.min() > -1
        steps = np.abs(along).round().astype(int)
        if degree % 90 == 0:
            expected = bell / bell.sum()
            assert image[row, column] == pytest.approx(expected[steps], abs=1e-5)
        assert image[16, 16] == pytest.approx(bell[0] / bell.sum(), abs=1e-5)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_motion_goes_up_to_45_degrees_from_the_horizontal(severity: int) -> None:
    counter = Counter.of(0, "motion", 0, 2000)
    smeared = motion_smear(bright_pixel(2000), constant("motion_blur", severity), counter)
    place = torch.arange(32.0) - 16
    down = (smeared[:, 0].sum(2) * place).sum(1)
    right = (smeared[:, 0].sum(1) * place).sum(1)
    angle = torch.rad2deg(torch.atan2(-down, -right))
    assert angle.abs().max() < 46
    assert angle.min() < -40
    assert angle.max() > 40
    assert abs(angle.mean()) < 4 * 90 / math.sqrt(12 * 2000)


@pytest.mark.parametrize("rounds", [1, 2])
def test_ground_glass_shows_pixels_from_above_and_left_within_its_rounds(rounds: int) -> None:
    place = torch.arange(32.0)
    coordinates = torch.stack([place[:, None].expand(32, 32), place.expand(32, 32)])
    images = torch.cat([coordinates, coordinates[:1]])[None].repeat(20, 1, 1, 1) / 255
    source = (glass_blur(images, (0.05, rounds), COUNTER) * 255).round()[:, :2]
    moved = coordinates - source
    assert moved.unique().tolist() == list(range(rounds + 1))
    assert not moved[:, :, :2].any()
    assert not moved[:, :, :, :2].any()
    inner = moved[:, :, 4:, 4:]
    for step, share in enumerate([0.5, 0.5] if rounds == 1 else [0.25, 0.5, 0.25]):
        found = (inner == step).double().mean((0, 2, 3))
        assert (found - share).abs().max() < 4 * math.sqrt(share * (1 - share) / (20 * 28 * 28))
    both = ((inner[:, 0] > 0) & (inner[:, 1] > 0)).double().mean().item()
    assert both == pytest.approx((1 - 0.5**rounds) ** 2, abs=0.02)


def test_ground_glass_is_blurred_before_and_after() -> None:
    images = patches(20) / 255
    for severity in SEVERITIES:
        sigma, rounds = constant("glass_blur", severity)
        options = {"mode": "nearest", "truncate": 4, "axes": (2, 3)}
        before = ndimage.gaussian_filter(images.double().numpy(), sigma, **options)
        before = torch.from_numpy((before * 255).round() / 255).float()
        moved = glass_blur(before, (0.05, rounds), COUNTER).numpy()
        expected = ndimage.gaussian_filter(moved, sigma, **options)
        found = glass_blur(images, (sigma, rounds), COUNTER).numpy()
        assert (np.abs(found - expected) > 1e-5).mean() < 1e-3  # halves may round either way
        assert np.abs(found - expected).max() < 1.01 / 255


@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize(("severity", "scale"), [*enumerate((0.95, 0.9, 0.85, 0.75, 0.65), 1)])
def test_pixelate_is_pillow_resizing_with_a_box_and_back(
    severity: int, scale: float, side: int
) -> None:
    images = patches(20, side)
    found = corrupt(images, "pixelate", severity, seed=0).permute(0, 2, 3, 1).numpy()
    small = int(side * scale)
    for image, ours in zip(images.permute(0, 2, 3, 1).numpy(), found, strict=True):
        resized = Image.fromarray(image).resize((small, small), Image.Resampling.BOX)
        theirs = np.asarray(resized.resize((side, side), Image.Resampling.BOX)).astype(int)
        assert np.abs(ours - theirs).max() <= 1  # Pillow rounds between its two passes


@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize(("severity", "quality"), [*enumerate((80, 65, 58, 50, 40), 1)])
def test_jpeg_shows_what_pillow_shows_after_saving(severity: int, quality: int, side: int) -> None:
    images = patches(120, side)
    found = corrupt(images, "jpeg_compression", severity, seed=0).permute(0, 2, 3, 1).numpy()
    theirs = []
    for image in images.permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        theirs.append(np.asarray(Image.open(file)))
    difference = np.abs(found.astype(int) - np.stack(theirs))
    assert difference.mean() < 0.1
    assert (difference > 1).mean() < 0.02  # where a coefficient lies halfway between two levels


def ramps(count: int) -> Tensor:
    """Colour that tells a pixel's place: red its column, green its row, at 6 levels a pixel."""
    place = torch.arange(32.0) * 6 / 255
    columns, rows = place.expand(32, 32), place[:, None].expand(32, 32)
    return torch.stack([columns, rows, rows]).repeat(count, 1, 1, 1)


@pytest.mark.parametrize(("severity", "corner"), [(1, 0.08 * 32), (5, 0.03 * 32)])
def test_without_displacement_elastic_is_an_affine_map_of_shifted_corners(
    severity: int, corner: float
) -> None:
    stretch = constant("elastic_transform", severity)
    assert stretch[2] * 32 == pytest.approx(corner)
    moved = elastic_transform(ramps(20), (0, 0, stretch[2]), COUNTER) * 255 / 6
    grid = np.arange(10, 22)
    column, row = np.meshgrid(grid, grid)
    design = np.stack([column.ravel(), row.ravel(), np.ones(column.size)], 1)
    shifts = []
    for source in moved[:, :2, 10:22, 10:22].flatten(2).double().numpy():
        fit, residual, *_ = np.linalg.lstsq(design, source.T)
        assert residual.max() < 1e-8
        for old in ([26, 26], [26, 6], [6, 6]):  # (column, row)
            new = np.linalg.solve(fit[:2].T, np.array(old) - fit[2])
            shifts.append(new - old)
    assert 0.9 * corner < np.abs(shifts).max() <= corner + 1e-4
    assert np.std(shifts) == pytest.approx(corner / math.sqrt(3), rel=0.15)


@pytest.mark.parametrize("severity", [2, 3, 4, 5])
def test_elastic_displacement_is_smoothed_and_read_as_by_scipy(severity: int) -> None:
    images, stretch = patches(20) / 255, constant("elastic_transform", severity)
    strength, sigma, _ = (32 * length for length in stretch)
    affine = elastic_transform(images, (0, 0, stretch[2]), COUNTER).double().numpy()
    draws = COUNTER.stream(1).uniform(2, 32, 32).double().numpy() * 2 - 1
    smooth = ndimage.gaussian_filter(draws, sigma, mode="reflect", truncate=3, axes=(2, 3))
    column, row = np.meshgrid(np.arange(32), np.arange(32))
    found = elastic_transform(images, stretch, COUNTER).numpy()
    for image, (right, down), ours in zip(affine, smooth * strength, found, strict=True):
        for channel, seen in zip(image, ours, strict=True):
            places = [row + down, column + right]
            expected = ndimage.map_coordinates(channel, places, order=1, mode="reflect")
            assert np.abs(seen - expected).max() < 1e-5


def test_elastic_reflects_what_lies_outside_about_the_edge_pixel() -> None:
    images, counter = patches(5) / 255, Counter.of(0, "edges", 0, 5)
    moved = elastic_transform(images, (0, 0, 0.08), counter).numpy()
    read = elastic_transform(ramps(5), (0, 0, 0.08), counter).double().numpy() * 255 / 6
    grid = np.arange(12, 20)
    column, row = np.meshgrid(grid, grid)
    design = np.stack([column.ravel(), row.ravel(), np.ones(64)], 1)
    everywhere = np.stack([*np.meshgrid(np.arange(32), np.arange(32)), np.ones((32, 32))], -1)
    for image, source, ours in zip(images.numpy(), read, moved, strict=True):
        fit = np.linalg.lstsq(design, source[:2, 12:20, 12:20].reshape(2, -1).T)[0]
        columns, rows = (everywhere @ fit).transpose(2, 0, 1)
        assert min(columns.min(), rows.min()) < -0.3 or max(columns.max(), rows.max()) > 31.3
        for channel, seen in zip(image, ours, strict=True):
            wanted = ndimage.map_coordinates(channel, [rows, columns], order=1, mode="mirror")
            assert np.abs(seen - wanted).max() < 1e-3
