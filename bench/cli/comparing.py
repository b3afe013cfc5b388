"""The command that tells differences from chance: compare."""

from collections.abc import Mapping
from string import ascii_uppercase as LETTERS
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import options
from bench.cli.printing import print_frame
from bench.errors import BenchError
from bench.records import Run

if TYPE_CHECKING:
    import pandas as pd

    from bench.answers import Answers
    from bench.comparison import Agreement

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n"
    "bench compare 3f2a 91cc\n\n"
    "bench compare 3f2a 91cc 07be\n\n"
    "bench compare 3f2a 91cc --all"
)
def compare(
    runs: Annotated[
        list[str], typer.Argument(help="Run ids, or their first digits; from 2 to 26.")
    ],
    every: Annotated[bool, typer.Option("--all", help="Every score, without tests.")] = False,
    store: options.Store = options.STORE,
) -> None:
    """Compare runs of the same suite, protocol, images and limit with the first of them.

    Runs are named A, B, C … in their order. A difference is B minus A, with its 95 % interval.
    Answers to the same images are compared image by image (McNemar's test, DeLong's for AUROC).
    p is adjusted for all lines shown (Holm); from 0.05 on there is no difference.
    """
    from bench.ranking import check_comparable, summary
    from bench.store import load_outcomes, load_run, open_store, run_frame, score_frame

    if not 2 <= len(runs) <= len(LETTERS):
        raise BenchError("E-BAD-VALUE", f"runs: got {len(runs)}, expected 2 to {len(LETTERS)}")
    with open_store(store, readonly=True) as opened:
        found = {run.run_id: run for run in (load_run(opened, prefix) for prefix in runs)}
        if len(found) < len(runs):
            raise BenchError("E-BAD-VALUE", "runs: got the same run twice, expected different ones")
        first, *others = found.values()
        for other in others:
            check_comparable(first, other)
        if not every:
            answers = {run_id: load_outcomes(opened, run_id) for run_id in found}
            table = summary(run_frame(opened, suite=first.suite)).loc[list(found)]
            scores = score_frame(opened, ids=list(found))
    if every:
        _print_scores(first, others)
        return
    _print_numbers(list(found.values()), table, scores, answers)


def _print_scores(first: Run, others: list[Run]) -> None:
    from bench.ranking import compare

    for other in others:
        table = compare(first, other).dropna(subset=["first", "second"], how="all")
        title = f"first {first.submission.slug}, second {other.submission.slug}"
        print_frame(table.dropna(axis="columns", how="all"), title)


def _print_numbers(
    runs: list[Run],
    table: "pd.DataFrame",
    scores: "pd.DataFrame",
    answers: Mapping[str, "Answers"],
) -> None:
    from bench.comparison import agreement, comparisons, unmatched
    from bench.store import TRUTH

    truth = next((kept[TRUTH] for kept in answers.values() if TRUTH in kept), None)
    lines, rows = comparisons(table, answers.__getitem__, scores), table.to_dict("index")
    names = [f"{letter} {_called(run)}" for letter, run in zip(LETTERS, runs, strict=False)]
    for letter, name, run in zip(LETTERS[1:], names[1:], runs[1:], strict=False):
        first, other = answers[runs[0].run_id], answers[run.run_id]
        found = agreement(run.suite, first, other, truth)
        if found:
            print(_counted(letter, found))
        elif run.submission.kind != "flow" or not (run.suite in first and run.suite in other):
            print(_unpaired(letter, run.suite, first, other))
        shown = lines[lines["run_id"] == run.run_id]
        print_frame(_worded(shown, letter), f"{names[0]}, {name}")
        for sentence in unmatched(rows[runs[0].run_id], rows[run.run_id], ("A", letter)):
            print(sentence)


def _called(run: Run) -> str:
    kind = "" if run.submission.kind == "classifier" else f", {run.submission.kind}"
    return f"{run.submission.slug} ({run.run_id[:8]}{kind})"


def _counted(letter: str, found: "Agreement") -> str:
    return (
        f"Of {found.n:,} clean images A and {letter} both get {found.both:,} right, A alone "
        f"{found.first:,}, {letter} alone {found.second:,}, neither {found.neither:,}; they "
        f"answer {found.same:,} alike ({found.same / found.n:.1%})."
    )


def _unpaired(letter: str, suite: str, first: "Answers", other: "Answers") -> str:
    """Why two runs are no pair."""
    without = [name for name, known in (("A", first), (letter, other)) if suite not in known]
    if without:
        why = f"no answers to single images are stored of {' and '.join(without)}"
        return f"Unpaired, with wider intervals than needed: {why}."
    why = f"neither A nor {letter} keeps the labels of its test set"
    return f"Accuracies are unpaired, with wider intervals than needed: {why}."


def _worded(lines: "pd.DataFrame", letter: str) -> "pd.DataFrame":
    """The columns as they are read: letters for runs, an interval in one cell."""
    return lines.assign(
        interval=[
            "" if low != low else f"{low:+.4g} to {high:+.4g}"
            for low, high in zip(lines["low"], lines["high"], strict=True)
        ],
        p=[_chance(p) for p in lines["p"]],
        better=lines["better"].replace({"first": "A", "second": letter}),
    )[["number", "first", "second", "difference", "interval", "p", "better", "test"]].rename(
        columns={
            "first": "A",
            "second": letter,
            "difference": f"{letter} − A",
            "interval": "95 % interval",
        }
    )


def _chance(p: float) -> str:
    if p != p:
        return ""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"
