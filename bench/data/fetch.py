"""Downloads, each checked against its published MD5; the addresses are torchvision's own.

A set appears under the data root when it is whole. Nothing that was downloaded is unpickled.
"""

import hashlib
import os
import shutil
import tarfile
import time
import urllib.request
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from torchvision import datasets

from bench.data.formats import broken
from bench.data.images import Progress, silent
from bench.data.sets import SETS
from bench.data.suites import suite_spec
from bench.errors import BenchError
from bench.places import data_root

PIECE = 2**20
TIMEOUT_SECONDS = 60
STALE_SECONDS = 86_400  # scratch folders of killed downloads are taken away after a day
MAX_MEMBERS, MAX_BYTES = 200_000, 2**34


@dataclass(frozen=True, slots=True)
class Archive:
    """One download.

    Args:
        urls: Mirrors, tried in order.
        md5: Of the file, as published.
        target: Where it ends up under the data root: the file itself, or the folder of this name
            that a `.tar`, `.tar.gz` or `.zip` holds.
        unpack: Whether it is such an archive.
    """

    urls: tuple[str, ...]
    md5: str
    target: str
    unpack: bool


def _idx_files(source: Any, folder: str) -> tuple[Archive, ...]:
    return tuple(
        Archive(tuple(f"{m}{name}" for m in source.mirrors), md5, f"{folder}/raw/{name}", False)
        for name, md5 in source.resources
    )


ARCHIVES: Mapping[str, tuple[Archive, ...]] = {
    "mnist": _idx_files(datasets.MNIST, "MNIST"),
    "fashionmnist": _idx_files(datasets.FashionMNIST, "FashionMNIST"),
    "kmnist": _idx_files(datasets.KMNIST, "KMNIST"),
    "omniglot": (
        Archive(
            (f"{datasets.Omniglot.download_url_prefix}/images_evaluation.zip",),
            datasets.Omniglot.zips_md5["images_evaluation"],
            "omniglot-py/images_evaluation",
            True,
        ),
    ),
    "cifar10": (
        Archive((datasets.CIFAR10.url,), datasets.CIFAR10.tgz_md5, "cifar-10-batches-py", True),
    ),
    "cifar100": (
        Archive((datasets.CIFAR100.url,), datasets.CIFAR100.tgz_md5, "cifar-100-python", True),
    ),
    "svhn": tuple(
        Archive((url,), md5, name, False)
        for url, name, md5 in (datasets.SVHN.split_list[split] for split in ("test", "train"))
    ),
    "cifar10-c": (
        Archive(
            ("https://zenodo.org/records/2535967/files/CIFAR-10-C.tar?download=1",),
            "56bf5dcef84df0e2308c6dcbcbbd8499",
            "CIFAR-10-C",
            True,
        ),
    ),
}


def fetchable(suite: str) -> list[str]:
    """What `fetch` can bring of a suite: its own images and its outlier sets.

    Raises:
        BenchError: E-UNKNOWN-SUITE.
    """
    return [name for name in (suite, *suite_spec(suite).outliers) if name in ARCHIVES]


def fetch(name: str, root: Path | None = None, *, progress: Progress | None = None) -> list[Path]:
    """Downloads what is not there yet of a set.

    Args:
        name: Key of `ARCHIVES`.
        root: Data root; None means `$BENCH_DATA`, else the user's cache folder.
        progress: Called with (what, bytes so far, bytes in all or 0).

    Returns:
        Files and folders of the set, also those that were there.

    Raises:
        BenchError: E-BAD-VALUE for the name; E-NO-DATA if no mirror answers; E-BROKEN-DATA if
            what came is not what was published.
    """
    if name in SETS and SETS[name].by_hand:
        raise BenchError("E-BAD-VALUE", f"set: {name} cannot be fetched; {SETS[name].by_hand}")
    if name not in ARCHIVES:
        raise BenchError(
            "E-BAD-VALUE",
            f"set: got {name!r}, expected one of {list(ARCHIVES)}; other sets come in by "
            "`bench data import`",
        )
    place = data_root(root)
    place.mkdir(parents=True, exist_ok=True)
    _remove_stale(place)
    for archive in ARCHIVES[name]:
        if not (place / archive.target).exists():
            _bring(archive, place, progress or silent)
    return [place / archive.target for archive in ARCHIVES[name]]


def _bring(archive: Archive, root: Path, report: Progress) -> None:
    target = root / archive.target
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".fetch-", dir=root, ignore_cleanup_errors=True) as scratch:
        got = Path(scratch) / target.name
        _download(archive, got, report)
        if archive.unpack:
            got = _unpacked(got, Path(scratch) / "unpacked", target.name)
        if hasattr(os, "sync"):
            os.sync()  # the bytes are on the disk before they get their name
        got.replace(target)


def _download(archive: Archive, path: Path, report: Progress) -> None:
    failures = []
    for url in archive.urls:
        try:
            md5 = _stream(url, path, report)
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {error}")
            continue
        if md5 == archive.md5:
            return
        failures.append(f"{url}: MD5 {md5}, expected {archive.md5}")
    code = "E-BROKEN-DATA" if "MD5" in failures[-1] else "E-NO-DATA"
    raise BenchError(
        code,
        f"{archive.target}: got {'; '.join(failures)}; try again later, or bring the files in by "
        "`bench data import`",
    )


def _stream(url: str, path: Path, report: Progress) -> str:
    """Writes what the address answers to a file and returns its MD5."""
    digest, done = hashlib.md5(usedforsecurity=False), 0
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer, path.open("wb") as file:
        total = int(answer.headers.get("Content-Length") or 0)
        while piece := answer.read(PIECE):
            digest.update(piece)
            file.write(piece)
            done += len(piece)
            report(f"downloading {path.name}", done, total)
    return digest.hexdigest()


def _unpacked(path: Path, folder: Path, top: str) -> Path:
    """The folder `top` of an archive, unpacked after a look at every member."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as pack:
            infos = pack.infolist()
            _check_members(path, top, ((info.filename, info.file_size) for info in infos))
            pack.extractall(folder)
    else:
        with tarfile.open(path) as pack:
            members = [member for member in pack if member.isfile() or member.isdir()]
            _check_members(path, top, ((member.name, member.size) for member in members))
            pack.extractall(folder, members=members, filter="data")
    return folder / top


def _check_members(path: Path, top: str, members: Iterable[tuple[str, int]]) -> None:
    listed = list(members)
    if len(listed) > MAX_MEMBERS or sum(size for _, size in listed) > MAX_BYTES:
        raise broken(path, f"{len(listed)} members of {sum(size for _, size in listed)} bytes")
    for name, _ in listed:
        parts = PurePosixPath(name).parts
        if parts[:1] != (top,) or ".." in parts or "\\" in name:
            raise broken(path, f"the member {name!r} outside of {top}/")
    if not listed:
        raise broken(path, "an empty archive")


def _remove_stale(root: Path) -> None:
    for folder in root.glob(".fetch-*"):
        if time.time() - folder.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
