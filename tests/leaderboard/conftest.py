"""Pages in tests show the store of the test alone, unless a test ships runs of its own."""

import pytest


@pytest.fixture(autouse=True)
def nothing_shipped(monkeypatch, tmp_path):
    monkeypatch.setattr("leaderboard.shipped.SUBMISSIONS", tmp_path / "none")
