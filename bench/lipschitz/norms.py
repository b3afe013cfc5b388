"""Spectral norms of linear layers on their true input size, and the paper's product of them.

The graph of the network is not looked at here.
"""

import copy
import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor, nn

TOLERANCE = 1e-6  # relative, of every spectral norm
_MOST_STEPS = 5000
_STEPS_BETWEEN_CHECKS = 5


def largest_singular_value(operator: Callable[[Tensor], Tensor], like: Tensor) -> float:
    """Largest singular value of a linear map between tensors, to a relative 1e-6.

    Lanczos on AᵀA from a fixed random start, stopped by the residual of the largest Ritz pair.
    No earlier vector is kept: lost orthogonality adds copies of a Ritz value but moves none.

    Args:
        operator: Linear, differentiable by autograd, without constant part.
        like: A tensor with the shape, dtype and device of the operator's input.

    Returns:
        Norm of the operator, at least 0; never above the true one but for rounding.

    Raises:
        ArithmeticError: If the residual is too large after 5000 steps.

    References:
        Golub and Van Loan, Matrix computations, section 10.1; Paige, 1980, on lost orthogonality.
    """
    with torch.no_grad():
        transpose = _transpose(operator, like)
        vector = noise_like(like)
        vector /= _norm(vector)
        before, beta = torch.zeros_like(vector), 0.0
        diagonal: list[float] = []
        off_diagonal: list[float] = []
        while len(diagonal) < _MOST_STEPS:
            image = operator(vector)
            alpha = _norm(image) ** 2
            rest = transpose(image).sub_(vector, alpha=alpha).sub_(before, alpha=beta)
            diagonal.append(alpha)
            beta = _norm(rest)
            if beta == 0 or len(diagonal) % _STEPS_BETWEEN_CHECKS == 0:
                value, weight = _largest_ritz_pair(diagonal, off_diagonal)
                if beta * abs(weight) <= TOLERANCE * value:
                    return math.sqrt(value)
            off_diagonal.append(beta)
            before, vector = vector, rest / beta
    raise ArithmeticError(f"spectral norm: no convergence to {TOLERANCE} in {_MOST_STEPS} steps")


def layer_norms(network: nn.Module, shape: tuple[int, int, int]) -> dict[str, float]:
    """Norm of every layer with weights, as an operator on the input it gets in the network.

    Conv2d and Linear: spectral norm of the linear part, the bias left out. BatchNorm:
    max_c |γ_c|/√(var_c + ε). A layer used at several sizes counts once, with its largest norm.

    Args:
        network: In evaluation mode.
        shape: (C, H, W) of one input.

    Returns:
        Name of the module -> norm, at least 0, in the order of first use.

    Raises:
        NotImplementedError: If a module has weights of a kind that has no rule.
    """
    names = {module: name for name, module in network.named_modules()}
    inputs: dict[nn.Module, list[Tensor]] = {}

    def keep(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs.setdefault(module, []).append(arguments[0])

    layers = [
        module
        for module in names
        if isinstance(module, tuple(_NORMS)) or any(True for _ in module.parameters(recurse=False))
    ]
    handles = [layer.register_forward_pre_hook(keep) for layer in layers]
    try:
        with torch.no_grad():
            network(zeros_for(network, shape))
    finally:
        for handle in handles:
            handle.remove()
    return {
        names[module]: max(_layer_norm(names[module], module, given) for given in uses)
        for module, uses in inputs.items()
    }


def product_log10(norms: Mapping[str, float]) -> float | None:
    """log10 of the product of all layers' norms, residual branches multiplied like a chain.

    The paper's number, of which only the order of magnitude is meant to be compared: it is no
    bound for a network with residual sums. Activations, pooling and dropout count 1.

    Args:
        norms: As `layer_norms` gives them.

    Returns:
        log10 of the product, or None if a layer is zero and there is no logarithm.

    References:
        Ayle et al., 2022, table 5 and appendix A.
    """
    if not all(norms.values()):
        return None
    return math.fsum(math.log10(norm) for norm in norms.values())


def zeros_for(network: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """(1, *shape) zeros with the dtype and on the device of the network's weights."""
    weight = next(network.parameters(), torch.empty(0))
    return torch.zeros(1, *shape, dtype=weight.dtype, device=weight.device)


def noise_like(like: Tensor) -> Tensor:
    """Standard normal numbers, the same every time and on every device."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)


def _layer_norm(name: str, module: nn.Module, given: Tensor) -> float:
    for kind, rule in _NORMS.items():
        if isinstance(module, kind):
            return rule(module, given)
    raise NotImplementedError(f"{name}: no Lipschitz constant is known of {type(module)}")


def _linear_norm(layer: nn.Conv2d | nn.Linear, given: Tensor) -> float:
    linear_part = copy.deepcopy(layer).requires_grad_(False)
    linear_part.register_parameter("bias", None)
    power = 0
    if type(layer) in (nn.Conv2d, nn.Linear):  # others may standardise their weights
        weight = layer.weight.detach().double()
        power = math.frexp(float(weight.abs().max()))[1]
        linear_part.weight.copy_(weight * 2.0**-power)  # AᵀA stays within float32
    if isinstance(layer, nn.Linear):
        given = given.new_zeros(1, layer.in_features)
    elif layer.kernel_size == (1, 1) and not any(layer.padding):
        given = given[:, :, :1, :1]  # positions do not mix: one of them has the norm of all
    return math.ldexp(largest_singular_value(linear_part, given), power)


def _batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, _: Tensor) -> float:
    if layer.running_var is None:
        raise NotImplementedError("a BatchNorm without running statistics mixes the images")
    scale = 1 / (layer.running_var.cpu().double() + layer.eps).sqrt()
    if layer.affine:
        scale = scale * layer.weight.detach().cpu().double()
    return float(scale.abs().max())


_NORMS: Mapping[type[nn.Module], Callable[..., float]] = {
    nn.Conv2d: _linear_norm,
    nn.Linear: _linear_norm,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
}


def _transpose(operator: Callable[[Tensor], Tensor], like: Tensor) -> Callable[[Tensor], Tensor]:
    """Aᵀ by pulling back through the graph of A, which for a linear map is the same everywhere."""
    with torch.enable_grad():
        source = torch.zeros_like(like, requires_grad=True)
        image = operator(source)

    def transpose(given: Tensor) -> Tensor:
        pulled: Tensor = torch.autograd.grad(image, source, given, retain_graph=True)[0]
        return pulled

    return transpose


def _norm(vector: Tensor) -> float:
    return math.sqrt(float(vector.cpu().double().square().sum()))


def _largest_ritz_pair(diagonal: list[float], off_diagonal: list[float]) -> tuple[float, float]:
    """Largest eigenvalue of the tridiagonal matrix, and the last entry of its eigenvector."""
    last = len(diagonal) - 1
    values, vectors = eigh_tridiagonal(
        np.array(diagonal), np.array(off_diagonal), select="i", select_range=(last, last)
    )
    return float(values[0]), float(vectors[-1, 0])
