"""No file of a stranger runs anything, hangs, or ends in anything but a code."""

import gzip
import os
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import BenchError
from bench.intake.opened import file_content, unpacked
from bench.models import build
from bench.store import open_store, score_frame
from bench.submissions import load_submission
from bench.submissions.read import read_weights
from tests.intake.hostile_files import FAMILIES, FILES, forge

SLOWEST = 5.0  # seconds for the worst of them, on a machine that does other things too


def test_there_are_enough_of_them():
    assert len(FAMILIES) >= 30
    assert len(FILES) >= 120


def test_the_plainest_file_is_read(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(forge.archive())
    assert torch.equal(read_weights(path).tensors["a.weight"], torch.zeros(2, 3))
    path.write_bytes(forge.one())
    assert torch.equal(read_weights(path).tensors["a.weight"], torch.zeros(2, 3))


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


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no gzip", "E-BROKEN-FILE"),
        (gzip.compress(bytes(100))[:-1], "E-BROKEN-FILE"),
        (gzip.compress(bytes(50)) * 2, "E-BROKEN-FILE"),
        (gzip.compress(bytes(101)), "E-TOO-LARGE"),
    ],
    ids=["no gzip", "cut", "two in one", "too large"],  # the bytes tell the second of their making
)
def test_a_packed_file_is_whole_and_bounded_when_unpacked(content, code, tmp_path):
    path = tmp_path / "run.json.gz"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=code):
        unpacked(path, 100)


def test_a_packed_file_and_a_plain_one_are_read_alike(tmp_path):
    (tmp_path / "a.json").write_bytes(b"{}")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"{}"))
    assert [unpacked(tmp_path / name, 100) for name in ("a.json", "a.json.gz")] == [b"{}", b"{}"]


def test_a_link_of_the_users_own_is_followed(tmp_path):
    (tmp_path / "real.pt").write_bytes(forge.archive())
    (tmp_path / "link.pt").symlink_to(tmp_path / "real.pt")
    with pytest.raises(BenchError, match="E-UNKNOWN-ARCHITECTURE"):
        load_submission(tmp_path / "link.pt")


def test_a_sign_that_is_to_be_turned_is_not_lost(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"a": torch.ones(2, dtype=torch.complex64).conj().imag}, path)
    with pytest.raises(BenchError, match="E-BROKEN-FILE"):
        read_weights(path)


def test_a_byte_of_a_truth_value_is_true_or_false(tmp_path):
    path = tmp_path / "a.pt"
    kind = b"ctorch\nBoolStorage\n"
    program = forge.state_dict(forge.tensor(forge.storage(kind=kind)))
    path.write_bytes(forge.archive(forge.entries(program, bytes([0, 1, 2, 255, 4, 0]))))
    assert read_weights(path).tensors["a.weight"].tolist() == [[0, 1, 1], [1, 1, 0]]


def test_names_of_entries_may_be_addresses_as_torch_1_6_wrote_them(tmp_path):
    path, key = tmp_path / "a.pt", "94309384023440"
    content = forge.entries(forge.state_dict(forge.tensor(forge.storage(key=key))))
    content[f"data/{key}"] = content.pop("data/0")
    path.write_bytes(forge.archive(content))
    assert read_weights(path).tensors["a.weight"].shape == (2, 3)


def test_many_names_of_one_storage_are_read_once(tmp_path):
    path = tmp_path / "a.pt"
    whole = torch.ones(2**20)
    torch.save({f"a{at}": whole[at : at + 1] for at in range(5000)}, path)
    started = time.monotonic()
    assert len(read_weights(path).tensors) == 5000
    assert time.monotonic() - started < SLOWEST


def test_widths_that_would_not_fit_into_memory_are_refused_by_their_shapes(tmp_path):
    path, tensors = tmp_path / "a.pt", build("lenet5").state_dict()
    for layer in ("conv1", "conv2", "conv3"):
        tensors[f"{layer}.weight"] = torch.zeros(20_000, 1, 1, 1)
    torch.save(tensors, path)
    with pytest.raises(BenchError, match="E-WRONG-WEIGHTS"):
        load_submission(path)
    tensors = build("lenet5").state_dict() | {"bn1.num_batches_tracked": torch.zeros(3)}
    torch.save(tensors, path)
    assert load_submission(path).record.architecture == "lenet5"


def test_two_spellings_of_one_name_are_refused(tmp_path):
    path, tensors = tmp_path / "a.pt", build("resnet18-relu").state_dict()
    torch.save(tensors | {"linear.weight": tensors["fc.weight"] + 1}, path)
    with pytest.raises(BenchError, match="the same name but for its spelling"):
        load_submission(path, architecture="resnet18-relu")


def test_a_message_steers_no_terminal_and_stays_short():
    error = BenchError("E-BAD-NAME", "\x1b]0;pwned\x07\u202e" + "x" * 10**6)
    assert str(error).isprintable()
    assert len(str(error)) < 2000


def test_a_refused_file_is_not_stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pt").write_bytes(forge.calling("os", "system", "touch evil"))
    result = CliRunner().invoke(app, ["evaluate", "model.pt", "--store", "sqlite:///runs.db"])
    assert isinstance(result.exception, BenchError)
    assert not (tmp_path / "evil").exists()
    with open_store("sqlite:///runs.db") as store:
        assert score_frame(store).empty
