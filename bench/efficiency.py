"""What several networks cost beside one dense network: training, inference, memory.

The paper's Tables 2 and 3. All are measured interleaved in one process.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from bench.cost import Ratio, answer, peak_memory, peak_of, time_ratios
from bench.data import Progress, silent
from bench.models import Normalised
from bench.models.kinds import members_of
from bench.recipes import RECIPES
from bench.setting import Setting, TrainingSet
from bench.streams import stream
from bench.training import Training, train_epoch
from bench.variational import objective


@dataclass(frozen=True, slots=True)
class Efficiency:
    """What a model needs, over what the dense network needs.

    Args:
        training: Time of one step of the optimiser, summed over the members.
        inference: Time of a forward pass.
        training_memory: Most bytes alive in such a step, all members' weights, gradients and
            moments at once.
        inference_memory: Most bytes alive in a forward pass.
    """

    training: Ratio
    inference: Ratio
    training_memory: float
    inference_memory: float


def efficiency(
    models: Sequence[Normalised],
    dense: Normalised,
    batch: TrainingSet,
    rounds: int,
    progress: Progress = silent,
) -> list[Efficiency]:
    """Compares models with the dense one, as `bench.cost.time_ratios` and `peak_of` do.

    A step is the training loop's own: forward, backward, clipping and Adam. Each member has a
    loss and an optimiser of its own, and they take their steps one after the other. Copies are
    trained, the models are left as they are.

    Args:
        models: In evaluation mode.
        dense: One network, in evaluation mode on the same device.
        batch: Images of one step and of one forward pass, with labels.
        rounds: Timings of each, at least 2.
        progress: Called with (what, done, total).

    Returns:
        One a model, in their order.
    """
    device, images = batch.images.device, batch.images.float().div_(255)
    every = list(dict.fromkeys([dense, *models]))
    passes = {model: peak_memory(model, images) for model in every}
    steps = {model: _step_memory(model, batch) for model in every}
    answering = {model: partial(answer, model, images) for model in every}
    learning = {model: partial(_step, _trainings(model, batch)) for model in every}
    inference = time_ratios(answering, dense, device, rounds, _named("inference", progress))
    training = time_ratios(learning, dense, device, rounds, _named("training", progress))
    return [
        Efficiency(
            training=training[model],
            inference=inference[model],
            training_memory=steps[model] / steps[dense],
            inference_memory=passes[model] / passes[dense],
        )
        for model in models
    ]


def _named(name: str, progress: Progress) -> Progress:
    return lambda what, done, total: progress(f"{what} {name}", done, total)


def _trainings(model: Normalised, batch: TrainingSet) -> list[Training[Normalised]]:
    """A training of each member whose epoch is one step."""
    recipe = replace(RECIPES["paper-30"], batch_size=len(batch.labels))
    setting = Setting("", batch, recipe, stream)
    return [
        Training(setting, copy.deepcopy(member), loss=objective(member, setting))
        for member in members_of(model)
    ]


def _step(trainings: Sequence[Training[Normalised]]) -> None:
    for training in trainings:
        train_epoch(training)


def _step_memory(model: Normalised, batch: TrainingSet) -> int:
    """Most bytes alive in the first step, in which the moments are made."""
    trainings = _trainings(model, batch)
    standing = [
        tensor
        for training in trainings
        for tensor in (*training.model.parameters(), *training.model.buffers())
    ]
    return peak_of(partial(_step, trainings), [*standing, batch.images])
