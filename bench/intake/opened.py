"""The bytes of a stranger's file: opened once, a regular file, of bounded size."""

import os
import stat
import zlib
from pathlib import Path

from bench.errors import BenchError

LARGEST_FILE = 2**30
LARGEST_RECORD = 2**26  # of a run
GZIP = 16 + zlib.MAX_WBITS  # as zlib calls a stream with gzip's header


def file_content(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """All bytes of a file; what is read is what was looked at, whatever happens to the path.

    Args:
        path: The file itself; a link is refused.
        largest: Bytes that it may have.

    Raises:
        BenchError: E-NO-SUCH-FILE; E-NOT-A-FILE for a link, folder, pipe or device; E-TOO-LARGE.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise BenchError(
                "E-NOT-A-FILE", f"{path}: a symbolic link, expected the file itself"
            ) from error
        raise BenchError("E-NO-SUCH-FILE", f"{path}: no such file, or not readable") from error
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        raise BenchError("E-NOT-A-FILE", f"{path}: not a regular file")
    with os.fdopen(handle, "rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise BenchError(
            "E-TOO-LARGE",
            f"{path}: got {facts.st_size:,} bytes, expected at most {largest:,}",
        )
    return content


def unpacked(path: Path, largest: int) -> bytes:
    """All bytes of a file; of one whose name ends in `.gz` those that gzip packed.

    Args:
        path: As for `file_content`.
        largest: Bytes that it may have, packed and unpacked.

    Raises:
        BenchError: As `file_content`; E-TOO-LARGE also when unpacked; E-BROKEN-FILE if it is not
            one whole gzip stream.
    """
    content = file_content(path, largest)
    if path.suffix != ".gz":
        return content
    stream = zlib.decompressobj(wbits=GZIP)
    try:
        content = stream.decompress(content, largest + 1)
    except zlib.error as error:
        raise BenchError("E-BROKEN-FILE", f"{path}: no gzip file ({error})") from error
    if len(content) > largest:
        raise BenchError("E-TOO-LARGE", f"{path}: expected at most {largest:,} bytes unpacked")
    if not stream.eof or stream.unused_data:
        raise BenchError("E-BROKEN-FILE", f"{path}: not one whole gzip file")
    return content
