"""Where the terms of a case are counted from, so that another calendar can count them again.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: None = None
depends_on: None = None

_MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    """Cases of before are taken as counted from their arrival; what went on after a pause keeps its term all the same,
    until the calendar is changed."""
    with op.batch_alter_table("cases") as cases:
        cases.add_column(sa.Column("answer_from", _MOMENT, nullable=True))
        cases.add_column(sa.Column("answer_days", sa.Integer(), nullable=True))
        cases.add_column(sa.Column("take_up_from", _MOMENT, nullable=True))
    op.execute("UPDATE cases SET answer_from = arrived_at, answer_days = 3")
    op.execute("UPDATE cases SET take_up_from = arrived_at WHERE take_up_due IS NOT NULL")
    with op.batch_alter_table("cases") as cases:
        cases.alter_column("answer_from", existing_type=_MOMENT, nullable=False)
        cases.alter_column("answer_days", existing_type=sa.Integer(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("cases") as cases:
        for name in ("take_up_from", "answer_days", "answer_from"):
            cases.drop_column(name)
