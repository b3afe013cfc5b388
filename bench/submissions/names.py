"""Names of tensors: pruning masks folded in, usual aliases brought to the table's spelling."""

from collections.abc import Mapping

from torch import Tensor

from bench.errors import BenchError

PREFIXES = ("module.", "network.", "_orig_mod.", "model.")
ALIASES: Mapping[str, str] = {"shortcut": "downsample", "linear": "fc"}


def fold_masks(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`weight_orig` × `weight_mask` as `torch.nn.utils.prune` defines them, under one name.

    Raises:
        BenchError: E-WRONG-WEIGHTS if one of the pair is missing or the shapes differ.
    """
    folded = {}
    for name, tensor in tensors.items():
        if name.endswith("_orig"):
            stem = name.removesuffix("_orig")
            if stem in tensors:
                raise BenchError("E-WRONG-WEIGHTS", f"{stem}: is there with a mask and without")
            mask = tensors.get(f"{stem}_mask")
            if mask is None or mask.shape != tensor.shape:
                raise BenchError("E-WRONG-WEIGHTS", f"{name}: has no {stem}_mask of its shape")
            folded[stem] = tensor * mask
        elif not name.endswith("_mask"):
            folded[name] = tensor
        elif name.removesuffix("_mask") + "_orig" not in tensors:
            raise BenchError("E-WRONG-WEIGHTS", f"{name}: has no weights to mask")
    return folded


def without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the prefixes that wrappers put before every name."""
    names = dict(tensors)
    while prefix := next((p for p in PREFIXES if all(n.startswith(p) for n in names)), None):
        names = {name.removeprefix(prefix): tensor for name, tensor in names.items()}
    return names


def with_aliases(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The usual names of CIFAR ResNets in the spelling of the table.

    `linear` is read as `fc` and `shortcut` as `downsample`.

    Raises:
        BenchError: E-WRONG-WEIGHTS if two names become one.
    """
    renamed = {
        ".".join(ALIASES.get(part, part) for part in name.split(".")): tensor
        for name, tensor in tensors.items()
    }
    if len(renamed) != len(tensors):
        raise BenchError("E-WRONG-WEIGHTS", "two tensors have the same name but for its spelling")
    return renamed


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def names_of(tensors: Mapping[str, Tensor]) -> set[str]:
    """Names without BatchNorm's counters, which evaluation does not use."""
    return {name for name in tensors if not name.endswith("num_batches_tracked")}


def check_shapes(name: str, expected: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> None:
    """Refuses other names or shapes than those of a network.

    Args:
        name: Of the network, for the message.
        expected: Its state dict.
        got: Tensors of a file.

    Raises:
        BenchError: E-WRONG-WEIGHTS.
    """
    missing, unknown = names_of(expected) - names_of(got), names_of(got) - names_of(expected)
    if missing or unknown:
        raise BenchError(
            "E-WRONG-WEIGHTS",
            f"not the tensors of {name}: missing {sorted(missing)[:4]}, "
            f"unknown {sorted(unknown)[:4]}; is it another --arch?",
        )
    for key in sorted(names_of(expected)):
        if expected[key].shape != got[key].shape:
            raise BenchError(
                "E-WRONG-WEIGHTS",
                f"{key}: got shape {tuple(got[key].shape)}, expected "
                f"{tuple(expected[key].shape)} in {name} of these widths",
            )
