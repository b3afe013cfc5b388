"""Images that the user already has come into the data root and are found there."""

from pathlib import Path

import numpy as np
import pytest

from bench.data.images import fingerprint
from bench.data.imports import import_set
from bench.data.sets import SETS
from bench.data.sources import find
from bench.errors import BenchError
from tests.data.layouts import encoded, write_folder, write_idx, write_parquet

Arrays = tuple[np.ndarray, np.ndarray]


@pytest.mark.parametrize("form", ["folder", "npz", "npy", "parquet"])
def test_every_form_is_imported_with_its_fingerprint(
    root: Path, tmp_path: Path, grey: Arrays, form: str
) -> None:
    images, labels = grey
    source = tmp_path / f"mine.{form}"
    if form == "folder":
        write_folder(source, images, labels)
    elif form == "npz":
        np.savez(source, images=images, labels=labels)
    elif form == "npy":
        np.save(source, images)
        np.save(tmp_path / "mine-labels.npy", labels)
    else:
        write_parquet(source, [encoded(image) for image in images], labels)
    path = import_set("notmnist", "test", source)
    assert path == root / "notmnist/test.npz"
    found = find("notmnist", "test", root)
    assert found is not None
    read = found.read(None, SETS["notmnist"].shape, lambda done: None)
    assert fingerprint(*read) == fingerprint(images, labels)
    assert [file for file in root.rglob("*") if file.is_file()] == [path]


def test_a_root_in_torchvisions_layout_is_imported(root: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10_000, 1, 28, 28), np.uint8)
    labels = np.arange(10_000) % 10
    write_idx(tmp_path / "other/KMNIST/raw", "t10k", images, labels, gz=False)
    seen: list[tuple[str, int, int]] = []
    import_set("kmnist", "test", tmp_path / "other", root, progress=lambda *step: seen.append(step))
    found = find("kmnist", "test", root)
    assert found is not None
    assert np.array_equal(found.read(None, (1, 28, 28), lambda done: None)[0], images)
    assert seen[-1] == ("importing kmnist/test", 10_000, 10_000)


def test_a_part_of_a_split_is_imported_only_when_it_is_declared(
    root: Path, tmp_path: Path, grey: Arrays
) -> None:
    source = tmp_path / "mine.npz"
    np.savez(source, images=grey[0], labels=grey[1])
    with pytest.raises(BenchError, match=r"12 images.*10000.*test-first12") as caught:
        import_set("kmnist", "test", source)
    assert caught.value.code == "E-BROKEN-DATA"
    with pytest.raises(BenchError, match=r"12 images, expected the 13"):
        import_set("kmnist", "test-first13", source)
    import_set("kmnist", "test-first12", source)
    found = find("kmnist", "test", root)
    assert found is not None
    assert found.prefix == 12


def test_a_split_that_is_there_is_not_replaced(root: Path, tmp_path: Path, grey: Arrays) -> None:
    source = tmp_path / "mine.npz"
    np.savez(source, images=grey[0], labels=grey[1])
    path = import_set("notmnist", "test", source)
    before = path.read_bytes()
    with pytest.raises(BenchError, match="already at") as caught:
        import_set("notmnist", "test", source)
    assert caught.value.code == "E-BAD-VALUE"
    assert path.read_bytes() == before


def test_wrong_names_and_sources_are_answered_with_the_right_ones(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no images")
    (tmp_path / "empty").mkdir()
    for name, split, source, code in (
        ("imagenet", "test", tmp_path, "E-BAD-VALUE"),
        ("kmnist", "validation", tmp_path, "E-BAD-VALUE"),
        ("kmnist", "test-first0", tmp_path, "E-BAD-VALUE"),
        ("kmnist", "../test", tmp_path, "E-BAD-VALUE"),
        ("kmnist", "test", tmp_path / "nowhere", "E-NO-SUCH-FILE"),
        ("kmnist", "test", tmp_path / "notes.txt", "E-BROKEN-DATA"),
        ("kmnist", "test", tmp_path / "empty", "E-BROKEN-DATA"),
    ):
        with pytest.raises(BenchError) as caught:
            import_set(name, split, source)
        assert caught.value.code == code
    assert not list(root.iterdir())
