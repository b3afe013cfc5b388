"""What the README tells a newcomer to paste does what it says, from a copy of the repository."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.store import open_store, score_frame
from ci.shipped import ROOT
from tests.test_readme import SECTIONS, blocks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
LEFT_OUT = ("bench leaderboard",)  # it does not end; tests/leaderboard opens the page


@pytest.fixture
def copy(tmp_path):
    """The repository as somebody has cloned it, with `bench` and `python` on the path."""
    for name in ("bench", "ci", "submissions"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def pasted(text: str, folder: Path) -> str:
    """Output of what is pasted into a shell in a folder."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
    }
    lines = [line for line in text.splitlines() if not line.startswith(LEFT_OUT)]
    done = subprocess.run(
        ["bash", "-euc", "\n".join(lines)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def test_a_network_of_ones_own_becomes_a_row(copy):
    (script,), (commands,) = (
        blocks(kind, SECTIONS["Submit a network"]) for kind in ("python", "sh")
    )
    (copy / "my_network.py").write_text(script)
    told = pasted(commands, copy)
    assert "Nothing to mend" in told
    with open_store(f"sqlite:///{copy / 'bench.db'}", readonly=True) as store:
        frame = score_frame(store)
    clean = frame[(frame["task"] == "clean") & (frame["metric"] == "accuracy")]
    assert clean["slug"].tolist() == ["my-network"]
    assert clean["sparsity"].iloc[0] == pytest.approx(0.9, abs=0.005)
    assert clean["value"].iloc[0] > 0.7
    assert frame["flags"].unique().tolist() == [""]


def test_a_pruner_of_ones_own_is_compared(copy):
    (commands,) = blocks("sh", SECTIONS["Submit a pruner"])
    pasted(commands, copy)
    run = json.loads((copy / "evaluation" / "run.json").read_text())
    assert (run["trust"], run["sandbox"]) == ("ci", "strong")
    assert run["submission"]["measured_sparsity"] == pytest.approx(0.9, abs=0.005)
    assert "my-magnitude" in (copy / "evaluation" / "comparison.md").read_text()
