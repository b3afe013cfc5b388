"""The grid of baselines that the repository ships: one folder a network, one record a seed.

`python -m ci.grid STORE MADE` writes the folders of `submissions/grid.toml`'s sweep anew, and draws
them.
"""

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
from bench.records import Run, file_bytes
from bench.store import Store, load_run, open_store
from bench.store.claims import status_of
from bench.submissions.card import FILE, WEIGHTS, read_card
from bench.tables import write
from ci.figures import draw
from leaderboard.shipped import SUBMISSIONS

TIMES = "grid.csv"
SEED, SPARSITIES = 1234, (0.0, 0.9)  # of the networks whose weights are shipped


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
    runs, networks = _ended(store), _networks(made)
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


def _copy(run: Run, network: Path, target: Path) -> None:
    names = [FILE]
    if run.submission.declared_sparsity in SPARSITIES:
        names += [WEIGHTS, "curve.csv"]
    for name in names:
        write_atomically(target / name, (network / name).read_bytes())


app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def main(
    store: Annotated[str, typer.Argument(help="URL of the sweep's store.")],
    made: Annotated[Path, typer.Argument(help="Its --out.")],
) -> None:
    """Write the sweep's folders into `submissions`, and the figure of them."""
    with open_store(store, readonly=True) as opened:
        ship(opened, made, SUBMISSIONS)
    draw()


if __name__ == "__main__":
    ended(app)
