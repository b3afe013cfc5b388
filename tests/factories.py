"""Runs made by hand for tests of the store, the ranking and the page."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from bench.protocol import PROTOCOL, Protocol
from bench.ranking import summary
from bench.records import Environment, Run, Score, Submission
from bench.store import open_store, run_frame, save_run

ENVIRONMENT = Environment(
    bench="0.1.0",
    git_commit=None,
    python="3.11",
    torch="2.14",
    device="cpu",
    cpu="test",
    threads=2,
    batch_size=250,
)


def some_scores(accuracy: float = 0.9) -> list[Score]:
    """A few scores of each task, of which all follow from the accuracy."""
    detector = {"detector": "msp", "batch_size": 1}
    scores = [
        Score(task="clean", set="digits", metric="accuracy", value=accuracy, n=597),
        Score(task="clean", set="digits", metric="brier", value=1 - accuracy, n=597),
        Score(task="cost", set="digits", metric="size_bytes", value=1000, n=1),
        Score(task="lipschitz", set="digits", metric="lip_upper_log10", value=3.5, n=1),
        Score(
            task="outliers", set="patches", metric="auroc", value=accuracy - 0.2, n=99, **detector
        ),
        Score(
            task="outliers",
            set="kmnist",
            metric="auroc",
            value=None,
            n=0,
            reason="not_run",
            **detector,
        ),
    ]
    for attack, epsilon in PROTOCOL.attacks:
        scores.append(
            Score(
                task="adversarial",
                set="digits",
                metric="accuracy",
                value=accuracy / 2,
                n=597,
                attack=attack,
                epsilon=epsilon,
            )
        )
    for corruption in PROTOCOL.corruptions:
        for severity in PROTOCOL.severities:
            grey = corruption == "saturate"
            scores.append(
                Score(
                    task="shift",
                    set="digits-c*",
                    metric="accuracy",
                    n=597,
                    value=None if grey else accuracy - severity / 10,
                    reason="not_applicable" if grey else None,
                    corruption=corruption,
                    severity=severity,
                )
            )
    return scores


def some_run(
    *,
    pruner: str = "dense",
    sparsity: float = 0.0,
    seed: int = 1234,
    accuracy: float = 0.9,
    protocol: Protocol = PROTOCOL,
    scores: Iterable[Score] | None = None,
) -> Run:
    """A run on digits whose weights' hash follows from pruner, sparsity and seed."""
    return Run(
        submission=Submission(
            slug=pruner if pruner == "dense" else f"{pruner}-{sparsity:g}",
            kind="classifier",
            architecture="lenet5",
            widths={"conv1": 6},
            weights_sha256=f"{pruner}{sparsity}{seed}".encode().hex().ljust(64, "0")[:64],
            measured_sparsity=sparsity,
            declared_sparsity=sparsity,
            mean=(0.5,),
            std=(0.5,),
            pruner=pruner,
            moment="before",
            scope="global",
            structure="unstructured",
            seed=seed,
            recipe="digits-20",
        ),
        suite="digits",
        limit=None,
        protocol=protocol.id,
        data={"digits": "ab" * 32, "patches": "cd" * 32},
        environment=ENVIRONMENT,
        started="2026-11-23T12:00:00+00:00",
        seconds=1.5,
        scores=tuple(some_scores(accuracy) if scores is None else scores),
    )


def on_other_data(run: Run) -> Run:
    """The same run on other images under the same names."""
    return replace(run, data={**run.data, "digits": "ef" * 32})


def fill(url: str, *runs: Run) -> None:
    """Saves runs that the store at a URL has not."""
    with open_store(url) as store:
        for run in runs:
            assert save_run(store, run)


def summary_of(folder: Path, *runs: Run) -> pd.DataFrame:
    """`bench.ranking.summary` of runs, by way of a store in a folder."""
    url = f"sqlite:///{folder / 'bench.db'}"
    fill(url, *runs)
    with open_store(url) as store:
        return summary(run_frame(store))
