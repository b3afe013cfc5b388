"""How probable a density model finds the test images, and whether others are less so."""

from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from bench.detection import DETECTION, compared
from bench.inference import Case, Findings, batches
from bench.metric_meanings import QUANTILES
from bench.models.glow import Glow, bits_per_dimension, flow_of, log_densities
from bench.records import Score
from bench.store import Outcome


def likelihood(case: Case) -> Findings:
    """Log-densities of the test set and of each outlier set, and the AUROC of −log-density.

    A set that is not on this machine gives rows with the reason `not_run`.

    References:
        Ayle et al., 2022, section 5.3 and Figure 4.
    """
    sets = [case.suite.test, *case.suite.outliers.values()]
    scores, found = [], {}
    for done, images in enumerate(sets, start=1):
        stream = batches(images.images, case.protocol.batch_size, case.device)
        found[images.name] = log_densities(case.submission.model, stream, images.name)
        scores += _spread(case, images.name, found[images.name])
        case.progress("likelihood", done, len(sets))
    inside = found[case.suite.test.name]
    for name in case.suite.outliers:
        scores += compared(Score.about("likelihood", name), -inside, -found[name])
    for name in case.suite.missing:
        scores += [replace(Score.about("likelihood", name), metric=metric) for metric in DETECTION]
    return Findings(scores, {name: _outcome(values) for name, values in found.items()})


def _spread(case: Case, name: str, values: Tensor) -> list[Score]:
    """Mean and quantiles of the log-densities of a set."""
    about, n, exact = Score.about("likelihood", name), len(values), values.double()
    mean, error = float(exact.mean()), float(exact.std(correction=1)) / n**0.5 if n > 1 else None
    flow = cast(Glow, flow_of(case.submission.model))
    quantiles = torch.quantile(exact, torch.tensor(list(QUANTILES.values()), dtype=exact.dtype))
    return [
        about.measured("log_density", mean, n, error),
        about.measured("bits_per_dim", bits_per_dimension(mean, flow.dimensions), n),
        *(
            about.measured(metric, value, n)
            for metric, value in zip(QUANTILES, quantiles.tolist(), strict=True)
        ),
    ]


def _outcome(values: Tensor) -> Outcome:
    return Outcome(predicted=np.zeros(len(values), np.uint16), confidence=values.numpy())
