"""Evaluates the submission of a pull request: `python -m ci.evaluate submissions/NAME`."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.ending import ended
from bench.cli.progress import Report, shown, under
from bench.data import Suite, load_suite
from bench.data.fetch import fetch, fetchable
from bench.errors import BenchError
from bench.evaluation import Evaluation, evaluate
from bench.files import write_atomically
from bench.records import Run, file_bytes
from bench.store import open_store, save_run
from bench.submissions import check_target, load_submission, pack
from bench.submissions.card import read_card
from ci.comparison import comparison
from ci.entry import PRUNER, check_entry
from ci.pruning import Box, dense_of, plan_of, prune_entry
from ci.sandbox import sandbox_level
from ci.shipped import comparable_runs

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(
    epilog="Examples:\n\n"
    "python -m ci.evaluate submissions/my-pruner\n\n"
    "python -m ci.evaluate submissions/my-pruner --limit 500 --out first-look\n\n"
    "python -m ci.evaluate submissions/my-pruner --official"
)
def main(
    entry: Annotated[
        Path, typer.Argument(help="Folder with submission.toml, and weights or pruner.py.")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Submission folder to write, with run and comparison.")
    ] = Path("evaluation"),
    official: Annotated[
        bool, typer.Option("--official", help="A maintainer's run: the strong sandbox or none.")
    ] = False,
    allow_weak: Annotated[
        bool,
        typer.Option("--allow-weak", help="Without bubblewrap, run the code all the same. DANGER."),
    ] = False,
    fetched: Annotated[
        bool, typer.Option("--fetch", help="Download what is missing of its suite's images.")
    ] = False,
    limit: options.Limit = None,
    store: Annotated[
        str | None, typer.Option("--store", help="Keep the run in a store too, as a URL.")
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Prune in the sandbox what a pull request submits, score it, and compare it.

    Writes `run.json`, `comparison.md`, the weights and their `submission.toml`.
    """
    if official and allow_weak:
        raise BenchError("E-BAD-VALUE", "--allow-weak: an official run takes the strong sandbox")
    check_entry(entry)
    check_target(out)
    if out.resolve() == entry.resolve():
        raise BenchError("E-BAD-VALUE", f"--out: {out} is what is evaluated; name another folder")
    box = Box(sandbox_level(allow_weak=allow_weak)) if (entry / PRUNER).is_file() else None
    if box and box.level == "weak":
        typer.secho("WEAK sandbox: this code may do what you may.", fg="red", bold=True, err=True)
    named = plan_of(read_card(entry)).suite
    with shown(quiet) as progress, TemporaryDirectory() as work:
        for name in fetchable(named) if fetched else ():
            fetch(name, progress=progress)
        flags = _packed(entry, out, Path(work) / "dense", box, progress)
        suite = load_suite(named, limit=limit, progress=progress)
        found, outcomes = _scored(out, suite, progress)
        run = replace(
            found,
            trust="official" if official else "ci",
            sandbox=box.level if box else None,
            flags=(*found.flags, *flags),
        )
        dense = _dense_run(run, entry, Path(work) / "dense", suite, progress) if box else None
    if store is not None:
        with open_store(store) as opened:
            save_run(opened, run, outcomes)
    for name, made in (("run.json", run), ("dense.json", dense)):
        if made:
            write_atomically(out / name, file_bytes(made))
    text = comparison(run, dense)
    write_atomically(out / "comparison.md", text.encode())
    typer.echo(text)
    typer.echo(f"Written: {out}/run.json, {out}/comparison.md", err=True)


def _packed(
    entry: Path, out: Path, dense: Path, box: Box | None, progress: Report
) -> tuple[str, ...]:
    """Writes the weights that are scored: the pruner's, or those that were submitted."""
    if box:
        return prune_entry(entry, out, dense, box, progress)
    loaded = load_submission(entry)
    card = read_card(entry)
    further = {"model": card.model.model_dump(include={"packed_from"})}
    pack(loaded.model, loaded.record, out, card.model_dump(include={"training", "about"}) | further)
    return ()


def _scored(folder: Path, suite: Suite, progress: Report) -> Evaluation:
    return evaluate(load_submission(folder), suite, progress=under(folder.name, progress))


def _dense_run(run: Run, entry: Path, folder: Path, suite: Suite, progress: Report) -> Run | None:
    """A dense run to compare with, where none of the shipped ones is of this seed and recipe."""
    who, card = run.submission, read_card(entry)
    wanted = ("classifier", "dense", who.seed, who.recipe)
    shipped = (other.submission for other in comparable_runs(run))
    if wanted in [(other.kind, other.pruner, other.seed, other.recipe) for other in shipped]:
        return None
    plan = replace(plan_of(card), architecture=who.architecture, recipe=who.recipe)
    parent = card.training.parent if who.moment == "after" else None
    dense, _ = _scored(dense_of(plan, parent, folder, progress), suite, progress)
    return replace(dense, trust=run.trust)


if __name__ == "__main__":
    ended(app)
