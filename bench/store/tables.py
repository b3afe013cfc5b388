"""Tables of the store: a ledger of runs, their scores, and the compressed outcomes of their images.

Rows are only ever added; `append_only` has the triggers that see to it, `chain` the hashes. No part
of the ledger are the headline numbers, which follow from the scores and are made anew, and the
units of sweeps, which say who works at what.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s"})

RUN = Table(
    "run",
    METADATA,
    Column("position", Integer, primary_key=True),  # 1, 2, … in the order of writing
    Column("run_id", String(16), nullable=False, index=True),
    Column("suite", String(64), nullable=False, index=True),
    Column("protocol_sha256", String(64), nullable=False, index=True),
    Column("weights_sha256", String(64), nullable=False),
    Column("trust", String(16), nullable=False),
    Column("supersedes", Integer, ForeignKey("run.position"), unique=True),
    Column("reason", Text),  # why it takes the place of that row
    Column("record", Text, nullable=False),  # JSON of the run record without its scores
    Column("scores_sha256", String(64), nullable=False),
    Column("outcomes_sha256", String(64), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("trust IN ('self-reported', 'ci', 'official')", name="known_trust"),
    CheckConstraint("(supersedes IS NULL) = (reason IS NULL)", name="superseded_for_a_reason"),
    CheckConstraint("supersedes < position", name="supersedes_an_older_row"),
    sqlite_autoincrement=True,  # SQLite then remembers the last position, also of a deleted row
)

SCORE = Table(
    "score",
    METADATA,
    Column("run", Integer, ForeignKey("run.position"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("task", String(32), nullable=False),
    Column("set", String(128), nullable=False),
    Column("metric", String(64), nullable=False),
    Column("value", Double),
    Column("n", Integer, nullable=False),
    Column("attack", String(64)),
    Column("epsilon", Double),
    Column("corruption", String(64)),
    Column("severity", Integer),
    Column("detector", String(64)),
    Column("batch_size", Integer),
    Column("stderr", Double),
    Column("reason", String(16)),
    CheckConstraint("(value IS NULL) <> (reason IS NULL)", name="value_or_reason"),
    CheckConstraint(
        "reason IN ('not_run', 'not_applicable', 'failed', 'declined')", name="known_reason"
    ),
    CheckConstraint("abs(value) < 1e308", name="finite_value"),
    CheckConstraint("n >= 0", name="counted"),
)

OUTCOME = Table(
    "outcome",
    METADATA,
    Column("run", Integer, ForeignKey("run.position"), primary_key=True, autoincrement=False),
    Column("key", String(128), primary_key=True),
    Column("n", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

HEADLINE = Table(
    "headline",
    METADATA,
    Column("run", Integer, ForeignKey("run.position"), primary_key=True, autoincrement=False),
    Column("version", String(16), nullable=False),  # of bench.headline
    Column("numbers", Text, nullable=False),  # JSON: column -> number, or reason of none
)

UNIT = Table(
    "unit",
    METADATA,
    Column("key", String(64), primary_key=True),  # SHA-256 of all that the result depends on
    Column("label", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("owner", String(128), nullable=False),  # host, process and a number of its own
    Column("lease", Double, nullable=False),  # until when the claim holds, in Unix time
    Column("deaths", Integer, nullable=False),  # of workers at it
    Column("note", Text, nullable=False),  # how far it is, or why it failed
    Column("seconds", Double, nullable=False),
    Column("run_id", String(16)),
    CheckConstraint("state IN ('claimed', 'done', 'failed')", name="known_state"),
    CheckConstraint("(state = 'done') = (run_id IS NOT NULL)", name="done_with_a_run"),
)
