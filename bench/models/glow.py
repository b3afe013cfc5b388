"""Glow: a density of images, by maps that can be run backwards.

References:
    Kingma and Dhariwal, Glow: generative flow with invertible 1×1 convolutions, 2018; the forms
    are those of Ayle et al., 2022, section 5, and its code.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from bench.errors import BenchError
from bench.models.flow_steps import Coupling, Level, Mixing

Number = TypeVar("Number", float, Tensor)

SIZE = 32  # height and width of the images that a flow is of
MOST_BITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a Glow is built of.

    Args:
        levels: 1 to 5; each halves height and width.
        steps: Of a level.
        hidden: Channels within a coupling.
        affine: Couplings that scale, not only shift.
        bits: To which a value of an image is rounded down, 1 to 8.
        channels: Of the images: 1 or 3.
    """

    levels: int
    steps: int
    hidden: int
    affine: bool
    bits: int
    channels: int


FLOWS: Mapping[str, Form] = {
    "glow": Form(levels=4, steps=32, hidden=512, affine=False, bits=5, channels=3),
    "glow-affine": Form(levels=3, steps=32, hidden=512, affine=True, bits=8, channels=3),
    "glow-small": Form(levels=3, steps=8, hidden=64, affine=False, bits=5, channels=1),
    "glow-tiny": Form(levels=2, steps=2, hidden=16, affine=False, bits=5, channels=1),
}


class Encoded(NamedTuple):
    """An image as the flow sees it.

    Args:
        latents: One a level, the finest first, (N, C, H, W) each.
        log_prior: (N,) nats: log p of the latents.
        log_determinant: (N,), or () where it is the same for all: log|det ∂latents/∂values|.
    """

    latents: list[Tensor]
    log_prior: Tensor
    log_determinant: Tensor


class Glow(nn.Module):
    """Log-density of images.

    A value v in 0 … 255 falls into the bin k = ⌊v / 2^(8 − bits)⌋, of 2^bits; the flow has a
    density of x = (k + u) / 2^bits − ½ with u in [0, 1), in training uniform noise, else ½.

    Args:
        form: What it is built of. Its weights are not yet meaningful.
    """

    bits: Tensor

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.form = form
        self.shape = (form.channels, SIZE, SIZE)
        self.register_buffer("bits", torch.tensor(form.bits))
        self.levels = nn.ModuleList(
            Level(
                form.channels * 2**index,
                form.steps,
                form.hidden,
                affine=form.affine,
                last=index == form.levels - 1,
            )
            for index in range(form.levels)
        )

    @property
    def dimensions(self) -> int:
        """Values of an image, the padding included."""
        return math.prod(self.shape)

    def forward(self, images: Tensor, noise: Tensor | None = None) -> Tensor:
        """Log-density of a bin's width around each image: log p(x) − D log 2^bits.

        Args:
            images: (N, C, H, W) float32 in [0, 1]; see `fitted` for other shapes than its own.
            noise: (N, *shape) in [0, 1), where in its bin each value is; None for the middle.

        Returns:
            (N,) in nats.
        """
        encoded = self.encode(self.values(images, noise))
        unit = self.dimensions * int(self.bits) * math.log(2)
        return encoded.log_prior + encoded.log_determinant - unit

    def values(self, images: Tensor, noise: Tensor | None = None) -> Tensor:
        """The (N, *shape) numbers x of images in [0, 1], in [−½, ½); arguments as in `forward`."""
        pixels = (fitted(images, self.shape) * 255).round_()
        bits = int(self.bits)
        bins = pixels.div_(2 ** (MOST_BITS - bits)).floor_()
        return bins.add_(0.5 if noise is None else noise).div_(2**bits).sub_(0.5)

    def encode(self, values: Tensor) -> Encoded:
        """Values x, of any height and width that the levels can halve, to what they are made of."""
        rest, latents = values, []
        log_prior, log_determinant = values.new_zeros(()), values.new_zeros(())
        for level in self._levels:
            rest, latent, change = level(rest)
            latents.append(latent)
            log_prior = log_prior + level.prior.log_density(latent, rest)
            log_determinant = log_determinant + change
        return Encoded(latents, log_prior, log_determinant)

    def decode(self, latents: Sequence[Tensor]) -> Tensor:
        """From the latents of `encode` to its values."""
        values = latents[-1][:, :0]
        for level, latent in reversed(list(zip(self._levels, latents, strict=True))):
            values = level.inverse(values, latent)
        return values

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """Images drawn from the density.

        Args:
            count: N.
            generator: On the CPU.
            temperature: Factor on the standard deviation of every latent.

        Returns:
            (N, *shape) float32 in [0, 1], each value in the middle of its bin.
        """
        side = SIZE // 2 ** len(self.levels)
        values = self.bits.new_zeros((count, 0, side, side), dtype=torch.float32)
        for level in reversed(self._levels):
            shape = count, level.latent, *values.shape[2:]
            noise = torch.randn(shape, generator=generator).to(values.device) * temperature
            values = level.inverse(values, level.prior.placed(noise, values))
        bins = 2 ** int(self.bits)
        middle = ((values + 0.5) * bins).floor().clamp(0, bins - 1) + 0.5
        return (middle * (2**MOST_BITS / bins) - 0.5) / 255

    @property
    def _levels(self) -> list[Level]:
        return cast("list[Level]", list(self.levels))

    def bits_per_dimension(self, log_density: Tensor) -> Tensor:
        """Those of images, from their log-densities."""
        return bits_per_dimension(log_density, self.dimensions)


def bits_per_dimension(log_density: Number, dimensions: int) -> Number:
    """−log p / (D log 2). Of noise within the bins its mean bounds a lossless code from above.

    Args:
        log_density: In nats, of a bin's width, as a `Glow` answers.
        dimensions: D.
    """
    return -log_density / (dimensions * math.log(2))


def fitted(images: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Images in the shape of a flow, a copy.

    One channel: 28×28 images are padded with zeros to 32×32, as all smaller ones; larger ones are
    resized. Three channels: grey images are repeated, and all resized, as in the paper's code.

    Raises:
        BenchError: E-BAD-VALUE if the images have channels that the flow has not.
    """
    channels, height, width = shape
    if images.shape[1] not in (1, channels):
        raise BenchError(
            "E-BAD-VALUE",
            f"images: got {images.shape[1]} channels, expected {channels} or 1, as of the flow",
        )
    images = images.expand(-1, channels, -1, -1).clone()
    top, left = (height - images.shape[2]) // 2, (width - images.shape[3]) // 2
    if channels == 1 and min(top, left) >= 0:
        rows, columns = height - images.shape[2], width - images.shape[3]
        return pad(images, (left, columns - left, top, rows - top))
    if images.shape[2:] != (height, width):
        return interpolate(images, (height, width), mode="bilinear", antialias=True).clamp_(0, 1)
    return images


def fresh_flow(form: Form, generator: torch.Generator) -> Glow:
    """A flow with freshly drawn weights: rotations, and couplings that do nothing yet."""
    flow = Glow(form)
    for module in flow.modules():
        if isinstance(module, Mixing | Coupling):
            module.initialise(generator)
    return flow.eval()


def flow_of(model: nn.Module) -> Glow | None:
    """The flow that a model is, be it behind a normalisation or not; None for another kind."""
    return next((module for module in model.modules() if isinstance(module, Glow)), None)


@torch.inference_mode()
def log_densities(flow: nn.Module, stream: Iterable[Tensor], name: str) -> Tensor:
    """One forward pass of a flow over a stream of batches.

    Args:
        flow: Answers (B, C, H, W) float32 with (B,) nats.
        stream: Batches on its device.
        name: Name of the image set, for the error.

    Returns:
        (N,) float32 on the CPU.

    Raises:
        BenchError: E-BAD-OUTPUT if one is not finite.
    """
    found = torch.cat([flow(batch).float().cpu() for batch in stream])
    if not found.isfinite().all():
        raise BenchError("E-BAD-OUTPUT", f"the log-densities of {name} are not all finite numbers")
    return found
