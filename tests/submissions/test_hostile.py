"""No file of a stranger runs anything, hangs, or ends in anything but a code."""

import io
import os
import random
import time
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import ERRORS, BenchError
from bench.submissions import load_submission
from bench.submissions.opened import file_content
from bench.submissions.read import read_tensors
from tests.submissions.hostile_files import FAMILIES, FILES, forge

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


def test_there_are_enough_of_them():
    assert len(FAMILIES) >= 30
    assert len(FILES) >= 120


def test_the_plainest_file_is_read(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(forge.archive())
    assert torch.equal(read_tensors(path)["a.weight"], torch.zeros(2, 3))
    path.write_bytes(forge.one())
    assert torch.equal(read_tensors(path)["a.weight"], torch.zeros(2, 3))


@pytest.mark.parametrize(("codes", "content"), [f[1:] for f in FILES], ids=[f[0] for f in FILES])
def test_every_hostile_file_is_refused_with_its_code(codes, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    started = time.monotonic()
    with pytest.raises(BenchError) as caught:
        load_submission(path)
    assert time.monotonic() - started < SLOWEST
    assert caught.value.code in codes.split(), caught.value
    assert len(str(caught.value)) < 600
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


@pytest.mark.parametrize("make", [fifo, link, dangling, Path.mkdir])
@pytest.mark.parametrize("name", ["weights.safetensors", "submission.toml"])
def test_what_is_no_regular_file_in_a_folder_is_refused(make, name, tmp_path):
    (tmp_path / "submission.toml").write_text('schema = 1\nslug = "a"\n')
    (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / name)
    with pytest.raises(BenchError) as caught:
        load_submission(tmp_path)
    assert caught.value.code == "E-NOT-A-FILE"


def test_a_device_and_a_file_that_is_too_large_are_refused(tmp_path):
    with pytest.raises(BenchError, match="E-NOT-A-FILE"):
        file_content(Path("/dev/zero"))
    (tmp_path / "large").write_bytes(bytes(101))
    with pytest.raises(BenchError, match=r"E-TOO-LARGE.*got 101 bytes, expected at most 100"):
        file_content(tmp_path / "large", 100)
    assert len(file_content(tmp_path / "large", 101)) == 101


def test_a_link_of_the_users_own_is_followed(tmp_path):
    (tmp_path / "real.pt").write_bytes(forge.archive())
    (tmp_path / "link.pt").symlink_to(tmp_path / "real.pt")
    with pytest.raises(BenchError, match="E-UNKNOWN-ARCHITECTURE"):
        load_submission(tmp_path / "link.pt")


# an independent reader agrees on every honest file


def honest() -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(6, 8, generator=generator)
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    kinds = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8)
    return {
        "plain": {"a": whole},
        "parameter": {"a": torch.nn.Parameter(whole)},
        "transposed": {"a": whole.t(), "b": whole[1::2, 2:5], "c": whole[0, 0]},
        "shared": {"a": whole, "b": whole.view(-1)},
        "kinds": {str(kind).removeprefix("torch."): whole.mul(9).abs().to(kind) for kind in kinds},
        "bool": {"a": whole > 0},
        "state-dict": module.state_dict(),
        "empty names": {"model": {"a": whole}, "epoch": 7, "best": 0.5, "notes": ["x", None, True]},
        "optimizer": {
            "state_dict": module.state_dict(),
            "optimizer": torch.optim.Adam(module.parameters()).state_dict(),
        },
        "big number": {"net": {"a": whole}, "seed": 2**40, "minus": -5},
        "many": {f"layer{at}.weight": whole[: at % 6 + 1] for at in range(300)},
    }


@pytest.mark.parametrize("name", honest())
def test_honest_files_are_read_as_torch_reads_them(name, tmp_path):
    path = tmp_path / "model.pt"
    torch.save(honest()[name], path)
    loaded = torch.load(path, weights_only=True)
    for wrapper in ("state_dict", "model", "net"):
        loaded = loaded.get(wrapper, loaded)
    ours = read_tensors(path)
    assert list(ours) == list(loaded)
    for key, tensor in loaded.items():
        kind = torch.float32 if tensor.is_floating_point() else torch.int64
        assert torch.equal(ours[key], tensor.detach().to(kind))
        assert ours[key].is_contiguous()


@pytest.mark.parametrize("name", ["plain", "kinds", "bool", "state-dict"])
def test_honest_safetensors_are_read_as_the_library_reads_them(name, tmp_path):
    path, tensors = tmp_path / "a.safetensors", dict(honest()[name])
    safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path, {"by": "me"})
    ours = read_tensors(path)
    for key, tensor in safetensors.torch.load_file(path).items():
        kind = torch.float32 if tensor.is_floating_point() else torch.int64
        assert torch.equal(ours[key], tensor.to(kind))


# mutations


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


def test_a_refused_file_is_not_stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pt").write_bytes(forge.calling("os", "system", "touch evil"))
    result = CliRunner().invoke(app, ["evaluate", "model.pt", "--store", "sqlite:///runs.db"])
    assert isinstance(result.exception, BenchError)
    assert CliRunner().invoke(app, ["runs", "--store", "sqlite:///runs.db"]).exit_code in (0, 1)
    assert not (tmp_path / "evil").exists()
