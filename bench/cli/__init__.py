"""The command line: parse, call, print. Heavy imports wait until a command runs."""

import sys
import warnings

import typer

from bench.cli import (
    data,
    demo,
    detecting,
    doctoring,
    inspecting,
    making,
    results,
    scoring,
    verifying,
)
from bench.errors import BenchError

app = typer.Typer(
    name="bench",
    help="Robustness and anomaly detection of pruned neural networks: score, compare, rank.",
    epilog="Start with: bench demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (demo, scoring, doctoring, inspecting, detecting, making, results, verifying):
    app.add_typer(room.app)
app.add_typer(data.app, name="data")


def main() -> None:
    """Entry point: exit code 0 done, 2 wrong input, 1 fault of the program, 130 interrupted."""
    warnings.filterwarnings("ignore", "`torch.jit", category=FutureWarning)  # of torch itself
    try:
        app()
    except BenchError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
