"""Every layout gives the same images; damaged and hostile files end in one error."""

import gzip
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from bench.data.images import fingerprint
from bench.data.sets import SETS
from bench.data.sources import find
from bench.errors import BenchError
from tests.data.layouts import (
    cifar_pickle,
    encoded,
    idx_bytes,
    write_cifar_binary,
    write_folder,
    write_idx,
    write_parquet,
    write_svhn,
)

Arrays = tuple[np.ndarray, np.ndarray]


def read(root: Path, name: str, split: str = "test", n: int | None = None) -> Arrays:
    source = find(name, split, root)
    assert source is not None
    opened = source.opened
    return opened.read(n or opened.count(), SETS[name].shape, lambda done: None)


def assert_broken(root: Path, name: str, split: str = "test") -> str:
    with pytest.raises(BenchError) as caught:
        read(root, name, split)
    assert caught.value.code == "E-BROKEN-DATA"
    assert str(root) in caught.value.message
    return caught.value.message


def test_idx_written_by_hand_reads_back_value_by_value(root: Path) -> None:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = bytes(range(256)) * 7
    header = bytes.fromhex("00000803 00000002 0000001c 0000001c")
    (raw / "t10k-images-idx3-ubyte").write_bytes(header + pixels[: 2 * 784])
    (raw / "t10k-labels-idx1-ubyte").write_bytes(bytes.fromhex("00000801 00000002 0704"))
    images, labels = read(root, "mnist")
    assert images.shape == (2, 1, 28, 28)
    assert images[0, 0, 0, :3].tolist() == [0, 1, 2]
    assert images[1, 0, 0, 0] == 784 % 256
    assert labels.tolist() == [7, 4]


def test_grey_images_have_one_fingerprint_from_every_layout(root: Path, grey: Arrays) -> None:
    images, labels = grey
    pngs = [encoded(image) for image in images]
    write_idx(root / "a/KMNIST/raw", "t10k", images, labels, gz=False)
    write_idx(root / "b/KMNIST/raw", "t10k", images, labels, gz=True)
    write_parquet(root / "c/kmnist/test.parquet", pngs, labels, "picture", "labels")
    for folder in "def":
        (root / folder / "kmnist").mkdir(parents=True)
    np.savez_compressed(root / "d/kmnist/test.npz", x=images[:, 0], y=labels.astype(np.int32))
    np.save(root / "e/kmnist/test.npy", images)
    np.save(root / "e/kmnist/test-labels.npy", labels.astype(np.uint8))
    write_folder(root / "f/kmnist/test", images, labels)
    marks = {folder: fingerprint(*read(root / folder, "kmnist")) for folder in "abcdef"}
    assert set(marks.values()) == {fingerprint(images, labels)}


def test_colour_images_have_one_fingerprint_from_every_layout(root: Path, colour: Arrays) -> None:
    images, labels = colour
    (root / "a/cifar-10-batches-py").mkdir(parents=True)
    (root / "a/cifar-10-batches-py/test_batch").write_bytes(cifar_pickle(images, labels))
    write_cifar_binary(root / "b/cifar-10-batches-bin/test_batch.bin", images, labels)
    webps = [encoded(image, "WEBP") for image in images]
    write_parquet(root / "c/cifar10/test.parquet", webps, labels, "img")
    (root / "d/cifar10").mkdir(parents=True)
    np.savez(root / "d/cifar10/test.npz", images=images.transpose(0, 2, 3, 1), labels=labels)
    write_svhn(root / "test_32x32.mat", images, labels)
    write_svhn(root / "e/svhn/test_32x32.mat", images, labels)
    marks = {folder: fingerprint(*read(root / folder, "cifar10")) for folder in "abcd"}
    marks["svhn"] = fingerprint(*read(root, "svhn"))
    marks["in its folder"] = fingerprint(*read(root / "e", "svhn"))
    assert set(marks.values()) == {fingerprint(images, labels)}


def test_the_first_images_are_the_same_as_the_first_of_all(root: Path, grey: Arrays) -> None:
    images, labels = grey
    write_idx(root / "KMNIST/raw", "t10k", images, labels, gz=True)
    write_parquet(root / "notmnist/test.parquet", [encoded(i) for i in images], labels)
    for name in ("kmnist", "notmnist"):
        some, named = read(root, name, n=7)
        assert np.array_equal(some, images[:7])
        assert np.array_equal(named, labels[:7])


def test_cifar_training_batches_follow_each_other(root: Path, colour: Arrays) -> None:
    images, labels = colour
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for number in range(5):
        part = slice(2 * number, 2 * number + 2)
        content = cifar_pickle(images[part], labels[part])
        (folder / f"data_batch_{number + 1}").write_bytes(content)
    found, named = read(root, "cifar10", "train")
    assert np.array_equal(found, images[:10])
    assert np.array_equal(named, labels[:10])
    assert np.array_equal(read(root, "cifar10", "train", n=3)[0], images[:3])


def test_cifar100_takes_the_fine_label_of_both_versions(root: Path, colour: Arrays) -> None:
    images, labels = colour
    (root / "cifar-100-python").mkdir()
    (root / "cifar-100-python/test").write_bytes(cifar_pickle(images, labels, "fine_labels"))
    write_cifar_binary(root / "b/cifar-100-binary/test.bin", images, labels, before=2)
    for place in (root, root / "b"):
        found, named = read(place, "cifar100")
        assert np.array_equal(found, images)
        assert np.array_equal(named, labels)


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


def test_folders_order_numbers_by_value_and_files_before_classes(root: Path) -> None:
    images = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 28, 28), np.uint8)
    labels = np.array([10, 9, 0] * 4)
    write_folder(root / "notmnist/test", images, labels)
    found, named = read(root, "notmnist")
    assert found[:, 0, 0, 0].tolist() == list(range(12))
    assert named.tolist() == [2, 1, 0] * 4


def test_omniglot_in_torchvisions_layout_keeps_or_takes_a_size(root: Path) -> None:
    images = np.full((4, 1, 105, 105), 255, np.uint8)
    images[:, :, 40:60] = 0
    for at in range(4):
        path = (
            root / f"omniglot-py/images_evaluation/Avesta/character0{at // 2}/{at // 2}_0{at}.png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(images[at]))
    source = find("omniglot", "evaluation", root)
    assert source is not None
    native, labels = source.opened.read(4, (1, 105, 105), lambda done: None)
    small, _ = source.opened.read(4, (1, 28, 28), lambda done: None)
    assert np.array_equal(native, images)
    assert labels.tolist() == [0, 0, 1, 1]
    assert small.shape == (4, 1, 28, 28)
    assert small.mean() == pytest.approx(images.mean(), abs=1)


def test_layouts_are_tried_in_the_documented_order(root: Path, grey: Arrays) -> None:
    images, labels = grey
    folder = root / "kmnist"
    pngs = [encoded(image) for image in images]
    write_parquet(folder / "test-first3.parquet", pngs[:3], labels[:3])
    write_parquet(folder / "test-first5.parquet", pngs[:5], labels[:5])
    order = [find("kmnist", "test", root)]
    write_folder(folder / "test", images, labels)
    order.append(find("kmnist", "test", root))
    np.save(folder / "test.npy", images)
    order.append(find("kmnist", "test", root))
    np.savez(folder / "test.npz", images=images, labels=labels)
    order.append(find("kmnist", "test", root))
    write_parquet(folder / "test.parquet", pngs, labels)
    order.append(find("kmnist", "test", root))
    write_idx(root / "KMNIST/raw", "t10k", images, labels, gz=True)
    order.append(find("kmnist", "test", root))
    names = [source.opened.files[0].name for source in order if source]
    assert names == [
        "test-first5.parquet",
        "0.png",
        "test.npy",
        "test.npz",
        "test.parquet",
        "t10k-images-idx3-ubyte.gz",
    ]
    assert [source.prefix for source in order if source] == [5, None, None, None, None, None]
