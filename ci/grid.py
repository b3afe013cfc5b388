"""The grid of baselines that the repository ships: one folder a network, one record a seed.

`python -m ci.grid STORE MADE` writes the folders of `submissions/grid.toml`'s sweep anew.
"""

import csv
import gzip
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from bench.cli.ending import ended
from bench.errors import BenchError
from bench.files import write_atomically
from bench.headline import HEADLINE
from bench.legend import head
from bench.ranking import over_seeds, rank, summary
from bench.records import Run, file_bytes
from bench.store import Store, load_run, open_store
from bench.store.claims import status_of
from bench.submissions.card import FILE, WEIGHTS, read_card
from bench.tables import markdown
from ci.shipped import ROOT, frame_of, grid_runs, where

SUBMISSIONS = ROOT / "submissions"
TIMES = "grid.csv"
SEED, SPARSITIES = 1234, (0.0, 0.9)  # of the networks whose weights are shipped
SHOWN = 0.9  # sparsity of the README's table
COLUMNS = ("accuracy", "fgsm_linf_worst", "shift", "ood_msp", "ood_sensnorm", "brier")


def ship(store: Store, made: Path, out: Path) -> None:
    """Copies what a sweep made into folders of the repository, in place of those there.

    Args:
        store: With the units of this one sweep, all done.
        made: The folder of its networks.
        out: Gets `grid-SLUG/run-SEED.json.gz`, of one seed the card, and of it some weights and
            their learning curve; `grid.csv`, how long each network took.

    Raises:
        BenchError: E-BAD-VALUE if a unit is not done or two have the same slug and seed;
            E-NO-SUCH-FILE if a network to be copied is not there.
    """
    folders = {read_card(path.parent).model.sha256: path.parent for path in made.glob(f"*/{FILE}")}
    runs = _ended(store)
    for old in out.glob("grid-*/"):
        shutil.rmtree(old)
    times = []
    for run, seconds in runs:
        who = run.submission
        times.append((who.slug, who.seed, run.run_id, round(seconds)))
        target = out / f"grid-{who.slug}"
        record = gzip.compress(file_bytes(replace(run, trust="official")), mtime=0)
        write_atomically(target / f"run-{who.seed}.json.gz", record)
        if who.seed == SEED:
            _copy(run, folders, target)
    with (out / TIMES).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("slug", "seed", "run", "seconds"), *sorted(times)])


def _ended(store: Store) -> list[tuple[Run, float]]:
    """The run of each unit, and the seconds that it took."""
    units = status_of(store).values()
    runs = [(load_run(store, unit.run_id), unit.seconds) for unit in units if unit.run_id]
    names = {(run.submission.slug, run.submission.seed) for run, _ in runs}
    if not len(units) == len(runs) == len(names):
        raise BenchError(
            "E-BAD-VALUE",
            f"got {len(units)} units, {len(runs)} of them done, of {len(names)} slugs and seeds, "
            "expected one sweep of one suite and architecture, done",
        )
    return runs


def _copy(run: Run, folders: dict[str, Path], target: Path) -> None:
    who = run.submission
    if who.weights_sha256 not in folders:
        raise BenchError("E-NO-SUCH-FILE", f"{who.slug}: no folder has its weights")
    names = [FILE]
    if who.declared_sparsity in SPARSITIES:
        names += [WEIGHTS, "curve.csv"]
    for name in names:
        write_atomically(target / name, (folders[who.weights_sha256] / name).read_bytes())


def means(runs: list[Run]) -> pd.DataFrame:
    """`over_seeds` of the headline numbers."""
    return over_seeds(summary(frame_of(runs)), list(HEADLINE))


def grid() -> str:
    """What was run and how long it took, and the baselines of one sparsity beside dense."""
    runs = grid_runs()
    rows = means(runs)
    rows = rows[rows["declared_sparsity"].isin([0, SHOWN])]
    seconds = pd.read_csv(SUBMISSIONS / TIMES)["seconds"].sum()
    said = f"{len(runs)} networks, made and scored in {seconds / 3600:.1f} hours of one core."
    return f"{where(runs)} {said}\n\n{markdown(_shown(rank(rows, COLUMNS[0])))}"


def _shown(ranked: pd.DataFrame) -> pd.DataFrame:
    shown = ranked[["pruner", "moment"]].astype(object).fillna("–")
    for column in COLUMNS:
        pairs = zip(ranked[column], ranked[f"{column}_std"], strict=True)
        shown[head(column)] = [f"{mean:.3f} ± {std:.3f}" for mean, std in pairs]
    return shown


app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def main(
    store: Annotated[str, typer.Argument(help="URL of the sweep's store.")],
    made: Annotated[Path, typer.Argument(help="Its --out.")],
) -> None:
    """Write the sweep's folders into `submissions`."""
    with open_store(store, readonly=True) as opened:
        ship(opened, made, SUBMISSIONS)


if __name__ == "__main__":
    ended(app)
