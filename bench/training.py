"""One plain training loop, resumable after every epoch.

What is pruned, and when, is decided in `pruners/moments.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from bench import masks
from bench.models.glow import Glow, flow_of
from bench.setting import Epoch, Setting

Model = TypeVar("Model", bound=nn.Module)
Loss = Callable[[nn.Module, Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor | None]]


def classification(
    model: nn.Module, images: Tensor, labels: Tensor, _: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of a batch, and the logits."""
    logits = model(images)
    return cross_entropy(logits, labels), logits


def likelihood(
    model: nn.Module, images: Tensor, _: Tensor, generator: torch.Generator
) -> tuple[Tensor, None]:
    """Mean bits per dimension of a batch under a flow, with uniform noise within the bins."""
    flow = cast(Glow, flow_of(model))
    noise = torch.rand((len(images), *flow.shape), generator=generator).to(images.device)
    return flow.bits_per_dimension(flow(images, noise)).mean(), None


def usual_loss(model: nn.Module) -> Loss:
    """Of a flow its bits per dimension, of all else the cross-entropy."""
    return likelihood if flow_of(model) else classification


@dataclass(slots=True, eq=False)
class Training(Generic[Model]):
    """A network in training: all that its next epoch depends on, besides the setting.

    Args:
        setting: What stays the same.
        model: Takes images in [0, 1].
        phase: Names its random streams, its checkpoint and its part of the learning curve.
        loss: (model, images, labels, generator) -> mean loss of the batch, and the logits if it
            has such.
        total: Epochs that the phase is to have, for the progress.
        epoch: Epochs done.
        cuts: Steps of pruning done.
        sparsity: That of the last of them.
        mask: Weights outside it are zero after every step.
        kept: What a pruner wants to remember from one epoch to another.
    """

    setting: Setting
    model: Model
    phase: str = "training"
    loss: Loss = classification
    total: int = 0
    epoch: int = 0
    cuts: int = 0
    sparsity: float = 0.0
    mask: masks.Mask = field(default_factory=dict)
    kept: dict[str, Tensor] = field(default_factory=dict)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        make_trainable(self)


def make_trainable(training: Training[Any]) -> None:
    """Lays the model's weights out in memory as they are trained fastest, under a fresh Adam.

    To be called again whenever the model is another one.
    """
    recipe = training.setting.recipe
    training.model.to(memory_format=training.setting.data.memory_format)
    trained = [parameter for parameter in training.model.parameters() if parameter.requires_grad]
    training.optimizer = torch.optim.Adam(
        trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )


def train_epoch(training: Training[Any]) -> None:
    """One more pass over the data; the model is left in evaluation mode.

    Its random draws depend on the setting's stream, the phase and the number of the epoch, and
    on nothing that happened before.
    """
    setting = training.setting
    training.epoch += 1
    generator = setting.stream(f"{training.phase} {training.epoch}")
    now = training.phase, training.sparsity
    past = [done.loss for done in setting.curve if (done.phase, done.sparsity) == now]
    for group in training.optimizer.param_groups:
        group["lr"] = setting.recipe.rate(past)
    training.model.train()
    with torch.random.fork_rng():  # dropout draws from torch's global generator only
        torch.random.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        loss, accuracy = _pass(training, generator)
    training.model.eval()
    setting.curve.append(Epoch(training.phase, training.epoch, loss, accuracy, training.sparsity))
    what = training.phase if accuracy is not None else f"{training.phase}, {loss:.3f} bits/dim"
    setting.progress(what, training.epoch, max(training.total, training.epoch))


def _pass(training: Training[Any], generator: torch.Generator) -> tuple[float, float | None]:
    """Mean loss and accuracy over the data, each image in the step that it was trained in."""
    data, recipe = training.setting.data, training.setting.recipe
    model, optimizer = training.model, training.optimizer
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    total = torch.zeros(2, device=data.labels.device)
    logits: Tensor | None = None
    for images, labels in data.batches(recipe.batch_size, generator):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=recipe.bfloat16):
            loss, logits = training.loss(model, images, labels, generator)
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(trained, recipe.clip)
        optimizer.step()
        masks.apply(model, training.mask)
        total[0] += loss.detach() * len(labels)
        if logits is not None:
            total[1] += (logits.detach().argmax(1) == labels).sum()
    mean, accuracy = (total / len(data.labels)).tolist()
    return mean, None if logits is None else accuracy
