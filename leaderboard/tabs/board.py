"""The ranking."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from bench import tables
from bench.flags import FLAGS
from bench.headline import HEADLINE, higher_is_better
from bench.legend import CONVENTIONS, explained, head
from bench.protocol import METRICS
from bench.ranking import over_seeds, ranks, usual
from leaderboard.conditions import say_if_missing
from leaderboard.grid import grid, ticked
from leaderboard.ratios import ratios
from leaderboard.view import View
from leaderboard.views.board import board
from leaderboard.views.compared import NO_DENSE, families_of
from leaderboard.views.names import named

RANKED_BY = [column for column in HEADLINE if higher_is_better(column) is not None]
SHOWN = (
    *("accuracy", "fgsm_linf", "fgsm_linf_worst", "fgsm_l2", "shift", "ood_msp", "ood_sensnorm"),
    *("out_of_domain_msp", "brier", "lip_upper_log10", "latency_ratio", "size_bytes"),
)
AT_ONCE = 250  # rows of a page
TESTED = 50  # rows from the best, of which each pair is tested
ROW, TALLEST = 35, 900  # pixels


def show(view: View) -> None:
    """Draws the ranking."""
    by, columns = _columns(view.group)
    st.caption(explained(by, to_dense=view.to_dense))
    _say_recipes(view.rows)
    rows = _rows(view)
    if rows.empty:
        st.info(NO_DENSE)
        return
    of_runs, ranking = rows is view.rows, ranks(rows, by)
    leaders = list(ranking.dropna().index[:TESTED]) if of_runs else []
    tested = view.source.standings(leaders, by) if leaders else None
    table = partial(board, rows, columns=columns, tested=tested)
    part = table(ranking.iloc[_page(len(rows))])
    drawn = partial(ticked, key="ranking") if of_runs else grid
    runs = drawn(
        part,
        height=min(ROW * (len(part) + 1) + 3, TALLEST),
        column_config=_config(part, view.to_dense),
        alt=f"Ranking by {HEADLINE[by].title}",
    )
    _ways(view, runs or [])
    for flag in dict.fromkeys(" ".join(part.get("flags", [])).split()):
        if flag in FLAGS:  # any other word is a stranger's, and shown in the table alone
            st.text(f"{flag}: {FLAGS[flag].meaning}.")
    _exports(partial(table, ranking))
    st.caption(CONVENTIONS)


def _rows(view: View) -> pd.DataFrame:
    """What is ranked: the runs, or their means or ratios."""
    families = ratios(view) if view.to_dense else _means(view)
    return view.rows if families is None else families_of(view.rows, families)


def _say_recipes(rows: pd.DataFrame) -> None:
    """Says where longer and shorter trainings stand in one ranking."""
    if (recipes := rows["recipe"].nunique()) > 1:
        st.caption(f"Of {recipes} training recipes: a filter on the left shows one alone.")


def _means(view: View) -> pd.DataFrame | None:
    """A row for each network and sparsity instead of one for each seed, if the visitor wants."""
    if view.rows["seed"].nunique() < 2:
        return None
    wanted = st.toggle(
        "Means over seeds",
        key="means",
        bind="query-params",
        help="One row for all seeds of a pruner at a sparsity, with the deviation over them. "
        "Chance is told from difference by single runs.",
    )
    if not wanted:
        return None
    told = view.rows.dropna(subset=["seed", "pruner"])
    if left := len(view.rows) - len(told):
        st.caption(f"{left} runs that do not declare their seed and pruner are left out.")
    return over_seeds(told, list(HEADLINE))


def _ways(view: View, runs: list[str]) -> None:
    """Links from the ticked rows to the tabs that are about them; each keeps the filters."""
    names = named(view.rows.loc[runs])
    labels = [names[run] for run in runs]
    if len(labels) == 1:
        _link("Open the run", tab="Submission", run=labels[0])
    elif labels:
        _link("Compare the runs", tab="Compare", compared=labels)


def _link(title: str, **choices: str | list[str]) -> None:
    kept = {key: st.query_params.get_all(key) for key in st.query_params}
    st.link_button(title, f"?{urlencode({**kept, **choices}, doseq=True)}")


def _columns(group: pd.DataFrame) -> tuple[str, list[str]]:
    """By what is ranked, and all numbers that are shown, that one first."""
    left, right = st.columns([1, 2])
    title = {column: told.title for column, told in HEADLINE.items()}.__getitem__
    there = [column for column in RANKED_BY if group[column].notna().any()] or RANKED_BY
    best = usual(group)
    first = there.index(best) if best in there else 0
    say_if_missing("by", list(map(title, there)))
    by = left.selectbox("Rank by", there, first, format_func=title, key="by", bind="query-params")
    columns = right.multiselect(
        "Columns", list(HEADLINE), SHOWN, format_func=title, key="columns", bind="query-params"
    )
    return str(by), list(dict.fromkeys([by, *columns]))


def _page(rows: int) -> slice:
    """The rows that are sent; the rest is a click away."""
    pages = -(-rows // AT_ONCE)
    if pages == 1:
        return slice(rows)
    number = st.number_input(
        f"Page of {pages}, {AT_ONCE} rows each", 1, pages, key="page", bind="query-params"
    )
    return slice((int(number) - 1) * AT_ONCE, int(number) * AT_ONCE)


def _config(table: pd.DataFrame, to_dense: bool) -> dict[str, Any]:
    """Titles, the end that is better, number formats, and what each column means."""
    number, words = st.column_config.NumberColumn, st.column_config.TextColumn
    config: dict[str, Any] = {
        "rank": number("#", width="small", help="Equal values share the better rank.", pinned=True),
        "tie": number(
            help="Equal numbers: chance does not tell the run from the best with this number.",
        ),
        "between": words(
            "ranks",
            help="Ranks that are possible, at 95 % for all pairs together (Holm). Only the best "
            f"{TESTED} are tested: + is that rank or a lower one.",
        ),
        "slug": words("name", pinned=True),
        "sparsity": number(format="%.3f", help="Share of weights that are zero or gone, measured."),
        "seeds": number(help="Seeds behind the mean."),
        "trust": words(help="Who made the run: the owner, the project's CI or a maintainer."),
        "missing": words(help="Why a number is not there."),
        "flags": words(help="What a reader has to know; each is explained below the table."),
    }
    if "slug" not in table:
        config["pruner"] = words(pinned=True)
    for column in HEADLINE:
        told = explained(column, to_dense=to_dense)
        large = not to_dense and METRICS[HEADLINE[column].metric].high == math.inf
        digits = "%.4g" if large else "%.3f"
        config[column] = number(head(column), help=told, format=digits)
        config[f"{column}_std"] = number("±", help="Deviation over seeds.", format=digits)
    return {column: config[column] for column in table if column in config}


def _exports(whole: Callable[[], pd.DataFrame]) -> None:
    """All rows, as shown, for other programs; made when somebody wants them."""
    with st.popover("Export"):
        for format in tables.FORMATS:
            st.download_button(
                format,
                partial(_written, whole, format),
                f"board.{SUFFIXES.get(format, format)}",
                on_click="ignore",
                key=f"export-{format}",
            )


def _written(whole: Callable[[], pd.DataFrame], format: str) -> bytes:
    return tables.write(whole(), format)


SUFFIXES = {"markdown": "md", "latex": "tex"}
