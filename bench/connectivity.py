"""Which weights still matter: those on a path of nonzero weights from the image to a logit.

Found by sending "a path leads here" through the network in place of numbers, there and back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from bench.models import prunable
from bench.models.kinds import parts_of


def effective_weights(network: nn.Module, shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """Which prunable weights lie on a path of nonzero weights from the image to a logit.

    Every weight is replaced by 1 where it is not zero, and a layer answers 1 wherever a path
    arrives and 0 elsewhere, forward and backward. Biases carry no path. BatchNorm ends those of
    the channels whose scale is zero, elementwise functions hand on all, and max pooling hands on
    each value of its window, not the largest alone. Nothing is rounded away however deep the
    network: float64 with ones and zeros between the layers.

    A tap of a kernel that only ever sees padding is on no path.

    Args:
        network: In evaluation mode. Left as it is.
        shape: (C, H, W) of one image; every pixel of it starts a path.

    Returns:
        {"conv1.weight": bool CPU tensor of the weight's shape, ...} as `prunable` names them.

    Of an ensemble each member is looked at by itself, of a Bayesian network the means.

    Raises:
        NotImplementedError: If the network does something for which it is not known here how
            paths pass, like LayerNorm and attention.

    References:
        Vysogorets and Kempe, Connectivity matters: neural network pruning through the lens of
        effective sparsity, 2023.
    """
    return {
        prefix + name: effective
        for prefix, part in parts_of(network).items()
        for name, effective in _of_one(part, shape).items()
    }


def _of_one(network: nn.Module, shape: tuple[int, int, int]) -> dict[str, Tensor]:
    there = {
        name: (parameter.detach().cpu() != 0).double()
        for name, parameter in network.named_parameters()
    }
    leaves = {name: there[name].requires_grad_() for name in prunable(network)}
    image = torch.ones(1, *shape, dtype=torch.float64).as_subclass(_Paths)
    logits = functional_call(network, there, (image,))
    if not isinstance(logits, _Paths):
        raise NotImplementedError(f"the network answers with {type(logits).__name__}")
    reached = logits.as_subclass(Tensor).sum()
    found = torch.autograd.grad(reached, list(leaves.values()), materialize_grads=True)
    return {
        name: (leaf.detach() * gradient) > 0
        for (name, leaf), gradient in zip(leaves.items(), found, strict=True)
    }


class _Whether(torch.autograd.Function):
    """1 where positive and 0 elsewhere, of values and of gradients, which are never negative."""

    @staticmethod
    def forward(ctx: object, paths: Tensor) -> Tensor:
        return (paths > 0).to(paths.dtype)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return (gradient > 0).to(gradient.dtype)


class _Paths(Tensor):
    """Positive where a path from the image arrives, zero elsewhere."""

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        rule = _RULES.get(func)
        if rule is None:
            raise NotImplementedError(f"it is not known how paths pass `{func.__name__}`")
        with torch._C.DisableTorchFunctionSubclass():
            result = rule(*args, **(kwargs or {}))
            return result.as_subclass(cls) if isinstance(result, Tensor) else result


def _convolution(paths: Tensor, weight: Tensor, bias: object = None, *how: Any) -> Tensor:
    return _Whether.apply(torch.conv2d(paths, weight, None, *how))


def _linear(paths: Tensor, weight: Tensor, bias: object = None) -> Tensor:
    return _Whether.apply(functional.linear(paths, weight))


def _batch_norm(
    paths: Tensor, mean: object, variance: object, weight: Tensor | None = None, **_: object
) -> Tensor:
    if weight is None:
        return paths
    return paths * weight.detach().view(1, -1, *[1] * (paths.dim() - 2))


def _max_pool(
    paths: Tensor, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, **how: bool
) -> Tensor:
    if how.pop("return_indices", False) or dilation not in (1, (1, 1)):
        raise NotImplementedError("it is not known how paths pass a max pooling with gaps")
    return functional.avg_pool2d(paths, kernel, stride, padding, **how)


def _sum(one: object, other: object) -> Any:
    return _own(one) + _own(other)


def _cat(parts: Sequence[Tensor], dim: int = 0) -> Tensor:
    return torch.cat([_own(part) for part in parts], dim)


def _own(term: Any) -> Any:
    """The paths of a value; zero of one that does not depend on the image, like a shift."""
    if isinstance(term, _Paths):
        return term
    return torch.zeros_like(term) if isinstance(term, Tensor) else 0.0


def _quotient(paths: Tensor, divisor: object) -> Tensor:
    if isinstance(divisor, _Paths):
        raise NotImplementedError(
            "it is not known how paths pass a division by what depends on the image"
        )
    return paths


def _hand_on(paths: Tensor, *_: object, **__: object) -> Tensor:
    return paths


_ELEMENTWISE = (
    functional.relu,
    functional.leaky_relu,
    functional.hardtanh,
    functional.hardswish,
    functional.silu,
    functional.gelu,
    functional.dropout,
    functional.dropout2d,
    torch.relu,
    Tensor.relu,
    Tensor.contiguous,
)
_AVERAGES_AND_SHAPES = (
    functional.avg_pool2d,
    functional.adaptive_avg_pool2d,
    torch.flatten,
    torch.mean,
    Tensor.flatten,
    Tensor.mean,
    Tensor.reshape,
    Tensor.view,
    Tensor.size,
    Tensor.dim,
    Tensor.shape.__get__,  # type: ignore[attr-defined]  # typed as of an instance
    Tensor.ndim.__get__,  # type: ignore[attr-defined]
)
_RULES: Mapping[Callable[..., Any], Callable[..., Any]] = {
    torch.conv2d: _convolution,
    functional.linear: _linear,
    functional.batch_norm: _batch_norm,
    functional.max_pool2d: _max_pool,
    torch.cat: _cat,
    Tensor.add: _sum,
    Tensor.add_: _sum,  # as in `x += y`, which goes on with the sum
    Tensor.sub: _sum,
    Tensor.div: _quotient,
    torch.add: _sum,
    **dict.fromkeys(_ELEMENTWISE, _hand_on),
    **{function: function for function in _AVERAGES_AND_SHAPES},
}
