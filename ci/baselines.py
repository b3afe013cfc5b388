"""The README's table of the grid: the baselines of one sparsity beside dense."""

import pandas as pd

from bench.legend import head
from bench.ranking import rank
from bench.sweep.grid import read_grid
from bench.tables import markdown
from ci.figures import COLUMNS, means
from ci.grid import GRID, SPARSITIES, TIMES, names
from ci.shipped import grid_runs, where
from leaderboard.shipped import SUBMISSIONS


def grid() -> str:
    """What was run and how long it took, and the best first."""
    runs = grid_runs()
    rows = means(runs)
    rows = rows[rows["declared_sparsity"].isin(SPARSITIES)]
    hours = pd.read_csv(SUBMISSIONS / TIMES)["seconds"].sum() / 3600
    said = (
        f"{len(runs)} of the grid's {len(names(read_grid(GRID)))} networks, made and scored in "
        f"{hours:.1f} hours of one core, attempts that were interrupted not counted."
    )
    return f"{where(runs)} {said}\n\n{markdown(_shown(rank(rows, COLUMNS[0])))}"


def _shown(ranked: pd.DataFrame) -> pd.DataFrame:
    shown = ranked[["pruner", "moment"]].astype(object).fillna("–")
    for column in COLUMNS:
        pairs = zip(ranked[column], ranked[f"{column}_std"], strict=True)
        shown[head(column)] = [_said(mean, std) for mean, std in pairs]
    return shown


def _said(mean: float, std: float) -> str:
    """Of one seed the mean alone."""
    return f"{mean:.3f}" if pd.isna(std) else f"{mean:.3f} ± {std:.3f}"
