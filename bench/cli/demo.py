"""The whole life of a handful of submissions on the embedded suite."""

import sys
from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import print_frame
from bench.cli.progress import shown, under

app = typer.Typer()
PRUNERS = ("random", "magnitude", "snip")
SPARSITIES = (0.5, 0.9)
COLUMNS = ("accuracy", "fgsm_linf", "shift", "ood_msp", "brier", "latency_ratio")


@app.command(epilog="Example:\n\nbench demo --out demo")
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for submissions and store.")] = Path(
        "demo"
    ),
    quiet: options.Quiet = False,
) -> None:
    """Train, prune, pack, score and rank seven LeNet5 on the digits that come with the package."""
    from bench.baselines import Cut, Plan, prune, train_dense
    from bench.data import load_suite
    from bench.evaluation import evaluate
    from bench.ranking import rank, relative, summary
    from bench.store import open_store, run_frame, save_run
    from bench.submissions import load_submission

    plan, store = Plan("digits"), f"sqlite:///{out / 'bench.db'}"
    out.mkdir(parents=True, exist_ok=True)
    with shown(quiet) as progress, open_store(store) as opened:
        folders = [train_dense(plan, out / "dense", progress=under("dense", progress))]
        for pruner, sparsity in product(PRUNERS, SPARSITIES):
            folder, cut = out / f"{pruner}-{sparsity:g}", Cut(pruner, sparsity)
            report = under(folder.name, progress)
            folders.append(prune(plan, cut, folder, parent=folders[0], progress=report))
        suite = load_suite("digits", progress=progress)
        for done, folder in enumerate(folders, start=1):
            save_run(opened, *evaluate(load_submission(folder), suite))
            progress("scoring", done, len(folders))
        table = relative(summary(run_frame(opened)))
    shown_columns = ["rank", "pruner", "sparsity", *COLUMNS]
    print_frame(rank(table, "accuracy")[shown_columns], "Relative to dense (1 = as good)")
    print(f"Submissions, store: {out}/; every run: bench runs --store {store}", file=sys.stderr)
    print(f"The page: bench leaderboard --store {store}", file=sys.stderr)
