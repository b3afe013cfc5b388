"""One run as tables and a chart: who it is, its numbers, its layers."""

import shlex
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from bench.headline import HEADLINE
from bench.legend import head
from bench.ranking import rank

OF_SCORES = ("task", "set", "attack", "epsilon", "corruption", "severity", "detector", "batch_size")
OF_EACH = ("metric", "value", "stderr", "n", "reason")


def card(record: Mapping[str, Any]) -> pd.DataFrame:
    """What is said of the run and its submission: a row a field, `field` and `value` as text."""
    submission = record["submission"]
    facts = {name.replace("_", " "): submission[name] for name in submission}
    facts |= {
        "run id": record["run_id"],
        "suite": record["suite"],
        "limit": record["limit"],
        "trust": record["trust"],
        "sandbox": record["sandbox"],
        "started": record["started"],
        "seconds": record["seconds"],
        **{name.replace("_", " "): value for name, value in record["environment"].items()},
    }
    rows = [(name, _text(value)) for name, value in facts.items() if value not in (None, (), [])]
    return pd.DataFrame(rows, columns=["field", "value"])


def fingerprints(record: Mapping[str, Any]) -> pd.DataFrame:
    """The protocol and the image sets by their hashes."""
    protocol = record["protocol"]
    name = f"protocol {protocol['version']} {protocol['preset']}"
    rows = [(name, protocol["sha256"]), *sorted(record["data"].items())]
    return pd.DataFrame(rows, columns=["of", "sha256"])


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def standing(group: pd.DataFrame, run_id: str) -> pd.DataFrame:
    """Each headline number of a run beside the best of its group.

    Args:
        group: Of `bench.ranking.summary`, one comparable group.
        run_id: Of one of its rows.

    Returns:
        `number` (title), `value`, `rank`, `of` (how many have one), `best`, `first` (who has it);
        numbers that the run has not are left out.
    """
    rows = []
    for column in HEADLINE:
        ranked = rank(group, column).dropna(subset=["rank"])
        if run_id in ranked.index:
            best, own = ranked.iloc[0], ranked.loc[run_id]
            numbers = own[column], own["rank"], len(ranked), best[column]
            rows.append((head(column), *numbers, best["slug"]))
    return pd.DataFrame(rows, columns=["number", "value", "rank", "of", "best", "first"])


def layers(scores: pd.DataFrame) -> alt.Chart | None:
    """Sparsity of each layer, in the order of the network; None where it was not measured.

    Args:
        scores: Of one run: `metric`, `set` (the layer), `value` in [0, 1].
    """
    rows = scores[scores["metric"] == "layer_sparsity"][["set", "value", "n"]]
    if rows.empty:
        return None
    named = rows.rename(columns={"set": "layer", "value": "sparsity", "n": "weights"})
    return (
        alt.Chart(named)
        .mark_bar(color="#0072B2")
        .encode(
            x=alt.X("sparsity:Q", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("layer:N", sort=None, title=None),
            tooltip=["layer:N", alt.Tooltip("sparsity:Q", format=".4f"), "weights:Q"],
        )
        .properties(height=alt.Step(22))
    )


def every_score(scores: pd.DataFrame, task: str) -> pd.DataFrame:
    """The scores of a task without the conditions that it has not."""
    rows = scores.loc[scores["task"] == task, [*OF_SCORES, *OF_EACH]]
    return rows.drop(columns="task").dropna(axis="columns", how="all")


def command(record: Mapping[str, Any]) -> str:
    """The command line that makes the run again from its submission folder."""
    words = ["bench", "evaluate", record["submission"]["slug"], "--suite", record["suite"]]
    if record["limit"] is not None:
        words += ["--limit", str(record["limit"])]
    if record["protocol"]["preset"] != "standard":
        words += ["--preset", record["protocol"]["preset"]]
    return shlex.join(words)
