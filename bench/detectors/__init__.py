"""Detectors: name -> outlier scores of consecutive groups of images; higher = more anomalous."""

from collections.abc import Callable, Mapping

from torch import Tensor

from bench.detectors.gradnorm import gradnorm
from bench.detectors.msp import msp
from bench.inference import Evidence

Detector = Callable[[Evidence, int], Tensor]

DETECTORS: Mapping[str, Detector] = {
    "msp": msp,
    "gradnorm": gradnorm,
}

__all__ = ["DETECTORS", "Detector"]
