"""Whether data of a stranger are of the types that their fields say."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LARGEST_COUNT = 2**63 - 1


def misfits(name: str, value: object, kind: Any) -> Iterator[str]:
    """Every part of a value that is not of its annotated type.

    A whole number may stand where a float is expected, a truth value not where a number is. Numbers
    are finite and fit into a database, texts can be encoded.

    Args:
        name: Of the value.
        value: A dataclass, or what is in one.
        kind: Its type: of a dataclass, tuple, Mapping, Literal, or a plain one, or several of them.

    Yields:
        What was found where, and what was expected.
    """
    origin, arguments = _form(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        for part, its_kind in _annotations(kind).items():
            yield from misfits(f"{name}.{part}", getattr(value, part), its_kind)
    elif origin is tuple and isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from misfits(f"{name}[{number}]", part, arguments[0])
    elif origin is Mapping and isinstance(value, Mapping):
        for key, part in value.items():
            yield from misfits(f"{name}, key", key, arguments[0])
            yield from misfits(f"{name}[{key!r}]", part, arguments[1])
    elif not _fits(value, kind):
        yield f"{name}: got {value!r}, expected {getattr(kind, '__name__', kind)}"


def _fits(value: object, kind: Any) -> bool:
    """Whether a value without parts is of a type, one of several, or one of some words."""
    origin, arguments = _form(kind)
    if origin is Literal:
        return value in arguments
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in arguments)
    if isinstance(value, int) and abs(value) > LARGEST_COUNT:
        return False
    if isinstance(value, str) and not _encodable(value):
        return False
    if kind is float:
        return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)
    return isinstance(value, origin or kind) and (kind is bool or type(value) is not bool)


def _encodable(text: str) -> bool:
    """Whether the text can be written: half a surrogate pair cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


@cache
def _form(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(kind), get_args(kind)


@cache
def _annotations(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
