"""The whole life of a handful of submissions on the embedded suite, in about a minute."""

import sys
from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.progress import shown

app = typer.Typer()
PRUNERS = ("random", "magnitude", "snip")
SPARSITIES = (0.5, 0.9)


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
    from bench.store import open_store, save_run, score_frame
    from bench.submissions import load_submission

    plan, store = Plan("digits"), f"sqlite:///{out / 'bench.db'}"
    out.mkdir(parents=True, exist_ok=True)
    with shown(quiet) as progress, open_store(store) as opened:
        dense = train_dense(plan, out / "dense", progress=progress)
        folders = [dense]
        for pruner, sparsity in product(PRUNERS, SPARSITIES):
            folder = out / f"{pruner}-{sparsity:g}"
            folders.append(
                prune(plan, Cut(pruner, sparsity), folder, parent=dense, progress=progress)
            )
        suite = load_suite("digits", progress=progress)
        for done, folder in enumerate(folders, start=1):
            run, outcomes = evaluate(load_submission(folder), suite)
            save_run(opened, run, outcomes)
            progress("scoring", done, len(folders))
        print_ranking(rank(score_frame(opened)))
    print(f"The page: bench leaderboard --store {store}", file=sys.stderr)
