"""The cache: mapped arrays, changed files, and writers that are killed or work at once."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.data import load_suite
from bench.data.cache import map_array, save_array
from bench.data.images import BLOCK
from bench.data.imports import import_set
from bench.errors import BenchError
from bench.places import appearing, cache_root, data_root
from tests.data.layouts import encoded, write_parquet

Arrays = tuple[np.ndarray, np.ndarray]


def killed_at(event: int, work: Callable[[], object]) -> int:
    """Runs the work in a fork that kills itself at the n-th opening or renaming of a file.

    Returns:
        The exit status: -9 if it was killed, 0 if the work had fewer such events.
    """
    child = os.fork()
    if child == 0:
        seen = 0

        def count(name: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            if name == "os.rename" or (name == "open" and ".tmp" in str(arguments[0])):
                seen += 1
                if seen == event:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def whole_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".tmp"]


def test_the_second_loading_maps_the_first_ones_arrays(root: Path, colour: Arrays) -> None:
    write_parquet(root / "cifar10/test-first12.parquet", [encoded(i) for i in colour[0]], colour[1])
    first = load_suite("cifar10", limit=12)
    state = {path: path.stat().st_mtime_ns for path in whole_files(cache_root())}
    second = load_suite("cifar10", limit=12)
    assert isinstance(second.test.images, np.memmap)
    assert second.test.fingerprint == first.test.fingerprint
    assert state == {path: path.stat().st_mtime_ns for path in whole_files(cache_root())}
    assert len(state) == 3


def test_writing_into_mapped_images_leaves_the_cache_as_it_is(root: Path, colour: Arrays) -> None:
    write_parquet(root / "cifar10/test-first12.parquet", [encoded(i) for i in colour[0]], colour[1])
    load_suite("cifar10", limit=12).test.images[:] = 0
    assert np.array_equal(load_suite("cifar10", limit=12).test.images, colour[0])


def test_a_changed_file_is_decoded_anew(root: Path, colour: Arrays) -> None:
    path = root / "cifar10/test-first12.parquet"
    write_parquet(path, [encoded(image) for image in colour[0]], colour[1])
    before = load_suite("cifar10", limit=12).test
    write_parquet(path, [encoded(255 - image) for image in colour[0]], colour[1])
    after = load_suite("cifar10", limit=12).test
    assert np.array_equal(after.images, 255 - colour[0])
    assert np.array_equal(before.images, colour[0])
    assert before.fingerprint != after.fingerprint


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "entry.json"])
def test_a_damaged_entry_is_made_again(root: Path, colour: Arrays, name: str) -> None:
    write_parquet(root / "cifar10/test-first12.parquet", [encoded(i) for i in colour[0]], colour[1])
    expected = load_suite("cifar10", limit=12).test.fingerprint
    (path,) = cache_root().glob(f"sets/*/{name}")
    path.write_bytes(path.read_bytes()[:-20])
    again = load_suite("cifar10", limit=12).test
    assert again.fingerprint == expected
    assert np.array_equal(again.images, colour[0])


def test_a_decoding_killed_at_any_step_leaves_nothing_half_written(
    root: Path, colour: Arrays
) -> None:
    write_parquet(root / "cifar10/test-first12.parquet", [encoded(i) for i in colour[0]], colour[1])
    deaths = 0
    while killed_at(deaths + 1, lambda: load_suite("cifar10", limit=12)) == -signal.SIGKILL:
        deaths += 1
        for path in whole_files(cache_root()):
            assert path.suffix != ".npy" or map_array(path) is not None
        assert len(whole_files(cache_root())) < 3
        for path in cache_root().rglob("*"):
            if path.is_file():
                path.unlink()
    assert deaths >= 9  # three files, each created, synced and renamed
    assert np.array_equal(load_suite("cifar10", limit=12).test.images, colour[0])


def test_a_decoding_goes_on_after_a_kill_at_any_step(root: Path, colour: Arrays) -> None:
    write_parquet(root / "cifar10/test-first12.parquet", [encoded(i) for i in colour[0]], colour[1])
    for event in range(1, 10):
        assert killed_at(event, lambda: load_suite("cifar10", limit=12)) == -signal.SIGKILL
    suite = load_suite("cifar10", limit=12)
    assert np.array_equal(suite.test.images, colour[0])
    assert np.array_equal(suite.test.labels, colour[1])


def test_an_import_killed_at_any_step_leaves_the_split_missing(
    root: Path, tmp_path: Path, grey: Arrays
) -> None:
    source = tmp_path / "mine.npz"
    np.savez(source, images=grey[0], labels=grey[1])
    event = 1
    while killed_at(event, lambda: import_set("notmnist", "test", source)) == -signal.SIGKILL:
        assert not whole_files(root)
        event += 1
    assert event > 3
    (path,) = whole_files(root)
    with np.load(path) as arrays:
        assert np.array_equal(arrays["images"], grey[0])


def test_a_kill_in_the_middle_of_an_array_leaves_no_array(tmp_path: Path) -> None:
    path = tmp_path / "images.npy"

    def parts() -> Iterator[np.ndarray]:
        for number in range(6):
            if number == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            yield np.full((BLOCK, 1, 28, 28), number, np.uint8)

    def save() -> None:
        save_array(path, (6 * BLOCK, 1, 28, 28), parts())

    assert killed_at(99, save) == -signal.SIGKILL
    assert map_array(path) is None
    (left,) = tmp_path.glob(".images.npy.*.tmp")
    assert left.stat().st_size > BLOCK * 784  # the kill came while bytes were written
    assert whole_files(tmp_path) == []


def test_processes_at_once_all_end_with_the_same_images(root: Path, colour: Arrays) -> None:
    write_parquet(root / "cifar10/test-first12.parquet", [encoded(i) for i in colour[0]], colour[1])
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            same = np.array_equal(load_suite("cifar10", limit=12).test.images, colour[0])
            os._exit(0 if same else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert np.array_equal(load_suite("cifar10", limit=12).test.images, colour[0])
    assert len(whole_files(cache_root())) == 3


def test_what_killed_writers_left_is_taken_away_after_an_hour(tmp_path: Path) -> None:
    old, young = tmp_path / ".a.npy.1.tmp", tmp_path / ".a.npy.2.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3700,) * 2)
    with appearing(tmp_path / "a.npy") as temporary:
        temporary.write_bytes(b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, "a.npy"]


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"old")

    def stop() -> None:
        with appearing(path) as temporary:
            temporary.write_bytes(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_the_users_error(tmp_path: Path) -> None:
    def fill() -> None:
        with appearing(tmp_path / "a"), Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(BenchError, match="No space left") as caught:
        fill()
    assert caught.value.code == "E-DISK-FULL"


def test_the_places_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_CACHE")
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg/sparse-bench"
    assert data_root() == tmp_path / "xdg/sparse-bench/data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == tmp_path / "home/.cache/sparse-bench"
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "fast"))
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "sets"))
    assert cache_root() == tmp_path / "fast"
    assert data_root() == tmp_path / "sets"
    assert data_root(tmp_path) == tmp_path
