"""What `bench data list`, `verify` and `where` say."""

from pathlib import Path

import numpy as np

from bench.data import SUITES, load_suite
from bench.data.cache import save_array
from bench.data.images import fingerprint
from bench.data.listing import list_sets, verify, where
from bench.places import cache_root
from tests.data.layouts import encoded, write_idx, write_parquet

Arrays = tuple[np.ndarray, np.ndarray]


def test_the_list_has_every_set_of_every_suite(root: Path) -> None:
    rows = list_sets()
    for name, spec in SUITES.items():
        roles = [row.role for row in rows if row.suite == name]
        assert roles.count("train") == roles.count("test") == 1
        assert roles.count("shifts") == (not spec.flows_only)
        assert roles.count("outliers, out of domain") == (not spec.flows_only)
        assert len(roles) == 2 + roles.count("shifts") + len(spec.outliers)
    here = {row.set: row.images for row in rows if row.images is not None}
    assert here == {"digits": 597, "digits-train": 1200, "patches": 660}


def test_the_list_says_what_is_here_and_what_is_wrong_with_it(root: Path, colour: Arrays) -> None:
    pngs = [encoded(image) for image in colour[0]]
    write_parquet(root / "cifar10/test-first12.parquet", pngs, colour[1])
    write_parquet(root / "svhn/train-first9.parquet", pngs, colour[1])
    (root / "cifar-100-python").mkdir()
    (root / "cifar-100-python/test").write_bytes(b"no pickle")
    rows = {row.set: row for row in list_sets() if row.suite == "cifar10"}
    assert rows["cifar10"].images == 12
    assert rows["cifar10"].fingerprint is None
    assert "the first 12 only" in rows["cifar10"].note
    assert rows["svhn-train"].role == "outliers, out of domain"
    assert "12 images where svhn/train has 9" in rows["svhn-train"].note
    assert "cifar-100-python" in rows["cifar100"].note
    (root / "svhn/train-first9.parquet").unlink()
    (root / "cifar-100-python/test").unlink()
    mark = load_suite("cifar10", limit=12).test.fingerprint
    assert {row.set: row for row in list_sets()}["cifar10"].fingerprint == mark


def test_verify_tells_canonical_different_unknown_and_damaged(root: Path, grey: Arrays) -> None:
    images = np.zeros((10_000, 1, 28, 28), np.uint8)
    labels = np.zeros(10_000, np.int64)
    write_idx(root / "MNIST/raw", "t10k", images, labels, gz=False)
    write_parquet(root / "notmnist/test.parquet", [encoded(i) for i in grey[0]], grey[1])
    (root / "test_32x32.mat").write_bytes(b"nothing")
    checked = {check.what: check for check in verify()}
    assert checked["mnist/test"].verdict == "different"
    assert checked["mnist/test"].fingerprint == fingerprint(images, labels)
    assert checked["notmnist/test"].verdict == "unknown"
    assert checked["svhn/test"].verdict == "damaged"
    assert "test_32x32.mat" in checked["svhn/test"].note


def test_verify_notices_a_changed_byte_in_the_cache(root: Path, colour: Arrays) -> None:
    write_parquet(root / "cifar10/test-first12.parquet", [encoded(i) for i in colour[0]], colour[1])
    load_suite("cifar10", limit=12)
    assert [check.verdict for check in verify()] == ["unknown", "whole"]
    (path,) = cache_root().glob("sets/*/images.npy")
    changed = colour[0].copy()
    changed[3, 1, 5, 5] ^= 1
    save_array(path, changed.shape, [changed])
    assert [check.verdict for check in verify()] == ["unknown", "damaged"]
    path.write_bytes(path.read_bytes()[:-1])
    assert [check.verdict for check in verify()] == ["unknown", "damaged"]


def test_the_places_are_measured(root: Path) -> None:
    (root / "a").mkdir()
    (root / "a/b").write_bytes(bytes(1000))
    places = {place.what: place for place in where()}
    assert (places["data"].path, places["data"].bytes, places["data"].files) == (root, 1000, 1)
    assert places["decoded sets"].path == cache_root() / "sets"
    assert places["generated shifts"].bytes == 0
