"""Tables on stdout."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.errors import one_line
from bench.flags import meanings
from bench.metric_meanings import QUANTILES
from bench.protocol import Protocol
from bench.records import CONDITIONS, Run, Score

if TYPE_CHECKING:
    import pandas as pd


def print_rows(header: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table; as wide as it needs where it does not go to a terminal."""
    console = Console(width=None if sys.stdout.isatty() else 240, markup=False, highlight=False)
    table = Table(*header, title=title or None, box=SIMPLE_HEAD, title_justify="left")
    for row in rows:
        table.add_row(*map(one_line, row))
    console.print(table)


def print_frame(frame: "pd.DataFrame", title: str = "") -> None:
    """A frame, numbers with four digits."""
    from bench.tables import cell_text

    rows = [[cell_text(cell) or "–" for cell in row] for row in frame.itertuples(index=False)]
    print_rows(list(frame.columns), rows, title)


def print_run(run: Run, *, every: bool = False) -> None:
    """A run: who, where, and its scores; the headline ones unless `every` is asked for."""
    who, where = run.submission, run.environment
    images = "all images" if run.limit is None else f"first {run.limit} images"
    sparsity = "" if who.measured_sparsity is None else f", sparsity {who.measured_sparsity:.4g}"
    print(f"{who.slug}: {who.architecture}{sparsity}, weights {who.weights_sha256[:12]}")
    print(
        f"{run.suite}, {images}, protocol {run.protocol.version} {run.protocol.preset} "
        f"({run.protocol.sha256[:12]}), run {run.run_id}, {run.trust}"
    )
    print(f"{where.device}, {where.threads} threads, torch {where.torch}, {run.seconds:.1f} s")
    print_flags(run.flags)
    if run.protocol.preset == "detectors" and any(s.detector for s in run.scores) and not every:
        _print_board(run)
        return
    shown = [score for score in run.scores if every or _headline(score)]
    print_rows(
        ("task", "set", "condition", "metric", "value", "±", "n"),
        [_score_row(score) for score in shown],
    )
    hidden = len(run.scores) - len(shown)
    if hidden and "partial" in run.flags:
        print(f"{hidden} more scores: --json FILE writes them all", file=sys.stderr)
    elif hidden:
        print(f"{hidden} more scores: bench show {run.run_id[:8]}", file=sys.stderr)


def print_flags(flags: Iterable[str]) -> None:
    """What each word means, once."""
    for flag, meaning in meanings(flags).items():
        print(f"flag {flag}: {meaning}")


def _print_board(run: Run) -> None:
    from bench.detector_board import detector_board

    title = "AUROC by detector and images judged together"
    print_frame(detector_board(run).reset_index(), title)
    print(f"all {len(run.scores)} scores: bench show {run.run_id[:8]}", file=sys.stderr)


def print_protocol(protocol: Protocol) -> None:
    """Constants of a protocol and the meaning of its metrics."""
    print(f"protocol {protocol.version} {protocol.preset}, sha256 {protocol.id.sha256}")
    print_rows(
        ("constant", "value"),
        [(name, str(getattr(protocol, name))) for name in protocol.__slots__],
    )
    arrows = {True: "higher", False: "lower", None: ""}
    print_rows(
        ("metric", "better", "unit", "meaning"),
        [(n, arrows[m.higher_is_better], m.unit, m.meaning) for n, m in protocol.metrics.items()],
    )


def _headline(score: Score) -> bool:
    """Scores that fit on a screen: one a question; corruptions at the worst severity only."""
    if score.task == "shift":
        return score.metric == "accuracy" and score.severity == 5
    if score.metric in (*QUANTILES, "layer_sparsity", "aupr_id", "aupr_outlier", "fpr95"):
        return False
    return score.batch_size in (None, 1)


def _score_row(score: Score) -> tuple[str, ...]:
    given = [getattr(score, name) for name in CONDITIONS]
    condition = " ".join(f"{x:.4g}" if isinstance(x, float) else str(x) for x in given if x)
    value = score.reason if score.value is None else f"{score.value:.6g}"
    error = "" if score.stderr is None else f"{score.stderr:.2g}"
    return (
        score.task,
        score.set,
        condition,
        score.metric,
        str(value),
        error,
        f"{score.n:,}",
    )
