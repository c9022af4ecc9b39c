"""Assessments are found by the time they were made.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    op.create_index("ix_assessments_at", "assessments", ["at"])


def downgrade() -> None:
    op.drop_index("ix_assessments_at", "assessments")
