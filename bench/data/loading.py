"""Loads a suite: its test set, its outliers, and the training set that belongs to it.

Which they are is in the table `suites`. Shifted images are made in `shifts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench.data.cache import cached
from bench.data.cifar10c import find_cifar10c
from bench.data.embedded import embedded_set
from bench.data.images import ImageSet, Progress, Shape, silent
from bench.data.sets import SETS
from bench.data.sources import Source, find, missing_sentence
from bench.data.suites import SUITES, SuiteSpec, suite_spec
from bench.errors import BenchError
from bench.places import data_root


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suite:
    """The image sets of a suite, as far as this machine has them.

    Args:
        name: Key of `SUITES`.
        spec: Its entry.
        limit: Images taken of every set but the training set, or None for all.
        test: The test set.
        training: The training set, whatever the limit, for detectors that are fitted to it; None
            if it is missing, and where flows alone are scored.
        outliers: Name → outlier set. A set that is here only as another split stands under that
            split's name: `svhn-train`.
        missing: Name → why an outlier set of the table is not among them.
        out_of_domain: One of the outlier sets as uint8; × 255 is the task's work. None if it is
            missing, or the suite has none.
        official_shifts: Folder of the official shifted arrays, or None: they are generated.
    """

    name: str
    spec: SuiteSpec
    limit: int | None
    test: ImageSet
    training: ImageSet | None
    outliers: Mapping[str, ImageSet]
    missing: Mapping[str, str]
    out_of_domain: ImageSet | None
    official_shifts: Path | None

    @property
    def shift_name(self) -> str:
        """`cifar10-c` for the official arrays, `NAME-c*` for generated ones."""
        return f"{self.name}-c" if self.official_shifts else f"{self.name}-c*"

    def fingerprints(self) -> dict[str, str]:
        """Set → fingerprint, for the test set and the outlier sets; for shifts see `shifts`."""
        return {images.name: images.fingerprint for images in (self.test, *self.outliers.values())}


def load_suite(
    name: str,
    *,
    limit: int | None = None,
    root: Path | None = None,
    native_size: bool = False,
    progress: Progress | None = None,
) -> Suite:
    """Finds, decodes and maps the image sets of a suite, except its shifts.

    Args:
        name: Key of `SUITES`.
        limit: Take the first so many images of every set but the training set; an outlier set
            that is smaller as a whole is used whole.
        root: Data root; None means `$BENCH_DATA`, else the user's cache folder.
        native_size: Outlier images keep their published size (Omniglot: 105×105).
        progress: Called with (what, done, total) while images are decoded.

    Raises:
        BenchError: E-UNKNOWN-SUITE; E-BAD-VALUE for the limit; E-NO-DATA and E-TOO-FEW-IMAGES for
            the test set; E-BROKEN-DATA for any.
    """
    spec = suite_spec(name)
    place, report = data_root(root), progress or silent
    test = _labelled(name, "test", place, limit, report)
    outliers: dict[str, ImageSet] = {}
    missing: dict[str, str] = {}
    domain = None
    for wanted in spec.outliers:
        shape = _native(wanted, spec.shape) if native_size else spec.shape
        images, why = _outliers(wanted, place, limit, shape, report)
        if images:
            outliers[images.name] = images
        if why:
            missing[wanted] = why
        if wanted == spec.out_of_domain:
            domain = images
    return Suite(
        name=name,
        spec=spec,
        limit=limit,
        test=test,
        training=_training(name, place, report),
        outliers=outliers,
        missing=missing,
        out_of_domain=domain,
        official_shifts=find_cifar10c(place) if name == "cifar10" else None,
    )


def training_set(
    name: str,
    *,
    root: Path | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> ImageSet:
    """The training split of a suite, named `NAME-train`.

    Args:
        name: Key of `SUITES`.
        root: Data root; None means `$BENCH_DATA`, else the user's cache folder.
        limit: First images to take, or None for all.
        progress: Called with (what, done, total) while images are decoded.

    Raises:
        BenchError: As `load_suite`.
    """
    suite_spec(name)
    return _labelled(name, "train", data_root(root), limit, progress or silent)


def first_test_images(
    name: str, count: int, *, root: Path | None = None, progress: Progress | None = None
) -> ImageSet:
    """The first images of a suite's test split, or as many as are here.

    Args:
        name: Key of `SUITES`.
        count: Images wanted.
        root: As for `training_set`.
        progress: Likewise.

    Raises:
        BenchError: As `load_suite`.
    """
    suite_spec(name)
    place = data_root(root)
    source = find(name, "test", place) if name in SETS else None
    held = _labelled(name, "test", place, source.prefix if source else None, progress or silent)
    return replace(held, images=held.images[:count], labels=held.labels[:count])


def outlier_training_set(
    name: str, *, root: Path | None = None, progress: Progress | None = None
) -> ImageSet:
    """The training split of a suite's first outlier set, for objectives that see anomalies.

    Args:
        name: Key of `SUITES`.
        root: As for `training_set`.
        progress: Likewise.

    Raises:
        BenchError: As `load_suite`.
    """
    spec = suite_spec(name)
    outliers, place = spec.outliers[0], data_root(root)
    if outliers not in SETS:
        return embedded_set(f"{outliers}-train", None, spec.shape)
    source = find(outliers, "train", place)
    if source is None:
        raise BenchError("E-NO-DATA", missing_sentence(outliers, "train", place))
    return cached(source, source.prefix, spec.shape, progress or silent)


def _training(name: str, root: Path, progress: Progress) -> ImageSet | None:
    if SUITES[name].flows_only:
        return None
    source = find(name, "train", root) if name in SETS else None
    if name in SETS and source is None:
        return None
    return _labelled(name, "train", root, source.prefix if source else None, progress)


def _labelled(name: str, split: str, root: Path, limit: int | None, progress: Progress) -> ImageSet:
    """Test or training split: all of what was asked for, or an error."""
    if limit is not None and limit < 1:
        raise BenchError("E-BAD-VALUE", f"limit: got {limit}, expected 1 or more images")
    spec = SUITES[name]
    if name in SETS:
        source = find(name, split, root)
        if source is None:
            raise BenchError("E-NO-DATA", missing_sentence(name, split, root))
        images = cached(source, limit, spec.shape, progress)
    else:
        images = embedded_set(name if split == "test" else f"{name}-{split}", limit, spec.shape)
    if limit and limit > len(images.labels):
        raise BenchError(
            "E-TOO-FEW-IMAGES",
            f"{images.name}: got {limit} images asked for, but its {split} split has "
            f"{len(images.labels)}; --limit {len(images.labels)} or less works, in training a "
            "recipe of no more images",
        )
    if images.labels.min() < 0 or images.labels.max() >= spec.classes:
        raise BenchError(
            "E-BROKEN-DATA",
            f"{images.name}: got labels {images.labels.min()} to {images.labels.max()}, expected "
            f"0 to {spec.classes - 1}; get the set anew",
        )
    return images


def _outliers(
    name: str, root: Path, limit: int | None, shape: Shape, progress: Progress
) -> tuple[ImageSet | None, str]:
    """The set under its own name or another split's, and why it is not the one that was meant."""
    if name not in SETS:
        return embedded_set(name, limit, shape), ""
    meant = next(iter(SETS[name].splits))
    source = _first_split(name, root)
    if source is None:
        return None, missing_sentence(name, meant, root)
    try:
        images = cached(source, limit, shape, progress)
    except BenchError as error:
        if error.code != "E-TOO-FEW-IMAGES":
            raise
        return None, error.message
    if source.split == meant:
        return images, ""
    return images, f"{name}: no {meant} split under {root}; {source.name} is used in its place"


def _first_split(name: str, root: Path) -> Source | None:
    sources = (find(name, split, root) for split in SETS[name].splits)
    return next((source for source in sources if source), None)


def _native(name: str, shape: Shape) -> Shape:
    return (shape[0], *SETS[name].shape[1:]) if name in SETS else shape
