"""How probable a density model finds the test images, and whether others are less so."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bench.data import ImageSet
from bench.detection import DETECTION, compared
from bench.errors import BenchError
from bench.inference import Case, Findings, batches
from bench.metric_meanings import QUANTILES
from bench.models.glow import bits_per_dimension, flows_within
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
        found[images.name] = _log_densities(case, images)
        scores += _spread(case, images.name, found[images.name])
        case.progress("likelihood", done, len(sets))
    inside = found[case.suite.test.name]
    for name in case.suite.outliers:
        scores += compared(Score.about("likelihood", name), -inside, -found[name])
    for name in case.suite.missing:
        scores += [replace(Score.about("likelihood", name), metric=metric) for metric in DETECTION]
    return Findings(scores, {name: _outcome(values) for name, values in found.items()})


@torch.inference_mode()
def _log_densities(case: Case, images: ImageSet) -> Tensor:
    """(N,) float32 in nats, on the CPU.

    Raises:
        BenchError: E-BAD-OUTPUT if one is not finite.
    """
    stream = batches(images.images, case.protocol.batch_size, case.device)
    found = torch.cat([case.submission.model(batch).float().cpu() for batch in stream])
    if not found.isfinite().all():
        raise BenchError(
            "E-BAD-OUTPUT", f"the log-densities of {images.name} are not all finite numbers"
        )
    return found


def _spread(case: Case, name: str, values: Tensor) -> list[Score]:
    """Mean and quantiles of the log-densities of a set."""
    about, n, exact = Score.about("likelihood", name), len(values), values.double()
    mean, error = float(exact.mean()), float(exact.std(correction=1)) / n**0.5 if n > 1 else None
    (flow,) = flows_within(case.submission.model)
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
