"""Headline numbers stand beside the scores that they follow from."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "headline",
        sa.Column(
            "run", sa.Integer, sa.ForeignKey("run.position"), primary_key=True, autoincrement=False
        ),
        sa.Column("version", sa.String(16), nullable=False),
        sa.Column("numbers", sa.Text, nullable=False),
    )
