"""A disk that is full, for once a real one: a small one in memory, mounted by bubblewrap."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.sweep.work import work
from tests.required import skip_or_fail
from tests.sweep.grids import content, small, workplace

HERE = Path(__file__).parents[2]
SIZE = 20_000_000  # bytes
GRID = "sparsities = []\npruners = []\nlimit = 10\nseeds = [1]\n"
SCRIPT = """
cd "$1"
head -c "$2" /dev/zero > ballast
sweep="{python} -m bench sweep {grid} --out out --workers 2 --device cpu --quiet --store"
$sweep sqlite:///bench.db && exit 3
rm ballast
$sweep sqlite:///bench.db && cp bench.db {kept}
"""


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("left", [100_000, 400_000])
def test_a_sweep_on_a_full_disk_ends_and_goes_on_when_there_is_room(left, tmp_path):
    """Full when the store is made, or when work is kept."""
    if shutil.which("bwrap") is None:
        skip_or_fail("bubblewrap is not installed")
    disk, grid, kept = (tmp_path / name for name in ("disk", "grid.toml", "kept.db"))
    disk.mkdir()
    grid.write_text(GRID)
    script = SCRIPT.format(python=sys.executable, grid=grid, kept=kept)
    mounted = ["--dev-bind", "/", "/", "--size", str(SIZE), "--tmpfs", str(disk)]
    mounted += ["--setenv", "PYTHONPATH", str(HERE)]
    run = subprocess.run(
        ["bwrap", *mounted, "bash", "-c", script, "bash", str(disk), str(SIZE - left)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr.startswith("E-DISK-FULL: ")
    assert "Traceback" not in run.stderr
    whole = f"sqlite:///{tmp_path / 'whole.db'}"
    work(workplace(small(pruners=[], sparsities=[], seeds=[1]), whole, tmp_path))
    assert content(f"sqlite:///{kept}") == content(whole)
