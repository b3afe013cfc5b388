"""Image sets and suites: where they come from, what they look like, and their fingerprints.

Fetching, importing and listing are commands of their own: `fetch`, `imports`, `listing`.
"""

from bench.data.images import ImageSet, Progress, silent
from bench.data.loading import (
    Suite,
    first_test_images,
    load_suite,
    outlier_training_set,
    training_set,
)
from bench.data.shifts import prepare_shifts, shift_conditions, shifted, shifted_images
from bench.data.suites import SUITES, SuiteSpec, check_classes, suite_spec

__all__ = [
    "SUITES",
    "ImageSet",
    "Progress",
    "Suite",
    "SuiteSpec",
    "check_classes",
    "first_test_images",
    "load_suite",
    "outlier_training_set",
    "prepare_shifts",
    "shift_conditions",
    "shifted",
    "shifted_images",
    "silent",
    "suite_spec",
    "training_set",
]
