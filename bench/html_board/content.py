"""What the page shows, as plain data: comparable groups, their rows, the meaning of every word."""

import hashlib
import json
import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from bench.flags import meanings
from bench.headline import HEADLINE, higher_is_better
from bench.legend import CONVENTIONS, REASONS, explained, groups
from bench.protocol import METRICS
from bench.ranking import GROUP, rank, relative
from bench.records import TRUST, canonical_json

EXACT = 2**53  # integers of a browser are whole up to here
# column -> its meaning; what a submission says of itself is its owner's word
WHO: Mapping[str, str] = {
    "slug": "Name of the submission.",
    "pruner": "Method that pruned it, as declared; dense for none.",
    "sparsity": f"Measured {METRICS['sparsity'].meaning}.",
    "architecture": "Network that was pruned.",
    "kind": "One network (classifier), several that answer as one, sampled weights, or a density.",
    "moment": "When it was pruned, as declared: before, early in, during or after training.",
    "scope": "Weights compete over all layers (global) or within each (local), as declared.",
    "structure": "Single weights (unstructured) or whole channels (structured), as declared.",
    "seed": "Of training and pruning, as declared; pairs a run with its dense one.",
    "seeds": "Runs of different seeds behind the mean.",
    "recipe": "How it was trained, as declared.",
    "trust": "Who made the run: its owner (self-reported), the CI, or a maintainer (official).",
    "flags": "What a reader has to know; each is explained below the table.",
    "run_id": "Key of the run for `bench show`.",
}
RUNS = [name for name in WHO if name not in ("seeds", "flags", "run_id")]
RATIOS = [name for name in RUNS if name not in ("slug", "seed", "trust")] + ["seeds"]
Row = Mapping[Hashable, Any]
Cell = str | int | float | list[float | None] | None


def content(table: pd.DataFrame, by: str) -> dict[str, Any]:
    """Everything that the script reads.

    Args:
        table: What `bench.ranking.summary` returns.
        by: Headline column that ranks at first.

    Returns:
        Values of JSON: `columns`, `flags` and `reasons` by their names, `groups` with their rows.
        A headline cell is a number or the reason for which there is none; of ratios, the mean and
        the deviation over seeds, or None.

    Raises:
        BenchError: E-BAD-VALUE if `by` is no column that ranks.
    """
    ranked = rank(table.sort_index(), by)
    return {
        "by": by,
        "command": f"bench export --html board.html --by {by}",
        "conventions": CONVENTIONS,
        "columns": {**{name: _who(name) for name in WHO}, **{n: _headline(n) for n in HEADLINE}},
        "trust": [*reversed(TRUST)],
        "flags": meanings(" ".join(table["flags"]).split()),
        "reasons": REASONS,
        "groups": [_group(name, rows) for name, rows in groups(ranked).items()],
    }


def _who(name: str) -> dict[str, Any]:
    better = {"sparsity": METRICS["sparsity"].higher_is_better, "seeds": True}.get(name)
    return {"headline": False, "higher": better, "meaning": WHO[name]}


def _headline(name: str) -> dict[str, Any]:
    return {
        "headline": True,
        "title": HEADLINE[name].title,
        "higher": higher_is_better(name),
        "meaning": explained(name, to_dense=False),
        "ratio": explained(name, to_dense=True),
    }


def _group(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    """One board: where its numbers come from, its runs, and the same relative to dense."""
    first = rows.iloc[0]
    key = [None if pd.isna(first[part]) else str(first[part]) for part in GROUP]
    return {
        "id": hashlib.sha256(canonical_json(key).encode()).hexdigest()[:8],
        "name": name,
        "protocol": f"{first['version']} {first['preset']}",
        "sha256": first["protocol"],
        "newest": max(rows["started"])[:10],
        "images": json.loads(first["data"]),
        "runs": _cells(
            rows.rename_axis("run_id").reset_index(),
            [*RUNS, *HEADLINE, "flags", "run_id"],
            _measured,
        ),
        "ratios": _cells(relative(rows.sort_index()), [*RATIOS, *HEADLINE, "flags"], _ratio),
    }


def _cells(
    frame: pd.DataFrame, columns: list[str], number: Callable[[Row, str], Cell]
) -> dict[str, Any]:
    return {
        "columns": columns,
        "rows": [
            [number(row, name) if name in HEADLINE else _plain(row[name]) for name in columns]
            for row in frame.to_dict("records")
        ],
    }


def _measured(row: Row, column: str) -> Cell:
    """The number, or the typed reason for which there is none."""
    value = _plain(row[column])
    return _reasons(row["missing"]).get(column, "not_run") if value is None else value


def _reasons(missing: str) -> dict[str, str]:
    parts = (part.partition(": ") for part in missing.split("; ") if part)
    return {column: reason for column, _, reason in parts}


def _ratio(row: Row, column: str) -> Cell:
    """Mean and deviation, which a single seed has not."""
    mean, deviation = _plain(row[column]), _plain(row[f"{column}_std"])
    return None if mean is None else [mean, deviation]


def _plain(value: Any) -> Any:
    """A value of JSON that a browser reads as it is; None for what is missing or not finite."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if abs(value) < EXACT else str(value)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < EXACT else value
