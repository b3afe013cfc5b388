"""Tensors that lie, safetensors among them, and files that are no weights at all."""

import json
import pickle
import struct

import torch

from tests.intake.hostile_files.forge import (
    BAD,
    BROKEN,
    NOT_STATE,
    File,
    archive,
    entries,
    entry,
    family,
    holding,
    number,
    numbers,
    one,
    safetensors,
    saved,
    state_dict,
    storage,
    tensor,
    text,
)

TENSORS: dict[str, list[File]] = {
    "storages that lie": family(
        BROKEN,
        holding(tensor(storage(7))),
        holding(tensor(storage(10**15))),
        holding(tensor(storage(key="1"))),
        holding(tensor(storage(key="../../etc/passwd"))),
        archive(entries(data=bytes(23))),
        archive({k: v for k, v in entries().items() if k != "data/0"}),
        holding(tensor(storage(kind=b"ctorch\nDoubleStorage\n"))),
    ),
    "views beyond": family(
        BAD,
        holding(tensor(offset=1)),
        holding(tensor(offset=-1)),
        holding(tensor(offset=2**62)),
        holding(tensor(stride=numbers(4, 1))),
        holding(tensor(stride=numbers(-3, 1))),
        holding(tensor(shape=numbers(3, 3))),
        holding(tensor(shape=numbers(-2, 3))),
        holding(tensor(storage(-6))),
    ),
    "repetition": family(
        BAD,
        holding(tensor(stride=numbers(0, 0))),
        holding(tensor(shape=numbers(10**6, 10**6), stride=numbers(0, 0))),
        holding(tensor(shape=numbers(4, 3), stride=numbers(1, 1))),
        holding(tensor(shape=numbers(2**62), stride=numbers(0))),
    ),
    "two kinds of one storage": family(
        BAD,
        holding(tensor(), tensor(storage(kind=b"ctorch\nIntStorage\n"))),
        holding(tensor(), tensor(storage(12, kind=b"ctorch\nHalfStorage\n"))),
    ),
    "numbers beyond": family(
        BAD,
        holding(tensor(shape=numbers(2, 3, 1), stride=numbers(3, 1, 2**70))),
        holding(tensor(offset=2**80)),
    ),
    "shapes": family(
        BAD,
        holding(tensor(shape=numbers(0, 3))),
        holding(tensor(shape=numbers(*[1] * 9), stride=numbers(*[1] * 9))),
        holding(tensor(shape=numbers(6))),
        holding(tensor(shape=b"\x88\x88\x86")),
        holding(tensor(shape=b"G" + struct.pack(">d", 2.0) + number(3) + b"\x86")),
    )
    + family(f"{BAD} {BROKEN}", holding(tensor(shape=b"N")), holding(tensor(stride=text("x")))),
    "values": [
        (BAD, archive(entries(data=bytes(20) + struct.pack("<f", value))))
        for value in (float("nan"), float("inf"), float("-inf"))
    ]
    + family(
        BAD,
        archive(
            entries(
                state_dict(tensor(storage(kind=b"ctorch\nHalfStorage\n"))),
                bytes(10) + b"\x00\x7c",
            )
        ),
    ),
    "byte order": family(
        BAD,
        archive(entries() | {"byteorder": b"big"}),
        archive(entries() | {"byteorder": b""}),
        archive(entries() | {"byteorder": b"LITTLE"}),
    ),
    "safetensors: lengths": family(
        "E-UNKNOWN-FORMAT",
        safetensors({"a": entry()}, length=10**6),
        safetensors({"a": entry()}, length=2**63),
    )
    + family(f"{BROKEN} E-UNKNOWN-FORMAT", safetensors({"a": entry()}, length=0))
    + family(BROKEN, safetensors({"a": entry()}, length=5))
    + family("E-TOO-LARGE", safetensors(b"{" + b" " * 2**23 + b"}")),
    "safetensors: double names": family(
        BROKEN,
        safetensors(b'{"a": 1, "a": 2}'),
        safetensors(
            b'{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},'
            b'"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
        ),
        safetensors(b'{"a":{"dtype":"F32","dtype":"I32","shape":[2,3],"data_offsets":[0,24]}}'),
    ),
    "safetensors: bytes": family(
        BROKEN,
        one(stop=20),
        one(start=4, stop=28),
        safetensors({"a": entry()}, bytes(25)),
        safetensors({"a": entry()}, bytes(23)),
        safetensors({"a": entry(), "b": entry()}),
        safetensors({"a": entry(), "b": entry((1,), 28, 32)}, bytes(32)),
        one(start=-24, stop=0),
    ),
    "safetensors: kinds": [
        (BAD, one(kind=kind)) for kind in ("F8_E4M3", "C64", "f32", "", "x" * 99, "U16", [])
    ],
    "safetensors: shapes": family(
        BAD,
        one(shape=[0, 10**18], stop=0),
        one(shape=[-2, -3]),
        one(shape=[2.0, 3]),
        one(shape=[True, 6]),
        one(shape=[1] * 9 + [6]),
    )
    + family(BROKEN, one(shape=[2**62, 2**62]), one(shape=7), one(shape=None)),
    "safetensors: names": [
        ("E-BAD-NAME", safetensors({name: entry()}))
        for name in ("../x", "", "a" * 300, "a b", "<script>", "=1+1", "a\u0000")
    ],
    "safetensors: nonsense": family(
        BROKEN,
        safetensors(b"{" + b'"a":[' * 9000),
        safetensors(b'{"a": NaN}'),
        safetensors({"a": entry(), "__metadata__": {"a": 1}}),
        safetensors({"a": entry(), "__metadata__": []}),
        safetensors({"a": entry() | {"note": 1}}),
        safetensors(json.dumps({"a": entry()}).encode("utf-16-le")),
        safetensors(json.dumps({"a": entry(shape="")}).encode()),
        safetensors(b'{"a": "F32"}'),
        safetensors(b'{"a": {}}'),
        safetensors(b"{\xff\xfe}"),
        safetensors(b'{"__metadata__": 1}, [1]'),
    )
    + family(NOT_STATE, safetensors({}, b"")),
    "no weights": family(
        "E-LEGACY-FORMAT",
        saved({"a": torch.ones(2)}, _use_new_zipfile_serialization=False),
        pickle.dumps({"a": 1}),
        pickle.dumps([1], protocol=5),
    )
    + family(
        "E-UNKNOWN-FORMAT",
        b"",
        b"weights",
        b"\x89PNG\r\n",
        b"\x89HDF\r\n\x1a\n",
        b"{}",
        b"PK\x05\x06",
    ),
}
