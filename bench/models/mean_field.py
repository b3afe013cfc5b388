"""A Bayesian network: every weight and bias is a normal variable of its own."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from bench.errors import BenchError
from bench.models.ensemble import mean_of_probabilities
from bench.models.network import prunable
from bench.streams import stream

SAMPLES = 5
PRIOR_STD = 0.1
FRESH = {"mean": (0.0, 0.1), "rho": (-5.0, 0.1)}  # mean and std of what training starts from


class MeanField(nn.Module):
    """Answers with log-probabilities of the mean prediction of five sampled networks.

    Weights are N(μ, σ²) with σ = softplus(ρ), μ in `mean.<name>` and ρ in `rho.<name>` of the
    state dict. A prunable weight with μ = 0 is pruned: it is 0 in every sample. The five samples
    are always the same, drawn from a seeded generator, so that the answer is a function of the
    images, with gradients through the average.

    Args:
        network: Its parameters are the means.

    Raises:
        BenchError: E-UNKNOWN-ARCHITECTURE for a network with buffers, such as BatchNorm's.

    References:
        Blundell et al., Weight uncertainty in neural networks, 2015; Ayle et al., 2022, section 5.
    """

    noise: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        if any(True for _ in network.buffers()):
            raise BenchError(
                "E-UNKNOWN-ARCHITECTURE",
                f"{type(network).__name__}: has running statistics, which cannot be Bayesian; "
                "expected a network without BatchNorm, like conv6-plain",
            )
        self.mean = network
        self.rho = _tree({name: torch.zeros_like(mean) for name, mean in self.means.items()})
        count = sum(mean.numel() for mean in self.means.values())
        noise = torch.empty(SAMPLES, count).normal_(generator=stream("samples of the weights"))
        self.register_buffer("noise", noise, persistent=False)

    @property
    def means(self) -> dict[str, Tensor]:
        """μ by the name of the network's parameter."""
        return dict(self.mean.named_parameters())

    @property
    def stds(self) -> dict[str, Tensor]:
        """σ by the name of the network's parameter."""
        return {name: softplus(rho) for name, rho in self.rho.named_parameters()}

    @property
    def kept(self) -> dict[str, Tensor]:
        """{name: bool tensor} of the prunable weights, True where they are not pruned."""
        return {name: mean != 0 for name, mean in prunable(self.mean).items()}

    def sampled(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Weights of one network, drawn on the CPU, by the name of its parameter."""
        noise = torch.randn(1, self.noise.shape[1], generator=generator)
        return next(self.samples(noise.to(self.noise)))

    def samples(self, noise: Tensor) -> Iterator[dict[str, Tensor]]:
        """Weights of one network after another, from (S, P) standard normal numbers."""
        means, stds, kept = self.means, self.stds, self.kept
        sizes = [mean.numel() for mean in means.values()]
        for numbers in noise:
            parts = zip(means.items(), numbers.split(sizes), strict=True)
            weights = {name: mean + stds[name] * part.view_as(mean) for (name, mean), part in parts}
            yield weights | {name: weights[name] * left for name, left in kept.items()}

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, H, W) normalised images to (N, K) log-probabilities."""
        # One pass a sample: `vmap` over stacked weights takes as long for LeNet5, for Conv6 longer.
        answers = [
            functional_call(self.mean, weights, (inputs,)) for weights in self.samples(self.noise)
        ]
        return mean_of_probabilities(torch.stack(answers))


def divergence(network: MeanField, *, reverse: bool = False) -> Tensor:
    """KL(q ‖ p) of the weights that are not pruned and the biases, in nats; p is N(0, 0.1²).

    Args:
        network: q.
        reverse: KL(p ‖ q) instead, as the code of Ayle et al. has it.

    Returns:
        A scalar, at least 0.
    """
    stds, kept = network.stds, network.kept
    sums = []
    for name, mean in network.means.items():
        ratio = PRIOR_STD / stds[name] if reverse else stds[name] / PRIOR_STD
        distance = mean / (stds[name] if reverse else PRIOR_STD)
        terms = (ratio.square() + distance.square() - 1) / 2 - ratio.log()
        sums.append((terms * kept[name] if name in kept else terms).sum())
    return torch.stack(sums).sum()


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """μ from N(0, 0.1²), ρ from N(−5, 0.1²), as in the authors' code."""
    for name, parameter in network.named_parameters():
        mean, std = FRESH[name.partition(".")[0]]
        parameter.normal_(mean, std, generator=generator)


def _tree(tensors: Mapping[str, Tensor]) -> nn.Module:
    """Parameters under dotted names, in modules that do nothing."""
    root = nn.Module()
    for name, tensor in tensors.items():
        place = root
        *path, last = name.split(".")
        for part in path:
            if part not in dict(place.named_children()):
                place.add_module(part, nn.Module())
            place = place.get_submodule(part)
        place.register_parameter(last, nn.Parameter(tensor.detach()))
    return root
