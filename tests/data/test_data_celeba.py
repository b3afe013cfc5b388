"""CelebA in torchvision's layout: order, splits, the square that is looked at, and refusals."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from bench.data import load_suite, training_set
from bench.data.fetch import fetch
from bench.data.images import fingerprint
from bench.data.imports import import_set
from bench.data.listing import list_sets, verify
from bench.data.sets import SETS
from bench.data.sources import find
from bench.errors import BenchError
from tests.data.layouts import read, write_celeba, write_svhn

Arrays = tuple[np.ndarray, np.ndarray]

# no ascending numbers, and splits among each other: what counts is the order of the list
LISTED = {7: 2, 1: 0, 12: 0, 3: 1, 9: 2, 2: 2, 5: 0, 4: 0, 8: 1, 6: 2, 11: 0, 10: 2}
NUMBERS = {"train": [1, 12, 5, 4, 11], "valid": [3, 8], "test": [7, 9, 2, 6, 10]}


@pytest.fixture
def faces(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve pictures, as if no more had been published."""
    write_celeba(root, LISTED)
    splits = {split: len(NUMBERS[split]) for split in SETS["celeba"].splits}
    monkeypatch.setitem(SETS, "celeba", replace(SETS["celeba"], splits=splits))
    return root / "celeba"


def picture(faces: Path, number: int) -> Path:
    return faces / f"img_align_celeba/{number:06}.jpg"


def square(path: Path) -> np.ndarray:
    """The middle of a picture at 32×32, all channels at once."""
    with Image.open(path) as whole:
        middle = whole.crop((0, 20, 178, 198))
    return np.asarray(middle.resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


def broken(root: Path) -> str:
    with pytest.raises(BenchError) as caught:
        load_suite("celeba")
    assert caught.value.code == "E-BROKEN-DATA"
    assert str(root) in caught.value.message
    assert "etch" not in caught.value.message
    return caught.value.message


def test_the_published_numbers_are_those_of_all_pictures() -> None:
    assert dict(SETS["celeba"].splits) == {"test": 19_962, "valid": 19_867, "train": 162_770}
    assert sum(filter(None, SETS["celeba"].splits.values())) == 202_599


@pytest.mark.parametrize("split", list(NUMBERS))
def test_the_pictures_of_a_split_are_its_middle_squares_in_the_order_of_the_list(
    root: Path, faces: Path, split: str
) -> None:
    images, labels = read(root, "celeba", split)
    expected = [square(picture(faces, number)) for number in NUMBERS[split]]
    assert np.array_equal(images, np.stack(expected))
    assert labels.dtype == np.int64
    assert not labels.any()


def test_the_square_is_that_of_resize_and_centre_crop(root: Path, faces: Path) -> None:
    ramp = np.broadcast_to(np.arange(218, dtype=np.uint8)[:, None, None], (218, 178, 3))
    for number in NUMBERS["test"]:
        Image.fromarray(ramp).save(picture(faces, number), quality=95)
    found = torch.from_numpy(read(root, "celeba", "test", 1)[0][0]).int()
    cut = v2.Compose([v2.Resize(32), v2.CenterCrop(32)])
    expected = cut(torch.from_numpy(ramp.transpose(2, 0, 1).copy())).int()
    assert expected.shape == found.shape
    assert (expected - found).abs().max() < 218 / 39  # one row of the resized picture


def test_suite_and_training_set_are_the_splits_and_limits_their_beginnings(
    root: Path, faces: Path, colour: Arrays
) -> None:
    write_svhn(root / "svhn/test_32x32.mat", *colour)
    svhn = replace(SETS["svhn"], splits={"test": 12})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SETS, "svhn", svhn)
        suite, first = load_suite("celeba"), load_suite("celeba", limit=3)
    images, labels = read(root, "celeba")
    assert suite.fingerprints() == {
        "celeba": fingerprint(images, labels),
        "svhn": fingerprint(*colour),
    }
    assert suite.training is None
    assert suite.out_of_domain is None
    assert first.test.fingerprint == fingerprint(images[:3], labels[:3])
    assert np.array_equal(training_set("celeba").images, read(root, "celeba", "train")[0])
    assert training_set("celeba", limit=2).name == "celeba-train"
    assert len(training_set("celeba", limit=2).labels) == 2
    with pytest.raises(BenchError, match="--limit 5") as caught:
        load_suite("celeba", limit=6)
    assert caught.value.code == "E-TOO-FEW-IMAGES"


def test_the_numbers_must_be_the_published_ones(root: Path) -> None:
    write_celeba(root, LISTED)
    assert "5 images where celeba/test has 19962" in broken(root)


def test_a_missing_picture_is_named_and_matters_to_its_split_alone(root: Path, faces: Path) -> None:
    for number in (9, 6):
        picture(faces, number).unlink()
    os.mkfifo(picture(faces, 6))  # would be waited for
    assert "2 of the 5 pictures of test missing, the first 000009.jpg" in broken(root)
    assert len(training_set("celeba").labels) == 5


def test_a_list_without_pictures_is_broken(root: Path, faces: Path) -> None:
    (faces / "img_align_celeba").rename(root / "elsewhere")
    assert "img_align_celeba" in broken(root)
    (row,) = (row for row in list_sets() if row.set == "celeba" and row.images is None)
    assert "img_align_celeba" in row.note


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("000007.jpg 2", "1 pictures listed again"),
        ("000007.jpg 0", "1 pictures listed again"),
        ("000007.jpg 3", "'000007.jpg 3'"),
        ("000007.png 0", "'000007.png 0'"),
        ("../../../000007.jpg 0", "'../../../000007.jpg 0'"),
        ("00007.jpg 0", "'00007.jpg 0'"),
        ("0000007.jpg 0", "'0000007.jpg 0'"),
        ("000007.jpg", "'000007.jpg'"),
        ("000007.jpg 0 0", "'000007.jpg 0 0'"),
        ("", "''"),
        ("x" * 10_000, "x" * 40 + "'"),
        ("٠٠٠٠٠٧.jpg 0", "UnicodeDecodeError"),
    ],
)
def test_a_list_with_another_line_is_refused(
    root: Path, faces: Path, line: str, found: str
) -> None:
    with (faces / "list_eval_partition.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    message = broken(root)
    assert found in message
    assert len(message) < 600


def test_an_empty_list_and_one_without_the_split_are_refused(root: Path, faces: Path) -> None:
    for content in ("", "000001.jpg 0\n"):
        (faces / "list_eval_partition.txt").write_text(content)
        assert "0 images" in broken(root)


def test_pictures_of_another_size_or_that_are_none_are_refused(root: Path, faces: Path) -> None:
    path = picture(faces, NUMBERS["test"][-1])
    honest = path.read_bytes()
    Image.new("RGB", (218, 178)).save(path)
    assert "218×178 pixels, not 178×218" in broken(root)
    Image.new("RGB", (2000, 2000)).save(path)
    assert "2000×2000 pixels" in broken(root)
    for content in (b"", b"no picture", honest[: len(honest) // 2]):
        path.write_bytes(content)
        assert path.name in broken(root)


def test_another_list_is_another_source(root: Path, faces: Path) -> None:
    before = load_suite("celeba").test
    partition = faces / "list_eval_partition.txt"
    partition.write_text("".join(reversed(partition.read_text().splitlines(keepends=True))))
    assert np.array_equal(load_suite("celeba").test.images, before.images[::-1])


def test_it_is_listed_without_shifts_and_verified_in_all_splits(root: Path, faces: Path) -> None:
    mark = load_suite("celeba").test.fingerprint
    rows = [row for row in list_sets() if row.suite == "celeba"]
    assert [(row.set, row.role, row.images) for row in rows] == [
        ("celeba-train", "train", 5),
        ("celeba", "test", 5),
        ("svhn", "outliers", None),
    ]
    assert (rows[1].where, rows[1].fingerprint) == (str(faces), mark)
    checked = {row.what: row for row in verify() if row.what.startswith("celeba/")}
    assert {what: row.images for what, row in checked.items()} == {
        "celeba/test": 5,
        "celeba/valid": 2,
        "celeba/train": 5,
    }
    assert checked["celeba/test"].fingerprint == mark


def test_imported_from_another_data_root_it_is_the_same_set(
    root: Path, faces: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    import_set("celeba", "test", root, other)
    assert fingerprint(*read(other, "celeba")) == fingerprint(*read(root, "celeba"))
    source = find("celeba", "test", other)
    assert source is not None
    assert source.where == other / "celeba/test.npz"


def test_it_cannot_be_fetched_and_nothing_says_that_it_can(root: Path) -> None:
    with pytest.raises(BenchError, match=r"cannot be fetched.*list_eval_partition\.txt") as caught:
        fetch("celeba")
    assert caught.value.code == "E-BAD-VALUE"
    assert "ROOT/celeba/img_align_celeba" in caught.value.message
    with pytest.raises(BenchError) as caught:
        load_suite("celeba")
    assert caught.value.code == "E-NO-DATA"
    assert "celeba/list_eval_partition.txt" in caught.value.message
    assert "data fetch" not in caught.value.message
    assert "bench data import celeba test" in caught.value.message
