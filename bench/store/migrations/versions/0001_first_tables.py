"""Run, score and outcome."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "run",
        sa.Column("run_id", sa.String(16), primary_key=True),
        sa.Column("suite", sa.String(64), nullable=False),
        sa.Column("protocol_sha256", sa.String(64), nullable=False),
        sa.Column("weights_sha256", sa.String(64), nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
    )
    op.create_index("ix_run_suite", "run", ["suite"])
    op.create_index("ix_run_protocol_sha256", "run", ["protocol_sha256"])
    _create_score()
    op.create_table(
        "outcome",
        sa.Column("run_id", sa.String(16), sa.ForeignKey("run.run_id"), primary_key=True),
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def _create_score() -> None:
    op.create_table(
        "score",
        sa.Column("run_id", sa.String(16), sa.ForeignKey("run.run_id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
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
