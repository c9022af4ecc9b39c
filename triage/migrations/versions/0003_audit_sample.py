"""The weekly audit sample, and an index of what was found urgent late.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: None = None
depends_on: None = None

_MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
_FOUND_LATE = sa.text("action IN ('found_late', 'missed_urgent')")


def upgrade() -> None:
    op.create_table(
        "sample_weeks",
        sa.Column("week", sa.String(length=8), nullable=False),
        sa.Column("drawn_at", _MOMENT, nullable=False),
        sa.Column("population", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("week", name=op.f("pk_sample_weeks")),
    )
    op.create_table(
        "sampled_cases",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("week", sa.String(length=8), nullable=False),
        sa.Column("looked_at", _MOMENT, nullable=True),
        sa.Column("looked_by", sa.String(length=36), nullable=True),
        sa.Column("found_urgent", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_sampled_cases_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["week"],
            ["sample_weeks.week"],
            name=op.f("fk_sampled_cases_week"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("case_id", "week", name=op.f("pk_sampled_cases")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_audit_found_late", "audit", ["at"], sqlite_where=_FOUND_LATE, postgresql_where=_FOUND_LATE)


def downgrade() -> None:
    op.drop_index("ix_audit_found_late", "audit", sqlite_where=_FOUND_LATE, postgresql_where=_FOUND_LATE)
    op.drop_table("sampled_cases")
    op.drop_table("sample_weeks")
