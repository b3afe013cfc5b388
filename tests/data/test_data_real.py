"""The real sets: what is known of them from their publications."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from bench.data import load_suite, training_set
from bench.data.fingerprints import CANONICAL
from bench.errors import BenchError

pytestmark = pytest.mark.data


def test_cifar10_has_its_published_means_and_balanced_classes(data_root: Path) -> None:
    training = training_set("cifar10", root=data_root)
    means = training.images.mean((0, 2, 3)) / 255
    deviations = training.images.std((0, 2, 3)) / 255
    assert np.round(means, 4).tolist() == [0.4914, 0.4822, 0.4465]
    assert np.round(deviations, 4).tolist() == [0.247, 0.2435, 0.2616]
    assert np.bincount(training.labels).tolist() == [5000] * 10
    assert training.fingerprint == CANONICAL["cifar10/train/50000"]


def test_the_mnist_family_is_complete_and_canonical(data_root: Path) -> None:
    counts = {
        "mnist": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        "fashionmnist": [1000] * 10,
    }
    for name, classes in counts.items():
        suite, training = load_suite(name, root=data_root), training_set(name, root=data_root)
        assert suite.test.images.shape == (10_000, 1, 28, 28)
        assert training.images.shape == (60_000, 1, 28, 28)
        assert np.bincount(suite.test.labels).tolist() == classes
        assert suite.test.fingerprint == CANONICAL[f"{name}/test/10000"]
        assert training.fingerprint == CANONICAL[f"{name}/train/60000"]
    assert training_set("mnist", root=data_root).labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    mean = training_set("mnist", root=data_root).images.mean() / 255
    assert mean == pytest.approx(0.1307, abs=5e-5)


def test_mnists_files_have_their_published_md5(data_root: Path) -> None:
    for name, md5 in {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }.items():
        content = gzip.decompress((data_root / f"MNIST/raw/{name}.gz").read_bytes())
        assert hashlib.md5(content).hexdigest() == md5


def test_cifar10_with_a_limit_uses_the_prefixes_under_honest_names(data_root: Path) -> None:
    suite = load_suite("cifar10", limit=500, root=data_root)
    assert suite.test.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert list(suite.outliers) == ["svhn-train"]
    assert suite.outliers["svhn-train"].labels[:6].tolist() == [1, 9, 2, 3, 2, 5]
    assert set(suite.missing) == {"svhn", "cifar100"}
    whole = load_suite("cifar10", limit=1000, root=data_root)
    assert whole.test.fingerprint == CANONICAL["cifar10/test/1000"]
    with pytest.raises(BenchError, match="--limit 1000") as caught:
        load_suite("cifar10", root=data_root)
    assert caught.value.code == "E-TOO-FEW-IMAGES"


def test_fashionmnists_outliers_are_whole_where_they_are_here(data_root: Path) -> None:
    suite = load_suite("fashionmnist", root=data_root)
    sizes = {name: images.images.shape for name, images in suite.outliers.items()}
    assert sizes["mnist"] == (10_000, 1, 28, 28)
    assert sizes["notmnist"] == (10_000, 1, 28, 28)
    assert sizes["omniglot-background-small1"] == (2720, 1, 28, 28)
    drawings = suite.outliers["omniglot-background-small1"]
    assert np.unique(drawings.labels, return_counts=True)[1].tolist() == [20] * 136
    native = load_suite("fashionmnist", limit=100, root=data_root, native_size=True)
    large = native.outliers["omniglot-background-small1"].images
    assert large.shape == (100, 1, 105, 105)
    assert set(np.unique(large)) == {0, 255}
    assert drawings.images[:100].mean() == pytest.approx(large.mean(), abs=1)
