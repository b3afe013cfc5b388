"""From a name to a row: of the table, or a function of the user's own."""

import importlib
import inspect
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from bench.errors import BenchError
from bench.pruners import PRUNERS, Pruner
from bench.saliency import Saliency

ALIASES = {"magnitude-after": "magnitude"}


def pruner_named(name: str | Callable[..., Saliency]) -> tuple[str, Pruner]:
    """Name and row of a pruner.

    Args:
        name: Key of `PRUNERS`; a function (scoring) -> saliency; or `module:function`, imported
            from the working directory or the installed packages. A function prunes before
            training unless its options say otherwise, and is named `module:function`.

    Raises:
        BenchError: E-BAD-VALUE if there is no such row or function.
    """
    if callable(name):
        return _own(name)
    if ":" in name:
        return _own(_imported(name))
    name = ALIASES.get(name, name)
    if name not in PRUNERS:
        close = get_close_matches(name, PRUNERS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise BenchError(
            "E-BAD-VALUE",
            f"pruner: got {name!r}, expected one of {list(PRUNERS)} or MODULE:FUNCTION{hint}",
        )
    return name, PRUNERS[name]


def source_of(name: str | Callable[..., Saliency]) -> str:
    """The text of the file that a pruner is from, by which a changed one is known."""
    function = pruner_named(name)[1].saliency
    try:
        return inspect.getsource(sys.modules[function.__module__])
    except (OSError, TypeError, KeyError, AttributeError):  # typed into a console, or an object
        return repr(function)


def _own(function: Callable[..., Saliency]) -> tuple[str, Pruner]:
    try:
        inspect.signature(function).bind("scoring")
    except (TypeError, ValueError) as error:
        raise BenchError(
            "E-BAD-VALUE",
            f"pruner: got {function!r}, expected a function that can be called with a scoring "
            f"alone; its options are keyword-only and have defaults ({error})",
        ) from error
    name = getattr(function, "__name__", type(function).__name__)
    return f"{getattr(function, '__module__', 'own')}:{name}", Pruner(function)


def _imported(reference: str) -> Callable[..., Saliency]:
    module, _, attribute = reference.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module), attribute, None)
    except Exception as error:  # the user's module runs when it is imported
        raise BenchError(
            "E-BAD-VALUE",
            f"pruner: {reference} cannot be imported, {type(error).__name__}: {error}; expected "
            "MODULE.py in this folder, or a package",
        ) from error
    finally:
        sys.path.pop(0)
    if not callable(function):
        raise BenchError(
            "E-BAD-VALUE",
            f"pruner: got {reference!r}, expected a function (scoring) -> saliency of that name",
        )
    return function
