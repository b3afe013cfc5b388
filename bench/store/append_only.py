"""Triggers that refuse to change or delete a row: a correction is a row of its own.

They stop programs and slips. Whoever owns the file can drop them; the chain then tells.
"""

from collections.abc import Mapping

from sqlalchemy.engine import Connection

KEYS: Mapping[str, tuple[str, ...]] = {
    "run": ("position",),
    "score": ("run", "position"),
    "outcome": ("run", "key"),
}
MESSAGE = "the store is append-only, a correction is a new row"

_SQLITE = {
    f"{table}_no_{action}": f"CREATE TRIGGER {table}_no_{action} BEFORE {action.upper()} "
    f"ON {table} BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    for table in KEYS
    for action in ("update", "delete")
} | {  # INSERT OR REPLACE deletes without a trigger for it
    f"{table}_no_replace": f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
    f"WHEN EXISTS (SELECT 1 FROM {table} WHERE "
    + " AND ".join(f"{key} = NEW.{key}" for key in keys)
    + f") BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    for table, keys in KEYS.items()
}
_FUNCTION = (
    "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{MESSAGE}'; END $$"
)
_POSTGRESQL = {
    f"{table}_no_{name}": f"CREATE TRIGGER {table}_no_{name} BEFORE {actions} ON {table} "
    f"FOR EACH {what} EXECUTE FUNCTION append_only()"
    for table in KEYS
    for name, actions, what in (
        ("change", "UPDATE OR DELETE", "ROW"),
        ("truncate", "TRUNCATE", "STATEMENT"),
    )
}


def add_triggers(connection: Connection) -> None:
    """Makes the tables of a store append-only, in SQLite and PostgreSQL."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_FUNCTION)
    for statement in _triggers(connection).values():
        connection.exec_driver_sql(statement)


def missing_triggers(connection: Connection) -> list[str]:
    """Names of the triggers that are gone or were replaced by others."""
    if connection.dialect.name == "postgresql":
        query = "SELECT tgname FROM pg_trigger WHERE tgenabled = 'O'"
        present = set(connection.exec_driver_sql(query).scalars())
        return [name for name in _POSTGRESQL if name not in present]
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    present = {tuple(row) for row in connection.exec_driver_sql(query)}
    return [name for name, sql in _SQLITE.items() if (name, sql) not in present]


def _triggers(connection: Connection) -> Mapping[str, str]:
    return _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE
