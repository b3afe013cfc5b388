"""From the template, the style, the script and the data to the bytes of the page."""

import base64
import hashlib
import json
import re
from importlib.resources import files

import pandas as pd

from bench.html_board.content import content

SCRIPTS = ("cells.js", "table.js", "chart.js", "page.js")
# In JSON these stand in strings alone, so that their escapes change nothing that is read
UNSAFE = re.compile("[<>&\u2028\u2029]")


def board_html(table: pd.DataFrame, by: str = "accuracy") -> bytes:
    """The board of a store as a page that asks for no other file.

    Its policy allows its own style and script, by their hashes, and nothing else. What the runs
    say is data in it; the script shows it as text.

    Args:
        table: What `bench.ranking.summary` returns; each comparable group is a board of its own.
        by: Column of `bench.ranking.HEADLINE` that ranks until the reader picks another.

    Returns:
        UTF-8 HTML. Equal rows give equal bytes, in whatever order they come.

    Raises:
        BenchError: E-BAD-VALUE if there is no such column or it has no better end.
    """
    style, script = _text("board.css"), "".join(map(_text, SCRIPTS))
    known = content(table, by)
    data = json.dumps(known, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    parts = {
        "policy": _policy(style, script),
        "style": style,
        "data": UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", data),
        "script": script,
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text("board.html"))
    return page.encode()


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(name: str) -> str:
    return files("bench.html_board").joinpath(name).read_text(encoding="utf-8")
