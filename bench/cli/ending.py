"""How a command ends."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bench.errors import BenchError
from bench.files import is_forbidden, is_full


def ended(app: typer.Typer) -> None:
    """Runs a command: exit code 0 done, 2 wrong input, 1 fault of the program, 130 interrupted."""
    warnings.filterwarnings("ignore", "`torch.jit", category=FutureWarning)  # of torch itself
    try:
        app()
    except BenchError as error:
        _refused(error)
    except OSError as error:
        if not (is_full(error) or is_forbidden(error)):
            raise
        code = "E-DISK-FULL" if is_full(error) else "E-BAD-VALUE"
        _refused(BenchError(code, f"{error.filename2 or error.filename}: {error.strerror}"))


def _refused(error: BenchError) -> None:
    typer.echo(error, err=True)
    sys.exit(2)


@contextmanager
def resumable(where: str) -> Iterator[None]:
    """Says on Ctrl-C that the work is not lost, and where it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"Interrupted. The same command goes on {where}.", err=True)
        raise
