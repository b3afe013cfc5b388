"""Statistics of training sets, kept by the content of all that they depend on."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from bench.models import prunable
from bench.places import appearing, cache_root
from bench.saliency import Batch
from bench.sensitivity.options import Options
from bench.sensitivity.statistics import Statistics, training_statistics
from bench.submissions import weights_sha256

FORMAT = 1  # of the sensitivities and this file: another number, other entries


def cached_statistics(
    network: nn.Module,
    batches: Callable[[], Iterable[Batch]],
    options: Options,
    *,
    fingerprint: str,
    batch_size: int,
    recipe: str,
) -> Statistics:
    """The statistics of a training set: read from the cache, or measured and put there.

    Args:
        network: As for `training_statistics`.
        batches: Makes the batches if they are needed.
        options: Of them, `aggregate` and `power` make no other entry.
        fingerprint: Of the training set.
        batch_size: Of the batches.
        recipe: All else that the batches depend on: augmentation, seed, number.

    Raises:
        BenchError: As `training_statistics`; E-BAD-VALUE if the cache cannot be written.
    """
    asked = {
        "format": FORMAT,
        "network": str(network),
        "weights": _contents(network),
        "data": fingerprint,
        "recipe": recipe,
        "batch_size": batch_size,
        "options": [options.loss, options.elasticity, options.cumulative],
    }
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    path = cache_root() / "sensitivity" / f"{key}.safetensors"
    found = _opened(path, key, network, options)
    if found is None:
        found = training_statistics(network, batches(), options)
        _keep(path, key, found)
    return found


def _contents(network: nn.Module) -> str:
    """SHA-256 of parameters and buffers, those of the input normalisation included."""
    return weights_sha256(dict(network.named_parameters()) | dict(network.named_buffers()))


def _keep(path: Path, key: str, statistics: Statistics) -> None:
    tensors = _flat(statistics)
    about = {"key": key, "batches": statistics.batches, "sha256": weights_sha256(tensors)}
    content = safetensors.torch.save(tensors, {"about": json.dumps(about)})
    with appearing(path) as temporary:
        temporary.write_bytes(content)


def _flat(statistics: Statistics) -> dict[str, Tensor]:
    parts = {"mean": statistics.mean, "std": statistics.std}
    return {
        f"{part}.{name}": tensor.cpu().contiguous()
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }


def _opened(path: Path, key: str, network: nn.Module, options: Options) -> Statistics | None:
    """The entry, or None if it is not there, damaged or of something else."""
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
        tensors = safetensors.torch.load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    if about["key"] != key or about["sha256"] != weights_sha256(tensors):
        return None
    weights = prunable(network)
    shapes = {f"{part}.{n}": w.shape for part in ("mean", "std") for n, w in weights.items()}
    if {name: tensor.shape for name, tensor in tensors.items()} != shapes:
        return None
    mean, std = (
        {name: tensors[f"{part}.{name}"].to(weight.device) for name, weight in weights.items()}
        for part in ("mean", "std")
    )
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        return None
    if any((tensor < 0).any() for tensor in std.values()):
        return None
    return Statistics(mean, std, about["batches"], options)
