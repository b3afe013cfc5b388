"""The submission of a pull request, copied out of git as data: nothing of it is checked out.

`python -m ci.incoming BASE HEAD --out FOLDER` prints the folder that it has written.
"""

import subprocess
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from bench.cli.ending import ended
from bench.errors import BenchError
from bench.submissions.card import SLUG, read_card
from ci.entry import SUBMITTED, check_names, check_size
from ci.shipped import ROOT

SUBMISSIONS = "submissions"
REGULAR = "100644"  # mode of a file that is neither a program, nor a link, nor a submodule

app = typer.Typer(pretty_exceptions_enable=False)


class _Blob(NamedTuple):
    """A file in git: its mode, kind, hash and name."""

    mode: str
    kind: str
    sha: str
    name: str


def incoming(base: str, head: str, out: Path, repository: Path = ROOT) -> Path:
    """Copies the one submission that a pull request adds.

    Args:
        base: Commit that it is to be merged into.
        head: Its last commit.
        out: Folder to write the submission's folder into.
        repository: With both commits in it.

    Returns:
        The submission's folder.

    Raises:
        BenchError: E-SUBMISSION-FILES if it touches anything but one submission, or there is
            something else than regular files of known names; E-TOO-LARGE.
    """
    fork = _git(repository, "merge-base", "--end-of-options", base, head).decode().strip()
    listed = _git(repository, "diff", "--name-only", "--no-renames", "-z", fork, head, "--")
    changed = [path for path in listed.decode(errors="replace").split("\0") if path]
    folders = {tuple(path.split("/")[:2]) for path in changed}
    if len(folders) != 1:
        raise _wrong(f"got changes in {sorted('/'.join(f) for f in folders)}")
    place, *names = folders.pop()
    if place != SUBMISSIONS or not names or not SLUG.fullmatch(names[0]):
        raise _wrong(f"got changes in {changed[0]!r}")
    source = f"{SUBMISSIONS}/{names[0]}"
    if _blobs(repository, base, source):
        raise _wrong(f"{source} is there already; a correction is a new folder")
    blobs = _blobs(repository, head, source)
    check_names(source, {blob.name for blob in blobs}, SUBMITTED)
    target = out / names[0]
    target.mkdir(parents=True)
    for blob in blobs:
        if (blob.mode, blob.kind) != (REGULAR, "blob"):
            raise _wrong(f"{source}/{blob.name}: got mode {blob.mode}, a regular file is 100644")
        check_size(source, blob.name, int(_git(repository, "cat-file", "-s", blob.sha)))
        (target / blob.name).write_bytes(_git(repository, "cat-file", "blob", blob.sha))
    if read_card(target).pruning.pruner == "dense":
        raise _wrong(f"{source}: dense networks, which others are compared with, are the project's")
    return target


def _blobs(repository: Path, head: str, folder: str) -> list[_Blob]:
    """What lies in a folder at a commit."""
    listed = _git(repository, "ls-tree", "-z", head, f"{folder}/").decode(errors="replace")
    entries = (entry.replace("\t", " ", 1).split(" ", 3) for entry in listed.split("\0") if entry)
    return [_Blob(mode, kind, sha, path.rpartition("/")[2]) for mode, kind, sha, path in entries]


def _git(repository: Path, *words: str) -> bytes:
    done = subprocess.run(["git", "-C", str(repository), *words], capture_output=True, check=False)
    if done.returncode:
        raise _wrong(f"git {words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _wrong(message: str) -> BenchError:
    return BenchError(
        "E-SUBMISSION-FILES",
        f"pull request: {message}; expected changes in one folder {SUBMISSIONS}/NAME and nothing "
        "else, NAME of a-z 0-9 . _ -",
    )


@app.command(epilog="Example:\n\npython -m ci.incoming origin/main HEAD --out incoming")
def main(
    base: Annotated[str, typer.Argument(help="Commit that the request is to be merged into.")],
    head: Annotated[str, typer.Argument(help="Last commit of the request.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the submission's folder.")],
) -> None:
    """Copy the submission of a pull request out of git, and print where it is."""
    typer.echo(incoming(base, head, out))


if __name__ == "__main__":
    ended(app)
