"""Shifted test sets: the official CIFAR-10-C arrays, or generated ones made once and kept.

Generated sets are one file a corruption and severity, so that making them can be interrupted and
goes on where it stopped; an image depends on its number and the seed alone, never on the batch.
"""

import hashlib
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import torch

from bench.data.cache import blocks, load_entry, map_array, save_array, save_entry
from bench.data.cifar10c import official_images, official_labels
from bench.data.corruptions import applicable, corrupt
from bench.data.formats import broken
from bench.data.images import BLOCK, ImageSet, Progress, fingerprint, silent
from bench.data.loading import Suite
from bench.errors import BenchError
from bench.places import cache_root
from bench.protocol import PROTOCOL


def prepare_shifts(
    suite: Suite, *, seed: int = PROTOCOL.shift_seed, progress: Progress | None = None
) -> str:
    """Makes every shifted set that is not in the cache yet.

    Args:
        suite: Its test set is corrupted; corruptions that need colour leave grey images alone.
        seed: Of the generated ones; the official arrays have none.
        progress: Called with (what, done, total) after every set.

    Returns:
        The fingerprint of all shifted sets: SHA-256 over their fingerprints, in the order of the
        protocol's corruptions and, within one, of the severities.

    Raises:
        BenchError: E-NO-DATA or E-BROKEN-DATA if official arrays are incomplete or damaged;
            E-BAD-VALUE if the cache cannot be written.
    """
    report = progress or silent
    conditions = shift_conditions(suite)
    digest = hashlib.sha256()
    for done, (corruption, severity) in enumerate(conditions, start=1):
        digest.update(shifted(suite, corruption, severity, seed=seed).fingerprint.encode())
        report(f"shifts of {suite.name}", done, len(conditions))
    return digest.hexdigest()


def shift_conditions(suite: Suite) -> list[tuple[str, int]]:
    """(corruption, severity) of every shifted set that the suite can have, in order."""
    return [
        (corruption, severity)
        for corruption, severity in product(PROTOCOL.corruptions, PROTOCOL.severities)
        if applicable(corruption, suite.spec.shape[0])
    ]


def shifted(
    suite: Suite, corruption: str, severity: int, *, seed: int = PROTOCOL.shift_seed
) -> ImageSet:
    """The test set under one corruption, memory-mapped; made now if it is not in the cache.

    Args:
        suite: Its test set is corrupted.
        corruption: One of the protocol's.
        severity: 1 to 5.
        seed: As in `prepare_shifts`.

    Raises:
        BenchError: E-BAD-VALUE for a corruption, severity or channel number that there is none
            of; others as `prepare_shifts`.
    """
    if (corruption, severity) not in shift_conditions(suite):
        raise BenchError(
            "E-BAD-VALUE",
            f"shift: got {corruption!r} at severity {severity}, expected one of "
            f"{PROTOCOL.corruptions} at 1 to 5 (saturate on colour images only)",
        )
    name = f"{suite.shift_name}/{corruption}/{severity}"
    if suite.official_shifts:
        return _official(name, suite, suite.official_shifts, (corruption, severity))
    return _generated(name, suite, (corruption, severity), seed)


def shifted_images(
    suite: Suite,
    corruption: str,
    severity: int,
    numbers: np.ndarray,
    *,
    seed: int = PROTOCOL.shift_seed,
) -> np.ndarray:
    """Some images of a shifted set, without making the others.

    Args:
        suite: As in `shifted`, and so are corruption, severity, seed and errors.
        corruption: One of the protocol's.
        severity: 1 to 5.
        numbers: (M,) integers, which test images.
        seed: Of the generated ones.

    Returns:
        (M, C, H, W) uint8, the same bytes as `shifted(...).images[numbers]`.
    """
    if suite.official_shifts:
        return np.array(shifted(suite, corruption, severity, seed=seed).images[numbers])
    chosen = ((int(n), torch.from_numpy(np.array(suite.test.images[n : n + 1]))) for n in numbers)
    made = [corrupt(one, corruption, severity, seed=seed, first=number) for number, one in chosen]
    return torch.cat(made).numpy()


def _generated(name: str, suite: Suite, condition: tuple[str, int], seed: int) -> ImageSet:
    made_of = f"{suite.test.fingerprint} {seed} {_formulas()}"
    folder = cache_root() / "shifts" / f"{suite.name}-{_short(made_of)}"
    path = folder / f"{condition[0]}-{condition[1]}.npy"
    entry, images = load_entry(path.with_suffix(".json")), map_array(path)
    if entry is not None and images is not None:
        return ImageSet(name, images, suite.test.labels, entry["fingerprint"])
    clean = suite.test.images
    parts = (
        corrupt(
            torch.from_numpy(np.array(block)), *condition, seed=seed, first=number * BLOCK
        ).numpy()
        for number, block in enumerate(blocks(clean))
    )
    save_array(folder / "labels.npy", suite.test.labels.shape, [suite.test.labels])
    save_array(path, clean.shape, parts)
    images = np.load(path, mmap_mode="c", allow_pickle=False)
    mark = fingerprint(images, suite.test.labels)
    save_entry(path.with_suffix(".json"), {"fingerprint": mark, "images": len(images)})
    return ImageSet(name, images, suite.test.labels, mark)


def _official(name: str, suite: Suite, folder: Path, condition: tuple[str, int]) -> ImageSet:
    corruption, severity = condition
    images, labels = official_images(folder, *condition), official_labels(folder, severity)
    path, count = folder / f"{corruption}.npy", len(suite.test.labels)
    if len(images) != 10_000 or len(labels) != 10_000:
        raise broken(path, f"{len(images)} images and {len(labels)} labels, not 10000 a severity")
    if not np.array_equal(labels[:count], suite.test.labels):
        raise broken(folder / "labels.npy", "other labels than those of the test set")
    images, labels = images[:count], labels[:count]
    state = path.stat()
    made_of = f"{path.resolve()} {state.st_size} {state.st_mtime_ns} {count} {condition}"
    record = cache_root() / "shifts" / f"{suite.shift_name}-{_short(made_of)}.json"
    entry = load_entry(record)
    if entry is None:
        entry = {"fingerprint": fingerprint(images, labels), "images": count}
        save_entry(record, entry)
    return ImageSet(name, images, labels, entry["fingerprint"])


@cache
def _formulas() -> str:
    """Hash of the code that corrupts: when it changes, shifts are made anew."""
    files = sorted(Path(__file__).with_name("corruptions").glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
