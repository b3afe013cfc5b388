"""The table of runs becomes a ledger: numbered, chained, append-only."""

import json

import sqlalchemy as sa
from alembic import op

from bench.store.append_only import add_triggers
from bench.store.chain import GENESIS, row_hash, rows_digest

revision = "0002"
down_revision = "0001"

SCORE_COLUMNS = (
    "position",
    "task",
    "set",
    "metric",
    "value",
    "n",
    "attack",
    "epsilon",
    "corruption",
    "severity",
    "detector",
    "batch_size",
    "stderr",
    "reason",
)
OUTCOME_COLUMNS = ("key", "n", "content")


def upgrade() -> None:
    connection = op.get_bind()
    op.drop_index("ix_run_suite", "run")
    op.drop_index("ix_run_protocol_sha256", "run")
    for name in ("run", "score", "outcome"):
        op.rename_table(name, f"old_{name}")
    _create_run()
    _create_score()
    op.create_table(
        "outcome",
        _run_column(),
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    _copy(connection)
    for name in ("outcome", "score", "run"):
        op.drop_table(f"old_{name}")
    add_triggers(connection)


def _create_run() -> None:
    op.create_table(
        "run",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.String(16), nullable=False),
        sa.Column("suite", sa.String(64), nullable=False),
        sa.Column("protocol_sha256", sa.String(64), nullable=False),
        sa.Column("weights_sha256", sa.String(64), nullable=False),
        sa.Column("trust", sa.String(16), nullable=False),
        sa.Column("supersedes", sa.Integer, sa.ForeignKey("run.position"), unique=True),
        sa.Column("reason", sa.Text),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("scores_sha256", sa.String(64), nullable=False),
        sa.Column("outcomes_sha256", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.CheckConstraint(
            "trust IN ('self-reported', 'ci', 'official')", name="ck_run_known_trust"
        ),
        sa.CheckConstraint(
            "(supersedes IS NULL) = (reason IS NULL)", name="ck_run_superseded_for_a_reason"
        ),
        sa.CheckConstraint("supersedes < position", name="ck_run_supersedes_an_older_row"),
        sqlite_autoincrement=True,
    )
    for name in ("run_id", "suite", "protocol_sha256"):
        op.create_index(f"ix_run_{name}", "run", [name])


def _run_column() -> "sa.Column[int]":
    return sa.Column(
        "run", sa.Integer, sa.ForeignKey("run.position"), primary_key=True, autoincrement=False
    )


def _create_score() -> None:
    op.create_table(
        "score",
        _run_column(),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("task", sa.String(32), nullable=False),
        sa.Column("set", sa.String(128), nullable=False),
        sa.Column("metric", sa.String(64), nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("attack", sa.String(64)),
        sa.Column("epsilon", sa.Double),
        sa.Column("corruption", sa.String(64)),
        sa.Column("severity", sa.Integer),
        sa.Column("detector", sa.String(64)),
        sa.Column("batch_size", sa.Integer),
        sa.Column("stderr", sa.Double),
        sa.Column("reason", sa.String(16)),
        sa.CheckConstraint("(value IS NULL) <> (reason IS NULL)", name="ck_score_value_or_reason"),
        sa.CheckConstraint(
            "reason IN ('not_run', 'not_applicable', 'failed', 'declined')",
            name="ck_score_known_reason",
        ),
        sa.CheckConstraint("abs(value) < 1e308", name="ck_score_finite_value"),
        sa.CheckConstraint("n >= 0", name="ck_score_counted"),
    )


def _copy(connection: sa.Connection) -> None:
    """Every old row in the order of writing, chained; values are moved by SQL, bit for bit."""
    names = ("run_id", "suite", "protocol_sha256", "weights_sha256", "record")
    old = sa.table("old_run", *map(sa.column, names))
    order = "rowid" if connection.dialect.name == "sqlite" else "ctid"
    record = sa.cast(old.c.record, sa.Text).label("record")
    query = sa.select(*(old.c[name] for name in names[:-1]), record)
    previous = GENESIS
    rows = connection.execute(query.order_by(sa.text(order))).mappings().all()
    for position, row in enumerate(rows, start=1):
        ledger = {
            **row,
            "position": position,
            "trust": json.loads(row["record"]).get("trust", "self-reported"),
            "supersedes": None,
            "reason": None,
            "scores_sha256": _digest(connection, "score", SCORE_COLUMNS, row["run_id"]),
            "outcomes_sha256": _digest(connection, "outcome", OUTCOME_COLUMNS, row["run_id"]),
            "previous": previous,
        }
        previous = ledger["hash"] = row_hash(ledger)
        new = sa.table("run", *map(sa.column, ledger))
        connection.execute(new.insert(), ledger)
        _move(connection, "score", SCORE_COLUMNS, ledger)
        _move(connection, "outcome", OUTCOME_COLUMNS, ledger)


def _digest(connection: sa.Connection, name: str, columns: tuple[str, ...], run_id: str) -> str:
    old = sa.table(f"old_{name}", *map(sa.column, ("run_id", *columns)))
    query = sa.select(*(old.c[column] for column in columns)).where(old.c.run_id == run_id)
    return rows_digest(dict(row) for row in connection.execute(query).mappings())


def _move(
    connection: sa.Connection, name: str, columns: tuple[str, ...], ledger: dict[str, object]
) -> None:
    old = sa.table(f"old_{name}", *map(sa.column, ("run_id", *columns)))
    new = sa.table(name, *map(sa.column, ("run", *columns)))
    position = sa.literal(ledger["position"])
    query = sa.select(position, *(old.c[column] for column in columns))
    query = query.where(old.c.run_id == ledger["run_id"])
    connection.execute(new.insert().from_select(["run", *columns], query))
