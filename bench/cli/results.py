"""Commands that read the store: runs, show, compare, export, leaderboard."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import options
from bench.cli.printing import print_flags, print_frame, print_run
from bench.errors import BenchError
from bench.files import write_atomically
from bench.records import file_bytes, from_json

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer()
RunId = Annotated[str, typer.Argument(help="Run id, or the first digits of it.")]
By = Annotated[str, typer.Option("--by", help="Column to rank by.")]
HEADLINE = (
    "accuracy",
    "fgsm_linf",
    "shift",
    "ood_msp",
    "brier",
    "likelihood_auroc",
    "latency_ratio",
)


@app.command(
    epilog="Examples:\n\nbench runs --store sqlite:///demo/bench.db\n\nbench runs --by fgsm_linf"
)
def runs(
    store: options.Store = options.STORE,
    suite: Annotated[str | None, typer.Option("--suite", help="Only of this suite.")] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", help="Column to rank by. Default: accuracy, of flows likelihood_auroc."
        ),
    ] = None,
) -> None:
    """List the stored runs from best to worst, each group of comparable runs by itself."""
    from bench.ranking import GROUP, rank, summary, usual
    from bench.store import open_store, run_frame, shown_url

    if suite not in (None, *options.SUITE_NAMES):
        raise BenchError(
            "E-UNKNOWN-SUITE", f"suite: got {suite!r}, expected one of {options.SUITE_NAMES}"
        )
    with open_store(store, readonly=True) as opened:
        table = summary(run_frame(opened, suite=suite))
    if table.empty:
        what = f"runs of {suite}" if suite else "runs"
        where = f"{shown_url(store)}; `bench evaluate` or `bench demo` makes some"
        print(f"No {what} in {where}.", file=sys.stderr)
    for (name, limit, _, _), group in table.groupby(GROUP, dropna=False, sort=False):
        images = "all images" if limit != limit else f"first {limit:g} images"
        title = f"{name}, {images}, protocol {group['version'].iloc[0]} {group['preset'].iloc[0]}"
        who = ["rank", "run_id", "slug", "sparsity", "seed", "trust"]
        who += ["recipe"] if group["recipe"].nunique() > 1 else []
        measured = [name for name in HEADLINE if group[name].notna().any()]
        column = by or usual(group)
        columns = [*who, *dict.fromkeys([column, *measured])]
        flagged = ["flags"] if group["flags"].any() else []
        print_frame(rank(group, column).reset_index()[columns + flagged], title)
    print_flags(" ".join(table["flags"]).split())


@app.command(epilog="Examples:\n\nbench show 3f2a\n\nbench show 91cc --png densities.png")
def show(
    run: RunId,
    store: options.Store = options.STORE,
    png: Annotated[
        Path | None, typer.Option("--png", help="Of a flow: draw its histograms of densities here.")
    ] = None,
) -> None:
    """Show every score of one run, where it was made, and what it corrects."""
    from bench.store import load_entry, open_store

    with open_store(store, readonly=True) as opened:
        entry = load_entry(opened, run)
    if entry.corrected:
        print(f"In place of run {entry.corrected}: {entry.reason}")
    found = from_json(entry.record)
    if png:
        from bench.likelihood_chart import likelihood_png

        write_atomically(png, likelihood_png([found]))
    print_run(found, every=True)


@app.command(
    epilog="Examples:\n\n"
    "bench export 3f2a > run.json\n\n"
    "bench export --format latex --out table.tex\n\n"
    "bench export --relative --format csv --out relative.csv\n\n"
    "bench export --html board.html --by fgsm_linf"
)
def export(
    run: Annotated[str | None, typer.Argument(help="One run. Default: the ranking.")] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", help="json (the default), csv, parquet, markdown or latex."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Default: standard output.")] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="The board as one page that any browser opens, to this file."),
    ] = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="Ratios to same-seed dense, mean ± std over seeds.")
    ] = False,
    by: By = "accuracy",
    store: options.Store = options.STORE,
) -> None:
    """Write one run, or the ranking of all, as a file that other programs read, or as a page."""
    if run is not None and relative:
        raise BenchError("E-BAD-VALUE", "--relative: got a single run, expected none")
    if html is not None:
        _alone("--html", {"RUN": run, "--format": format, "--out": out, "--relative": relative})
        content = _page(store, by)
    elif run is not None:
        content = _one_run(store, run, "json" if format is None else format)
    else:
        content = _ranking(store, by, "json" if format is None else format, relative=relative)
    if target := html or out:
        write_atomically(target, content)
    else:
        sys.stdout.buffer.write(content)


def _alone(option: str, others: Mapping[str, object]) -> None:
    given = [name for name, value in others.items() if value not in (None, False)]
    if given:
        raise BenchError(
            "E-BAD-VALUE", f"{option}: got {' and '.join(given)} beside it, expected it alone"
        )


def _page(store: str, by: str) -> bytes:
    from bench.html_board import board_html

    return board_html(_summary(store), by)


def _one_run(store: str, run: str, format: str) -> bytes:
    from bench import tables
    from bench.store import load_entry, load_run, open_store, score_frame

    with open_store(store, readonly=True) as opened:
        if format == "json":
            return file_bytes(load_run(opened, run))
        frame = score_frame(opened, ids=[load_entry(opened, run).record["run_id"]])
    return tables.write(frame, format)


def _ranking(store: str, by: str, format: str, *, relative: bool) -> bytes:
    from bench import ranking, tables

    table = _summary(store)
    table = ranking.relative(table) if relative else table.reset_index()
    return tables.write(ranking.rank(table, by), format)


def _summary(store: str) -> "pd.DataFrame":
    from bench.ranking import summary
    from bench.store import open_store, run_frame

    with open_store(store, readonly=True) as opened:
        return summary(run_frame(opened))


@app.command(epilog="Example:\n\nbench leaderboard --store sqlite:///demo/bench.db")
def leaderboard(
    store: options.Store = options.STORE,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65_535, help="Port on this machine.")
    ] = 8501,
) -> None:
    """Open the page: the ranking, and sparsity against accuracy and robustness."""
    page = [sys.executable, "-m", "leaderboard", "--port", str(port)]
    place = os.environ | {"BENCH_STORE": store}  # everybody can read a command line
    sys.exit(subprocess.run(page, check=False, env=place).returncode)
