"""Commands of `bench data`: list, fetch, import, verify, where."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import print_rows
from bench.cli.progress import shown
from bench.errors import BenchError

app = typer.Typer(
    help="Image sets: what is there, where it comes from, whether it is what was published.",
    no_args_is_help=True,
)
SetName = Annotated[str, typer.Argument(help="Image set, e.g. fashionmnist or cifar10-c.")]


@app.command("list", epilog="Example:\n\nbench data list --data ~/datasets")
def list_sets(data: options.Data = None) -> None:
    """List the image sets of every suite, here or not."""
    from bench.data.listing import list_sets as rows

    print_rows(
        ("suite", "set", "role", "images", "fingerprint", "where"),
        [
            (
                row.suite,
                row.set,
                row.role,
                "–" if row.images is None else f"{row.images:,}",
                (row.fingerprint or "")[:12],
                " ".join(filter(None, (row.where, row.note))),
            )
            for row in rows(data)
        ],
    )


@app.command(
    epilog="Examples:\n\nbench data fetch cifar10-c\n\nbench data fetch --suite fashionmnist"
)
def fetch(
    name: Annotated[
        str | None, typer.Argument(help="Image set, e.g. fashionmnist or cifar10-c.")
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option("--suite", help="All that can be fetched of a suite, in its place."),
    ] = None,
    data: options.Data = None,
    quiet: options.Quiet = False,
) -> None:
    """Download a set where its authors publish it, and check what came."""
    from bench.data.fetch import fetch as bring
    from bench.data.fetch import fetchable

    if (name is None) == (suite is None):
        raise BenchError(
            "E-BAD-VALUE", "fetch: got both or neither, expected NAME or --suite SUITE"
        )
    with shown(quiet) as progress:
        for one in fetchable(suite) if suite else filter(None, [name]):
            for path in bring(one, data, progress=progress):
                print(path)
    if suite:
        print(f"`bench data list` shows what else {suite} looks at.", file=sys.stderr)


@app.command(
    "import",
    epilog="Examples:\n\n"
    "bench data import notmnist test ~/notMNIST_small\n\n"
    "bench data import cifar10 test-first1000 cifar10.parquet",
)
def import_set(
    name: SetName,
    split: Annotated[str, typer.Argument(help="Split, e.g. test, or test-first1000.")],
    source: Annotated[
        Path, typer.Argument(help="Image folder CLASS/*.png, .npz, .npy, .parquet or a data root.")
    ],
    data: options.Data = None,
    quiet: options.Quiet = False,
) -> None:
    """Bring images that you already have into the data root."""
    from bench.data.imports import import_set as bring

    with shown(quiet) as progress:
        print(bring(name, split, source, data, progress=progress))


@app.command(epilog="Example:\n\nbench data verify")
def verify(data: options.Data = None, quiet: options.Quiet = False) -> None:
    """Decode everything under the data root and compare it with what was published."""
    from bench.data.listing import verify as check

    with shown(quiet) as progress:
        checked = check(data, progress=progress)
    print_rows(
        ("set", "images", "verdict", "fingerprint", "where"),
        [
            (
                row.what,
                f"{row.images:,}",
                row.verdict,
                row.fingerprint[:12],
                f"{row.where} {row.note}",
            )
            for row in checked
        ],
    )
    if any(row.verdict in ("damaged", "different") for row in checked):
        sys.exit(2)


@app.command(epilog="Example:\n\nbench data where")
def where(data: options.Data = None) -> None:
    """Show the folders that data is kept in, and what they take."""
    from bench.data.listing import where as places

    print_rows(
        ("what", "folder", "files", "MiB"),
        [
            (place.what, str(place.path), f"{place.files:,}", f"{place.bytes / 2**20:,.1f}")
            for place in places(data)
        ],
    )
