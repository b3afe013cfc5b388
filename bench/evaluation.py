"""Scores one submission under one protocol on one suite. The file to read first.

Nothing is printed or stored here; every arrow goes down into the tasks.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from bench.data import (
    Progress,
    Suite,
    check_classes,
    load_suite,
    prepare_shifts,
    silent,
    suite_spec,
)
from bench.detectors import BY_EVIDENCE, DETECTORS, Known, check_installed, drawn
from bench.environment import choose_device, environment
from bench.errors import BenchError
from bench.flags import flags_of
from bench.inference import Case, Exhibit, Findings, Watcher, exhibit, look_at
from bench.models import Normalised
from bench.models.kinds import kind_of
from bench.protocol import METRICS, Protocol, usual
from bench.records import Run, Score
from bench.store import TRUTH, Outcome, true_outcome
from bench.submissions import LoadedSubmission, from_module
from bench.tasks import TASKS


class Evaluation(NamedTuple):
    """A run, and the per-image outcomes that the store keeps beside it.

    Both together are what `bench.store.save_run` takes: `save_run(store, *evaluation)`.
    """

    run: Run
    outcomes: Mapping[str, Outcome]


def evaluate(
    submission: LoadedSubmission | nn.Module,
    suite: Suite | str = "digits",
    *,
    protocol: Protocol | None = None,
    only: Collection[str] = (),
    device: str = "auto",
    progress: Progress = silent,
) -> Evaluation:
    """Scores a submission, or a bare module that takes images in [0, 1], on a suite.

    Args:
        submission: What `load_submission` returns, or a module; a module's run is flagged
            `not-reproducible-from-file`.
        suite: Name, or what `load_suite` returns.
        protocol: An entry of `PROTOCOLS`; None for `standard`, of a flow `flows`.
        only: Tasks to run; none means all. The run is then flagged `partial`.
        device: `auto`, `cpu`, `cuda`, `mps`.
        progress: Called with (what, done, total) as work goes on.

    Returns:
        The run, and the outcomes of every image set with the labels of the test set.

    Raises:
        BenchError: If a task or the device is unknown, the suite's test set is missing, or the
            model does not fit it.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    if isinstance(submission, nn.Module):
        submission = from_module(submission)
    protocol = protocol or usual(submission.record.kind)
    name = suite if isinstance(suite, str) else suite.name
    check_kind(submission.record.kind, protocol, name)
    tasks = _chosen(protocol, only)
    check_installed(name for _, names in protocol.detectors for name in names)
    place = choose_device(device)
    if isinstance(suite, str):
        suite = load_suite(suite, native_size=protocol.native_outlier_size)
    data = suite.fingerprints()
    if "shift" in tasks:
        data[suite.shift_name] = prepare_shifts(suite, seed=protocol.shift_seed, progress=progress)
    model = submission.model.to(place).eval()
    look = cache(lambda: look_at(model, suite.test, protocol, place))
    watchers = _watchers(
        model, suite, protocol, lambda: exhibit(look(), suite.test, protocol, place, progress)
    )
    with torch.backends.cudnn.flags(allow_tf32=False, deterministic=True):
        check_fit(model, suite.name, place)
        case = Case(submission, suite, protocol, place, look, watchers, progress)
        findings = {name: TASKS[name](case) for name in tasks}
    scores = tuple(_in_range(score) for found in findings.values() for score in found.scores)
    if suite.training and any(_fitted(score) for score in scores):
        data[suite.training.name] = suite.training.fingerprint
    run = Run(
        submission=submission.record,
        suite=suite.name,
        limit=suite.limit,
        protocol=protocol.id,
        data=data,
        environment=environment(place, protocol.batch_size),
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - clock, 3),
        flags=submission.flags + (("partial",) if only else ()),
        scores=scores,
    )
    kept = _kept(findings, suite.test.labels)
    return Evaluation(replace(run, flags=run.flags + flags_of(run)), kept)


def _kept(findings: Mapping[str, Findings], labels: np.ndarray) -> dict[str, Outcome]:
    """The outcomes of all tasks, and the labels that make accuracies of them; a flow has none."""
    outcomes = {key: kept for found in findings.values() for key, kept in found.outcomes.items()}
    labelled = outcomes and "likelihood" not in findings
    return outcomes | {TRUTH: true_outcome(labels)} if labelled else outcomes


def _chosen(protocol: Protocol, only: Collection[str]) -> list[str]:
    unknown = sorted(set(only) - set(protocol.tasks))
    if unknown:
        raise BenchError(
            "E-BAD-VALUE", f"tasks: got {unknown}, expected some of {list(protocol.tasks)}"
        )
    return [name for name in protocol.tasks if not only or name in only]


def _watchers(
    model: Normalised, suite: Suite, protocol: Protocol, clean: Callable[[], Exhibit]
) -> dict[str, Watcher]:
    """Every detector of the protocol; each is fitted when a task first asks for it."""
    sample = None
    if suite.training:
        order = np.random.default_rng(0).permutation(len(suite.training.labels))
        sample = drawn(suite.training, order, protocol.fit_images)
    known = Known(model, sample, suite.spec.augment, protocol.sensitivity_batch, protocol.viewed)
    names = {name for _, names in protocol.detectors for name in names}
    return {name: Watcher(partial(DETECTORS[name], known), clean) for name in names}


def _fitted(score: Score) -> bool:
    """Whether it is of a detector that training images were shown to."""
    return score.detector not in (None, *BY_EVIDENCE) and score.reason != "not_run"


def check_kind(kind: str, protocol: Protocol, suite: str) -> None:
    """Whether a kind of submission can be scored by a protocol on a suite.

    Raises:
        BenchError: E-BAD-VALUE for a flow by a protocol of classes, or the other way round, or
            for another kind on a suite without classes; E-UNKNOWN-SUITE.
    """
    check_classes(suite, kind)
    if (kind == "flow") != ("likelihood" in protocol.tasks):
        raise BenchError(
            "E-BAD-VALUE",
            f"preset: got {protocol.preset} for a {kind}; a flow, which gives images a density, is "
            "scored by the preset flows, and nothing else is",
        )


def check_fit(model: nn.Module, suite: str, device: torch.device) -> None:
    """One image through the model: does it take the suite's images and know its classes?

    Of a flow, does it answer with one density?

    Raises:
        BenchError: E-BAD-OUTPUT if not.
    """
    spec = suite_spec(suite)
    expected = (1,) if kind_of(model) == "flow" else (1, spec.classes)
    try:
        with torch.inference_mode():
            answer = tuple(model(torch.zeros(1, *spec.shape, device=device)).shape)
    except Exception as error:  # a network may be anybody's module
        raise BenchError(
            "E-BAD-OUTPUT",
            f"the model does not take images of shape {spec.shape} ({error}); "
            f"is {suite} the right --suite?",
        ) from error
    if answer != expected:
        raise BenchError(
            "E-BAD-OUTPUT",
            f"the model answers one image with shape {answer}, expected {expected}; "
            f"is {suite} the right --suite?",
        )


def _in_range(score: Score) -> Score:
    metric = METRICS[score.metric]
    if score.value is not None and not metric.low <= score.value <= metric.high:
        raise ArithmeticError(f"{score}: expected a value in [{metric.low}, {metric.high}]")
    return score
