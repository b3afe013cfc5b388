"""One sequence of bytes for the same weights, whatever file they came in."""

import hashlib
from collections.abc import Mapping

import safetensors.torch
from torch import Tensor


def canonical_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Safetensors of contiguous CPU copies, sorted by name."""
    return safetensors.torch.save(
        {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    )


def weights_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the canonical bytes, in hex."""
    return hashlib.sha256(canonical_bytes(tensors)).hexdigest()
