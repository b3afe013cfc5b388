"""The command that does a grid: sweep."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.ending import resumable

app = typer.Typer()
EXAMPLE = """\
Example of a GRID.toml:

\b
suites = ["fashionmnist"]
pruners = ["snip", "imp", {name = "edge-popup-after", options = {objective = "shift"}}]
sparsities = [0.5, 0.9]
seeds = [1234, 2345, 3456]
recipe = "short-10"

Examples:

bench sweep grid.toml --dry-run

bench sweep grid.toml --workers 2 --out runs

bench sweep grid.toml --status

bench sweep grid.toml --ray auto --store postgresql+psycopg://bench@host/bench
"""


@app.command(epilog=EXAMPLE)
def sweep(
    grid: Annotated[Path, typer.Argument(help="What to train, prune and score; see below.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the submissions.")] = Path("sweep"),
    store: options.Store = options.STORE,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Networks made at once. Default: one a core, on an accelerator one; with --ray "
            "as many as the cluster has room for.",
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", min=1, help="CPU threads of each worker.")
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option("--ray", help="Address of a running Ray cluster; auto: that of this machine."),
    ] = None,
    gpus: Annotated[
        float, typer.Option("--gpus", min=0, help="GPUs of each worker on a Ray cluster.")
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the units and how long they take; do nothing.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show how far the sweep is; do nothing.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed.")
    ] = False,
    device: options.Device = "auto",
    data: options.Data = None,
    quiet: options.Quiet = False,
) -> None:
    """Train, prune and score a whole grid, as far as it is not done yet.

    Killed and run again, it goes on: what is done is never done again, what is unfinished goes on
    after the last whole epoch. Exit code 2 if a unit failed for want of something, 1 for a fault.
    """
    from bench.cli.watching import print_plan, print_status, tell, watching
    from bench.store import open_store
    from bench.store.claims import retry, status_of
    from bench.submissions import check_target
    from bench.sweep.grid import read_grid
    from bench.sweep.local import usual_workers, work_locally
    from bench.sweep.on_ray import work_on_ray
    from bench.sweep.units import units_of
    from bench.sweep.work import Workplace

    units = units_of(read_grid(grid), device=device, root=data and data.absolute())
    several = workers or usual_workers(device, threads)
    if dry_run:
        print_plan(units, store, workers=several, threads=threads, quiet=quiet)
        return
    keys = [unit.key for unit in units]
    with open_store(store, readonly=status) as opened:
        if status:
            print_status(units, status_of(opened, keys), several)
            return
        check_target(out / units[0].folder)
        if retry_failed:
            retry(opened, keys)
    place = Workplace(units, store, out.absolute())
    with resumable("with what is not done"), watching(units, several, quiet) as look:
        if ray:
            work_on_ray(place, address=ray, workers=workers, threads=threads, gpus=gpus, look=look)
        else:
            work_locally(place, workers=several, threads=threads, look=look)
    with open_store(store, readonly=True) as opened:
        found = status_of(opened, keys)
    raise typer.Exit(tell(units, found, out, store))
