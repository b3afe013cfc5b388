"""Files that were sound and are not any more end in a code, or in good tensors."""

import io
import random
import time
import zipfile

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import ERRORS, BenchError
from bench.submissions.read import Reader
from tests.intake.hostile_files import FILES, forge

REFUSALS = set(ERRORS) - {"E-READER-LIMIT"}  # that the child ends of itself
SLOWEST = 5.0  # seconds for the worst of them, on a machine that does other things too


@pytest.fixture(scope="module")
def reader():
    """One child process for all of them: it outlives whatever it is sent."""
    with Reader() as reader:
        yield reader
        assert reader.child.poll() is None


def outcome(reader: Reader, content: bytes, *, pickled_module: bool = False) -> str:
    """The code that refuses a file, or "" if its tensors are good."""
    try:
        tensors = reader.tensors("model.pt", content, pickled_module=pickled_module)
    except BenchError as error:
        return error.code
    assert all(
        type(tensor) is torch.Tensor and tensor.isfinite().all() for tensor in tensors.values()
    )
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in tensors.values())
    return ""


def mutated(content: bytes, draw: random.Random) -> bytes:
    """One to four small damages."""
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(content) + 1)
        length = draw.choice((1, 1, 1, 2, 4, 16))
        replacement = draw.choice(
            (
                draw.randbytes(length),
                b"",
                content[at : at + length] * 2,
                b"\xff" * length,
                b"\0" * length,
                bytes([draw.choice(b".(NtRQqhXcbsu}]\x85\x86\x87\x88\x89")]),
            )
        )
        content = content[:at] + replacement + content[at + draw.choice((0, length)) :]
    return content


STATE = {"a.weight": torch.ones(2, 3), "b": torch.arange(3.0)}


def small_pt(change=lambda pickled: pickled, held=STATE) -> bytes:
    buffer = io.BytesIO()
    torch.save(held, buffer)
    with zipfile.ZipFile(buffer) as archive:
        found = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    return forge.archive(found | {"data.pkl": change(found["data.pkl"])})


def survivors(reader: Reader, contents, *, pickled_module: bool = False) -> tuple[int, int]:
    """How many were read, how many refused; each within its time."""
    found = {True: 0, False: 0}
    for content in contents:
        started = time.monotonic()
        code = outcome(reader, content, pickled_module=pickled_module)
        assert time.monotonic() - started < SLOWEST
        assert code in ("", *REFUSALS)
        found[code == ""] += 1
    return found[True], found[False]


def test_4000_damaged_archives_end_in_a_code(reader):
    draw, whole = random.Random(0), small_pt()
    _, refused = survivors(reader, (mutated(whole, draw) for _ in range(4000)))
    assert refused > 3500


def test_4000_damaged_pickles_in_sound_archives_end_in_a_code(reader):
    draw = random.Random(1)
    damaged = (small_pt(lambda pickled: mutated(pickled, draw)) for _ in range(4000))
    read, refused = survivors(reader, damaged)
    assert refused > 2000
    assert read > 20


@pytest.mark.slow
def test_20_000_damaged_safetensors_end_in_a_code(reader):
    draw = random.Random(2)
    whole = safetensors.torch.save({"a.weight": torch.ones(2, 3), "b": torch.arange(3.0)})
    read, refused = survivors(reader, (mutated(whole, draw) for _ in range(20_000)))
    assert refused > 10_000
    assert read > 500


def test_3000_damaged_modules_end_in_a_code_where_modules_are_read(reader):
    draw, whole = random.Random(3), torch.nn.Sequential(torch.nn.Linear(2, 3))
    damaged = (small_pt(lambda pickled: mutated(pickled, draw), whole) for _ in range(3000))
    read, refused = survivors(reader, damaged, pickled_module=True)
    assert refused > 1000
    assert read > 20


def test_hostile_files_end_in_a_code_where_modules_are_read(reader):
    read, refused = survivors(reader, (content for _, _, content in FILES), pickled_module=True)
    assert refused >= 120
    assert read == 0


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=300), head=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02}"]))
def test_any_bytes_end_in_a_code(reader, content, head):
    assert outcome(reader, head + content) in REFUSALS


@settings(max_examples=300, deadline=None)
@given(
    program=st.lists(
        st.sampled_from([*b"(NtRQh\0q\1]}aesub\x85\x86\x87\x88\x89J", 0x58]), max_size=60
    )
)
def test_any_program_of_the_known_instructions_ends_in_a_code(reader, program):
    content = forge.pickled(b"\x80\x02" + bytes(program) + b".")
    assert outcome(reader, content) in REFUSALS
