"""Files that were sound and are not any more end in a code, or in good tensors."""

import io
import random
import time
import zipfile
from pathlib import Path

import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import ERRORS, BenchError
from bench.submissions.read import read_tensors
from tests.submissions.hostile_files import forge

SLOWEST = 5.0  # seconds for the worst of them, on a machine that does other things too


def outcome(path: Path) -> str:
    """The code that refuses a file, or "" if its tensors are good."""
    try:
        tensors = read_tensors(path)
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


def small_pt(change=lambda pickled: pickled) -> bytes:
    buffer = io.BytesIO()
    torch.save({"a.weight": torch.ones(2, 3), "b": torch.arange(3.0)}, buffer)
    with zipfile.ZipFile(buffer) as archive:
        found = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    return forge.archive(found | {"data.pkl": change(found["data.pkl"])})


def survivors(tmp_path: Path, contents) -> tuple[int, int]:
    """How many were read, how many refused; each within its time."""
    path, found = tmp_path / "model.pt", {True: 0, False: 0}
    for content in contents:
        path.write_bytes(content)
        started = time.monotonic()
        code = outcome(path)
        assert time.monotonic() - started < SLOWEST
        assert code in ("", *ERRORS)
        found[code == ""] += 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
    return found[True], found[False]


def test_4000_damaged_archives_end_in_a_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw, whole = random.Random(0), small_pt()
    _, refused = survivors(tmp_path, (mutated(whole, draw) for _ in range(4000)))
    assert refused > 3500


def test_4000_damaged_pickles_in_sound_archives_end_in_a_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = random.Random(1)
    damaged = (small_pt(lambda pickled: mutated(pickled, draw)) for _ in range(4000))
    read, refused = survivors(tmp_path, damaged)
    assert refused > 2000
    assert read > 20


def test_20_000_damaged_safetensors_end_in_a_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = random.Random(2)
    whole = safetensors.torch.save({"a.weight": torch.ones(2, 3), "b": torch.arange(3.0)})
    read, refused = survivors(tmp_path, (mutated(whole, draw) for _ in range(20_000)))
    assert refused > 10_000
    assert read > 500


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=300), head=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02}"]))
def test_any_bytes_end_in_a_code(content, head, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "model.pt"
    path.write_bytes(head + content)
    assert outcome(path) in ERRORS


@settings(max_examples=300, deadline=None)
@given(
    program=st.lists(
        st.sampled_from([*b"(NtRQh\0q\1]}aesub\x85\x86\x87\x88\x89J", 0x58]), max_size=60
    )
)
def test_any_program_of_the_known_instructions_ends_in_a_code(program, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "model.pt"
    path.write_bytes(forge.pickled(b"\x80\x02" + bytes(program) + b"."))
    assert outcome(path) in ERRORS
