"""Suites: what they hold, the rule of prefixes and stand-ins, limits and errors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_sample_images

from bench.cli.options import SUITE_NAMES
from bench.data import SUITES, load_suite, training_set
from bench.data.sets import SETS
from bench.errors import BenchError
from bench.models.glow import FLOWS
from tests.data.layouts import encoded, write_cifar_binary, write_idx, write_parquet

Arrays = tuple[np.ndarray, np.ndarray]


def put(root: Path, file: str, arrays: Arrays, count: int = 12) -> None:
    write_parquet(root / file, [encoded(image) for image in arrays[0][:count]], arrays[1][:count])


def test_digits_are_the_same_digits_resized(root: Path) -> None:
    suite, training = load_suite("digits"), training_set("digits")
    bunch = load_digits()
    assert (len(training.labels), len(suite.test.labels)) == (1200, 597)
    labels = np.concatenate([training.labels, suite.test.labels])
    assert np.array_equal(labels, bunch.target)
    images = np.concatenate([training.images, suite.test.images])
    assert images.shape == (1797, 1, 28, 28)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(bunch.images)[:, None], (28, 28), mode="bilinear", align_corners=False
    )
    assert np.abs(images - expected.numpy() * 255 / 16).max() <= 0.5 + 1e-9
    assert images.max() == 255
    assert not list(root.iterdir())


def test_patches_tile_the_two_photographs_in_grey() -> None:
    patches = load_suite("digits").outliers["patches"]
    assert patches.images.shape == (660, 1, 28, 28)
    assert np.bincount(patches.labels).tolist() == [330, 330]
    flower = load_sample_images().images[1].astype(float) @ [0.299, 0.587, 0.114]
    second_row_third = patches.images[330 + 22 + 2, 0]
    assert np.abs(second_row_third - flower[28:56, 56:84]).max() <= 0.51
    assert load_suite("digits").out_of_domain is not None
    assert len({image.tobytes() for image in patches.images}) == 660


def test_every_suite_follows_its_rules() -> None:
    for name, spec in SUITES.items():
        assert len(spec.mean) == len(spec.std) == (0 if spec.flows_only else spec.shape[0])
        assert spec.out_of_domain in (("",) if spec.flows_only else spec.outliers)
        assert (spec.reference in FLOWS) == spec.flows_only
        assert name not in spec.outliers
        assert all(outlier in SETS or outlier == "patches" for outlier in spec.outliers)
        assert name in SETS or name == "digits"
    assert tuple(SUITES) == SUITE_NAMES
    assert SUITES["cifar10"].mean == (0.4914, 0.4822, 0.4465)
    assert SUITES["cifar10"].std == (0.2471, 0.2435, 0.2616)


def test_a_limit_takes_the_first_images_of_every_set() -> None:
    whole, limited = load_suite("digits"), load_suite("digits", limit=50)
    assert np.array_equal(limited.test.images, whole.test.images[:50])
    assert np.array_equal(limited.outliers["patches"].images, whole.outliers["patches"].images[:50])
    assert limited.test.fingerprint != whole.test.fingerprint
    assert limited.limit == 50
    assert limited.training
    assert len(limited.training.labels) == 1200
    assert limited.fingerprints() == {
        "digits": limited.test.fingerprint,
        "patches": limited.outliers["patches"].fingerprint,
    }


def test_an_unknown_suite_is_answered_with_the_names() -> None:
    for load in (load_suite, training_set):
        with pytest.raises(BenchError, match=r"'imagenet'.*digits.*cifar10") as caught:
            load("imagenet")
        assert caught.value.code == "E-UNKNOWN-SUITE"


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(BenchError) as caught:
        load_suite("digits", limit=limit)
    assert caught.value.code == "E-BAD-VALUE"


def test_a_limit_above_the_test_set_is_refused_with_the_one_that_works() -> None:
    with pytest.raises(BenchError, match=r"598.*--limit 597") as caught:
        load_suite("digits", limit=598)
    assert caught.value.code == "E-TOO-FEW-IMAGES"


def test_a_missing_test_set_says_where_it_was_looked_for_and_how_to_get_it(root: Path) -> None:
    with pytest.raises(BenchError) as caught:
        load_suite("fashionmnist")
    assert caught.value.code == "E-NO-DATA"
    for part in (str(root), "FashionMNIST/raw", "bench data fetch fashionmnist", "BENCH_DATA"):
        assert part in caught.value.message


def test_a_prefix_serves_its_images_and_refuses_more(root: Path, colour: Arrays) -> None:
    put(root, "cifar10/test-first12.parquet", colour)
    assert np.array_equal(load_suite("cifar10", limit=12).test.images, colour[0])
    assert np.array_equal(load_suite("cifar10", limit=5).test.images, colour[0][:5])
    for limit in (None, 13):
        with pytest.raises(BenchError, match=r"test-first12.parquet.*--limit 12") as caught:
            load_suite("cifar10", limit=limit)
        assert caught.value.code == "E-TOO-FEW-IMAGES"


def test_a_prefix_that_holds_another_number_is_broken(root: Path, colour: Arrays) -> None:
    put(root, "cifar10/test-first12.parquet", colour, count=11)
    with pytest.raises(BenchError) as caught:
        load_suite("cifar10", limit=5)
    assert caught.value.code == "E-BROKEN-DATA"


def test_a_part_of_a_split_is_not_taken_for_the_whole(root: Path, colour: Arrays) -> None:
    write_cifar_binary(root / "cifar-10-batches-bin/test_batch.bin", *colour)
    with pytest.raises(BenchError, match=r"12 images.*10000.*test-first12") as caught:
        load_suite("cifar10", limit=5)
    assert caught.value.code == "E-BROKEN-DATA"


def test_an_outlier_set_of_another_split_stands_under_that_splits_name(
    root: Path, colour: Arrays
) -> None:
    put(root, "cifar10/test-first12.parquet", colour)
    put(root, "svhn/train-first8.parquet", colour, count=8)
    suite = load_suite("cifar10", limit=8)
    assert list(suite.outliers) == ["svhn-train"]
    assert suite.out_of_domain is suite.outliers["svhn-train"]
    assert "svhn-train is used" in suite.missing["svhn"]
    assert "bench data fetch cifar100" in suite.missing["cifar100"]

    too_many = load_suite("cifar10", limit=9)
    assert not too_many.outliers
    assert too_many.out_of_domain is None
    assert "--limit 8" in too_many.missing["svhn"]

    put(root, "svhn/test-first9.parquet", colour, count=9)
    assert list(load_suite("cifar10", limit=9).outliers) == ["svhn"]
    assert "svhn" not in load_suite("cifar10", limit=9).missing


def test_a_whole_outlier_set_smaller_than_the_limit_is_used_whole(root: Path, grey: Arrays) -> None:
    images = np.zeros((10_000, 1, 28, 28), np.uint8)
    write_idx(root / "FashionMNIST/raw", "t10k", images, np.arange(10_000) % 10, gz=False)
    put(root, "notmnist/test.parquet", grey)
    suite = load_suite("fashionmnist", limit=20)
    assert len(suite.test.labels) == 20
    assert np.array_equal(suite.outliers["notmnist"].images, grey[0])
    assert set(suite.missing) == {"mnist", "omniglot", "kmnist"}


def test_only_the_native_size_keeps_omniglot_large(root: Path) -> None:
    images = np.zeros((10_000, 1, 28, 28), np.uint8)
    write_idx(root / "MNIST/raw", "t10k", images, np.zeros(10_000, np.int64), gz=True)
    drawing = [encoded(np.full((1, 105, 105), 255, np.uint8))] * 4
    write_parquet(root / "omniglot/evaluation-first4.parquet", drawing, np.arange(4))
    for native, side in ((False, 28), (True, 105)):
        suite = load_suite("mnist", limit=4, native_size=native)
        assert suite.outliers["omniglot"].images.shape == (4, 1, side, side)


def test_labels_that_a_suite_does_not_have_are_refused(root: Path, colour: Arrays) -> None:
    put(root, "cifar10/test-first12.parquet", (colour[0], colour[1] + 1))
    with pytest.raises(BenchError, match="labels 1 to 10") as caught:
        load_suite("cifar10", limit=12)
    assert caught.value.code == "E-BROKEN-DATA"


def test_a_broken_outlier_set_is_an_error_and_not_a_missing_set(root: Path, colour: Arrays) -> None:
    put(root, "cifar10/test-first12.parquet", colour)
    (root / "test_32x32.mat").write_bytes(b"MATLAB 5.0 MAT-file of nothing")
    with pytest.raises(BenchError, match=r"test_32x32\.mat") as caught:
        load_suite("cifar10", limit=3)
    assert caught.value.code == "E-BROKEN-DATA"
