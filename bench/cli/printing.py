"""Tables on stdout."""

import sys
from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def print_rows(header: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table; as wide as it needs where it does not go to a terminal."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table(*header, title=title or None, box=SIMPLE_HEAD, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table, markup=False)


def number(value: float | None, digits: int = 4) -> str:
    """A number for a table; a dash where there is none."""
    if value is None or value != value:
        return "–"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}"
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
