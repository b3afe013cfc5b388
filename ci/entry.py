"""What may lie in the submission folder of a pull request."""

from collections.abc import Collection, Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.intake.opened import LARGEST_FILE, file_content
from bench.submissions.card import FILE, LARGEST, WEIGHTS

PRUNER = "pruner.py"
LARGEST_CODE = 200_000
ALLOWED: Mapping[str, int] = {  # file -> bytes that it may have
    FILE: LARGEST,
    WEIGHTS: LARGEST_FILE,
    PRUNER: LARGEST_CODE,
    "README.md": LARGEST_CODE,
    "run.json": 2**24,  # the owner's own numbers, and below the owner's curves: never read
    "detectors.json": 2**24,
    "curve.csv": 2**20,
    "curve.png": 2**20,
    "samples.png": 2**20,
}


SUBMITTED = (FILE, WEIGHTS, PRUNER, "README.md")  # of a pull request; CI writes what is scored


def check_names(
    folder: Path | str, names: set[str], allowed: Collection[str] = tuple(ALLOWED)
) -> None:
    """Refuses a folder by the names in it.

    Raises:
        BenchError: E-SUBMISSION-FILES if one is not allowed, or there is no card, or neither or
            both of weights and pruner.
    """
    if unknown := sorted(names - set(allowed)):
        raise _wrong(folder, f"got {unknown[0]!r}, expected only {list(allowed)}")
    if FILE not in names:
        raise _wrong(folder, f"got no {FILE}")
    if len(names & {WEIGHTS, PRUNER}) != 1:
        raise _wrong(folder, f"expected either {WEIGHTS} or {PRUNER}, and not both")


def check_size(folder: Path | str, name: str, size: int) -> None:
    """Refuses a file that is larger than its name allows.

    Raises:
        BenchError: E-TOO-LARGE.
    """
    if size > ALLOWED[name]:
        raise BenchError(
            "E-TOO-LARGE",
            f"{folder}/{name}: got {size:,} bytes, expected at most {ALLOWED[name]:,}",
        )


def check_entry(folder: Path) -> None:
    """Refuses a folder with anything in it but regular files of known names and sizes.

    Raises:
        BenchError: E-NO-SUCH-FILE, E-NOT-A-FILE, E-SUBMISSION-FILES or E-TOO-LARGE.
    """
    if not folder.is_dir():
        raise BenchError("E-NO-SUCH-FILE", f"{folder}: no such folder")
    names = {path.name for path in folder.iterdir()}
    check_names(folder, names)
    for name in sorted(names):
        file_content(folder / name, ALLOWED[name])


def _wrong(folder: Path | str, message: str) -> BenchError:
    return BenchError("E-SUBMISSION-FILES", f"{folder}: {message}")
