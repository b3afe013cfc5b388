"""Parts of which hostile files are made: instructions of a pickle, archives, headers."""

import io
import json
import struct
import zipfile

import torch

File = tuple[str, bytes]
FOLDER = "archive"
STORE = b"ctorch\nFloatStorage\n"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    encoded = value.to_bytes(12, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(count: int = 6, key: str = "0", kind: bytes = STORE, where: str = "cpu") -> bytes:
    return b"(" + text("storage") + kind + text(key) + text(where) + number(count) + b"tQ"


def tensor(
    stored: bytes = b"",
    offset: int = 0,
    shape: bytes = b"",
    stride: bytes = b"",
    hooks: bytes = b"",
) -> bytes:
    parts = (
        (stored or storage())
        + number(offset)
        + (shape or numbers(2, 3))
        + (stride or numbers(3, 1))
    )
    return TENSOR + b"(" + parts + b"\x89" + (hooks or b"N") + b"tR"


def state_dict(*values: bytes, names: tuple[str, ...] = ("a.weight", "b.weight")) -> bytes:
    pairs = b"".join(text(name) + value for name, value in zip(names, values, strict=False))
    return b"\x80\x02}(" + pairs + b"u."


def entries(pickled: bytes | None = None, data: bytes = bytes(24)) -> dict[str, bytes]:
    return {
        "data.pkl": state_dict(tensor()) if pickled is None else pickled,
        "byteorder": b"little",
        "data/0": data,
        "version": b"3\n",
    }


def archive(
    content: dict[str, bytes] | None = None, *, kind: int = zipfile.ZIP_STORED, folder: str = FOLDER
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as file:
        for name, data in (entries() if content is None else content).items():
            file.writestr(f"{folder}/{name}" if folder else name, data)
    return buffer.getvalue()


def pickled(program: bytes) -> bytes:
    return archive(entries(program))


def holding(*values: bytes) -> bytes:
    return pickled(state_dict(*values))


def repeated(*names: str) -> bytes:
    """An archive with entries of these names behind the usual ones."""
    buffer = io.BytesIO(archive())
    with zipfile.ZipFile(buffer, "a") as file:
        for name in names:
            file.NameToInfo.clear()
            file.writestr(name, b"x")
    return buffer.getvalue()


def changed(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def directory(content: bytes) -> int:
    return content.rindex(b"PK\x01\x02", 0, content.index(b"PK\x01\x02") + 4)


def safetensors(header: object, data: bytes = bytes(24), *, length: int | None = None) -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(encoded) if length is None else length).to_bytes(8, "little") + encoded + data


def entry(shape: object = (2, 3), start: int = 0, stop: int = 24, kind: str = "F32") -> dict:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, stop]}


def one(**changes: object) -> bytes:
    return safetensors({"a.weight": entry(**changes)})


def saved(content: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def calling(module: str, name: str, argument: str) -> bytes:
    return pickled(
        b"\x80\x02}" + text("a") + f"c{module}\n{name}\n".encode() + text(argument) + b"\x85Rs."
    )


def family(code: str, *files: bytes) -> list[File]:
    return [(code, content) for content in files]


ODD, BROKEN, BAD = "E-ODD-ARCHIVE", "E-BROKEN-FILE", "E-BAD-TENSOR"
MODULE, NOT_STATE = "E-PICKLED-MODULE", "E-NOT-A-STATE-DICT"
