"""Intake of submissions: files of strangers in, checked models out."""

from bench.submissions.assemble import assemble
from bench.submissions.canonical import canonical_bytes, weights_sha256
from bench.submissions.load import LoadedSubmission, described, from_module, load_submission
from bench.submissions.pack import check_target, pack

__all__ = [
    "LoadedSubmission",
    "assemble",
    "canonical_bytes",
    "check_target",
    "described",
    "from_module",
    "load_submission",
    "pack",
    "weights_sha256",
]
