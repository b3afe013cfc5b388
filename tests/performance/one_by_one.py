"""The corruptions as they are made today: one image at a time, with NumPy, SciPy and Pillow.

An image is (H, W, 3) float64 in [0, 1]; constants and the number of random draws are those of
`bench.data.corruptions`.
"""

import io
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from bench.data.corruptions import CORRUPTIONS
from bench.data.corruptions.blur import disk
from bench.data.corruptions.weather import FOG, FROST, LIGHT, TEXTURES, frost_textures

Array = np.ndarray
Random = np.random.Generator
LUMA = np.array([0.299, 0.587, 0.114])
WATER = np.array([175, 238, 238]) / 255
MUD = np.array([63, 42, 20]) / 255
KERNELS = {lens: disk(*lens)[..., None] for lens in CORRUPTIONS["defocus_blur"].severities}
ICE = frost_textures().double().numpy()


def corrupted(image: Array, name: str, severity: int, random: Random) -> Array:
    """A corrupted copy of an image, (H, W, 3) uint8 both."""
    constant = CORRUPTIONS[name].severities[severity - 1]
    changed = ONE_BY_ONE[name](image / 255, constant, random)
    return np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8)


def gaussian_noise(image: Array, sigma: float, random: Random) -> Array:
    return image + random.normal(size=image.shape, scale=sigma)


def shot_noise(image: Array, photons: float, random: Random) -> Array:
    return random.poisson(image * photons) / photons


def impulse_noise(image: Array, amount: float, random: Random) -> Array:
    draw = random.random(image.shape)
    image[draw < amount] = 1
    image[draw < amount / 2] = 0
    return image


def speckle_noise(image: Array, sigma: float, random: Random) -> Array:
    return image + image * random.normal(size=image.shape, scale=sigma)


def smooth(image: Array, sigma: float) -> Array:
    return ndimage.gaussian_filter(image, sigma, mode="nearest", axes=(0, 1))


def gaussian_blur(image: Array, sigma: float, _: Random) -> Array:
    return smooth(image, sigma)


def defocus_blur(image: Array, lens: tuple[float, float], _: Random) -> Array:
    return ndimage.correlate(image, KERNELS[lens], mode="mirror")


def glass_blur(image: Array, glass: tuple[float, int], random: Random) -> Array:
    sigma, rounds = glass
    image = np.rint(smooth(image, sigma) * 255) / 255
    height, width = image.shape[:2]
    for _ in range(rounds):
        for row in range(height - 1, 1, -1):
            for column in range(width - 1, 1, -1):
                down, right = random.integers(-1, 1, size=2)  # pixel by pixel, as people do
                image[row, column] = image[row + down, column + right]
    return smooth(image, sigma)


def smeared(image: Array, radius: int, sigma: float, degrees: float) -> Array:
    weights = np.exp(-0.5 * (np.arange(2 * radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    down, right = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    height, width = image.shape[:2]
    rows, columns = np.arange(height)[:, None], np.arange(width)
    total = np.zeros_like(image)
    for step, weight in enumerate(weights[weights >= 1e-6].tolist()):
        row = (rows + math.ceil(step * down - 0.5)).clip(0, height - 1)
        column = (columns + math.ceil(step * right - 0.5)).clip(0, width - 1)
        total += weight * image[row, column]
    return total


def motion_blur(image: Array, smear: tuple[int, float], random: Random) -> Array:
    return smeared(image, *smear, random.uniform(-45, 45))


def zoomed(image: Array, zoom: float) -> Array:
    """The middle of a square image, enlarged to its size."""
    size = len(image)
    crop = math.ceil(size / zoom)
    top = (size - crop) // 2
    factors = (zoom, zoom, 1)[: image.ndim]
    large = ndimage.zoom(image[top : top + crop, top : top + crop], factors, order=1)
    trim = (len(large) - size) // 2
    return large[trim : trim + size, trim : trim + size]


def zoom_blur(image: Array, furthest: float, _: Random) -> Array:
    zooms = np.arange(1, furthest, 0.01)
    total = image.copy()
    for zoom in zooms.tolist():
        total += zoomed(image, zoom)
    return total / (len(zooms) + 1)


def snow(
    image: Array, flakes: tuple[float, float, float, float, int, float, float], random: Random
) -> Array:
    mean, deviation, zoom, threshold, radius, sigma, stays = flakes
    layer = random.normal(size=image.shape[:2], loc=mean, scale=deviation)
    if zoom > 1:
        layer = zoomed(layer, zoom)
    layer[layer < threshold] = 0
    layer = np.rint(layer.clip(0, 1) * 255) / 255
    layer = smeared(layer, radius, sigma, random.uniform(-135, -45))[..., None]
    white = np.maximum(image, (image @ LUMA * 1.5 + 0.5)[..., None])
    return stays * image + (1 - stays) * white + layer + np.rot90(layer, 2)


def frost(image: Array, weights: tuple[float, float], random: Random) -> Array:
    height, width = image.shape[:2]
    number, row, column = random.integers(0, (TEXTURES, FROST - height, FROST - width))
    ice = ICE[number, row : row + height, column : column + width]
    return weights[0] * image + weights[1] * ice


def plasma(size: int, decay: float, random: Random) -> Array:
    """Diamond-square on a torus."""
    plane = np.zeros((size, size))
    step, reach = size, 100.0

    def displaced(total: Array) -> Array:
        return total / 4 + random.uniform(-reach, reach, total.shape)

    while step >= 2:
        half = step // 2
        corners = plane[::step, ::step]
        total = corners + np.roll(corners, -1, 0)
        square = displaced(total + np.roll(total, -1, 1))
        plane[half::step, half::step] = square
        above = square + np.roll(square, 1, 0) + corners + np.roll(corners, -1, 1)
        plane[::step, half::step] = displaced(above)
        beside = square + np.roll(square, 1, 1) + corners + np.roll(corners, -1, 0)
        plane[half::step, ::step] = displaced(beside)
        step, reach = half, reach / decay
    plane -= plane.min()
    return plane / plane.max()


def fog(image: Array, mist: tuple[float, float], random: Random) -> Array:
    thickness, decay = mist
    height, width = image.shape[:2]
    brightest = image.max()
    layer = plasma(FOG, decay**2, random)[:height, :width, None]
    return (image + thickness * layer) * brightest / (brightest + thickness)


def spatter(
    image: Array, drops: tuple[float, float, float, float, float, bool], random: Random
) -> Array:
    mean, deviation, sigma, threshold, last, mud = drops
    layer = smooth(random.normal(size=image.shape[:2], loc=mean, scale=deviation), sigma)
    if mud:
        cover = smooth((layer > threshold).astype(float), last)[..., None]
        cover[cover < 0.8] = 0
        return image * (1 - cover) + MUD * cover
    layer[layer < threshold] = 0
    relief = ndimage.correlate(smooth(layer, 0.5), LIGHT, mode="mirror")
    light = layer * (0.4 + relief.clip(min=0))
    light *= last / max(light.max(), 1e-6)
    return image + light[..., None] * WATER


def hsv_from_rgb(image: Array) -> tuple[Array, Array, Array]:
    """Hue in sixths of a turn, saturation and value, (H, W) each."""
    red, green, blue = image.transpose(2, 0, 1)
    value = image.max(2)
    chroma = value - image.min(2)
    safe = np.where(chroma > 0, chroma, 1)
    hue = np.where(
        value == red,
        (green - blue) / safe,
        np.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    return hue, chroma / np.where(value > 0, value, 1), value


def rgb_from_hsv(hue: Array, saturation: Array, value: Array) -> Array:
    place = (hue[..., None] + np.array([5, 3, 1])) % 6
    share = np.minimum(place, 4 - place).clip(0, 1)
    return value[..., None] * (1 - saturation[..., None] * share)


def brightness(image: Array, amount: float, _: Random) -> Array:
    hue, saturation, value = hsv_from_rgb(image)
    return rgb_from_hsv(hue, saturation, (value + amount).clip(0, 1))


def saturate(image: Array, change: tuple[float, float], _: Random) -> Array:
    hue, saturation, value = hsv_from_rgb(image)
    return rgb_from_hsv(hue, (saturation * change[0] + change[1]).clip(0, 1), value)


def contrast(image: Array, factor: float, _: Random) -> Array:
    mean = image.mean((0, 1))
    return (image - mean) * factor + mean


def elastic_transform(image: Array, stretch: tuple[float, float, float], random: Random) -> Array:
    strength, sigma, corner = (32 * length for length in stretch)
    size = len(image)
    low, high = size // 2 - size // 3, size // 2 + size // 3
    old = np.array([[high, high], [low, high], [low, low]])  # (row, column)
    new = np.column_stack([old + random.uniform(-corner, corner, (3, 2)), np.ones(3)])
    affine = np.linalg.solve(new, old).T  # from a new place to the old one
    channels = image.transpose(2, 0, 1)
    moved = [ndimage.affine_transform(c, affine, order=1, mode="mirror") for c in channels]
    if not strength:
        return np.stack(moved, 2)
    shift = random.uniform(-1, 1, (2, size, size))
    shift = ndimage.gaussian_filter(shift, sigma, truncate=3, axes=(1, 2)) * strength
    places = np.indices((size, size)) + shift
    read = [ndimage.map_coordinates(c, places, order=1, mode="reflect") for c in moved]
    return np.stack(read, 2)


def pixelate(image: Array, scale: float, _: Random) -> Array:
    size = len(image)
    small = int(size * scale)
    picture = Image.fromarray(np.rint(image * 255).astype(np.uint8))
    picture = picture.resize((small, small), Image.Resampling.BOX)
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX)) / 255


def jpeg_compression(image: Array, quality: int, _: Random) -> Array:
    file = io.BytesIO()
    Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)) / 255


ONE_BY_ONE: Mapping[str, Callable[[Array, Any, Random], Array]] = {
    function.__name__: function
    for function in (
        gaussian_noise,
        shot_noise,
        impulse_noise,
        defocus_blur,
        glass_blur,
        motion_blur,
        zoom_blur,
        snow,
        frost,
        fog,
        brightness,
        contrast,
        elastic_transform,
        pixelate,
        jpeg_compression,
        speckle_noise,
        gaussian_blur,
        spatter,
        saturate,
    )
}
