"""Where a run is made: device, versions and the processor's name."""

import hashlib
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from bench.errors import BenchError
from bench.records import Environment

APART = ("cli", "html_board", "store", "sweep")  # rooms on which no result depends


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto` takes an accelerator where there is one.

    Raises:
        BenchError: E-BAD-VALUE if this machine has no such device.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if name == "auto":
        return accelerator or torch.device("cpu")
    present = ["cpu"] + ([accelerator.type] if accelerator else [])
    if name.split(":")[0] not in present:
        raise BenchError("E-BAD-VALUE", f"device: got {name!r}, this machine has {present}")
    return torch.device(name)


def environment(device: torch.device, batch_size: int) -> Environment:
    """What the record says of this machine."""
    return Environment(
        bench=version("sparse-bench"),
        git_commit=git_commit(),
        python=platform.python_version(),
        torch=str(torch.__version__),
        device=device.type,
        cpu=cpu_name(),
        threads=torch.get_num_threads(),
        batch_size=batch_size,
    )


@cache
def program() -> list[str]:
    """Versions of torch and of this package, and SHA-256 of its files that results depend on."""
    home = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        inner = path.relative_to(home)
        if inner.parts[0] not in APART:
            digest.update(f"{inner.as_posix()}\n".encode() + path.read_bytes())
    return [str(torch.__version__), version("sparse-bench"), digest.hexdigest()]


@cache
def git_commit() -> str | None:
    """Commit of the checkout that the package runs from, `+` for local changes; else None."""
    folder = Path(__file__).parent
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changes else "")


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@cache
def cpu_name() -> str:
    """Model name of the processor."""
    details = Path("/proc/cpuinfo")
    if details.is_file():
        for line in details.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
