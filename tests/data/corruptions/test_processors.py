"""The same shifted images on every processor: others are stood in for by older instruction sets."""

import hashlib
import os
import subprocess
import sys

import pytest

from ci.shipped import ROOT

OLDER = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
}
QUANTILES = "from bench.data.corruptions.counters import _all_quantiles as made; found = made()"
PHOTONS = (
    "from bench.data.corruptions.noise import poisson; import torch; "
    "u = (torch.arange(2**18) + 0.5) / 2**18; found = poisson(u.flip(0) * 12, u, u)"
)


def digest(program: str, environment: dict[str, str]) -> str:
    shown = f"{program}; import sys; sys.stdout.buffer.write(found.numpy().tobytes())"
    done = subprocess.run(
        [sys.executable, "-c", shown],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        check=True,
    )
    return hashlib.sha256(done.stdout).hexdigest()


@pytest.mark.parametrize("program", [QUANTILES, PHOTONS], ids=["normal", "poisson"])
def test_random_numbers_are_the_same_with_older_instructions(program):
    assert digest(program, {}) == digest(program, OLDER)
