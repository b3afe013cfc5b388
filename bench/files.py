"""Writing files so that a killed program leaves the old content or the new, never half."""

import errno
import os
import shutil
from pathlib import Path
from uuid import uuid4

FORBIDDEN = (
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.EISDIR, errno.ENOTDIR, errno.EEXIST),
)


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file in one step; the folder is made where it is missing.

    Args:
        path: Target; who may read it stays as it was, of a new file as the user's umask says.
        content: All of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        write_durably(fresh, content)
        if path.is_file():
            shutil.copymode(path, fresh)
        fresh.replace(path)
        keep_names(path.parent)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_durably(path: Path, content: bytes) -> None:
    """Writes a file so that it is on the disk when this returns."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def keep_names(folder: Path) -> None:
    """Brings to the disk what the files of a folder are called, so that a power cut keeps them."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_forbidden(error: OSError) -> bool:
    """Whether a place cannot be written, be there room or not."""
    return error.errno in FORBIDDEN


def is_full(error: OSError) -> bool:
    """Whether the disk, or the user's share of it, is."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
