"""Detectors: name -> what makes one ready for a model; higher scores are more anomalous."""

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from bench.detectors.gradnorm import gradnorm
from bench.detectors.known import Known, drawn
from bench.detectors.msp import msp
from bench.detectors.ood import WIDE, check_installed
from bench.detectors.sensnorm import sensnorm
from bench.inference import Detector, Evidence
from bench.sensitivity import VARIANTS

BY_EVIDENCE: Mapping[str, Callable[[Evidence, int], Tensor]] = {"msp": msp, "gradnorm": gradnorm}


def _by_evidence(score: Callable[[Evidence, int], Tensor]) -> Callable[[Known], Detector]:
    """A detector that nothing has to be known for."""
    return lambda _: lambda exhibit, batch_size: score(exhibit.evidence, batch_size)


DETECTORS: Mapping[str, Callable[[Known], Detector]] = {
    **{name: _by_evidence(score) for name, score in BY_EVIDENCE.items()},
    **{name: partial(sensnorm, options=options) for name, options in VARIANTS.items()},
    **WIDE,
}

__all__ = ["BY_EVIDENCE", "DETECTORS", "Known", "check_installed", "drawn"]
