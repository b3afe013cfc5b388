"""No corruption takes a function whose last bit another processor may round otherwise."""

import re
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.data.corruptions import CORRUPTIONS, corrupt
from bench.data.corruptions.weather import frost_textures

HEADER = Path(torch.__file__).parent / "include" / "ATen" / "cpu" / "vml.h"
BY_MKL = set(re.findall(r"^IMPLEMENT_VML_MKL\((\w+),", HEADER.read_text(), flags=re.MULTILINE))
SUMS = {"matmul", "mm", "bmm", "sum", "mean", "convolution", "special_ndtri"}


class Watched(TorchDispatchMode):
    """Notes the functions whose results are float32."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and found.dtype == torch.float32:
            self.names.add(function.name().partition("::")[2].partition(".")[0].rstrip("_"))
        return found


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_mkl_or_an_order_of_terms_rounds_is_taken_in_float64(name):
    """Rounded to float32, its last bits of 53 are gone. MKL's float32 roots differ by processor."""
    assert {"sqrt", "exp", "sin", "cos"} <= BY_MKL
    images = torch.arange(3 * 3 * 28 * 28, dtype=torch.uint8).view(3, 3, 28, 28)
    frost_textures.cache_clear()
    with Watched() as watched:
        for severity in (1, 5):
            corrupt(images, name, severity, seed=0)
    assert watched.names & (BY_MKL - {"trunc"} | SUMS) == set()
