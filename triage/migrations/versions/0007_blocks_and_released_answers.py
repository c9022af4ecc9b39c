"""What staff keep of the answer blocks, and answers that colleagues may reuse.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: None = None
depends_on: None = None

_MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def _ref(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [target], name=name, initially="DEFERRED", deferrable=True)


def upgrade() -> None:
    """Drafts of before name no blocks: nothing is counted of them."""
    op.create_table(
        "drafted_blocks",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("block_id", sa.String(length=64), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        _ref("drafted_blocks", "case_id", "cases.id"),
        sa.PrimaryKeyConstraint("case_id", "block_id", name=op.f("pk_drafted_blocks")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "block_use",
        sa.Column("approval_id", sa.String(length=36), nullable=False),
        sa.Column("block_id", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("drafted", sa.Integer(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("sentences", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        _ref("block_use", "approval_id", "approvals.id"),
        _ref("block_use", "case_id", "cases.id"),
        sa.PrimaryKeyConstraint("approval_id", "block_id", name=op.f("pk_block_use")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "released_answers",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("approval_id", sa.String(length=36), nullable=False),
        sa.Column("actor", sa.String(length=36), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        _ref("released_answers", "case_id", "cases.id"),
        _ref("released_answers", "approval_id", "approvals.id"),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_released_answers")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_released_answers_at"), "released_answers", ["at"])


def downgrade() -> None:
    for table in ("released_answers", "block_use", "drafted_blocks"):
        op.drop_table(table)
