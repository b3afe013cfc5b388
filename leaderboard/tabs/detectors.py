"""Each detector on each anomaly: the paper's Table 4."""

import pandas as pd
import streamlit as st

from bench.detector_board import SHIFT, detector_board
from bench.headline import HEADLINE
from bench.protocol import METRICS
from bench.records import from_json
from leaderboard.conditions import chosen_batch_size
from leaderboard.grid import grid
from leaderboard.view import View
from leaderboard.views.detectors import BEST, board_cells, mean_board, with_best
from leaderboard.views.heat import heat_map, room, shaded
from leaderboard.views.marks import DENSE
from leaderboard.views.names import named

AREAS = {
    "AUROC": "auroc",
    "AUPR outlier": "aupr_outlier",
    "AUPR in-distribution": "aupr_id",
    "FPR95": "fpr95",
}
MORE = "`bench evaluate MODEL --preset detectors` scores a model by every detector"
OFFERED = 1000


def show(view: View) -> None:
    """Draws the page."""
    offered = _offered(view)
    if not offered:
        st.info(f"No run here was scored by a detector. {MORE}.")
        return
    with st.container(horizontal=True):
        runs = _chosen(offered)
        size = chosen_batch_size(view)
        area = st.segmented_control(
            "Value", list(AREAS), default="AUROC", key="area", required=True, bind="query-params"
        )
    metric = METRICS[AREAS[str(area)]]
    meaning = metric.meaning[0].upper() + metric.meaning[1:]
    up = bool(metric.higher_is_better)
    several = f", mean over {len(runs)} runs" if len(runs) > 1 else ""
    st.caption(
        f"{meaning}{several}. {'Higher' if up else 'Lower'} is better (bluer); {BEST} is "
        f"the best of a column; {SHIFT}: mean over the corruptions at the highest severity."
    )
    st.text("; ".join(offered[run] for run in runs))
    records = [from_json(view.source.entry(run).record) for run in runs]
    board = mean_board([detector_board(record, AREAS[str(area)]) for record in records])
    cells = board_cells(board, size)
    if cells.empty:
        st.info(f"These runs have no such number for {size} images a score: choose other ones.")
        return
    if cells["row"].nunique() == 1:
        st.info(f"There is one detector only. {MORE}, under a protocol of its own.")
    _draw(cells, board, higher_is_better=up)


def _offered(view: View) -> dict[str, str]:
    """Id -> name of the runs that a detector scored: dense and most detectors first."""
    outliers = [name for name, column in HEADLINE.items() if column.task == "outliers"]
    counts = view.rows[outliers].notna().sum(axis=1)
    runs = view.rows.assign(detectors=counts, sparse=view.rows["pruner"] != DENSE)[counts > 0]
    order = runs.sort_values(["sparse", "detectors", "seed"], ascending=[True, False, True]).index
    names = named(runs)
    return {str(run): names[run] for run in order[:OFFERED]}


def _chosen(offered: dict[str, str]) -> list[str]:
    """Ids of the runs that the visitor picks; of the first if none."""
    picked = st.multiselect(
        "Runs",
        list(offered),
        format_func=offered.__getitem__,
        key="runs",
        bind="query-params",
        placeholder="dense, most detectors",
        max_selections=50,
        width=420,
    )
    return picked or list(offered)[:1]


def _draw(cells: pd.DataFrame, board: pd.DataFrame, *, higher_is_better: bool) -> None:
    told = ["row", "column", "value"]
    starred = with_best(
        shaded(cells, higher_is_better=higher_is_better, centre=None),
        higher_is_better=higher_is_better,
    )
    with st.container(height=room(cells), border=False):  # scrolls sideways where it must
        st.altair_chart(
            heat_map(starred, diverging=False, told=told, cell=52),
            width="content",
            alt="Rows of detectors by columns of anomalies. The table below has the same numbers.",
        )
    with st.expander("The same as a table, for every number of images"):
        grid(board.reset_index(), alt="The heat map as a table")
