"""Opening a store: SQLite settings that survive a power cut, and the schema's migrations."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from types import TracebackType

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from bench.errors import BenchError
from bench.store.headlines import make_anew

MIGRATIONS = Path(__file__).parent / "migrations"
PRAGMAS = (
    "journal_mode=TRUNCATE",  # write-ahead logging loses data in SQLite before 3.51.3
    "synchronous=EXTRA",
    "foreign_keys=ON",
    "mmap_size=0",
    "trusted_schema=OFF",
)
PATIENCE = {True: 3_000, False: 30_000}  # milliseconds for another's write: of readers, of writers
TIMEOUTS = {  # of PostgreSQL, so that a writer that vanished holds nobody up for hours
    "connect_timeout": 10,
    "options": "-c lock_timeout=30s -c idle_in_transaction_session_timeout=60s",
}
UPGRADING = Lock()  # Alembic keeps in a global what it is at
ONE_AT_A_TIME = 20221128  # number of PostgreSQL's lock for a change of the schema


class Store:
    """An open store; close it, or use it in a `with` statement.

    Args:
        engine: Of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction; what the database cannot give is E-NO-STORE."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _not_opened(str(self.engine.url), error) from error

    @contextmanager
    def writing(self, *tables: str) -> Iterator[Connection]:
        """A transaction that takes its turn among the writers of some tables.

        What the database cannot do now, as it is full or gone, is E-NO-STORE.
        """
        try:
            with self.engine.begin() as connection:
                if connection.dialect.name == "postgresql":  # SQLite's writers take turns anyway
                    names = ", ".join(tables)
                    connection.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
                yield connection
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise _not_opened(str(self.engine.url), error) from error

    def close(self) -> None:
        """Gives the connections back."""
        self.engine.dispose()


def open_store(url: str, *, readonly: bool = False) -> Store:
    """Opens a store and brings its schema up to date; a new SQLite file is made.

    Before it changes the schema of a SQLite file, a copy is left beside it: `bench.db` of schema
    0001 as `bench.db.schema-0001`. Rows stay as they are; killed in between, the old file stands.

    Args:
        url: As SQLAlchemy spells it, e.g. `sqlite:///bench.db`.
        readonly: For reading only: no store is made, and one that is up to date is not written.

    Returns:
        The open store.

    Raises:
        BenchError: E-NO-STORE if it cannot be opened, E-STORE-SCHEMA if a newer program wrote it.
    """
    place = _place(url)
    shown = str(place)  # SQLAlchemy hides the password
    try:
        _check_place(shown, place, readonly)
        engine = _engine(place, readonly, Path.cwd())
        if not _brought_up_to_date(engine, readonly):
            with open_store(url):
                pass
    except (SQLAlchemyError, sqlite3.Error, ImportError, OSError) as error:
        raise _not_opened(shown, error) from error
    return Store(engine)


def shown_url(url: str) -> str:
    """A URL without its password."""
    return str(_place(url))  # SQLAlchemy hides it


def is_there(url: str | URL) -> bool:
    """Whether there is anything to open: the file of a SQLite store may not be there yet."""
    place = _place(url)
    return place.get_backend_name() != "sqlite" or Path(str(place.database)).is_file()


def _place(url: str | URL) -> URL:
    try:
        return make_url(url)
    except (SQLAlchemyError, ValueError) as error:
        raise _not_opened(re.sub("://?.*@", "://***@", str(url)), error) from error


def _not_opened(shown: str, error: Exception) -> BenchError:
    reason = str(error).splitlines()[0]
    if "database is locked" in reason:
        what = "another program is writing to it; try again when that has ended"
        return BenchError("E-NO-STORE", f"{shown}: {what}")
    if "disk is full" in reason or "No space left" in reason:
        return BenchError("E-DISK-FULL", f"{shown}: nothing more can be written; make room")
    return BenchError(
        "E-NO-STORE",
        f"{shown}: cannot be opened as a store ({reason}); expected a URL such as "
        "sqlite:///bench.db",
    )


def _check_place(shown: str, place: URL, readonly: bool) -> None:
    if place.get_backend_name() != "sqlite":
        return
    if place.database in (None, "", ":memory:"):
        raise BenchError("E-NO-STORE", f"{shown}: keeps nothing; expected a file")
    path = Path(str(place.database))
    if readonly and not is_there(place):
        raise BenchError("E-NO-STORE", f"{shown}: no such file; `bench evaluate` makes one")
    if not path.parent.is_dir():
        raise BenchError("E-NO-STORE", f"{shown}: there is no folder {path.parent}")


@lru_cache(maxsize=16)  # an engine keeps the statements that it has compiled, but no connection
def _engine(place: URL, readonly: bool, folder: Path) -> Engine:
    """Of a database; a relative path is one from the folder."""
    settings = TIMEOUTS if place.get_backend_name() == "postgresql" else {}
    engine = sa.create_engine(place, poolclass=NullPool, connect_args=settings)
    if place.get_backend_name() == "sqlite":
        _settle_sqlite(engine, readonly)
    return engine


def _settle_sqlite(engine: Engine, readonly: bool) -> None:
    """Durable settings, and transactions that begin when SQLAlchemy says so."""

    def connected(connection: object, _: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # sqlite3's own
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(f"PRAGMA busy_timeout={PATIENCE[readonly]}")
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        if readonly:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    def began(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)


def _brought_up_to_date(engine: Engine, readonly: bool) -> bool:
    """Makes the schema the newest, unless it is only read; whether it is."""
    known = _schemas()
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql" and not readonly:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
        present = MigrationContext.configure(connection).get_current_revision()
        if present is not None and present not in known:
            raise BenchError(
                "E-STORE-SCHEMA",
                f"{engine.url}: has schema {present}, this program knows {known}; "
                "use the program that wrote it, or a newer one",
            )
        if present is None and readonly:
            raise BenchError(
                "E-NO-STORE",
                f"{engine.url}: a database without a store's tables; `bench evaluate` adds them",
            )
        if readonly:
            return present == known[0]
        if present != known[0]:
            if present and connection.dialect.name == "sqlite":
                _back_up(Path(str(engine.url.database)), present)
            config = _config()
            config.attributes["connection"] = connection
            with UPGRADING:
                command.upgrade(config, "head")
        make_anew(connection)
        return True


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


@cache
def _schemas() -> list[str]:
    """Those that this program knows, from the newest."""
    return [each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()]


def _back_up(path: Path, schema: str) -> None:
    """A copy of a SQLite file beside it, whole or not at all."""
    target = path.with_name(f"{path.name}.schema-{schema}")
    half = target.with_name(f".{target.name}.half")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(half)) as copy:
        source.backup(copy)
    with half.open("rb") as stream:
        os.fsync(stream.fileno())
    half.replace(target)
