"""A frame as a file that other programs read: CSV, JSON, Parquet, Markdown, LaTeX."""

import io
import json
import re
from collections.abc import Callable, Mapping

import pandas as pd

from bench.errors import BenchError

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a program
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    character: f"\\{character}" for character in "&%$#_{}"
}


def write(frame: pd.DataFrame, format: str) -> bytes:
    """The frame in one of the formats of `FORMATS`.

    Args:
        frame: Columns of text and numbers; missing values are empty.
        format: Key of `FORMATS`.

    Returns:
        UTF-8 text, or Parquet.

    Raises:
        BenchError: E-BAD-VALUE for an unknown format.
    """
    if format not in FORMATS:
        raise BenchError("E-BAD-VALUE", f"format: got {format!r}, expected one of {list(FORMATS)}")
    return FORMATS[format](frame)


def markdown(frame: pd.DataFrame) -> str:
    """The frame as a table of Markdown."""
    return write(frame, "markdown").decode().strip()


def _csv(frame: pd.DataFrame) -> bytes:
    def plain(cell: object) -> object:
        return _harmless(cell) if isinstance(cell, str) else cell

    safe = frame.map(plain).set_axis([plain(name) for name in frame], axis="columns")
    return safe.to_csv(index=False, lineterminator="\n").encode()


def _harmless(text: str) -> str:
    """No formula, and no bare carriage return: pandas does not quote one, so it ends the row."""
    quoted = f"'{text}" if text.startswith(FORMULA) else text
    return re.sub(r"\r\n?", "\n", quoted)


def _json(frame: pd.DataFrame) -> bytes:
    cells = frame.astype(object).where(frame.notna(), None)
    rows = cells.to_dict("records")
    return (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _markdown(frame: pd.DataFrame) -> bytes:
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
    lines = [list(frame.columns), ["---:" if number else "---" for number in numeric]]
    lines += [[re.sub(r"([\\|])", r"\\\1", cell) for cell in row] for row in _texts(frame)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).encode()


def _latex(frame: pd.DataFrame) -> bytes:
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
    rows = [list(frame.columns), *_texts(frame)]
    escaped = [
        [
            cell if number and row else _escaped(cell)
            for cell, number in zip(cells, numeric, strict=True)
        ]
        for row, cells in enumerate(rows)
    ]
    lines = [" & ".join(cells) + r" \\" for cells in escaped]
    columns = "".join("r" if number else "l" for number in numeric)
    body = "\n".join([lines[0], r"\midrule", *lines[1:]])
    return (
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
    ).encode()


def _escaped(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)


def _texts(frame: pd.DataFrame) -> list[list[str]]:
    rows = frame.itertuples(index=False)
    return [[" ".join(cell_text(cell).splitlines()) for cell in row] for row in rows]


def cell_text(cell: object) -> str:
    """A cell for people: four significant digits, empty where there is no value."""
    if cell is None or cell is pd.NA or cell != cell:
        return ""
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return str(cell)


FORMATS: Mapping[str, Callable[[pd.DataFrame], bytes]] = {
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
    "markdown": _markdown,
    "latex": _latex,
}
