"""Every layout gives the same images."""

from pathlib import Path

import numpy as np
import pytest

from bench.data.images import fingerprint
from bench.data.sources import find
from tests.data.layouts import (
    cifar_pickle,
    encoded,
    read,
    write_cifar_binary,
    write_folder,
    write_idx,
    write_parquet,
    write_svhn,
)

Arrays = tuple[np.ndarray, np.ndarray]


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
