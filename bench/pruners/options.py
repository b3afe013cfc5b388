"""Options of a pruner: what they are called, what they may be, and their values from text."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from bench.errors import BenchError
from bench.masks import Schedule
from bench.pruners import GlowScope, Pruner
from bench.pruners.moments import MOMENTS
from bench.records import Moment, Structure

ROW: Mapping[str, Any] = {
    "moment": Moment,
    "structure": Structure,
    "schedule": Schedule,
    "score_batches": int,
    "finetune_epochs": int,
    "glow_scope": GlowScope,
}
LEAST: Mapping[str, float] = {
    "score_batches": 1,
    "finetune_epochs": 0,
    "epochs": 1,
    "strength": 0,
    "temperature": 1e-6,
}
WORDS = {"true": True, "false": False}


class Chosen(NamedTuple):
    """A row with its options set.

    Args:
        pruner: The row; its saliency has its arguments.
        act: (training, pruner, sparsity): what its moment does, with its arguments.
        changed: Option -> value where it is another than the row's own.
    """

    pruner: Pruner
    act: Callable[..., None]
    changed: dict[str, Any]


def known(pruner: Pruner) -> dict[str, Any]:
    """Option -> its type: those of every pruner, those of its moment and of its saliency."""
    return dict(ROW) | own(MOMENTS[pruner.moment]) | own(pruner.saliency)


def own(function: Callable[..., object]) -> dict[str, Any]:
    """Keyword-only argument of a function -> its type, where it has none that of its default."""
    try:
        hints = get_type_hints(function)
    except (NameError, TypeError):  # for a type checker only, or of an object
        hints = {}
    return {name: hints.get(name, type(value)) for name, value in _keywords(function).items()}


def with_options(pruner: Pruner, texts: Mapping[str, str]) -> Chosen:
    """The row with options set.

    Args:
        pruner: A row of the table.
        texts: Option -> value as it is typed.

    Raises:
        BenchError: E-BAD-VALUE for an unknown option or a value that it cannot take.
    """
    moment = _value("moment", texts.get("moment", pruner.moment), Moment)
    act, kinds = MOMENTS[moment], known(replace(pruner, moment=moment))
    unknown = sorted(set(texts) - set(kinds))
    if unknown:
        raise BenchError("E-BAD-VALUE", f"option: got {unknown}, expected some of {list(kinds)}")
    values = {name: _value(name, text, kinds[name]) for name, text in texts.items()}
    usual = {name: getattr(pruner, name) for name in ROW}
    usual |= _keywords(act) | _keywords(pruner.saliency)
    changed = {name: value for name, value in values.items() if value != usual[name]}
    _check_together(pruner, moment, changed)
    row = {name: value for name, value in changed.items() if name in ROW}
    score = partial(pruner.saliency, **_of(pruner.saliency, changed))
    return Chosen(
        replace(pruner, saliency=score, **row), partial(act, **_of(act, changed)), changed
    )


def _keywords(function: Callable[..., object]) -> dict[str, Any]:
    """Keyword-only argument -> default."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _of(function: Callable[..., object], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in _keywords(function) if name in values}


def _check_together(pruner: Pruner, moment: Moment, changed: Mapping[str, Any]) -> None:
    if moment == "iterative" and "finetune_epochs" in changed:
        raise BenchError(
            "E-BAD-VALUE",
            "finetune_epochs: an iterative pruner ends with its training; leave it out",
        )
    if pruner.structure == "structured" and "structure" in changed:
        raise BenchError(
            "E-BAD-VALUE",
            "structure: got unstructured, but this pruner scores channels, not single weights",
        )
    if "strength" in changed and "objective" not in changed:
        raise BenchError("E-BAD-VALUE", "strength: the standard objective has none; name another")


def _value(name: str, text: str, kind: Any) -> Any:
    if get_origin(kind) in (UnionType, Union):  # `float | None`: None is left out, not typed
        kind = next(part for part in get_args(kind) if part is not NoneType)
    choices = WORDS if kind is bool else get_args(kind) if get_origin(kind) is Literal else ()
    if choices:
        if text not in choices:
            raise BenchError(
                "E-BAD-VALUE", f"{name}: got {text!r}, expected one of {', '.join(choices)}"
            )
        return WORDS[text] if kind is bool else text
    if kind not in (int, float, str):
        raise BenchError("E-BAD-VALUE", f"{name}: is a {kind!r}, which can be set from Python only")
    try:
        value = kind(text)
    except ValueError as error:
        raise BenchError(
            "E-BAD-VALUE", f"{name}: got {text!r}, expected {kind.__name__}"
        ) from error
    if kind is not str and not LEAST.get(name, -math.inf) <= value < math.inf:
        raise BenchError(
            "E-BAD-VALUE", f"{name}: got {text}, expected a number from {LEAST.get(name, '-inf')}"
        )
    return value
