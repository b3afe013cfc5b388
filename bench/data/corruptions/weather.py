"""Weather: snow, frost, fog, brightness, spatter."""

from functools import cache

import torch
from torch import Tensor

from bench.data.corruptions.counters import Counter
from bench.data.corruptions.sampling import (
    bilinear_zoom,
    filter2d,
    gaussian_filter,
    motion_blur,
    resampled,
)

LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
FOG = 32  # side of the fractal, cut to the image
FROST = 96  # side of an ice texture
TEXTURES = 5
WATER = torch.tensor([175, 238, 238]).view(1, 3, 1, 1) / 255
MUD = torch.tensor([63, 42, 20]).view(1, 3, 1, 1) / 255


def grey(images: Tensor) -> Tensor:
    """(N, 1, H, W) luma of colour images."""
    weighted = images * LUMA
    return weighted[:, :1] + weighted[:, 1:2] + weighted[:, 2:]


def brightness(images: Tensor, amount: float, _: Counter) -> Tensor:
    """The value of HSV raised by an amount; hue and saturation stay."""
    value = images.amax(1, keepdim=True)
    raised = (value + amount).clamp(max=1)
    return torch.where(value > 0, images * (raised / value.clamp(min=1e-6)), raised)


def snow(
    images: Tensor, flakes: tuple[float, float, float, float, int, float, float], counter: Counter
) -> Tensor:
    """Flakes that fall at a slant, on an image that whitens.

    Args:
        images: (N, 3, H, W) float32.
        flakes: Mean and deviation of the noise, zoom, threshold, radius and σ of the smear in
            pixels, share of the image that stays.
        counter: Noise, and the direction within 45° of straight down.
    """
    mean, deviation, zoom, threshold, radius, sigma, stays = flakes
    size = images.shape[-1]
    layer = counter.normal(1, size, size) * deviation + mean
    if zoom > 1:
        layer = resampled(layer, bilinear_zoom(size, zoom))
    layer = layer.masked_fill(layer < threshold, 0).clamp(0, 1)
    degrees = counter.stream(1).uniform(1)[:, 0].double() * 90 - 135
    layer = motion_blur((layer * 255).round() / 255, radius, sigma, degrees)
    white = torch.maximum(images, grey(images) * 1.5 + 0.5)
    return images * stays + white * (1 - stays) + layer + layer.rot90(2, (2, 3))


def frost(images: Tensor, weights: tuple[float, float], counter: Counter) -> Tensor:
    """A piece of an ice texture laid over the image; weights of the image and of the ice.

    The original takes photographs of frozen windows; these textures are generated.
    """
    (height, width), picks = images.shape[2:], counter.integers(0, 2**31, 3)
    number = picks[:, 0] % TEXTURES
    row = (picks[:, 1] % (FROST - height))[:, None, None] + torch.arange(height)[:, None]
    column = (picks[:, 2] % (FROST - width))[:, None, None] + torch.arange(width)
    ice = frost_textures()[number[:, None, None], row, column].permute(0, 3, 1, 2)
    return images * weights[0] + ice * weights[1]


@cache
def frost_textures() -> Tensor:
    """(TEXTURES, FROST, FROST, 3) float32 in [0, 1]: ice flowers on a cloudy film.

    Flowers have six arms, as ice crystals grow, and some pixels of an arm have smaller arms of
    the same directions; all levels are rounded to 8 bits.
    """
    counter = Counter.of(0, "ice", 0, TEXTURES)
    germs = counter.uniform(2, 1, FROST, FROST)
    turn = counter.stream(1).uniform(1)[:, 0].double() * 60
    arms = _arms((germs[:, 0] < 0.004).float(), 12, 7, turn)
    twigs = _arms(arms * (germs[:, 1] < 0.3), 5, 2, turn)
    cloud = fractal(counter.stream(2), 128, 2.2)[:, :, :FROST, :FROST]
    light = 0.12 + 0.4 * cloud + (arms + twigs) * (0.2 + 0.5 * cloud)
    tint = torch.tensor([0.82, 0.93, 1.0]).view(1, 3, 1, 1)
    return ((light * tint).clamp(0, 1) * 255).round().permute(0, 2, 3, 1) / 255


def _arms(germs: Tensor, radius: int, sigma: float, turn: Tensor) -> Tensor:
    """Needles from every germ in six directions, 1 where they start."""
    needles = [motion_blur(germs, radius, sigma, turn + 60 * arm) for arm in range(6)]
    brightest = torch.stack(needles).amax(0)
    return (brightest / brightest.amax()).double().sqrt().float()


def fog(images: Tensor, mist: tuple[float, float], counter: Counter) -> Tensor:
    """Fractal mist of a thickness, the brightest value kept.

    The mist's displacement is divided by decay² at every halving: the original multiplies two
    lengths that both shrink.
    """
    thickness, decay = mist
    height, width = images.shape[2:]
    brightest = images.amax((1, 2, 3), keepdim=True)
    layer = fractal(counter, FOG, decay**2)[:, :, :height, :width]
    return (images + layer * thickness) * brightest / (brightest + thickness)


def fractal(counter: Counter, size: int, decay: float) -> Tensor:
    """Plasma by the diamond-square algorithm on a torus.

    Args:
        counter: Of N images.
        size: Side, a power of two.
        decay: The displacement is divided by this at every halving of the step.

    Returns:
        (N, 1, size, size) float32 from 0 to 1.

    References:
        Fournier, Fussell and Carpenter, Computer rendering of stochastic models, 1982.
    """
    plane = torch.zeros(len(counter.keys), size, size)
    step, reach, level = size, 100.0, 0
    while step >= 2:
        half = step // 2

        def displaced(corners: Tensor, use: int, reach: float = reach) -> Tensor:
            draw = counter.stream(use).uniform(*corners.shape[1:])
            return corners / 4 + (draw * 2 - 1) * reach

        corners = plane[:, ::step, ::step]
        square = corners + corners.roll(-1, 1)
        square = displaced(square + square.roll(-1, 2), 3 * level)
        plane[:, half::step, half::step] = square
        above = square + square.roll(1, 1) + corners + corners.roll(-1, 2)
        plane[:, ::step, half::step] = displaced(above, 3 * level + 1)
        beside = square + square.roll(1, 2) + corners + corners.roll(-1, 1)
        plane[:, half::step, ::step] = displaced(beside, 3 * level + 2)
        step, reach, level = half, reach / decay, level + 1
    plane = plane - plane.amin((1, 2), keepdim=True)
    return (plane / plane.amax((1, 2), keepdim=True)).unsqueeze(1)


def spatter(
    images: Tensor, drops: tuple[float, float, float, float, float, bool], counter: Counter
) -> Tensor:
    """Drops of water (first three severities) or of mud on the lens.

    Args:
        images: (N, 3, H, W) float32.
        drops: Mean and deviation of the noise, σ of its blur in pixels, threshold, strength of
            the water or σ of the mud's edge, whether it is mud.
        counter: The noise.

    The original finds the rim of a drop with OpenCV's Canny edges, distance transform and
    histogram equalisation; here it is the slope of the drop itself, lit from the same side.
    """
    mean, deviation, sigma, threshold, last, mud = drops
    size = images.shape[-1]
    layer = gaussian_filter(counter.normal(1, size, size) * deviation + mean, sigma)
    if mud:
        cover = gaussian_filter((layer > threshold).float(), last)
        cover = cover.masked_fill(cover < 0.8, 0)
        return images * (1 - cover) + MUD * cover
    layer = layer.masked_fill(layer < threshold, 0)
    relief = filter2d(gaussian_filter(layer, 0.5), LIGHT).clamp(min=0)
    light = layer * (0.4 + relief)
    light = light / light.amax((1, 2, 3), keepdim=True).clamp(min=1e-6) * last
    return images + light * WATER


LIGHT = torch.tensor([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]]).numpy()
