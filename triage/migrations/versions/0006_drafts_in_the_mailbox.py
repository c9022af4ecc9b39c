"""Copies of drafts in the Drafts folder, and drafts that stand beside another.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """The newest drafts of open cases get their copy with the first polls; those of ended cases never do."""
    with op.batch_alter_table("drafts") as drafts:
        drafts.add_column(sa.Column("beside", sa.Boolean(), nullable=False, server_default=sa.false()))
        drafts.add_column(sa.Column("copy_due", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(
        "UPDATE drafts SET copy_due = TRUE WHERE case_id IN "
        "(SELECT id FROM cases WHERE state IN ('new', 'in_progress', 'waiting'))"
    )
    with op.batch_alter_table("drafts") as drafts:
        drafts.alter_column("beside", existing_type=sa.Boolean(), server_default=None)
        drafts.alter_column("copy_due", existing_type=sa.Boolean(), server_default=None)
    due = sa.column("copy_due").is_(True)
    op.create_index("ix_drafts_copy_due", "drafts", ["copy_due"], sqlite_where=due, postgresql_where=due)
    op.create_table(
        "draft_copies",
        sa.Column(
            "case_id",
            sa.String(36),
            sa.ForeignKey("cases.id", deferrable=True, initially="DEFERRED", name="fk_draft_copies_case_id"),
            nullable=False,
        ),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("uid", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("with_files", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "uidvalidity", "uid", name="pk_draft_copies"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("draft_copies")
    op.drop_index("ix_drafts_copy_due", "drafts")
    with op.batch_alter_table("drafts") as drafts:
        drafts.drop_column("copy_due")
        drafts.drop_column("beside")
