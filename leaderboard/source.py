"""What the pages read: the visitor's store and the runs that the project ships, together.

Frames are kept between clicks and visitors until a row is added; whoever gets one must not change
it. They are found again by ids that are one text: Streamlit hashes ten thousand in 0.1 s.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from bench.answers import needed
from bench.headline import HEADLINE
from bench.legend import groups
from bench.ranking import summary
from bench.records import TRUST
from bench.standings import standings
from bench.store import (
    Entry,
    Outcome,
    Store,
    head,
    load_entry,
    load_outcomes,
    open_store,
    run_frame,
    score_frame,
    with_outcomes,
)
from leaderboard.views.series import reasons, wide


@dataclass(frozen=True, slots=True)
class Source:
    """Stores that are read as one.

    Args:
        urls: Of the stores; where two have a run, that of more trust counts, and of as much that
            of the first. Answers to images are those of the first that keeps any.
        heads: Of each store, the hash of its last row.
    """

    urls: tuple[str, ...]
    heads: tuple[str, ...]

    def runs(self) -> pd.DataFrame:
        """`bench.ranking.summary` of all runs."""
        return _runs(self).table

    def groups(self) -> dict[str, pd.DataFrame]:
        """The same by comparable group, named; those with most runs of the first store first."""
        return _groups(self)

    def scores(self, ids: Sequence[str], **conditions: object) -> pd.DataFrame:
        """`bench.store.score_frame` of runs; one without such a score has no row.

        Args:
            ids: Of the runs.
            conditions: Only scores with these values, e.g. `task="shift", severity=5`.
        """
        return _scores(self, " ".join(ids), tuple(sorted(conditions.items())))

    def wide(
        self, ids: Sequence[str], by: tuple[str, ...], **conditions: object
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """`views.series.wide` of the same scores, and `reasons` of what is missing."""
        return _wide(self, " ".join(ids), by, tuple(sorted(conditions.items())))

    def standings(self, ids: Sequence[str], column: str) -> pd.DataFrame:
        """`bench.standings.standings` of runs of one group on a headline number."""
        return _standings(self, tuple(ids), column)

    def entry(self, run_id: str) -> Entry:
        """A run as it is written, with its place in the ledger."""
        with open_store(self.home(run_id), readonly=True) as store:
            return load_entry(store, run_id)

    def outcomes(self, run_id: str) -> Mapping[str, Outcome]:
        """Answers of a run to every image, by set; none where no store keeps any."""
        return _outcomes(self, run_id)

    def home(self, run_id: str) -> str:
        """URL of the store that has the run with the most trust."""
        return self.urls[_runs(self).home[run_id]]


def opened(urls: tuple[str, ...]) -> Source:
    """A source of stores as they are now.

    Raises:
        BenchError: E-NO-STORE, E-STORE-SCHEMA.
    """
    heads = []
    for url in urls:
        with open_store(url, readonly=True) as store:
            heads.append(head(store))
    return Source(urls, tuple(heads))


def joined(sources: Sequence[Source]) -> Source:
    """Several sources read as one."""
    urls = tuple(url for source in sources for url in source.urls)
    return Source(urls, tuple(head for source in sources for head in source.heads))


class Runs(NamedTuple):
    """All runs of a source.

    Args:
        table: Their summary.
        home: For each which of the stores it is of.
        first: Ids of those that the first store has, be they of another or not.
    """

    table: pd.DataFrame
    home: pd.Series
    first: pd.Index


@st.cache_resource(max_entries=4, show_spinner="Reading the runs …")
def _runs(source: Source) -> Runs:
    frames = []
    for number, url in enumerate(source.urls):
        with open_store(url, readonly=True) as store:
            frames.append(run_frame(store).assign(store=number))
    both = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    trust = both["trust"].map(TRUST.index)
    runs = both.iloc[(-trust).argsort(kind="stable")].drop_duplicates("run_id")
    home = runs.set_index("run_id")["store"]
    return Runs(summary(runs), home, pd.Index(frames[0]["run_id"]))


@st.cache_resource(max_entries=4, show_spinner=False)
def _groups(source: Source) -> dict[str, pd.DataFrame]:
    runs = _runs(source)
    return groups(runs.table, runs.first)


@st.cache_resource(max_entries=8, show_spinner="Reading the scores …")
def _scores(source: Source, ids: str, conditions: tuple[tuple[str, Any], ...]) -> pd.DataFrame:
    home = _runs(source).home.reindex(ids.split())
    frames: list[pd.DataFrame] = []
    for number, url in enumerate(source.urls):
        own = list(home.index[home == number])
        if own or not frames:  # columns come from the first, whatever it has
            with open_store(url, readonly=True) as store:
                found = score_frame(store, ids=own, **dict(conditions))
            frames.append(found.dropna(subset=["task"]))
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)


@st.cache_resource(max_entries=8, show_spinner=False)
def _wide(
    source: Source,
    ids: str,
    by: tuple[str, ...],
    conditions: tuple[tuple[str, Any], ...],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores = _scores(source, ids, conditions)
    return wide(scores, by), reasons(scores, by)


@st.cache_resource(max_entries=64, show_spinner="Testing the differences …")
def _standings(source: Source, ids: tuple[str, ...], column: str) -> pd.DataFrame:
    rows = source.runs().loc[list(ids)]
    scores = source.scores(ids, task=("clean", HEADLINE[column].task))
    wanted = needed(column, str(rows["suite"].iloc[0]))
    with ExitStack() as stack:
        kept: dict[str, Store] = {}
        for url in reversed(source.urls):
            store = stack.enter_context(open_store(url, readonly=True))
            kept |= dict.fromkeys(with_outcomes(store, list(ids)), store)

        def outcomes(run_id: str) -> Mapping[str, Outcome]:
            return load_outcomes(kept[run_id], run_id, wanted) if run_id in kept else {}

        return standings(rows, column, outcomes, scores)


@st.cache_resource(max_entries=16, show_spinner=False)
def _outcomes(source: Source, run_id: str) -> Mapping[str, Outcome]:
    for url in source.urls:
        with open_store(url, readonly=True) as store:
            if with_outcomes(store, [run_id]):
                return load_outcomes(store, run_id)
    return {}
