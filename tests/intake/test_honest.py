"""Honest files are read as torch and safetensors read them."""

from collections import Counter

import pytest
import safetensors.torch
import torch

from bench.submissions.read import read_weights


def honest() -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(6, 8, generator=generator)
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    kinds = (
        torch.int8,
        torch.int16,
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.uint8,
    )
    return {
        "plain": {"a": whole},
        "parameter": {"a": torch.nn.Parameter(whole)},
        "transposed": {"a": whole.t(), "b": whole[1::2, 2:5], "c": whole[0, 0]},
        "shared": {"a": whole, "b": whole.view(-1)},
        "kinds": {str(kind).removeprefix("torch."): whole.mul(9).abs().to(kind) for kind in kinds},
        "bool": {"a": whole > 0},
        "state-dict": module.state_dict(),
        "empty names": {"model": {"a": whole}, "epoch": 7, "best": 0.5, "notes": ["x", None, True]},
        "optimizer": {
            "state_dict": module.state_dict(),
            "optimizer": torch.optim.Adam(module.parameters()).state_dict(),
        },
        "schedule": {
            "state_dict": module.state_dict(),
            "milestones": Counter({30: 1}),
            "kind": torch.float32,
            "size": torch.Size([2]),
            "log": "x" * 100_000,
            "raw": b"bytes",
            "tags": {"a", 1j},
        },
        "big number": {"net": {"a": whole}, "seed": 2**40, "minus": -5},
        "many": {f"layer{at}.weight": whole[: at % 6 + 1] for at in range(300)},
    }


@pytest.mark.parametrize("name", honest())
def test_honest_files_are_read_as_torch_reads_them(name, tmp_path):
    path = tmp_path / "model.pt"
    torch.save(honest()[name], path)
    loaded = torch.load(path, weights_only=True)
    for wrapper in ("state_dict", "model", "net"):
        loaded = loaded.get(wrapper, loaded)
    ours = read_weights(path).tensors
    assert ours.keys() == loaded.keys()
    for key, tensor in loaded.items():
        kind = torch.float32 if tensor.is_floating_point() else torch.int64
        assert torch.equal(ours[key], tensor.detach().to(kind))
        assert ours[key].is_contiguous()


@pytest.mark.parametrize("name", ["plain", "kinds", "bool", "state-dict"])
def test_honest_safetensors_are_read_as_the_library_reads_them(name, tmp_path):
    path, tensors = tmp_path / "a.safetensors", dict(honest()[name])
    safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path, {"by": "me"})
    ours = read_weights(path).tensors
    for key, tensor in safetensors.torch.load_file(path).items():
        kind = torch.float32 if tensor.is_floating_point() else torch.int64
        assert torch.equal(ours[key], tensor.to(kind))
