"""A submission folder in place of an older one."""

import shutil
from pathlib import Path

import pytest

from bench.submissions.pack import write_folder

OLD = {"submission.toml": b"old", "weights.safetensors": b"old", "curve.csv": b"old"}
NEW = {"submission.toml": b"new", "weights.safetensors": b"new"}


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "net", OLD)


def test_the_new_one_is_there_before_the_old_one_goes(folder, tmp_path, monkeypatch):
    removed = shutil.rmtree

    def rmtree(path, **options):
        assert content(folder) == NEW
        removed(path, **options)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    write_folder(folder, NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_the_old_one_is_back_if_the_new_one_cannot_take_its_place(folder, tmp_path, monkeypatch):
    renamed = Path.rename

    def rename(path, target):
        if target == folder and not path.name.endswith(".old"):
            raise OSError(28, "No space left on device")
        return renamed(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="No space left"):
        write_folder(folder, NEW)
    assert content(folder) == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
