"""Whether data of a stranger are of the types that their fields say."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LARGEST_COUNT = 2**63 - 1
Judge = Callable[[Any], bool]


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
    origin, arguments = get_origin(kind), get_args(kind)
    if _judge(kind)(value):
        return
    if is_dataclass(kind):
        for part, its_kind in get_type_hints(kind).items():
            yield from misfits(f"{name}.{part}", getattr(value, part), its_kind)
    elif origin is tuple and isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from misfits(f"{name}[{number}]", part, arguments[0])
    elif origin is Mapping and isinstance(value, Mapping):
        for key, part in value.items():
            yield from misfits(f"{name}, key", key, arguments[0])
            yield from misfits(f"{name}[{key!r}]", part, arguments[1])
    else:
        yield f"{name}: got {value!r}, expected {getattr(kind, '__name__', kind)}"


@cache
def _judge(kind: Any) -> Judge:
    """Tells whether a value is of a type, with all its parts; made once, as records are long."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        fields = [(attrgetter(part), _judge(its)) for part, its in get_type_hints(kind).items()]
        return lambda value: all(judge(part(value)) for part, judge in fields)
    if origin is tuple:
        one = _judge(arguments[0])
        return lambda value: isinstance(value, tuple) and all(map(one, value))
    if origin is Mapping:
        key, part = map(_judge, arguments)
        return lambda value: (
            isinstance(value, Mapping) and all(map(key, value)) and all(map(part, value.values()))
        )
    if origin is Literal:
        return lambda value: value in arguments
    if origin in (Union, UnionType):
        judges = [_judge(one) for one in arguments if one is not NoneType]
        none = NoneType in arguments
        return lambda value: none if value is None else any(judge(value) for judge in judges)
    return PLAIN[kind]


def _is_number(value: object) -> bool:
    return _is_count(value) or (isinstance(value, float) and math.isfinite(value))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and type(value) is not bool and abs(value) <= LARGEST_COUNT


def _is_text(value: object) -> bool:
    """Whether it is a text that can be written: half a surrogate pair cannot."""
    return isinstance(value, str) and (
        value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    )


PLAIN: Mapping[Any, Judge] = {float: _is_number, int: _is_count, str: _is_text}
