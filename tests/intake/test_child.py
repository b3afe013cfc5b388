"""The process that reads strangers' files: its limits, and what happens when it reaches them."""

import resource
from pathlib import Path

import pytest
import safetensors.torch
import torch

from bench.errors import BenchError
from bench.intake.child import LIMITS
from bench.submissions import read
from bench.submissions.read import Reader, read_weights

FILE = safetensors.torch.save({"a": torch.arange(6.0).view(2, 3)})
LARGE = safetensors.torch.save({"a": torch.zeros(2**25)})


@pytest.fixture
def reader():
    with Reader() as reader:
        reader.tensors("first", FILE)  # now it runs
        yield reader


def facts(reader: Reader, name: str) -> str:
    return Path(f"/proc/{reader.child.pid}/{name}").read_text()


def test_it_runs_under_its_limits_and_without_the_users_surroundings(reader):
    limits = {kind: resource.prlimit(reader.child.pid, kind) for kind in LIMITS}
    assert limits == {kind: (limit, limit) for kind, limit in LIMITS.items()}
    assert "HOME=" not in facts(reader, "environ")
    assert "libtorch" not in facts(reader, "maps")


def test_it_ends_with_its_reader(reader):
    with Reader() as other:
        other.tensors("first", FILE)
    assert other.child.returncode is not None
    assert reader.child.poll() is None


def test_a_file_that_takes_too_much_memory_is_refused(reader):
    resource.prlimit(reader.child.pid, resource.RLIMIT_AS, (2**26, 8 * 2**30))
    with pytest.raises(BenchError, match=r"E-(TOO-LARGE|READER-LIMIT): large"):
        reader.tensors("large", LARGE)


def test_a_file_that_takes_too_long_is_refused(monkeypatch, tmp_path):
    (tmp_path / "slow").write_bytes(LARGE)
    monkeypatch.setattr(read, "PATIENCE", 0.001)
    with pytest.raises(BenchError, match="E-READER-LIMIT"):
        read_weights(tmp_path / "slow")


def test_a_child_that_died_refuses_the_file(reader):
    reader.child.kill()
    reader.child.wait()
    with pytest.raises(BenchError, match="E-READER-LIMIT: next"):
        reader.tensors("next", FILE)
