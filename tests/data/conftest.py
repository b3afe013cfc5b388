"""Every test of this room has its own cache; small files in the layouts that users have."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CACHE", str(folder))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("BENCH_DATA", str(folder))
    return folder


@pytest.fixture
def grey() -> tuple[np.ndarray, np.ndarray]:
    """Twelve 28×28 images and labels of three classes, no two images alike."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (12, 1, 28, 28), np.uint8), np.arange(12, dtype=np.int64) % 3


@pytest.fixture
def colour() -> tuple[np.ndarray, np.ndarray]:
    """Twelve 32×32 colour images and labels 0 to 9, 0, 1."""
    generator = np.random.default_rng(1)
    return generator.integers(0, 256, (12, 3, 32, 32), np.uint8), np.arange(12, dtype=np.int64) % 10
