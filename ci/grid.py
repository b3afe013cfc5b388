"""The grid of baselines that the repository ships: one folder a network, one record a seed.

`python -m ci.grid STORE MADE` writes the folders of `submissions/grid.toml`'s sweep anew, and draws
them.
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
from leaderboard.shipped import SUBMISSIONS

GRID, TIMES = SUBMISSIONS / "grid.toml", "grid.csv"
SEED, SPARSITIES = 1234, (0.0, 0.9)  # of the networks whose weights are shipped


def ship(grid: Grid, store: Store, made: Path, out: Path) -> None:
    """Copies what a sweep made into folders of the repository, in place of those there.

    Args:
        grid: Names one suite, architecture and recipe; what else the store has stays there.
        store: With the units of its sweep, all done.
        made: The folder of its networks.
        out: Gets `grid-SLUG/run-SEED.json.gz`, of one seed the card, and of it some weights and
            their learning curve; `grid.csv`, how long each network took, without attempts that
            were interrupted.

    Raises:
        BenchError: E-BAD-VALUE if a unit is not done, or done twice; E-NO-SUCH-FILE if a network
            to be copied is not there.
    """
    runs, networks = _ended(grid, store), _networks(made)
    for run, _ in runs:
        if run.submission.seed == SEED and run.submission.weights_sha256 not in networks:
            raise BenchError("E-NO-SUCH-FILE", f"{run.submission.slug}: no folder has its weights")
    for old in out.glob("grid-*/"):
        shutil.rmtree(old)
    for run, _ in runs:
        who = run.submission
        target = out / f"grid-{who.slug}"
        record = gzip.compress(file_bytes(replace(run, trust="official")), mtime=0)
        write_atomically(target / f"run-{who.seed}.json.gz", record)
        if who.seed == SEED:
            _copy(run, networks[who.weights_sha256], target)
    rows = sorted((r.submission.slug, r.submission.seed, r.run_id, round(s)) for r, s in runs)
    times = pd.DataFrame(rows, columns=["slug", "seed", "run", "seconds"])
    write_atomically(out / TIMES, write(times, "csv"))


def _networks(made: Path) -> dict[str, Path]:
    """Hash of the weights -> folder."""
    return {read_card(card.parent).model.sha256: card.parent for card in made.glob(f"*/{FILE}")}


def _ended(grid: Grid, store: Store) -> list[tuple[Run, float]]:
    """The run of each unit of the grid, and the seconds that it took."""
    wanted, units = names(grid), status_of(store).values()
    found = [(load_run(store, unit.run_id), unit.seconds) for unit in units if unit.run_id]
    runs = [(run, s) for run, s in found if _is_of(run, grid) and _name(run) in wanted]
    times = Counter(_name(run) for run, _ in runs)
    wrong = [f"{slug} {seed}" for slug, seed in sorted(wanted) if times[slug, seed] != 1]
    if wrong:
        raise BenchError(
            "E-BAD-VALUE",
            f"{len(wrong)} of the grid's {len(wanted)} networks are not there, or twice, e.g. "
            f"{wrong[0]}; expected a store of its sweep, done",
        )
    return runs


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
    """Write the sweep's folders into `submissions`, and the figure of them."""
    with open_store(store, readonly=True) as opened:
        ship(read_grid(GRID), opened, made, SUBMISSIONS)
    draw()


if __name__ == "__main__":
    ended(app)
