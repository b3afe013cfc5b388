"""What a Glow is made of: invertible maps of feature maps, with the logarithm of |det| of each.

A log-determinant is in nats: a number () where it is the same for every input, else one an image
(N,).
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, logsigmoid, pixel_shuffle, pixel_unshuffle

SPREAD = 3  # on the logarithm of the scale behind a convolution that begins as zero
OPEN = 2  # on the logit of an affine coupling's scale, which begins as sigmoid(2) = 0.88
WEIGHT_STD = 0.05  # of a coupling's first two convolutions before training
LEAST = 1e-6  # standard deviation of a channel in the first batch


class ActNorm(nn.Module):
    """x → s(x + b), a channel each; the first batch in training sets s = exp(log_scale) and b.

    Args:
        channels: Of the feature map.
    """

    initialised: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.register_buffer("initialised", torch.tensor(0))

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Gives every channel of (N, C, H, W) mean 0 and variance 1, the first time."""
        if self.initialised:
            return
        std, mean = torch.std_mean(x, (0, 2, 3), correction=0)
        self.bias.copy_(-mean)
        self.log_scale.copy_(-(std + LEAST).log())
        self.initialised.fill_(1)


class Mixing(nn.Module):
    """Invertible 1×1 convolution W = PL(U + diag(s)); P and the signs of s never change.

    L has a diagonal of ones, U is strictly upper triangular; the rest of both is not looked at.

    Args:
        channels: Of the feature map.
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lower = nn.Parameter(torch.zeros(channels, channels))
        self.upper = nn.Parameter(torch.zeros(channels, channels))
        self.log_diagonal = nn.Parameter(torch.zeros(channels))
        self.register_buffer("permutation", torch.arange(channels))
        self.register_buffer("sign", torch.ones(channels))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Makes W a random rotation or reflection."""
        weight = torch.empty_like(self.lower)
        nn.init.orthogonal_(weight, generator=generator)
        permutation, lower, upper = torch.linalg.lu(weight)
        diagonal = upper.diagonal()
        self.permutation.copy_(permutation.argmax(1))
        self.lower.copy_(lower.tril(-1))
        self.upper.copy_(upper.triu(1))
        self.sign.copy_(diagonal.sign())
        self.log_diagonal.copy_(diagonal.abs().log())

    def is_invertible(self) -> bool:
        """Whether P is a permutation and the signs are signs, as in every file of ours."""
        order = torch.arange(len(self.permutation), device=self.permutation.device)
        sorted_order = self.permutation.sort().values
        return torch.equal(sorted_order, order) and bool((self.sign.abs() == 1).all())

    def weight(self) -> Tensor:
        """(C, C) W, of which log|det| is the sum of `log_diagonal`."""
        diagonal = torch.diag(self.sign * self.log_diagonal.exp())
        lower = self.lower.tril(-1)
        upper = self.upper.triu(1) + diagonal
        return (upper + lower @ upper)[self.permutation]


class Coupling(nn.Module):
    """The second half of the channels is moved by what the first half says.

    Additive: b + NN(a). Affine: (b + t) · sigmoid(r + 2) with r, t = NN(a), so that the scale
    stays below 1. NN begins as zero. Its three convolutions are what pruners prune.

    Args:
        channels: Of the feature map.
        hidden: Of NN.
        affine: Whether it scales too.
    """

    def __init__(self, channels: int, hidden: int, *, affine: bool) -> None:
        super().__init__()
        half = channels // 2
        answers = channels if affine else half
        self.affine = affine
        self.conv1 = nn.Conv2d(half, hidden, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden, hidden, 1)
        self.conv3 = nn.Conv2d(hidden, answers, 3, padding=1)
        self.log_scale = nn.Parameter(torch.zeros(answers, 1, 1))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draws the weights of the first two convolutions; all else is zero."""
        for parameter in self.parameters():
            parameter.zero_()
        for convolution in (self.conv1, self.conv2):
            convolution.weight.normal_(0, WEIGHT_STD, generator=generator)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) to the same and its log-determinant."""
        still, moved = x.chunk(2, 1)
        shift, log_scale = self._answer(still)
        if log_scale is None:
            return torch.cat([still, moved + shift], 1), x.new_zeros(())
        moved = (moved + shift) * log_scale.exp()
        return torch.cat([still, moved], 1), log_scale.sum((1, 2, 3))

    def inverse(self, y: Tensor) -> Tensor:
        """From the result of `forward` to what it was made of."""
        still, moved = y.chunk(2, 1)
        shift, log_scale = self._answer(still)
        if log_scale is not None:
            moved = moved / log_scale.exp()
        return torch.cat([still, moved - shift], 1)

    def _answer(self, still: Tensor) -> tuple[Tensor, Tensor | None]:
        still = still.contiguous(memory_format=torch.channels_last)
        hidden = self.conv2(self.conv1(still).relu_()).relu_()
        answer = self.conv3(hidden) * (SPREAD * self.log_scale).exp()
        if not self.affine:
            return answer, None
        logit, shift = answer.chunk(2, 1)
        return shift, logsigmoid(logit + OPEN)


class Step(nn.Module):
    """ActNorm, invertible 1×1 convolution, coupling; the first two are computed as one.

    Args:
        channels: Of the feature map.
        hidden: Of the coupling.
        affine: Likewise.
    """

    def __init__(self, channels: int, hidden: int, *, affine: bool) -> None:
        super().__init__()
        self.norm = ActNorm(channels)
        self.mixing = Mixing(channels)
        self.coupling = Coupling(channels, hidden, affine=affine)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) to the same and its log-determinant."""
        if self.training:
            self.norm.start(x)
        weight = self._weight()
        y, bent = self.coupling(conv2d(x, weight[:, :, None, None], weight @ self.norm.bias))
        each = self.norm.log_scale.sum() + self.mixing.log_diagonal.sum()
        return y, bent + x[0, 0].numel() * each

    def inverse(self, y: Tensor) -> Tensor:
        """From the result of `forward` to what it was made of."""
        back = self._weight().double().inverse().float()
        x = conv2d(self.coupling.inverse(y), back[:, :, None, None])
        return x - self.norm.bias[:, None, None]

    def _weight(self) -> Tensor:
        """What of both is linear: the bias of the ActNorm is added before it."""
        return self.mixing.weight() * self.norm.log_scale.exp()


class Prior(nn.Module):
    """Normal distribution of a latent, its mean and spread read off what goes on.

    A 3×3 convolution that begins as zero, hence as the standard normal distribution.

    Args:
        given: Channels of what goes on; 0 where nothing does.
        channels: Of the latent.
    """

    weight: nn.Parameter | None

    def __init__(self, given: int, channels: int) -> None:
        super().__init__()
        weight = nn.Parameter(torch.zeros(2 * channels, given, 3, 3)) if given else None
        self.register_parameter("weight", weight)
        self.bias = nn.Parameter(torch.zeros(2 * channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(2 * channels, 1, 1))

    def forward(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation: (N, C, H, W), or (C, 1, 1) where nothing is given."""
        answer: Tensor = self.bias
        if self.weight is not None:
            answer = conv2d(given, self.weight, padding=1) + answer
        mean, log_std = (answer * (SPREAD * self.log_scale).exp()).chunk(2, -3)
        return mean, log_std

    def log_density(self, latent: Tensor, given: Tensor) -> Tensor:
        """(N,) in nats."""
        mean, log_std = self(given)
        far = ((latent - mean) * (-log_std).exp()).square()
        return -(far / 2 + log_std + math.log(2 * math.pi) / 2).sum((1, 2, 3))

    def placed(self, noise: Tensor, given: Tensor) -> Tensor:
        """The latent that standard normal noise of its shape is."""
        mean, log_std = self(given)
        return mean + noise * log_std.exp()


class Level(nn.Module):
    """Squeezes 2×2 pixels into channels, takes steps, and splits half of the channels off.

    Args:
        channels: Of what comes in; four times as many take the steps.
        steps: How many.
        hidden: Of the couplings.
        affine: Likewise.
        last: Nothing goes on to another level: all is latent.
    """

    def __init__(self, channels: int, steps: int, hidden: int, *, affine: bool, last: bool) -> None:
        super().__init__()
        inner = 4 * channels
        self.given = 0 if last else inner // 2
        self.latent = inner - self.given
        self.steps = nn.ModuleList(Step(inner, hidden, affine=affine) for _ in range(steps))
        self.prior = Prior(self.given, self.latent)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, C, H, W) to what goes on (no channels if last), the latent, the log-determinant."""
        x = pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        total = x.new_zeros(())
        for step in self.steps:
            x, log_determinant = step(x)
            total = total + log_determinant
        rest, latent = x.split([self.given, self.latent], 1)
        return rest, latent, total

    def inverse(self, rest: Tensor, latent: Tensor) -> Tensor:
        """From what went on and the latent to what came in."""
        x = torch.cat([rest, latent], 1)
        for step in reversed(cast("list[Step]", list(self.steps))):
            x = step.inverse(x)
        return pixel_shuffle(x, 2)
