"""The grid of baselines that the repository ships: one folder a network, one record a seed.

`python -m ci.grid STORE MADE` writes what a sweep of `submissions/grid.toml`, or of a part of it,
has made beside what is there, and draws all.
"""

import gzip
import shutil
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from bench.baselines import facts_of
from bench.cli.ending import ended
from bench.errors import BenchError
from bench.files import write_atomically
from bench.records import Run, file_bytes
from bench.store import Store, load_run, open_store
from bench.store.claims import status_of
from bench.submissions.card import FILE, WEIGHTS, read_card
from bench.sweep.grid import Grid, read_grid
from bench.sweep.units import cuts
from bench.tables import write
from ci.figures import draw
from ci.shipped import grid_runs
from leaderboard.shipped import SUBMISSIONS

GRID, TIMES = SUBMISSIONS / "grid.toml", "grid.csv"
COLUMNS = ["slug", "seed", "run", "seconds"]
SEED, SPARSITIES = 1234, (0.0, 0.9)  # of the networks whose weights are shipped


def ship(grid: Grid, store: Store, made: Path, out: Path) -> None:
    """Copies what a sweep made into folders of the repository.

    The grid may come in parts, each from a store of its own: what the store has takes the place of
    what is shipped, the rest of the grid stays as it is, and what is none of the grid's goes.

    Args:
        grid: Names one suite, architecture and recipe; what else the store has stays there.
        store: With units of its sweep.
        made: The folder of its networks.
        out: Gets `grid-SLUG/run-SEED.json.gz`, of one seed the card, and of it some weights and
            their learning curve; `grid.csv`, how long each network took, without attempts that
            were interrupted.

    Raises:
        BenchError: E-BAD-VALUE if the store has nothing of the grid, or a network twice;
            E-NO-SUCH-FILE if one to be copied is not there.
    """
    runs, networks = _ended(grid, store), _networks(made)
    _check(runs)
    times = _times(grid, runs, out)
    for run, _ in runs:
        if run.submission.seed == SEED and run.submission.weights_sha256 not in networks:
            raise BenchError("E-NO-SUCH-FILE", f"{run.submission.slug}: no folder has its weights")
    _clear(grid, out)
    for run, _ in runs:
        who = run.submission
        target = out / f"grid-{who.slug}"
        record = gzip.compress(file_bytes(replace(run, trust="official")), mtime=0)
        write_atomically(target / f"run-{who.seed}.json.gz", record)
        if who.seed == SEED:
            _copy(run, networks[who.weights_sha256], target)
    write_atomically(out / TIMES, write(times, "csv"))


def _clear(grid: Grid, out: Path) -> None:
    """Removes the records of what is none of the grid's, and folders that then have none."""
    wanted = {out / f"grid-{slug}" / f"run-{seed}.json.gz" for slug, seed in names(grid)}
    for record in set(out.glob("grid-*/run-*.json.gz")) - wanted:
        record.unlink()
        if not any(record.parent.glob("run-*.json.gz")):
            shutil.rmtree(record.parent)


def _times(grid: Grid, runs: list[tuple[Run, float]], out: Path) -> pd.DataFrame:
    """Run and seconds of each network of the grid, where the store has none those shipped."""
    shipped = pd.read_csv(out / TIMES) if (out / TIMES).is_file() else pd.DataFrame()
    rows = {(slug, seed): (run, seconds) for slug, seed, run, seconds in shipped.to_numpy()}
    rows |= {_name(run): (run.run_id, round(seconds)) for run, seconds in runs}
    there = sorted(names(grid) & rows.keys())
    return pd.DataFrame([(*name, *rows[name]) for name in there], columns=COLUMNS)


def _check(runs: list[tuple[Run, float]]) -> None:
    times = Counter(name for name, _ in {(_name(run), run.run_id) for run, _ in runs})
    twice = [f"{slug} {seed}" for (slug, seed), count in sorted(times.items()) if count > 1]
    if twice or not runs:
        got = f"{twice[0]} twice" if twice else "no network of the grid"
        raise BenchError("E-BAD-VALUE", f"store: got {got}, expected each at most once, and some")


def _networks(made: Path) -> dict[str, Path]:
    """Hash of the weights -> folder."""
    return {read_card(card.parent).model.sha256: card.parent for card in made.glob(f"*/{FILE}")}


def _ended(grid: Grid, store: Store) -> list[tuple[Run, float]]:
    """The runs of the store that are of the grid, and the seconds that each took."""
    found = [(load_run(store, u.run_id), u.seconds) for u in status_of(store).values() if u.run_id]
    wanted = names(grid)
    return [(run, s) for run, s in found if _is_of(run, grid) and _name(run) in wanted]


def _is_of(run: Run, grid: Grid) -> bool:
    who = run.submission
    place = run.suite, who.architecture, who.recipe, run.limit
    return place == (*grid.suites, *grid.architectures, grid.recipe, grid.limit)


def names(grid: Grid) -> set[tuple[str, int]]:
    """Slug and seed of each network of a grid of one suite and architecture."""
    slugs = ["dense", *(facts_of(cut)["slug"] for cut in cuts(grid))]
    return set(product(slugs, grid.seeds))


def _name(run: Run) -> tuple[str, int | None]:
    return run.submission.slug, run.submission.seed


def _copy(run: Run, network: Path, target: Path) -> None:
    files = [FILE]
    if run.submission.declared_sparsity in SPARSITIES:
        files += [WEIGHTS, "curve.csv"]
    for name in files:
        write_atomically(target / name, (network / name).read_bytes())


app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def main(
    store: Annotated[str, typer.Argument(help="URL of the sweep's store.")],
    made: Annotated[Path, typer.Argument(help="Its --out.")],
) -> None:
    """Write what the sweep made into `submissions`, and the figure of all that is there."""
    grid = read_grid(GRID)
    with open_store(store, readonly=True) as opened:
        ship(grid, opened, made, SUBMISSIONS)
    draw()
    typer.echo(f"{len(grid_runs())} of the grid's {len(names(grid))} networks are shipped.")


if __name__ == "__main__":
    ended(app)
