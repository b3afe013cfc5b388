"""The command line: parse, call, print. Heavy imports wait until a command runs."""

import typer

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


def main() -> None:
    """Entry point."""
    ended(app)
