"""Files that replace others."""

import os
import stat

import pytest

from bench.files import write_atomically


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_file_may_be_read_by_whom_it_could_before(tmp_path, umask):
    path = tmp_path / "folder" / "board.html"
    write_atomically(path, b"old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o600)
    write_atomically(path, b"new")
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (0o600, b"new")


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "board.html").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "board.html", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["board.html"]
