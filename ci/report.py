"""The comment on a pull request, written from the numbers that its evaluation left, as data.

`python -m ci.report FOLDER` reads `run.json` and, where it is there, `dense.json`. The evaluation
ran beside the code of a stranger: its Markdown is not used, and its numbers have to be possible.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.ending import ended
from bench.data import SUITES
from bench.errors import BenchError
from bench.flags import FLAGS
from bench.intake.opened import file_content
from bench.models import ARCHITECTURES
from bench.models.glow import FLOWS
from bench.plausible import impossible
from bench.protocol import PROTOCOLS
from bench.records import Run, from_json
from bench.submissions.card import SLUG
from ci.comparison import LEVELS, comparison
from ci.shipped import group

LARGEST = 2**22  # bytes of a record; that of the standard protocol has 2**17
LONGEST = 120  # characters of a text

app = typer.Typer(pretty_exceptions_enable=False)


def read_run(path: Path) -> Run:
    """A run record of a stranger.

    Args:
        path: A regular file of at most 4 MiB.

    Returns:
        The run: every field of its type, every text short and printable, suite, architecture,
        protocol, flags and sandbox of our tables, and nothing in it that `bench.plausible` finds
        to be impossible.

    Raises:
        BenchError: E-BAD-RECORD for anything else; as `file_content`.
    """
    try:
        record = json.loads(file_content(path, LARGEST))
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"no JSON ({type(error).__name__})") from error
    if not all(map(_short, _texts(record))):
        raise _wrong(path, f"a text is longer than {LONGEST} characters or not printable")
    for finding in impossible(record):
        raise _wrong(path, f"{finding.where}: {finding.what}")
    run = from_json(record)
    for what, holds in _holds(run).items():
        if not holds:
            raise _wrong(path, f"{what}: got what this version of the program cannot have written")
    return run


def report(folder: Path) -> str:
    """The comment for what an evaluation has left in a folder.

    Raises:
        BenchError: As `read_run`; E-BAD-RECORD if the dense run is of another kind.
    """
    run = read_run(folder / "run.json")
    if not (folder / "dense.json").exists():
        return comparison(run)
    dense = read_run(folder / "dense.json")
    if dense.submission.pruner != "dense" or group(dense) != group(run):
        raise _wrong(folder / "dense.json", "not a dense run of the same suite, limit and protocol")
    return comparison(run, dense)


def _holds(run: Run) -> dict[str, bool]:
    """What every record of ours fulfils."""
    return {
        "slug": bool(SLUG.fullmatch(run.submission.slug)),
        "architecture": run.submission.architecture in (*ARCHITECTURES, *FLOWS),
        "suite": run.suite in SUITES,
        "protocol": run.protocol in [protocol.id for protocol in PROTOCOLS.values()],
        "trust": run.trust == "ci",  # a maintainer's run leaves no record here
        "sandbox": run.sandbox in LEVELS,
        "flags": len(set(run.flags)) == len(run.flags) and set(run.flags) <= set(FLAGS),
    }


def _texts(value: Any) -> list[str]:
    """Every text in a JSON value, the names of its fields too."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def _short(text: str) -> bool:
    return len(text) <= LONGEST and text.isprintable()


def _wrong(path: Path, message: str) -> BenchError:
    return BenchError("E-BAD-RECORD", f"{path.name}: {message}")


@app.command(epilog="Example:\n\npython -m ci.report evaluation")
def main(
    folder: Annotated[Path, typer.Argument(help="With run.json of an evaluation.")],
) -> None:
    """Print the comment on an evaluated pull request, from its numbers alone."""
    typer.echo(report(folder), nl=False)


if __name__ == "__main__":
    ended(app)
