"""Pickles that are more than a description of tensors."""

import pickle
import struct

import torch

from tests.intake.hostile_files.forge import (
    BAD,
    BROKEN,
    MODULE,
    NOT_STATE,
    TENSOR,
    File,
    calling,
    family,
    holding,
    number,
    numbers,
    pickled,
    saved,
    state_dict,
    storage,
    tensor,
    text,
)


def shared_bomb(depth: int) -> bytes:
    """Lists of which each holds the one before twice: 2^depth leaves when walked."""
    program = b"\x80\x02}" + text("a") + b"](]q\x00"
    for level in range(depth):
        twice = b"h" + bytes([level]) + b"h" + bytes([level])
        program += b"](" + twice + b"eq" + bytes([level + 1])
    return pickled(program + b"es.")


def shared_tuple(depth: int) -> bytes:
    """A key whose hash takes 2^depth steps."""
    program = b"\x80\x02})q\x00"
    for level in range(depth):
        twice = b"h" + bytes([level]) + b"h" + bytes([level])
        program += twice + b"\x86q" + bytes([level + 1])
    return program


PICKLES: dict[str, list[File]] = {
    "code": [
        (MODULE, calling(module, name, "touch evil"))
        for module, name in (
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("subprocess", "Popen"),
            ("__builtin__", "exec"),
            ("torch.hub", "load"),
            ("numpy.testing._private.utils", "runstring"),
        )
    ],
    "names that torch allows": family(
        MODULE,
        pickled(b"\x80\x02}" + text("a") + b"cbuiltins\nbytearray\n" + number(2**29) + b"\x85Rs."),
        calling("torch.serialization", "_get_layout", "x"),
    )
    + family(
        NOT_STATE,
        calling("builtins", "set", "x"),
        calling("_codecs", "encode", "x"),
        calling("torch", "device", "cpu"),
        calling("torch", "Size", "cpu"),
    ),
    "keys": family(
        BROKEN,
        pickled(b"\x80\x02})" + b"\x85" * 900_000 + b"K\x01s."),
        pickled(b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s."),
        pickled(shared_tuple(60) + b"K\x01s."),
        pickled(b"\x80\x02}" + storage() + b"K\x01s."),
        pickled(b"\x80\x02}G" + struct.pack(">d", 1.5) + b"K\x01s."),
    ),
    "calls with other arguments": family(
        BROKEN,
        holding(TENSOR + b"(" + storage() + number(0) + numbers(2, 3) + numbers(3, 1) + b"tR"),
        holding(TENSOR + b"(" + b"N" * 300_000 + b"tR"),
        holding(
            TENSOR
            + b"("
            + storage()
            + number(0)
            + numbers(2, 3)
            + numbers(3, 1)
            + b"\x89N}"
            + text("neg")
            + b"\x88stR"
        ),
    ),
    "damage that would be told at length": family(
        BROKEN,
        pickled(b"\x80\x02F" + b"x" * 10**6 + b"\n."),
        pickled(b"S'" + b"x" * 10**6 + b"\n."),
    ),
    "other kinds of tensors": family(
        BAD,
        saved({"a": torch.ones(2).to_sparse()}),
        saved({"a": torch.ones(2, device="meta")}),
        saved({"a": torch.ones(2, dtype=torch.complex64)}),
        calling("torch._tensor", "_rebuild_from_type_v2", "x"),
        calling("torch._utils", "_rebuild_qtensor", "x"),
        calling("torch._utils", "_rebuild_wrapper_subclass", "x"),
        holding(tensor(storage(kind=b"ctorch\nQInt8Storage\n"))),
        holding(tensor(storage(kind=b"ctorch.cuda\nFloatStorage\n"))),
    ),
    "instructions": [
        (MODULE, pickled(program))
        for program in (
            b"\x80\x02(ios\nsystem\n.",
            b"\x80\x02(cos\nsystem\no.",
            b"\x80\x04\x95\x02\0\0\0\0\0\0\0N.",
            b"\x80\x02N2.",
            b"\x80\x02N0N.",
            b"\x80\x02\x82\x01.",
            b"\x80\x02C\x01x.",
            b"\x80\x02}q\0\x81.",
            b"I7\n.",
            pickle.dumps({"a": {1, 2}}, protocol=4),
        )
    ],
    "attributes": family(
        NOT_STATE,
        pickled(state_dict(tensor())[:-1] + b"}" + text("items") + b"Nsb."),
        pickled(state_dict(tensor())[:-1] + b"}(" + text("_metadata") + b"N" + text("x") + b"Nub."),
        holding(tensor() + b"}" + text("_metadata") + b"}sb"),
        holding(b"]}" + text("_metadata") + b"}sb"),
    ),
    "references to themselves": family(
        NOT_STATE,
        pickled(b"\x80\x02}q\0" + text("a") + b"h\0s."),
        pickled(b"\x80\x02}q\0" + text("state_dict") + b"h\0s."),
        pickled(b"\x80\x02]q\0h\0a."),
        shared_bomb(60),
    ),
    "no end": family(
        BROKEN,
        pickled(b""),
        pickled(b"."),
        pickled(b"\x80\x02}"),
        pickled(b"\x80\x02}(" + text("a")),
        pickled(state_dict(tensor())[:-40]),
    ),
    "a stack that is not there": family(
        BROKEN,
        pickled(b"\x80\x02" + text("x") + text("y") + b"R."),
        pickled(b"\x80\x02" + number(7) + b"Q."),
        pickled(b"\x80\x02h\x07."),
        pickled(b"\x80\x02t."),
        pickled(b"\x80\x02Nb."),
        pickled(b"\x80\x02}" + text("x") + b"a."),
        pickled(b"\x80\x02}(" + text("x") + b"u."),
        pickled(b"\x80\x02}}Ns."),
        holding(TENSOR + b"(NNNNNNtR"),
        holding(b"ctorch._utils\n_rebuild_parameter\n(NNNtR"),
    ),
    "no state-dicts": family(
        NOT_STATE,
        pickled(b"\x80\x02]."),
        pickled(b"\x80\x02N."),
        pickled(b"\x80\x02" + tensor() + b"."),
        pickled(b"\x80\x02}."),
        holding(number(3)),
        holding(text("weights")),
        holding(tensor(), b"]"),
        holding(storage()),
    ),
    "names": [
        ("E-BAD-NAME", pickled(state_dict(tensor(), names=(name,))))
        for name in ("", "a b", "../x", "é", "a" * 257, "a\0b", "a\nb", "\u202ea")
    ]
    + family("E-BAD-NAME", pickled(b"\x80\x02}" + number(3) + tensor() + b"s.")),
    "long texts": family(
        "E-TOO-LARGE",
        pickled(b"\x80\x02" + text("x" * 2**24) + b"."),
        pickled(b"\x80\x02" + b"N" * 1_000_001 + b"."),
    ),
}
