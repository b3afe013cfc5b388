"""The rule that nothing skips silently."""

import os

import pytest


def skip_or_fail(reason: str) -> None:
    """Skip for want of data, browser or server; fail where the environment promised them."""
    if os.environ.get("BENCH_REQUIRE_ALL"):
        pytest.fail(f"BENCH_REQUIRE_ALL is set, but {reason}")
    pytest.skip(reason)
