"""What the visitor can turn to: widgets and layout. Each file has one function `show(view)`."""

from collections.abc import Callable, Mapping

from leaderboard.tabs import board, submission
from leaderboard.view import View

TABS: Mapping[str, Callable[[View], None]] = {
    "Board": board.show,
    "Submission": submission.show,
}
