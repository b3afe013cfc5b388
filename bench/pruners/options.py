"""Options of a pruner: what they are called, what they may be, and their values from text."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

from bench.errors import BenchError
from bench.masks import Schedule
from bench.pruners import Moment, Pruner

ROW: Mapping[str, Any] = {"moment": Moment, "schedule": Schedule, "score_batches": int}


def known(pruner: Pruner) -> dict[str, Any]:
    """Option -> its type: those of every pruner, and the keyword-only ones of its saliency."""
    parameters = inspect.signature(pruner.saliency).parameters.values()
    own = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    hints = get_type_hints(pruner.saliency)
    return dict(ROW) | {name: hints[name] for name in own}


def with_options(pruner: Pruner, texts: Mapping[str, str]) -> tuple[Pruner, dict[str, Any]]:
    """The row with options set, and the options that changed it.

    Args:
        pruner: A row of the table.
        texts: Option -> value as it is typed.

    Returns:
        The row; option -> value where it is another than the row's own.

    Raises:
        BenchError: E-BAD-VALUE for an unknown option or a value that it cannot take.
    """
    kinds, parameters = known(pruner), inspect.signature(pruner.saliency).parameters
    unknown = sorted(set(texts) - set(kinds))
    if unknown:
        raise BenchError("E-BAD-VALUE", f"option: got {unknown}, expected some of {list(kinds)}")
    changed = {}
    for name, text in texts.items():
        own = getattr(pruner, name) if name in ROW else parameters[name].default
        value = _value(name, text, kinds[name])
        if value != own:
            changed[name] = value
    fields = {name: value for name, value in changed.items() if name in ROW}
    arguments = {name: value for name, value in changed.items() if name not in ROW}
    return replace(pruner, saliency=partial(pruner.saliency, **arguments), **fields), changed


def _value(name: str, text: str, kind: Any) -> Any:
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if choices:
        if text not in choices:
            raise BenchError("E-BAD-VALUE", f"{name}: got {text!r}, expected one of {choices}")
        return text
    try:
        value = kind(text)
    except ValueError as error:
        raise BenchError(
            "E-BAD-VALUE", f"{name}: got {text!r}, expected {kind.__name__}"
        ) from error
    if not 0 < value < float("inf"):
        raise BenchError("E-BAD-VALUE", f"{name}: got {text}, expected a positive number")
    return value
