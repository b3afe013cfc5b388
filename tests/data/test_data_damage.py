"""Damaged and hostile files end in one error, and nothing in them is run."""

import gzip
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from bench.errors import BenchError
from tests.data.layouts import (
    cifar_pickle,
    encoded,
    idx_bytes,
    read,
    write_idx,
    write_parquet,
    write_svhn,
)

Arrays = tuple[np.ndarray, np.ndarray]


def assert_broken(root: Path, name: str, split: str = "test") -> str:
    with pytest.raises(BenchError) as caught:
        read(root, name, split)
    assert caught.value.code == "E-BROKEN-DATA"
    assert str(root) in caught.value.message
    return caught.value.message


@pytest.mark.filterwarnings("ignore")  # numpy.core is where the official files name it
def test_the_hand_written_cifar_pickle_is_one_that_python_reads(colour: Arrays) -> None:
    images, labels = colour
    content = pickle.loads(cifar_pickle(images, labels), encoding="latin-1")
    assert np.array_equal(content["data"], images.reshape(12, 3072))
    assert content["labels"] == labels.tolist()


@pytest.mark.parametrize(
    "attack",
    [
        b"cos\nsystem\n(U\x40{command}tR",
        b"cposix\nsystem\n(U\x40{command}tR",
        b"(U\x40{command}ios\nsystem\n",
        b"\x8c\x02os\x8c\x06system\x93U\x40{command}\x85R",
    ],
    ids=["global", "posix", "inst", "stack-global"],
)
def test_a_hostile_cifar_pickle_is_refused_and_never_run(
    root: Path, colour: Arrays, attack: bytes
) -> None:
    marker = root / "ran"
    command = f"touch {marker.name}".ljust(64).encode()
    images, labels = colour
    honest = cifar_pickle(images, labels)
    (root / "cifar-10-batches-py").mkdir()
    batch = root / "cifar-10-batches-py" / "test_batch"
    batch.write_bytes(honest[:3] + attack.replace(b"{command}", command) + b"0" + honest[3:])
    message = assert_broken(root, "cifar10")
    assert "pickle instruction" in message
    assert not marker.exists()
    assert not Path("ran").exists()


@pytest.mark.parametrize("cut", [1, 100, 5000, 20_000])
def test_a_truncated_cifar_pickle_is_refused(root: Path, colour: Arrays, cut: int) -> None:
    (root / "cifar-10-batches-py").mkdir()
    (root / "cifar-10-batches-py/test_batch").write_bytes(cifar_pickle(*colour)[:-cut])
    assert_broken(root, "cifar10")


def test_an_idx_file_that_lies_about_itself_is_refused(root: Path, grey: Arrays) -> None:
    images, labels = grey
    raw = root / "KMNIST/raw"
    write_idx(raw, "t10k", images, labels, gz=False)
    path = raw / "t10k-images-idx3-ubyte"
    honest = path.read_bytes()
    for content in (
        b"",
        honest[:3],
        b"\x00\x00\x08\x01" + honest[4:],
        honest[:-1],
        honest + b"\x00",
        honest[:4] + struct.pack(">i", 13) + honest[8:],
        honest[:4] + struct.pack(">i", -1) + honest[8:],
        honest[:8] + struct.pack(">i", 2**30) + honest[12:],
    ):
        path.write_bytes(content)
        assert_broken(root, "kmnist")


def test_a_damaged_gzip_is_refused(root: Path, grey: Arrays) -> None:
    images, labels = grey
    raw = root / "KMNIST/raw"
    write_idx(raw, "t10k", images, labels, gz=True)
    path = raw / "t10k-images-idx3-ubyte.gz"
    honest = path.read_bytes()
    wrong_sum = honest[:-8] + struct.pack("<I", zlib.crc32(b"other")) + honest[-4:]
    for content in (honest[:-9], honest[: len(honest) // 2], wrong_sum, b"not gzip at all"):
        path.write_bytes(content)
        assert_broken(root, "kmnist")


def test_a_gzip_bomb_costs_no_more_than_its_header_promises(root: Path, grey: Arrays) -> None:
    images, labels = grey
    raw = root / "KMNIST/raw"
    write_idx(raw, "t10k", images, labels, gz=True)
    bomb = gzip.compress(idx_bytes(images[:, 0]) + bytes(2**27), compresslevel=1)
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(bomb)
    assert "after the last entry" in assert_broken(root, "kmnist")


class CreatesFile:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.path, "ran"))


def test_arrays_of_pickled_objects_are_refused_and_never_run(root: Path, grey: Arrays) -> None:
    marker = root / "ran"
    hostile = np.array([CreatesFile(marker)] * 12, dtype=object)
    (root / "notmnist").mkdir()
    np.save(root / "notmnist/test.npy", hostile, allow_pickle=True)
    np.save(root / "notmnist/test-labels.npy", grey[1])
    assert_broken(root, "notmnist")
    np.savez(root / "notmnist/test.npz", images=hostile, labels=grey[1])
    assert_broken(root, "notmnist")
    assert not marker.exists()


def test_arrays_of_the_wrong_kind_are_refused(root: Path, grey: Arrays) -> None:
    images, labels = grey
    (root / "notmnist").mkdir()
    for wrong in (
        {"images": images / 255, "labels": labels},
        {"images": images, "labels": labels[:-1]},
        {"images": images},
        {"images": np.repeat(images, 2, axis=1), "labels": labels},
        {"images": images, "labels": labels, "more": labels},
    ):
        np.savez(root / "notmnist/test.npz", **wrong)
        assert_broken(root, "notmnist")
    (root / "notmnist/test.npz").write_bytes(b"PK\x03\x04 nothing")
    assert_broken(root, "notmnist")


def test_a_png_of_giant_size_is_refused_before_it_is_decoded(root: Path, grey: Arrays) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    for side in (2000, 50_000):
        size = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size)
        bomb = start + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
        write_parquet(root / "notmnist/test.parquet", [bomb] * 12, grey[1])
        message = assert_broken(root, "notmnist")
        assert "pixels" in message


def test_a_parquet_file_of_the_wrong_kind_is_refused(root: Path, grey: Arrays) -> None:
    images, labels = grey
    path = root / "notmnist/test.parquet"
    pngs = [encoded(image) for image in images]
    write_parquet(path, pngs, labels, label="colour")
    assert "colour" in assert_broken(root, "notmnist")
    write_parquet(path, [*pngs[:-1], b"no picture"], labels)
    assert_broken(root, "notmnist")
    write_parquet(path, [*pngs[:-1], pngs[-1][:-40]], labels)
    assert_broken(root, "notmnist")
    path.write_bytes(path.read_bytes()[:-5])
    assert_broken(root, "notmnist")


def test_a_damaged_matlab_file_is_refused(root: Path, colour: Arrays) -> None:
    path = root / "test_32x32.mat"
    write_svhn(path, *colour)
    honest = path.read_bytes()
    for content in (honest[: len(honest) // 2], b"", honest[:200] + bytes(200) + honest[400:]):
        path.write_bytes(content)
        assert_broken(root, "svhn")
