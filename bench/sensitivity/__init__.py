"""SensNorm: how far the weights' sensitivity to a batch is from that to the training set.

`statistics` looks at the training batches, `scores` at those in question; `cached` keeps the
former, `views` makes batches out of single images, `slopes` is the gradient work of all.
"""

from bench.sensitivity.cached import cached_statistics
from bench.sensitivity.options import AUTHORS, CROSS_ENTROPY, STANDARD, VARIANTS, Options
from bench.sensitivity.scores import sensitivity_scores
from bench.sensitivity.statistics import Statistics, training_statistics
from bench.sensitivity.views import LEARNED, VIEWS, WIDER, Views, eleven_views, with_views

__all__ = [
    "AUTHORS",
    "CROSS_ENTROPY",
    "LEARNED",
    "STANDARD",
    "VARIANTS",
    "VIEWS",
    "WIDER",
    "Options",
    "Statistics",
    "Views",
    "cached_statistics",
    "eleven_views",
    "sensitivity_scores",
    "training_statistics",
    "with_views",
]
