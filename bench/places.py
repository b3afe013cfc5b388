"""The data root and the cache, and files that appear whole or not at all."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from bench.errors import BenchError
from bench.files import is_forbidden, is_full

STALE_SECONDS = 3600  # a killed writer's file is taken away when another is written beside it


def cache_root() -> Path:
    """Folder of what can be made again: `$BENCH_CACHE`, else `sparse-bench` in the user's cache."""
    chosen = os.environ.get("BENCH_CACHE")
    return Path(chosen).expanduser() if chosen else _user_cache() / "sparse-bench"


def data_root(root: Path | None = None) -> Path:
    """Folder of the image sets: the given one, else `$BENCH_DATA`, else `data` in the cache."""
    chosen = root or os.environ.get("BENCH_DATA")
    return Path(chosen).expanduser() if chosen else _user_cache() / "sparse-bench" / "data"


def _user_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block has ended well.

    Its bytes are on the disk before it gets its name, so a reader, a second writer or a power cut
    meets the old file, the new one or none.

    Raises:
        BenchError: E-DISK-FULL, or E-BAD-VALUE if the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path.parent)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if is_full(error):
            raise BenchError("E-DISK-FULL", f"{path.parent}: {error.strerror}") from error
        if not is_forbidden(error):
            raise
        raise BenchError(
            "E-BAD-VALUE",
            f"{path.parent}: got {error.strerror!r} on writing, expected a writable "
            "folder; $BENCH_CACHE and $BENCH_DATA choose others",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _remove_stale(folder: Path) -> None:
    for path in folder.glob(".*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()
        except FileNotFoundError:  # another process was quicker
            continue
