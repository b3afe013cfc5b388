"""How long a sweep will take of which nothing is done yet: a few steps of it are timed."""

import time
from collections.abc import Sequence

import torch

from bench.baselines import settled
from bench.checkpoints import train
from bench.data import Progress, load_suite, prepare_shifts, training_set
from bench.evaluation import evaluate
from bench.plans import Plan, fresh_model
from bench.recipes import recipe_named
from bench.setting import Setting, TrainingSet
from bench.submissions import from_module
from bench.sweep.outlook import Expectation
from bench.sweep.units import Unit
from bench.training import Training
from bench.variational import objective

IMAGES = (40, 160)  # of the two short evaluations by which a long one is told
BATCHES = 8  # of the short epoch
World = tuple[object, ...]


def probe(units: Sequence[Unit], *, threads: int, progress: Progress) -> Expectation:
    """How many seconds a unit will take, about, on a worker that has its cores for itself.

    Every network of the sweep is trained for a few steps and scored on a few images; what else a
    pruner does is taken to cost nothing.

    Args:
        units: All of a sweep.
        threads: Of the worker; this process is set to as many.
        progress: Called with (what, done, total).

    Returns:
        Unit of the sweep -> seconds.
    """
    torch.set_num_threads(threads)
    worlds = {_world(unit): unit for unit in units}
    known: dict[World, tuple[float, float]] = {}
    for done, (world, unit) in enumerate(worlds.items()):
        progress("timing a few steps", done, len(worlds))
        known[world] = _training(unit.plan), _scoring(unit)
    progress("timing a few steps", len(worlds), len(worlds))

    def expect(unit: Unit) -> float:
        epoch, scoring = known[_world(unit)]
        return epoch * _epochs(unit) + scoring

    return expect


def _world(unit: Unit) -> World:
    return unit.plan.suite, unit.plan.network, unit.plan.recipe_name, unit.limit


def _epochs(unit: Unit) -> int:
    """That are trained, of weights or of the scores of edge-popup."""
    usual = recipe_named(unit.plan.recipe_name).epochs
    if unit.cut is None or unit.cut.pruner in ("edge-popup", "edge-popup-after"):
        return usual
    pruner = settled(unit.cut)[1].pruner
    own = 0 if pruner.moment == "after" else usual
    return own if pruner.finetune_epochs is None else pruner.finetune_epochs


def _training(plan: Plan) -> float:
    """Seconds of an epoch."""
    recipe, model = recipe_named(plan.recipe_name), fresh_model(plan)
    device = next(model.parameters()).device
    images = training_set(plan.suite, root=plan.root, limit=recipe.images)
    count = min(BATCHES * recipe.batch_size, len(images.labels))
    data = TrainingSet.on(device, images)
    short = data.part(data.labels.new_tensor(range(count)), augment=recipe.augment)
    setting = Setting(plan.network, short, recipe, plan.stream)
    training = Training(setting, model, "training", objective(model, setting))
    train(training, 1)  # the first pass is slower than those after it
    begun = time.perf_counter()
    train(training, 2)
    return (time.perf_counter() - begun) * len(images.labels) / count


def _scoring(unit: Unit) -> float:
    model, plan = from_module(fresh_model(unit.plan)), unit.plan
    seconds = []
    for count in IMAGES:
        suite = load_suite(plan.suite, root=plan.root, limit=count)
        if "shift" in unit.protocol.tasks:
            prepare_shifts(suite, seed=unit.protocol.shift_seed)
        begun = time.perf_counter()
        evaluate(model, suite, protocol=unit.protocol, device=plan.device)
        seconds.append(time.perf_counter() - begun)
    whole = len(load_suite(plan.suite, root=plan.root, limit=unit.limit).test.labels)
    each = max(seconds[1] - seconds[0], 0.0) / (IMAGES[1] - IMAGES[0])
    return seconds[0] + each * (whole - IMAGES[0])
