"""From a name to a row: of the table, or a function of the user's own."""

import importlib
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
            training unless its options say otherwise.

    Raises:
        BenchError: E-BAD-VALUE if there is no such row or function.
    """
    if callable(name):
        return name.__name__.replace("_", "-").strip("-"), Pruner(name)
    if ":" in name:
        return pruner_named(_imported(name))
    name = ALIASES.get(name, name)
    if name not in PRUNERS:
        close = get_close_matches(name, PRUNERS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise BenchError(
            "E-BAD-VALUE",
            f"pruner: got {name!r}, expected one of {list(PRUNERS)} or MODULE:FUNCTION{hint}",
        )
    return name, PRUNERS[name]


def _imported(reference: str) -> Callable[..., Saliency]:
    module, _, attribute = reference.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise BenchError(
            "E-BAD-VALUE", f"pruner: {reference}: {error}; expected MODULE.py here or a package"
        ) from error
    finally:
        sys.path.pop(0)
    if not callable(function):
        raise BenchError(
            "E-BAD-VALUE",
            f"pruner: got {reference!r}, expected a function (scoring) -> saliency of that name",
        )
    return function
