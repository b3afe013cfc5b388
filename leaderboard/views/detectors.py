"""Which detector finds which anomaly: DataFrame in, DataFrame out (the paper's Table 4)."""

from collections.abc import Sequence

import pandas as pd

BEST = "★"


def mean_board(boards: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean of several `bench.detector_board.detector_board`; NaN where one of them has none."""
    total = boards[0]
    for board in boards[1:]:
        rows = total.index.append(board.index.difference(total.index, sort=False))
        columns = list(dict.fromkeys([*total, *board]))
        total = total.reindex(rows, columns=columns) + board.reindex(rows, columns=columns)
    return total / len(boards)


def board_cells(board: pd.DataFrame, batch_size: int) -> pd.DataFrame:
    """A cell for each detector and anomaly.

    Args:
        board: What `mean_board` returns.
        batch_size: Images a score.

    Returns:
        `row` (the detector), `column` (the anomaly), `value`.
    """
    sizes = board.index.get_level_values("batch_size")
    part = board[sizes == batch_size].droplevel("batch_size").dropna(axis="columns", how="all")
    long = part.rename_axis("row").reset_index()
    return long.melt("row", var_name="column", value_name="value")


def with_best(cells: pd.DataFrame, *, higher_is_better: bool) -> pd.DataFrame:
    """The cells with a star before the text of the best of each column that has several."""
    grouped = cells.groupby("column")["value"]
    best = grouped.transform("max" if higher_is_better else "min")
    starred = (cells["value"] == best) & (grouped.transform("count") > 1)
    return cells.assign(text=cells["text"].where(~starred, BEST + " " + cells["text"]))
