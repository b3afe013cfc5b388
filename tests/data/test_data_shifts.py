"""Shifted sets: generated once and kept, whatever interrupts it, or read from official arrays."""

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data import (
    Suite,
    load_suite,
    prepare_shifts,
    shift_conditions,
    shifted,
    shifted_images,
    training_set,
)
from bench.data.cifar10c import official_images, official_labels
from bench.data.corruptions import corrupt
from bench.data.images import BLOCK, fingerprint
from bench.errors import BenchError
from bench.places import cache_root
from bench.protocol import CORRUPTIONS
from tests.data.layouts import encoded, write_cifar_binary, write_parquet

Arrays = tuple[np.ndarray, np.ndarray]

KILLED = """
import os, signal, sys
from bench.data import load_suite, prepare_shifts
suite, seen = load_suite("digits", limit=3), 0
def count(name, arguments):
    global seen
    if name == "os.rename" or (name == "open" and ".tmp" in str(arguments[0])):
        seen += 1
        if seen == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
prepare_shifts(suite)
"""


def all_bytes(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".tmp")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_every_applicable_condition_is_made_once_and_kept() -> None:
    suite = load_suite("digits", limit=4)
    steps: list[tuple[int, int]] = []
    first = prepare_shifts(suite, progress=lambda what, done, total: steps.append((done, total)))
    assert steps == [(done, 90) for done in range(1, 91)]  # 18 of 19: saturate needs colour
    assert ("saturate", 1) not in shift_conditions(suite)
    before = {path: path.stat().st_mtime_ns for path in cache_root().rglob("*")}
    assert prepare_shifts(suite) == first
    assert before == {path: path.stat().st_mtime_ns for path in cache_root().rglob("*")}


def test_the_fingerprint_of_all_shifts_is_made_of_the_single_ones() -> None:
    suite = load_suite("digits", limit=4)
    digest = hashlib.sha256()
    for corruption in CORRUPTIONS:
        for severity in range(1, 6):
            if corruption != "saturate":
                images = shifted(suite, corruption, severity)
                assert images.fingerprint == fingerprint(images.images, suite.test.labels)
                digest.update(images.fingerprint.encode())
    assert prepare_shifts(suite) == digest.hexdigest()


def test_a_shifted_set_is_the_corrupted_test_set_mapped_into_memory() -> None:
    suite = load_suite("digits", limit=20)
    found = shifted(suite, "gaussian_noise", 3, seed=7)
    expected = corrupt(torch.from_numpy(suite.test.images), "gaussian_noise", 3, seed=7)
    assert np.array_equal(found.images, expected.numpy())
    assert np.array_equal(found.labels, suite.test.labels)
    assert found.name == "digits-c*/gaussian_noise/3"
    again = shifted(suite, "gaussian_noise", 3, seed=7)
    assert isinstance(again.images, np.memmap)
    assert np.array_equal(again.images, found.images)


def test_sets_larger_than_a_block_are_corrupted_image_by_number() -> None:
    suite = replace(load_suite("digits"), test=training_set("digits", limit=BLOCK + 3))
    found = shifted(suite, "impulse_noise", 4, seed=7)
    images = torch.from_numpy(suite.test.images)
    assert np.array_equal(found.images, corrupt(images, "impulse_noise", 4, seed=7).numpy())


def test_the_first_images_are_shifted_alike_for_any_limit() -> None:
    few, more = load_suite("digits", limit=5), load_suite("digits", limit=30)
    for condition in (("shot_noise", 5), ("fog", 2)):
        assert np.array_equal(shifted(few, *condition).images, shifted(more, *condition).images[:5])


def test_another_seed_makes_other_noise() -> None:
    suite = load_suite("digits", limit=5)
    one, other = (shifted(suite, "gaussian_noise", 1, seed=seed) for seed in (1, 2))
    assert one.fingerprint != other.fingerprint
    assert shifted(suite, "gaussian_noise", 1, seed=1).fingerprint == one.fingerprint


@pytest.mark.parametrize(
    "condition", [("saturate", 1), ("hail", 1), ("fog", 0), ("fog", 6)], ids=str
)
def test_a_condition_that_there_is_none_of_is_refused(condition: tuple[str, int]) -> None:
    with pytest.raises(BenchError, match=condition[0]) as caught:
        shifted(load_suite("digits", limit=2), *condition)
    assert caught.value.code == "E-BAD-VALUE"


@pytest.mark.slow
def test_killed_and_resumed_generation_gives_the_bytes_of_an_uninterrupted_one(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = load_suite("digits", limit=3)
    prepare_shifts(suite)
    expected = all_bytes(cache)
    other = tmp_path / "other"
    monkeypatch.setenv("BENCH_CACHE", str(other))
    for event in (2, 11, 60):
        command = [sys.executable, "-c", KILLED, str(event)]
        assert subprocess.run(command, env=dict(os.environ), check=False).returncode == (
            -signal.SIGKILL
        )
        kept = all_bytes(other)
        assert kept.items() < expected.items()
    prepare_shifts(suite)
    assert all_bytes(other) == expected


def official_root(root: Path, colour: Arrays) -> Suite:
    """A CIFAR-10 with twelve images that are not black, and two files in the official layout."""
    images = np.zeros((10_000, 3, 32, 32), np.uint8)
    images[:12] = colour[0]
    labels = np.arange(10_000) % 10
    write_cifar_binary(root / "cifar-10-batches-bin/test_batch.bin", images, labels)
    folder = root / "CIFAR-10-C"
    folder.mkdir()
    np.save(folder / "labels.npy", np.tile(labels, 5).astype(np.uint8))
    fog = np.lib.format.open_memmap(
        folder / "fog.npy", mode="w+", dtype=np.uint8, shape=(50_000, 32, 32, 3)
    )
    for severity in range(1, 6):
        rows = slice((severity - 1) * 10_000, (severity - 1) * 10_000 + 12)
        fog[rows] = (colour[0] // severity).transpose(0, 2, 3, 1)
    fog.flush()
    return load_suite("cifar10", limit=12)


def test_official_arrays_are_taken_before_generated_ones(root: Path, colour: Arrays) -> None:
    suite = official_root(root, colour)
    assert suite.shift_name == "cifar10-c"
    for severity in range(1, 6):
        found = shifted(suite, "fog", severity)
        assert np.array_equal(found.images, colour[0] // severity)
        assert found.fingerprint == fingerprint(colour[0] // severity, suite.test.labels)
        assert shifted(suite, "fog", severity).fingerprint == found.fingerprint
    assert found.name == "cifar10-c/fog/5"
    assert not list(cache_root().rglob("fog*.npy"))


def test_an_official_corruption_that_is_missing_is_not_generated(
    root: Path, colour: Arrays
) -> None:
    suite = official_root(root, colour)
    with pytest.raises(BenchError, match=r"gaussian_noise\.npy") as caught:
        prepare_shifts(suite)
    assert caught.value.code == "E-NO-DATA"


def test_official_labels_must_be_those_of_the_test_set(root: Path, colour: Arrays) -> None:
    suite = official_root(root, colour)
    np.save(root / "CIFAR-10-C/labels.npy", np.zeros(50_000, np.uint8))
    with pytest.raises(BenchError, match=r"labels\.npy") as caught:
        shifted(suite, "fog", 1)
    assert caught.value.code == "E-BROKEN-DATA"


def test_small_arrays_in_the_official_layout_are_read_but_not_taken_for_official(
    root: Path, colour: Arrays
) -> None:
    write_parquet(root / "cifar10/test-first12.parquet", [encoded(i) for i in colour[0]], colour[1])
    folder = root / "CIFAR-10-C"
    folder.mkdir()
    rows = np.concatenate([colour[0] // severity for severity in range(1, 6)])
    np.save(folder / "fog.npy", rows.transpose(0, 2, 3, 1))
    np.save(folder / "labels.npy", np.tile(colour[1], 5))
    for severity in range(1, 6):
        assert np.array_equal(official_images(folder, "fog", severity), colour[0] // severity)
        assert np.array_equal(official_labels(folder, severity), colour[1])
    with pytest.raises(BenchError, match="10000 a severity") as caught:
        shifted(load_suite("cifar10", limit=12), "fog", 1)
    assert caught.value.code == "E-BROKEN-DATA"


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((10, 3, 32, 32), np.uint8),
        np.zeros((10, 32, 32, 3), np.float32),
        np.zeros((11, 32, 32, 3), np.uint8),
        np.array([{"a": 1}] * 5, dtype=object),
    ],
    ids=["channels", "float", "count", "objects"],
)
def test_another_array_in_the_place_of_an_official_one_is_refused(
    tmp_path: Path, wrong: np.ndarray
) -> None:
    np.save(tmp_path / "fog.npy", wrong, allow_pickle=True)
    with pytest.raises(BenchError, match=r"fog\.npy") as caught:
        official_images(tmp_path, "fog", 1)
    assert caught.value.code == "E-BROKEN-DATA"


@pytest.mark.parametrize("corruption", ["gaussian_noise", "glass_blur", "fog", "frost"])
def test_some_images_of_a_shift_are_the_same_bytes_as_in_the_whole_set(corruption):
    suite = load_suite("digits", limit=40)
    numbers = np.array([0, 3, 3, 39])
    whole = shifted(suite, corruption, 3).images[numbers]
    assert shifted_images(suite, corruption, 3, numbers).tobytes() == whole.tobytes()
