"""Archives that torch.save never writes."""

import struct
import zipfile

from tests.intake.hostile_files.forge import (
    BROKEN,
    FOLDER,
    ODD,
    File,
    archive,
    changed,
    directory,
    entries,
    family,
    repeated,
)

WHOLE = archive()
FIRST = directory(WHOLE)


def encrypted(central: bool, local: bool) -> bytes:
    content = changed(WHOLE, 6, b"\x01\x00") if local else WHOLE
    return changed(content, FIRST + 8, b"\x01\x00") if central else content


def gap(length: int) -> bytes:
    """The directory stands so many bytes behind the entries."""
    moved = WHOLE[:FIRST] + bytes(length) + WHOLE[FIRST:]
    return changed(moved, len(moved) - 6, struct.pack("<I", FIRST + length))


ARCHIVES: dict[str, list[File]] = {
    "compressed": family(
        ODD,
        archive(kind=zipfile.ZIP_DEFLATED),
        archive(kind=zipfile.ZIP_BZIP2),
        archive(kind=zipfile.ZIP_LZMA),
        archive(entries(data=bytes(2**20)), kind=zipfile.ZIP_DEFLATED),
    ),
    "double names": family(
        ODD,
        repeated(f"{FOLDER}/data.pkl"),
        repeated(f"{FOLDER}/data/0"),
        repeated(f"{FOLDER}/version", f"{FOLDER}/version"),
        repeated(f"{FOLDER}/byteorder"),
    ),
    "strange entries": family(
        ODD,
        repeated(f"{FOLDER}/code/run.py"),
        repeated("../../evil"),
        repeated("/etc/passwd"),
        repeated(f"{FOLDER}/data/../x"),
        repeated(f"{FOLDER}/data/0x"),
        repeated("elsewhere/data/1"),
        archive(folder=""),
    ),
    "bytes behind": family(ODD, repeated()[:-2] + b"\x05\x00hello")
    + family(f"{ODD} {BROKEN}", WHOLE + b"\0", WHOLE + bytes(1000), WHOLE + b"#!/bin/sh\n")
    + family(f"{ODD} {BROKEN}", WHOLE + archive({"data.pkl": b"."})),
    "bytes before": family("E-UNKNOWN-FORMAT", b"\x7fELF" + WHOLE, b"#!/bin/sh\n" + WHOLE)
    + family(f"{ODD} {BROKEN}", b"PK\x03\x04" + WHOLE, b"PK\x03\x04" + bytes(60) + WHOLE),
    "bytes between": family(
        f"{ODD} {BROKEN}",
        gap(100),
        gap(25),
        archive()[:-22] + bytes(30) + archive()[-22:],
    ),
    "encrypted": family(
        ODD, encrypted(central=True, local=False), encrypted(central=False, local=True)
    )
    + family(ODD, encrypted(central=True, local=True)),
    "headers of their own": family(
        ODD,
        changed(WHOLE, 30, b"archivE"),
        changed(WHOLE, 8, b"\x08\x00"),
        changed(WHOLE, 26, b"\x07\x00"),
        changed(WHOLE, 0, b"PK\x03\x04")[:4] + changed(WHOLE, 8, b"\x0c\x00")[4:],
    ),
    "a directory that lies": family(
        f"{ODD} {BROKEN}",
        changed(WHOLE, FIRST + 20, struct.pack("<II", 9, 9)),
        changed(WHOLE, FIRST + 20, struct.pack("<II", 10**6, 10**6)),
        changed(WHOLE, FIRST + 42, struct.pack("<I", 7)),
        changed(WHOLE, FIRST + 42, struct.pack("<I", 2**31)),
        changed(WHOLE, FIRST + 24, struct.pack("<I", 2**31)),
    ),
    "checksums": family(
        BROKEN,
        changed(WHOLE, FIRST + 16, b"\0\0\0\0"),
        changed(WHOLE, WHOLE.index(b"little"), b"LITTLE"),
        changed(WHOLE, WHOLE.index(b"a.weight"), b"A"),
        changed(WHOLE, WHOLE.index(b"3\n"), b"4"),
    ),
    "cut off": family(
        BROKEN, *(WHOLE[: len(WHOLE) * part // 8] for part in (1, 2, 4, 6)), WHOLE[:-1], WHOLE[:-30]
    ),
    "TorchScript": family(
        "E-TORCHSCRIPT",
        archive(entries() | {"constants.pkl": b"."}),
        archive({"constants.pkl": b"."}),
        archive(entries() | {"code/constants.pkl": b"."}),
        archive({"data.pkl": b".", "code/__torch__.py": b"", "constants.pkl": b"."}),
    ),
    "exported programs": family(
        "E-EXPORTED-PROGRAM",
        archive({"archive_format": b"pt2"}),
        archive({"serialized_exported_program.json": b"{}"}),
        archive(entries() | {"archive_format": b"pt2"}),
        archive(entries() | {"extra/serialized_exported_program.json": b"{}"}),
    ),
    "other archives": family(
        "E-UNKNOWN-FORMAT",
        archive({"word/document.xml": b"<x/>"}),
        archive({"META-INF/MANIFEST.MF": b""}),
        archive({"thing.dist-info/METADATA": b""}),
    )
    + family("E-UNKNOWN-FORMAT", archive({})),
}
