"""Commands that read the store: runs, show, compare, export, leaderboard."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import print_flags, print_frame, print_run
from bench.errors import BenchError
from bench.files import write_atomically
from bench.records import file_bytes, from_json

app = typer.Typer()
RunId = Annotated[str, typer.Argument(help="Run id, or the first digits of it.")]
By = Annotated[str, typer.Option("--by", help="Column to rank by.")]
HEADLINE = ("accuracy", "fgsm_linf", "shift", "ood_msp", "brier", "latency_ratio")


@app.command(
    epilog="Examples:\n\nbench runs --store sqlite:///demo/bench.db\n\nbench runs --by fgsm_linf"
)
def runs(
    store: options.Store = options.STORE,
    suite: Annotated[str | None, typer.Option("--suite", help="Only of this suite.")] = None,
    by: By = "accuracy",
) -> None:
    """List the stored runs from best to worst, each group of comparable runs by itself."""
    from bench.ranking import GROUP, rank, summary
    from bench.store import open_store, score_frame

    with open_store(store, readonly=True) as opened:
        table = rank(summary(score_frame(opened, suite=suite)), by)
    if table.empty:
        print(f"No runs in {store}; `bench evaluate` or `bench demo` makes some.", file=sys.stderr)
    for (name, limit, _, _), group in table.groupby(GROUP, dropna=False, sort=False):
        images = "all images" if limit != limit else f"first {limit:g} images"
        title = f"{name}, {images}, protocol {group['version'].iloc[0]} {group['preset'].iloc[0]}"
        who = ["rank", "run_id", "slug", "sparsity", "seed", "trust"]
        columns = [*who, *dict.fromkeys([by, *HEADLINE])]
        flagged = ["flags"] if group["flags"].any() else []
        print_frame(group.reset_index()[columns + flagged], title)
    print_flags(" ".join(table["flags"]).split())


@app.command(epilog="Example:\n\nbench show 3f2a")
def show(run: RunId, store: options.Store = options.STORE) -> None:
    """Show every score of one run, where it was made, and what it corrects."""
    from bench.store import load_entry, open_store

    with open_store(store, readonly=True) as opened:
        entry = load_entry(opened, run)
    if entry.corrected:
        print(f"In place of run {entry.corrected}: {entry.reason}")
    print_run(from_json(entry.record), every=True)


@app.command(
    epilog="Examples:\n\n"
    "bench export 3f2a > run.json\n\n"
    "bench export --format latex --out table.tex\n\n"
    "bench export --relative --format csv --out relative.csv"
)
def export(
    run: Annotated[str | None, typer.Argument(help="One run. Default: the ranking.")] = None,
    format: Annotated[
        str, typer.Option("--format", help="csv, json, parquet, markdown or latex.")
    ] = "json",
    out: Annotated[Path | None, typer.Option("--out", help="Default: standard output.")] = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="Ratios to same-seed dense, mean ± std over seeds.")
    ] = False,
    by: By = "accuracy",
    store: options.Store = options.STORE,
) -> None:
    """Write one run, or the ranking of all, as a file that other programs read."""
    from bench import ranking, tables
    from bench.store import load_entry, load_run, open_store, score_frame

    if run is not None and relative:
        raise BenchError("E-BAD-VALUE", "--relative: got a single run, expected none")
    with open_store(store, readonly=True) as opened:
        if run is not None and format == "json":
            content = file_bytes(load_run(opened, run))
        else:
            frame = score_frame(opened)
            if run is not None:
                full = load_entry(opened, run).record["run_id"]
                content = tables.write(frame[frame["run_id"] == full], format)
            else:
                table = ranking.summary(frame)
                table = ranking.relative(table) if relative else table.reset_index()
                content = tables.write(ranking.rank(table, by), format)
    if out:
        write_atomically(out, content)
    else:
        sys.stdout.buffer.write(content)


@app.command(epilog="Example:\n\nbench leaderboard --store sqlite:///demo/bench.db")
def leaderboard(
    store: options.Store = options.STORE,
    port: Annotated[int, typer.Option("--port", help="Port on this machine.")] = 8501,
) -> None:
    """Open the page: the ranking, and sparsity against accuracy and robustness."""
    page = [sys.executable, "-m", "leaderboard", "--store", store, "--port", str(port)]
    sys.exit(subprocess.run(page, check=False).returncode)
