"""A sandbox that has to be there, and what hostile pruners are run on."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.models import Normalised
from bench.plans import Plan, fresh_model
from ci.sandbox import sandbox_level
from tests.required import skip_or_fail


@pytest.fixture(scope="session")
def strong() -> None:
    """Skips, or fails where everything was promised, if there is no strong sandbox."""
    try:
        sandbox_level()
    except BenchError as error:
        skip_or_fail(error.message)


@pytest.fixture(scope="session")
def start() -> Normalised:
    return fresh_model(Plan("digits"))


def write_entry(folder: Path, code: str, card: str = "") -> Path:
    """A submission folder with a pruner in it."""
    folder.mkdir(parents=True)
    (folder / "pruner.py").write_text(code)
    text = card or '[pruning]\nmoment = "after"\nsparsity = 0.8\n'
    (folder / "submission.toml").write_text(f'schema = 1\nslug = "{folder.name}"\n{text}')
    return folder
