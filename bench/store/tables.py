"""Tables of the store: a run, its scores, and the compressed outcomes of its images."""

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

METADATA = MetaData(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s"})

RUN = Table(
    "run",
    METADATA,
    Column("run_id", String(16), primary_key=True),
    Column("suite", String(64), nullable=False, index=True),
    Column("protocol_sha256", String(64), nullable=False, index=True),
    Column("weights_sha256", String(64), nullable=False),
    Column("record", JSON, nullable=False),  # the run record without its scores
)

SCORE = Table(
    "score",
    METADATA,
    Column("run_id", String(16), ForeignKey("run.run_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
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
    Column("run_id", String(16), ForeignKey("run.run_id"), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("n", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
