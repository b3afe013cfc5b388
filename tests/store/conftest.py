"""Every test of the store runs on both databases."""

from pathlib import Path

import pytest

from tests.databases import address


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind of database."""
    return address(request, tmp_path)
