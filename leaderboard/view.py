"""What the visitor looks at: one comparable group, filtered."""

from dataclasses import dataclass

import pandas as pd

from leaderboard.source import Source


@dataclass(frozen=True, slots=True)
class View:
    """What every page is given. Frames are shared between visitors: never change them.

    Args:
        rows: Rows of `bench.ranking.summary`, indexed by `run_id`, of one comparable group (the
            same suite, limit, protocol and images), after the visitor's filters; at least one.
        group: The same before the filters, or those of one recipe: dense references are looked
            for here.
        to_dense: Whether the visitor wants numbers relative to dense.
        source: Where scores, records and outcomes are read.
    """

    rows: pd.DataFrame
    group: pd.DataFrame
    to_dense: bool
    source: Source

    @property
    def suite(self) -> str:
        """Suite of all runs of the group."""
        return str(self.group["suite"].iloc[0])

    def scores(self, **conditions: object) -> pd.DataFrame:
        """`bench.store.score_frame` of the filtered runs and of the group's dense ones.

        Runs without such a score have no row.

        Args:
            conditions: Only scores with these values, e.g. `task="shift", severity=5`.
        """
        return self.source.scores(self.ids(), **conditions)

    def wide(self, by: tuple[str, ...], **conditions: object) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The same scores as a column for each value of `by`, and reasons of what is missing."""
        return self.source.wide(self.ids(), by, **conditions)

    def ids(self) -> list[str]:
        """Of the filtered runs and of the group's dense ones."""
        dense = self.group.index[self.group["pruner"] == "dense"]
        return list(self.rows.index.union(dense))
