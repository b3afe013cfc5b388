"""Image sets and suites: where they come from, what they look like, and their fingerprints.

Fetching, importing and listing are commands of their own: `fetch`, `imports`, `listing`.
"""

from bench.data.images import ImageSet
from bench.data.shifts import prepare_shifts, shift_conditions, shifted
from bench.data.suites import SUITES, Suite, SuiteSpec, load_suite, suite_spec, training_set

__all__ = [
    "SUITES",
    "ImageSet",
    "Suite",
    "SuiteSpec",
    "load_suite",
    "prepare_shifts",
    "shift_conditions",
    "shifted",
    "suite_spec",
    "training_set",
]
