"""When a pruner acts: name -> how training and steps of pruning follow each other.

Each function may be begun anew at any time: epochs and steps that a training has behind it are
passed over. Its keyword-only arguments are options.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from bench import masks
from bench.checkpoints import train
from bench.models import Normalised, prunable
from bench.pruners import Pruner
from bench.pruners.cutting import cut
from bench.records import Moment
from bench.training import Training, make_trainable

STEPS, STEPS_RESNET, STEPS_IMP, STEPS_IN_PLACE = 5, 6, 4, 4  # as in the paper's code
SNAPSHOT, CUTS, WHOLE = 7, (9, 15, 21, 27, 33, 39), 50  # epochs done, in the code of IMP
STRUCTURED_MARGIN = 0.1  # on the share to keep, in the code of the criterion for early pruning
ROUND = 0.2  # share of the remaining weights that a round of the lottery ticket removes


def before(training: Training[Normalised], pruner: Pruner, sparsity: float) -> None:
    """Prunes the untrained network, then trains what is left."""
    training.total = _epochs_after(training, pruner)
    _cut_all(training, pruner, sparsity)
    train(training, training.total)


def early(
    training: Training[Normalised],
    pruner: Pruner,
    sparsity: float,
    *,
    when: Literal["fixed", "auto"] = "fixed",
    budget: Literal["authors", "equal"] = "authors",
) -> None:
    """Prunes after a few dense epochs and goes on from the weights as they are.

    Args:
        training: Of a fresh network.
        pruner: The row.
        sparsity: To reach.
        when: `fixed`: after the recipe's `early` epochs. `auto`: once the weights move less from
            epoch to epoch than in the first ones; at the latest after the recipe's epochs.
        budget: `authors`: the recipe's epochs follow after pruning. `equal`: all together are no
            more than the recipe's.

    References:
        Rachwan et al., Winning the lottery ahead of time, 2022, and its code.
    """
    recipe, after_it = training.setting.recipe, _epochs_after(training, pruner)
    training.total = training.total or recipe.early + after_it
    if training.cuts == 0:
        if when == "fixed":
            train(training, recipe.early)
        else:
            margin = STRUCTURED_MARGIN if pruner.structure == "structured" else 0.0
            _train_until_settled(training, 1 - sparsity - margin)
        left = max(recipe.epochs - training.epoch, 0)
        training.total = training.epoch + (min(after_it, left) if budget == "equal" else after_it)
        _cut_all(training, pruner, sparsity)
    train(training, training.total)


def iterative(
    training: Training[Normalised],
    pruner: Pruner,
    sparsity: float,
    *,
    rounds: Literal["compressed", "open-lth", "in-place"] = "compressed",
) -> None:
    """Prunes in steps during training; after each, weights return to an early snapshot or go on.

    Args:
        training: Of a fresh network.
        pruner: The row.
        sparsity: To reach.
        rounds: `compressed`: all within the recipe's epochs, the snapshot after 7 of 50 and steps
            after 9, 15, 21, 27, 33 and 39, in proportion; biases, BatchNorm and the optimizer
            are not rewound. `open-lth`: each round of 20 % trains to the end and returns in
            every part, with a fresh optimizer, until the sparsity is reached. `in-place`: the
            same share of what is left is removed after 40, 80, 120 and 160 of 200 epochs, in
            proportion, and the weights go on as they are.

    References:
        Frankle et al., Linear mode connectivity and the lottery ticket hypothesis, 2020;
        `compressed` and `in-place` are from the code of Ayle et al., 2022.
    """
    how = {"compressed": _compressed, "open-lth": _open_lth, "in-place": _in_place}
    how[rounds](training, pruner, sparsity)


def after(training: Training[Normalised], pruner: Pruner, sparsity: float) -> None:
    """Prunes a trained network; trains on only if `finetune_epochs` says so."""
    training.total = pruner.finetune_epochs or 0
    _cut_all(training, pruner, sparsity)
    train(training, training.total)


MOMENTS: Mapping[Moment, Callable[..., None]] = {
    "before": before,
    "early": early,
    "iterative": iterative,
    "after": after,
}


def _epochs_after(training: Training[Normalised], pruner: Pruner) -> int:
    chosen = pruner.finetune_epochs
    return training.setting.recipe.epochs if chosen is None else chosen


def _cut_all(training: Training[Normalised], pruner: Pruner, sparsity: float) -> None:
    """Every step of the schedule at once; the network is scored anew at each."""
    resnet = training.setting.architecture.startswith("resnet")
    long = resnet and pruner.structure == "unstructured"
    steps = masks.targets(pruner.schedule, sparsity, STEPS_RESNET if long else STEPS)
    for target in steps[training.cuts :]:
        cut(training, pruner, target)
        training.setting.progress("pruning", training.cuts, len(steps))


def _train_until_settled(training: Training[Normalised], share: float) -> None:
    """Trains until the weights are settled, or for all of the recipe's epochs."""
    kept, last = training.kept, training.setting.recipe.epochs
    for epoch in range(max(training.epoch, 1), last + 1):
        train(training, epoch)
        flat = torch.cat([p.detach().flatten() for p in training.model.parameters()])
        first = kept.setdefault("first", flat)
        distance = (first - flat).norm() / first.norm()
        kept["distances"] = torch.cat([kept.get("distances", flat[:0]), distance.view(1)])
        if settled(kept["distances"].tolist(), share):
            break
    kept.clear()


def settled(distances: Sequence[float], share: float) -> bool:
    """Whether weights have stopped moving away from those of the first epoch.

    Args:
        distances: d(t) = ‖θ(1) − θ(t)‖ / ‖θ(1)‖ for t = 1, 2, …; d(1) = 0.
        share: Of the weights or channels that will be kept, as the criterion counts them.

    Returns:
        Whether |d(t) − d(t−1)| < d(2) · share at the last t, with at least d(2) / 1000.
    """
    if len(distances) < 2:
        return False
    return abs(distances[-1] - distances[-2]) < distances[1] * max(share, 1e-3)


def imp_epochs(epochs: int) -> tuple[int, list[int]]:
    """Epochs done at the snapshot and at each step of a compressed IMP of so many epochs."""
    snapshot, *steps = (max(1, round(at * epochs / WHOLE)) for at in (SNAPSHOT, *CUTS))
    return snapshot, steps


def _compressed(training: Training[Normalised], pruner: Pruner, sparsity: float) -> None:
    training.total = training.setting.recipe.epochs
    snapshot, cuts = imp_epochs(training.total)
    train(training, snapshot)
    if not training.kept:
        training.kept |= _copies(prunable(training.model))
    steps = masks.targets(pruner.schedule, sparsity, STEPS_IMP)
    for epoch, target in list(zip(cuts, steps, strict=False))[training.cuts :]:
        train(training, epoch)
        cut(training, pruner, target)
        _rewind(training, prunable(training.model))
    train(training, training.total)


def _open_lth(training: Training[Normalised], pruner: Pruner, sparsity: float) -> None:
    epochs = training.setting.recipe.epochs
    snapshot, _ = imp_epochs(epochs)
    count = math.ceil(round(math.log(1 - sparsity) / math.log(1 - ROUND), 9))
    training.total = epochs + count * (epochs - snapshot)
    train(training, snapshot)
    if not training.kept:
        training.kept |= _copies(training.model.state_dict())
    for done in range(training.cuts, count):
        train(training, epochs + done * (epochs - snapshot))
        cut(training, pruner, min(sparsity, 1 - (1 - ROUND) ** (done + 1)))
        _rewind(training, training.model.state_dict())
        make_trainable(training)
    train(training, training.total)


def _in_place(training: Training[Normalised], pruner: Pruner, sparsity: float) -> None:
    training.total = training.setting.recipe.epochs
    steps = masks.targets("exponential", sparsity, STEPS_IN_PLACE)
    for done in range(training.cuts, len(steps)):
        train(training, round(training.total * (done + 1) / (len(steps) + 1)))
        cut(training, pruner, steps[done])
    train(training, training.total)


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@torch.no_grad()
def _rewind(training: Training[Normalised], tensors: Mapping[str, Tensor]) -> None:
    """Puts the kept values back, zero outside the mask."""
    for name, value in training.kept.items():
        tensors[name].copy_(value)
    masks.apply(training.model, training.mask)
