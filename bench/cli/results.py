"""Commands that read the store: runs, show, compare, export, leaderboard."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options

app = typer.Typer()
RunId = Annotated[str, typer.Argument(help="Run id, or the first digits of it.")]


@app.command(epilog="Example:\n\nbench runs --store sqlite:///demo/bench.db --suite digits")
def runs(
    store: options.Store = options.STORE,
    suite: Annotated[str | None, typer.Option("--suite", help="Only of this suite.")] = None,
) -> None:
    """List the stored runs with their headline numbers."""


@app.command(epilog="Example:\n\nbench show 3f2a")
def show(run: RunId, store: options.Store = options.STORE) -> None:
    """Show every score of one run."""


@app.command(epilog="Example:\n\nbench compare 3f2a 91cc")
def compare(
    first: RunId,
    second: Annotated[str, typer.Argument(help="The run to compare it with.")],
    store: options.Store = options.STORE,
) -> None:
    """Show the differences of two runs of the same protocol, data and limit."""


@app.command(
    epilog="Examples:\n\n"
    "bench export 3f2a --format json > run.json\n\n"
    "bench export --format latex --out table.tex"
)
def export(
    run: Annotated[str | None, typer.Argument(help="One run; default: the ranking.")] = None,
    format: Annotated[
        str, typer.Option("--format", help="csv, json, parquet, markdown or latex.")
    ] = "json",
    out: Annotated[Path | None, typer.Option("--out", help="Default: standard output.")] = None,
    store: options.Store = options.STORE,
) -> None:
    """Write one run, or the ranking of all, as a file that other programs read."""


@app.command(epilog="Example:\n\nbench leaderboard --store sqlite:///demo/bench.db")
def leaderboard(
    store: options.Store = options.STORE,
    port: Annotated[int, typer.Option("--port", help="Port on this machine.")] = 8501,
) -> None:
    """Open the page: the ranking, and sparsity against accuracy and robustness."""
    from leaderboard.launch import command

    sys.exit(subprocess.run(command(store, port), check=False).returncode)
