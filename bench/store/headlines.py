"""Headline numbers beside the scores that they follow from: kept, found again, made anew."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.engine import Connection

from bench.headline import VERSION, headline
from bench.records import Score, canonical_json
from bench.store.tables import HEADLINE, RUN, SCORE

Numbers = Mapping[str, float | str]
AT_ONCE = 500  # runs whose scores are read together


def keep(connection: Connection, position: int, scores: Iterable[Score]) -> None:
    """Writes the numbers of a run of the ledger."""
    row = {"run": position, "version": VERSION, "numbers": canonical_json(headline(scores))}
    connection.execute(HEADLINE.insert(), row)


def make_anew(connection: Connection) -> None:
    """Writes what is missing, or was made by another version of the columns."""
    stray = HEADLINE.c.run.not_in(sa.select(RUN.c.position))
    connection.execute(HEADLINE.delete().where(sa.or_(HEADLINE.c.version != VERSION, stray)))
    query = sa.select(RUN.c.position).where(RUN.c.position.not_in(sa.select(HEADLINE.c.run)))
    for position, scores in _scores(connection, connection.scalars(query).all()):
        keep(connection, position, scores)


def numbers_of(connection: Connection, positions: Iterable[int]) -> dict[int, Numbers]:
    """The numbers of runs, read, or for want of that computed."""
    query = sa.select(HEADLINE.c.run, HEADLINE.c.numbers).where(HEADLINE.c.version == VERSION)
    found: dict[int, Numbers] = {
        position: from_json(numbers) for position, numbers in connection.execute(query)
    }
    wanting = [position for position in positions if position not in found]
    return found | {number: headline(scores) for number, scores in _scores(connection, wanting)}


def follow(connection: Connection, position: int, scores: Iterable[Score]) -> bool:
    """Whether the numbers that are kept of a run, if any, are those of its scores."""
    query = sa.select(HEADLINE.c.numbers).where(
        HEADLINE.c.run == position, HEADLINE.c.version == VERSION
    )
    kept = connection.scalar(query)
    return kept is None or kept == canonical_json(headline(scores))


def _scores(connection: Connection, positions: Sequence[int]) -> Iterator[tuple[int, list[Score]]]:
    """Each of the positions with its scores, which may be none."""
    names = [column.name for column in list(SCORE.c)[2:]]
    for first in range(0, len(positions), AT_ONCE):
        some = positions[first : first + AT_ONCE]
        query = sa.select(SCORE).where(SCORE.c.run.in_(some)).order_by(SCORE.c.run)
        rows = connection.execute(query.order_by(SCORE.c.position)).mappings()
        found = {
            position: [Score(**{name: row[name] for name in names}) for row in its]
            for position, its in groupby(rows, key=lambda row: row["run"])
        }
        yield from ((position, found.get(position, [])) for position in some)
