"""The zip archive of `torch.save`, and no other: stored entries of known names, nothing between."""

import io
import re
import struct
import zipfile
import zlib

from bench.errors import BenchError

MOST_ENTRIES = 20_000
KNOWN = re.compile(
    r"data\.pkl|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id"
    r"|data/\d{1,20}",
    re.ASCII,
)
LOCAL = struct.Struct("<4s5H3I2H")  # a local file header up to the name
END = struct.Struct("<4s4H2IH")  # the end of the central directory
RECORD = struct.Struct("<4sQ2H2I4Q")  # the same in zip64, and where it stands
LOCATOR = struct.Struct("<4sIQI")
DESCRIPTOR = 24  # bytes that may follow an entry: its sizes once more
CONVERT = (
    "save the weights alone, `torch.save(model.state_dict(), 'weights.pt')`, "
    "or as safetensors, on the machine where you trust the file"
)


def records(place: str, content: bytes) -> dict[str, memoryview]:
    """The entries of the archive, without its folder: {"data.pkl": …, "data/0": …}.

    Args:
        place: For the errors.
        content: Of the file.

    Raises:
        BenchError: E-TORCHSCRIPT, E-EXPORTED-PROGRAM; E-UNKNOWN-FORMAT for another zip archive;
            E-BROKEN-FILE if it is damaged; E-ODD-ARCHIVE for what torch.save never writes:
            compression, encryption, strange or double names, bytes beside the entries.
    """
    try:
        entries = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except Exception as error:  # zipfile raises a zoo of them on damaged files
        raise BenchError("E-BROKEN-FILE", f"{place}: a damaged zip archive ({error})") from error
    _check_kind(place, [entry.filename for entry in entries])
    _check_outline(place, content, entries)
    folder = entries[0].filename.partition("/")[0] + "/"
    found: dict[str, memoryview] = {}
    end = 0  # of the entry before, without its data descriptor
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        name = entry.filename.removeprefix(folder)
        if name in found or not KNOWN.fullmatch(name) or name == entry.filename:
            raise _odd(
                place, f"its entry {entry.filename[:80]!r} is double or none of torch.save's"
            )
        if not 0 <= entry.header_offset - end <= DESCRIPTOR:
            raise _odd(place, f"its entry {entry.filename[:80]!r} does not follow the one before")
        start = _start(place, content, entry)
        end = start + entry.file_size
        found[name] = memoryview(content)[start:end]
        if len(found[name]) != entry.file_size or zlib.crc32(found[name]) != entry.CRC:
            raise BenchError(
                "E-BROKEN-FILE", f"{place}: its entry {name!r} is damaged: its checksum differs"
            )
    _check_directory(place, content, end)
    return found


def _check_kind(place: str, names: list[str]) -> None:
    parts = [name.rsplit("/", 1)[-1] for name in names]
    if "constants.pkl" in parts:
        raise BenchError("E-TORCHSCRIPT", f"{place}: a TorchScript program; {CONVERT}")
    if {"archive_format", "serialized_exported_program.json"} & set(parts):
        raise BenchError("E-EXPORTED-PROGRAM", f"{place}: a .pt2 program; {CONVERT}")
    if "data.pkl" not in parts:
        raise BenchError(
            "E-UNKNOWN-FORMAT", f"{place}: a zip archive, but not of torch.save; {CONVERT}"
        )


def _check_outline(place: str, content: bytes, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES:
        raise _odd(place, f"got {len(entries):,} entries, expected at most {MOST_ENTRIES:,}")
    signature, *_, comment = END.unpack(content[-END.size :])
    if signature != b"PK\x05\x06" or comment:
        raise _odd(place, "bytes stand behind its directory")


def _check_directory(place: str, content: bytes, end: int) -> None:
    """The directory follows the entries, and there is only one that a reader could find."""
    *_, length, offset, _ = END.unpack(content[-END.size :])
    before = len(content) - END.size
    if content[before - LOCATOR.size : before].startswith(b"PK\x06\x07"):
        _, _, record, _ = LOCATOR.unpack(content[before - LOCATOR.size : before])
        before -= LOCATOR.size + RECORD.size
        if record != before:
            raise _odd(place, "it has two directories")
        *_, length, offset = RECORD.unpack(content[before : before + RECORD.size])
    if offset + length != before or not 0 <= offset - end <= DESCRIPTOR:
        raise _odd(place, "bytes stand around its directory")


def _start(place: str, content: bytes, entry: zipfile.ZipInfo) -> int:
    """Where the bytes of an entry begin, whose local header says the same as the directory."""
    place = f"its entry {entry.filename[:80]!r}"
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise _odd(place, f"{place} is compressed")
    head = content[entry.header_offset : entry.header_offset + LOCAL.size]
    if len(head) < LOCAL.size:
        raise BenchError("E-BROKEN-FILE", f"{place}: {place} is cut off")
    signature, _, flags, method, *_, name_length, extra_length = LOCAL.unpack(head)
    start = entry.header_offset + LOCAL.size
    name = content[start : start + name_length]
    if (signature, name, method) != (b"PK\x03\x04", entry.filename.encode(), 0):
        raise _odd(place, f"{place} has another name or kind in its own header")
    if (flags | entry.flag_bits) & 1:
        raise _odd(place, f"{place} is encrypted")
    return start + int(name_length) + int(extra_length)


def _odd(place: str, what: str) -> BenchError:
    return BenchError("E-ODD-ARCHIVE", f"{place}: not as torch.save writes it: {what}; {CONVERT}")
