"""What is here: the sets of every suite, whether they are what was published, and what they take.

Nothing is fetched or made; only `verify` decodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.data.cache import load_entry, map_array
from bench.data.cifar10c import find_cifar10c
from bench.data.embedded import embedded_set
from bench.data.fingerprints import CANONICAL
from bench.data.images import Progress, fingerprint, silent
from bench.data.sets import SETS
from bench.data.sources import Source, find
from bench.data.suites import SUITES
from bench.errors import BenchError
from bench.places import cache_root, data_root

Verdict = Literal["canonical", "different", "unknown", "whole", "damaged"]


@dataclass(frozen=True, slots=True)
class SetRow:
    """One image set of one suite.

    Args:
        suite: Key of `SUITES`.
        set: Name in tables.
        role: `train`, `test`, `outliers`, `outliers, out of domain` or `shifts`.
        split: Split of the set.
        images: Images that are here, or None if there are none.
        where: File or folder, or None.
        fingerprint: Of all of them, if they were decoded before.
        note: What a reader has to know: a prefix, a damaged file.
    """

    suite: str
    set: str
    role: str
    split: str
    images: int | None = None
    where: str | None = None
    fingerprint: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """One set of files that was read through.

    Args:
        what: `SET/SPLIT`, or the entry of the cache.
        where: File or folder.
        images: Number of images, 0 if they cannot be read.
        fingerprint: What they have now, "" if they cannot be read.
        verdict: For sources `canonical`, `different` from the published images, `unknown` where
            no published fingerprint is known, or `damaged`; for the cache `whole` or `damaged`.
        note: Why it is damaged.
    """

    what: str
    where: Path
    images: int
    fingerprint: str
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that the program keeps data in, with the bytes and files in it."""

    what: str
    path: Path
    bytes: int
    files: int


def list_sets(root: Path | None = None) -> list[SetRow]:
    """Every image set of every suite, here or not; reads headers, decodes nothing but digits.

    Args:
        root: Data root; None means `$BENCH_DATA`, else the user's cache folder.
    """
    place = data_root(root)
    return [row for suite in SUITES for row in _suite_rows(suite, place)]


def verify(root: Path | None = None, *, progress: Progress | None = None) -> list[Checked]:
    """Decodes every split under the root and reads every array of the cache.

    Args:
        root: Data root; None means `$BENCH_DATA`, else the user's cache folder.
        progress: Called with (what, done, total).
    """
    report = progress or silent
    present = [source for name in SETS for source in _present(name, data_root(root))]
    images = list(_cached_images())
    total = len(present) + len(images)
    checked = []
    for done, source in enumerate(present, start=1):
        checked.append(_check_source(source))
        report("verifying", done, total)
    for done, path in enumerate(images, start=len(present) + 1):
        checked.append(_check_entry(path))
        report("verifying", done, total)
    return checked


def where(root: Path | None = None) -> list[Place]:
    """The folders in use and what they take on the disk."""
    folders = {
        "data": data_root(root),
        "decoded sets": cache_root() / "sets",
        "generated shifts": cache_root() / "shifts",
    }
    return [_place(what, path) for what, path in folders.items()]


def _suite_rows(suite: str, root: Path) -> Iterator[SetRow]:
    spec = SUITES[suite]
    for split in ("train", "test"):
        yield _row(suite, suite, split, split, root)
    for name in spec.outliers:
        role = "outliers, out of domain" if name == spec.out_of_domain else "outliers"
        splits = list(SETS[name].splits) if name in SETS else ["all"]
        here = [split for split in splits if name not in SETS or find(name, split, root)]
        yield _row(suite, name, role, (here or splits)[0], root)
    if not spec.flows_only:
        yield _shift_row(suite, root)


def _shift_row(suite: str, root: Path) -> SetRow:
    official = find_cifar10c(root) if suite == "cifar10" else None
    if official:
        files = len(list(official.glob("*.npy")))
        return SetRow(
            suite, f"{suite}-c", "shifts", "test", None, str(official), None, f"{files} files"
        )
    return SetRow(suite, f"{suite}-c*", "shifts", "test", note="generated when needed")


def _row(suite: str, name: str, role: str, split: str, root: Path) -> SetRow:
    if name not in SETS:
        embedded = f"{name}-train" if split == "train" else name
        images = embedded_set(embedded, None, SUITES[suite].shape)
        count = len(images.labels)
        return SetRow(suite, images.name, role, split, count, "scikit-learn", images.fingerprint)
    source = find(name, split, root)
    if source is None:
        return SetRow(suite, name, role, split)
    place = str(source.where)
    try:
        count = source.count()
    except BenchError as error:
        return SetRow(suite, source.name, role, split, None, place, None, error.message)
    note = f"the first {count} only; needs --limit" if source.prefix else ""
    mark = _known_fingerprint(source, count)
    return SetRow(suite, source.name, role, split, count, place, mark, note)


def _known_fingerprint(source: Source, count: int) -> str | None:
    """Of all images of a source in their published size, if an entry of the cache has them."""
    size = "x".join(map(str, SETS[source.set].shape))
    entries = (cache_root() / "sets").glob(f"{source.name}-{source.identity}-{size}-*/entry.json")
    found = (load_entry(path) for path in entries)
    marks = (entry["fingerprint"] for entry in found if entry and entry["images"] == count)
    return next(marks, None)


def _present(name: str, root: Path) -> list[Source]:
    sources = (find(name, split, root) for split in SETS[name].splits)
    return [source for source in sources if source]


def _check_source(source: Source) -> Checked:
    what = f"{source.set}/{source.split}"
    try:
        count = source.count()
        mark = fingerprint(*source.read(count, SETS[source.set].shape, lambda done: None))
    except BenchError as error:
        return Checked(what, source.where, 0, "", "damaged", error.message)
    published = CANONICAL.get(f"{what}/{count}")
    verdict: Verdict = "canonical" if mark == published else "different" if published else "unknown"
    return Checked(what, source.where, count, mark, verdict)


def _cached_images() -> Iterator[Path]:
    """The arrays of images in the cache whose entry says that they are whole."""
    for path in sorted(
        [*(cache_root() / "sets").glob("*/*.npy"), *(cache_root() / "shifts").glob("*/*.npy")]
    ):
        if path.name != "labels.npy" and _entry_path(path).is_file():
            yield path


def _entry_path(images: Path) -> Path:
    return images.with_name("entry.json" if images.name == "images.npy" else f"{images.stem}.json")


def _check_entry(path: Path) -> Checked:
    what = str(path.relative_to(cache_root()))
    images, labels = map_array(path), map_array(path.with_name("labels.npy"))
    entry = load_entry(_entry_path(path))
    if images is None or labels is None or entry is None:
        return Checked(what, path, 0, "", "damaged", "cannot be read; remove it, it is made again")
    mark = fingerprint(images, labels)
    if mark != entry["fingerprint"]:
        note = f"was {entry['fingerprint']}; remove it, it is made again"
        return Checked(what, path, len(images), mark, "damaged", note)
    return Checked(what, path, len(images), mark, "whole")


def _place(what: str, path: Path) -> Place:
    sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
    return Place(what, path, sum(sizes), len(sizes))
