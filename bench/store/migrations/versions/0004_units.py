"""Units of sweeps: who works at what, and what is done."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "unit",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("lease", sa.Double, nullable=False),
        sa.Column("deaths", sa.Integer, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("run_id", sa.String(16)),
        sa.CheckConstraint("state IN ('claimed', 'done', 'failed')", name="ck_unit_known_state"),
        sa.CheckConstraint(
            "(state = 'done') = (run_id IS NOT NULL)", name="ck_unit_done_with_a_run"
        ),
    )
