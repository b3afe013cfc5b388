"""The command line: parse, call, print. Heavy imports wait until a command runs."""

from typing import Annotated

import typer

from bench import __version__
from bench.cli import (
    comparing,
    data,
    demo,
    detecting,
    doctoring,
    inspecting,
    making,
    results,
    scoring,
    sweeping,
    timing,
    verifying,
)
from bench.cli.ending import ended

app = typer.Typer(
    name="bench",
    help="Robustness and anomaly detection of pruned neural networks: score, compare, rank.",
    epilog="Start with: bench demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (
    demo,
    scoring,
    sweeping,
    doctoring,
    inspecting,
    detecting,
    making,
    timing,
    results,
    comparing,
    verifying,
):
    app.add_typer(room.app)
app.add_typer(data.app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        from bench.protocol import PROTOCOLS

        typer.echo(f"sparse-bench {__version__}")
        for asked in PROTOCOLS.values():
            typer.echo(f"protocol {asked.id.version} {asked.id.preset} {asked.id.sha256[:12]}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Of the program and its protocols."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point."""
    ended(app)
