"""A valid upper bound on a network's Lipschitz constant, carried along its graph.

Every value of the graph gets a bound relative to the network's input: a layer multiplies the
bound by its norm, a sum of two paths adds theirs. The norms themselves come from elsewhere.
"""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from bench.lipschitz.norms import TOLERANCE, largest_singular_value, noise_like, zeros_for

Rule = Callable[..., float]


def upper_log10(
    network: nn.Module, shape: tuple[int, int, int], norms: Mapping[str, float]
) -> float | None:
    """log10 of an upper bound on sup ‖f(x) - f(y)‖₂ / ‖x - y‖₂.

    A chain has the product of its parts, a residual block L_branch + L_shortcut times what comes
    before. Max pooling counts with the number of windows that an input value can be in, average
    pooling with its norm. The norms' tolerance is added, so that the bound stays one.

    Args:
        network: In evaluation mode.
        shape: (C, H, W) of one input.
        norms: As `layer_norms` gives them.

    Returns:
        log10 of the bound, or None if it is zero: the network is constant.

    Raises:
        NotImplementedError: If the graph cannot be followed or an operation has no rule.

    References:
        Virmaux and Scaman, Lipschitz regularity of deep neural networks, 2018 (AutoLip).
    """
    try:
        graph = fx.symbolic_trace(network)
    except Exception as error:  # tracing runs the network's own code on strange values
        raise NotImplementedError(f"the graph cannot be followed: {error}") from error
    walk = _Walk(graph, norms)
    probe = noise_like(zeros_for(network, shape))
    with torch.no_grad():
        answer, expected = walk.run(probe.clone()), network(probe.clone())
    if not torch.allclose(answer, expected, rtol=1e-3, atol=1e-6):  # values were overwritten
        raise NotImplementedError("the graph as followed answers differently from the network")
    return None if walk.bound == -math.inf else walk.bound


class _Walk(fx.Interpreter):
    """Runs the graph node by node; `bounds` has log10 of each value's bound, -inf if constant."""

    def __init__(self, graph: fx.GraphModule, norms: Mapping[str, float]) -> None:
        super().__init__(graph)
        self.norms = norms
        self.bounds: dict[fx.Node, float] = {}
        self.bound = -math.inf

    def run_node(self, n: fx.Node) -> Any:
        arguments, options = self.fetch_args_kwargs_from_env(n)
        value = super().run_node(n)
        self.bounds[n] = self.bound = self._bound(n, value, arguments, options)
        return value

    def _bound(
        self, node: fx.Node, value: object, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> float:
        if node.op == "placeholder":
            return 0.0
        varying = [self.bounds[x] for x in node.all_input_nodes if self.bounds[x] > -math.inf]
        if not varying or (_operation(self, node) in _SIZES and not isinstance(value, Tensor)):
            return -math.inf
        if not isinstance(value, Tensor):
            raise NotImplementedError(f"{node.name}: gives {type(value)}, expected a tensor")
        if node.op == "output":
            return varying[0]
        if _operation(self, node) in _SUMS:
            return self._sum(node, value, arguments)
        if len(varying) > 1:
            raise NotImplementedError(f"{node.name}: no bound is known of a joint {node.target}")
        return varying[0] + _log10(self._factor(node, arguments, options))

    def _sum(self, node: fx.Node, value: Tensor, arguments: tuple[Any, ...]) -> float:
        terms = [term for term in node.args if isinstance(term, fx.Node)]
        if node.kwargs or any(isinstance(a, Tensor) and a.shape != value.shape for a in arguments):
            raise NotImplementedError(f"{node.name}: not a plain sum of values of one shape")
        bounds = [self.bounds[term] for term in terms]
        return max(bounds) + math.log10(math.fsum(10 ** (b - max(bounds)) for b in bounds))

    def _factor(self, node: fx.Node, arguments: tuple[Any, ...], options: dict[str, Any]) -> float:
        """Lipschitz constant of the operation in its first argument."""
        if node.op == "call_module" and node.target in self.norms:
            return self.norms[str(node.target)] * (1 + TOLERANCE)
        operation = _operation(self, node)
        key = type(operation) if isinstance(operation, nn.Module) else operation
        if key not in _FACTORS:
            raise NotImplementedError(f"{node.name}: no Lipschitz constant is known of {key}")
        return _FACTORS[key](operation, *arguments, **options)


def _operation(walk: _Walk, node: fx.Node) -> Any:
    """What the node calls: a module, a function, or a method of tensors as a function."""
    if node.op == "call_module":
        return walk.fetch_attr(str(node.target))
    if node.op == "call_method":
        return getattr(Tensor, str(node.target))
    return node.target


def _log10(factor: float) -> float:
    return math.log10(factor) if factor > 0 else -math.inf


def _one(*_: object, **__: object) -> float:
    return 1.0


def _leaky_relu(_: object, given: Tensor, negative_slope: float = 0.01, **__: object) -> float:
    return max(1.0, abs(negative_slope))


def _leaky_relu_module(module: nn.LeakyReLU, _: Tensor) -> float:
    return max(1.0, abs(module.negative_slope))


def _dropout(
    _: object, given: Tensor, p: float = 0.5, training: bool = True, **__: object
) -> float:
    return 1 / (1 - p) if training else 1.0


def _linear(operation: Callable[..., Tensor], given: Tensor, *sizes: Any, **options: Any) -> float:
    """Norm of an average, which has no weights."""
    norm = largest_singular_value(lambda x: operation(x, *sizes, **options), given)
    return norm * (1 + TOLERANCE)


def _max_pool(
    _: object, given: Tensor, kernel_size: Any, stride: Any = None, *rest: Any, **options: Any
) -> float:
    """√(most windows that one input value is in): each may pick it, and then all change by it."""
    dilation = options.get("dilation", rest[1] if len(rest) > 1 else 1)
    windows = 1
    for k, s, d in zip(*map(_pair, (kernel_size, stride or kernel_size, dilation)), strict=True):
        windows *= math.ceil(k * math.gcd(s, d) / s)
    return math.sqrt(windows)


def _max_pool_module(pool: nn.MaxPool2d, given: Tensor) -> float:
    return _max_pool(pool, given, pool.kernel_size, pool.stride, dilation=pool.dilation)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


_SIZES = frozenset({getattr, Tensor.size, Tensor.dim})
_SUMS = frozenset({operator.add, torch.add, Tensor.add})
_FACTORS: Mapping[object, Rule] = {
    nn.ReLU: _one,
    nn.ReLU6: _one,
    nn.LeakyReLU: _leaky_relu_module,
    nn.Identity: _one,
    nn.Dropout: _one,
    nn.Dropout2d: _one,
    nn.Flatten: _one,
    nn.MaxPool2d: _max_pool_module,
    nn.AvgPool2d: _linear,
    nn.AdaptiveAvgPool2d: _linear,
    functional.relu: _one,
    functional.leaky_relu: _leaky_relu,
    functional.dropout: _dropout,
    functional.max_pool2d: _max_pool,
    functional.avg_pool2d: _linear,
    functional.adaptive_avg_pool2d: _linear,
    torch.relu: _one,
    torch.flatten: _one,
    torch.mean: _linear,
    Tensor.relu: _one,
    Tensor.flatten: _one,
    Tensor.view: _one,
    Tensor.reshape: _one,
    Tensor.contiguous: _one,
    Tensor.mean: _linear,
}
