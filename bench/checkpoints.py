"""Training that goes on where it was killed, to the same weights bit for bit.

A checkpoint is one safetensors file: tensors of the model, the mask, the optimizer and what the
pruner keeps; everything else as JSON in its metadata. It is replaced whole after every epoch.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bench.files import write_atomically
from bench.models import Normalised, infer_widths
from bench.models.channels import resized
from bench.setting import Epoch, Setting
from bench.submissions.names import under
from bench.training import Training, make_trainable, train_epoch

NUMBERS = ("total", "epoch", "cuts", "sparsity")


def train(training: Training[Any], until: int) -> None:
    """Trains up to an epoch, with a checkpoint after each; nothing if it is reached already."""
    while training.epoch < until:
        train_epoch(training)
        _save(training)


def resume(training: Training[Any]) -> None:
    """Brings a fresh training to its last checkpoint; nothing if there is none that belongs."""
    path = _path(training)
    if path is None or not path.is_file():
        return
    try:
        with safe_open(path, "pt") as file:
            state = json.loads(file.metadata()["state"])
        tensors = safetensors.torch.load_file(path)
    except (SafetensorError, KeyError, TypeError, ValueError):
        return  # not a file of ours: the work begins anew
    device = training.setting.data.labels.device
    tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
    for name in NUMBERS:
        setattr(training, name, state[name])
    training.setting.curve[:] = [Epoch(*row) for row in state["curve"]]
    training.mask, training.kept = under("mask.", tensors), under("kept.", tensors)
    _fill_model(training, under("model.", tensors))
    _fill_optimizer(training, under("optimizer.", tensors))
    setting = training.setting
    setting.progress(training.phase, training.epoch, max(training.total, training.epoch))


def forget(setting: Setting) -> None:
    """Removes the checkpoints of finished work."""
    if setting.checkpoints:
        shutil.rmtree(setting.checkpoints, ignore_errors=True)


def _save(training: Training[Any]) -> None:
    path = _path(training)
    if path is None:
        return
    state: dict[str, Any] = {name: getattr(training, name) for name in NUMBERS}
    state["curve"] = training.setting.curve
    groups = {
        "model.": training.model.state_dict(),
        "mask.": training.mask,
        "kept.": training.kept,
        "optimizer.": _optimizer_tensors(training),
    }
    tensors = {
        prefix + name: tensor.detach().cpu().contiguous()
        for prefix, group in groups.items()
        for name, tensor in group.items()
    }
    write_atomically(path, safetensors.torch.save(tensors, {"state": json.dumps(state)}))


def _path(training: Training[Any]) -> Path | None:
    folder = training.setting.checkpoints
    return folder / f"{training.phase}.safetensors" if folder else None


def _fill_model(training: Training[Any], tensors: Mapping[str, Tensor]) -> None:
    """Loads the tensors; a network that was narrowed since is built anew at its widths."""
    model = training.model
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if isinstance(model, Normalised) and any(tensors[n].shape != s for n, s in shapes.items()):
        name = training.setting.architecture
        widths = infer_widths(name, under("network.", tensors))
        training.model = model.around(resized(name, model.network, widths))
        make_trainable(training)
    training.model.load_state_dict(dict(tensors))


def _optimizer_tensors(training: Training[Any]) -> dict[str, Tensor]:
    state = training.optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": tensor
        for index, tensors in state.items()
        for name, tensor in tensors.items()
    }


def _fill_optimizer(training: Training[Any], tensors: Mapping[str, Tensor]) -> None:
    """Each tensor of a parameter's shape also gets its layout, which fused steps rely on."""
    groups = training.optimizer.state_dict()["param_groups"]
    parameters = [p for group in training.optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        like = parameters[int(index)]
        laid = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
        state.setdefault(int(index), {})[name] = laid
    training.optimizer.load_state_dict({"state": state, "param_groups": groups})
