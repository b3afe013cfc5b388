"""What the visitor can turn to: widgets and layout. Each file has one function `show(view)`."""

from collections.abc import Callable, Mapping

from leaderboard.tabs import (
    board,
    compare,
    corruptions,
    curves,
    detectors,
    efficiency,
    likelihood,
    pareto,
    submission,
    weights,
)
from leaderboard.view import View

TABS: Mapping[str, Callable[[View], None]] = {
    "Board": board.show,
    "Curves": curves.show,
    "Pareto": pareto.show,
    "Corruptions": corruptions.show,
    "Detectors": detectors.show,
    "Efficiency": efficiency.show,
    "Likelihood": likelihood.show,
    "Weights": weights.show,
    "Submission": submission.show,
    "Compare": compare.show,
}
