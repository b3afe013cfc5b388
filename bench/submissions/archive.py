"""The zip archive of `torch.save`, and no other: stored entries of known names, nothing between."""

import io
import re
import struct
import zipfile
import zlib
from pathlib import Path

from bench.errors import BenchError

MOST_ENTRIES = 20_000
KNOWN = re.compile(
    r"data\.pkl|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id"
    r"|data/\d{1,9}",
    re.ASCII,
)
LOCAL = struct.Struct("<4s5H3I2H")  # a local file header up to the name
END = struct.Struct("<4s4H2IH")  # the end of the central directory
CONVERT = (
    "save the weights alone, `torch.save(model.state_dict(), 'weights.pt')`, "
    "or as safetensors, on the machine where you trust the file"
)


def records(path: Path, content: bytes) -> dict[str, memoryview]:
    """The entries of the archive, without its folder: {"data.pkl": …, "data/0": …}.

    Args:
        path: For the errors.
        content: Of the file.

    Raises:
        BenchError: E-TORCHSCRIPT, E-EXPORTED-PROGRAM; E-UNKNOWN-FORMAT for another zip archive;
            E-BROKEN-FILE if it is damaged; E-ODD-ARCHIVE for what torch.save never writes:
            compression, encryption, strange or double names, bytes beside the entries.
    """
    try:
        entries = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except Exception as error:  # zipfile raises a zoo of them on damaged files
        raise BenchError("E-BROKEN-FILE", f"{path}: a damaged zip archive ({error})") from error
    _check_kind(path, [entry.filename for entry in entries])
    _check_outline(path, content, entries)
    folder = entries[0].filename.partition("/")[0] + "/"
    found: dict[str, memoryview] = {}
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        name = entry.filename.removeprefix(folder)
        if name in found or not KNOWN.fullmatch(name) or name == entry.filename:
            raise _odd(path, f"its entry {entry.filename[:80]!r} is double or none of torch.save's")
        if entry.header_offset < end:
            raise _odd(path, f"its entry {entry.filename[:80]!r} overlaps another")
        found[name] = _stored(path, content, entry)
        end = entry.header_offset + LOCAL.size + len(entry.filename.encode()) + entry.file_size
    return found


def _check_kind(path: Path, names: list[str]) -> None:
    parts = [name.rsplit("/", 1)[-1] for name in names]
    if "constants.pkl" in parts:
        raise BenchError("E-TORCHSCRIPT", f"{path}: a TorchScript program; {CONVERT}")
    if {"archive_format", "serialized_exported_program.json"} & set(parts):
        raise BenchError("E-EXPORTED-PROGRAM", f"{path}: a .pt2 program; {CONVERT}")
    if "data.pkl" not in parts:
        raise BenchError(
            "E-UNKNOWN-FORMAT", f"{path}: a zip archive, but not of torch.save; {CONVERT}"
        )


def _check_outline(path: Path, content: bytes, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES:
        raise _odd(path, f"got {len(entries):,} entries, expected at most {MOST_ENTRIES:,}")
    if min(entry.header_offset for entry in entries) != 0:
        raise _odd(path, "bytes stand before its first entry")
    signature, *_, comment = END.unpack(content[-END.size :])
    if signature != b"PK\x05\x06" or comment:
        raise _odd(path, "bytes stand behind its directory")


def _stored(path: Path, content: bytes, entry: zipfile.ZipInfo) -> memoryview:
    """The bytes of an entry, whose local header says the same as the directory."""
    place = f"its entry {entry.filename[:80]!r}"
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise _odd(path, f"{place} is compressed")
    head = content[entry.header_offset : entry.header_offset + LOCAL.size]
    if len(head) < LOCAL.size:
        raise BenchError("E-BROKEN-FILE", f"{path}: {place} is cut off")
    signature, _, flags, method, *_, name_length, extra_length = LOCAL.unpack(head)
    start = entry.header_offset + LOCAL.size
    name = content[start : start + name_length]
    if (signature, name, method) != (b"PK\x03\x04", entry.filename.encode(), 0):
        raise _odd(path, f"{place} has another name or kind in its own header")
    if (flags | entry.flag_bits) & 1:
        raise _odd(path, f"{place} is encrypted")
    start += name_length + extra_length
    stored = memoryview(content)[start : start + entry.file_size]
    if len(stored) != entry.file_size or zlib.crc32(stored) != entry.CRC:
        raise BenchError("E-BROKEN-FILE", f"{path}: {place} is damaged: its checksum differs")
    return stored


def _odd(path: Path, what: str) -> BenchError:
    return BenchError("E-ODD-ARCHIVE", f"{path}: not as torch.save writes it: {what}; {CONVERT}")
