"""The promise book: corrections of a promised day, the promised take-up, and promises whose mail came back.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: None = None
depends_on: None = None

_MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
_KINDS = "kind IN ('reply', 'correction', 'acknowledgement', 'alert')"
_KINDS_BEFORE = "kind IN ('reply', 'acknowledgement', 'alert')"
_COPY_DUE = "kind IN ('reply', 'correction') AND state = 'sent' AND copied_at IS NULL"
_COPY_DUE_BEFORE = "kind = 'reply' AND state = 'sent' AND copied_at IS NULL"


def _kinds(kinds: str, copy_due: str) -> None:
    op.drop_index("ix_outbox_copy", "outbox")
    with op.batch_alter_table("outbox") as outbox:
        outbox.drop_constraint(op.f("ck_outbox_kind"), type_="check")
        outbox.create_check_constraint(op.f("ck_outbox_kind"), kinds)
    where = sa.text(copy_due)
    op.create_index("ix_outbox_copy", "outbox", ["sent_at"], sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    """Acknowledgements of before keep the language of their case, and what a delivery report said of them. What they
    promised of the take-up was not kept and stays unknown."""
    with op.batch_alter_table("acknowledgements") as acknowledgements:
        acknowledgements.add_column(sa.Column("promised_take_up", _MOMENT, nullable=True))
        acknowledgements.add_column(sa.Column("began_at", _MOMENT, nullable=True))
        acknowledgements.add_column(sa.Column("language", sa.String(length=8), nullable=True))
        acknowledgements.add_column(sa.Column("bounced_at", _MOMENT, nullable=True))
    op.execute(
        "UPDATE acknowledgements SET language = (SELECT language FROM cases WHERE cases.id = acknowledgements.case_id) "
        "WHERE outbox_id IS NOT NULL"
    )
    op.execute(
        "UPDATE acknowledgements SET bounced_at = (SELECT MAX(audit.at) FROM audit "
        "WHERE audit.case_id = acknowledgements.case_id AND audit.action = 'acknowledgement_bounced')"
    )
    _kinds(_KINDS, _COPY_DUE)
    op.execute("UPDATE outbox SET rank = rank + 1 WHERE kind <> 'reply'")
    op.create_table(
        "promises",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=36), nullable=False),
        sa.Column("outbox_id", sa.String(length=36), nullable=False),
        sa.Column("promised_for", _MOMENT, nullable=False),
        sa.Column("began_at", _MOMENT, nullable=False),
        sa.Column("answer_from", _MOMENT, nullable=False),
        sa.Column("answer_days", sa.Integer(), nullable=False),
        sa.Column("bounced_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_promises_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.id"], name=op.f("fk_promises_outbox_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promises")),
    )
    op.create_index(op.f("ix_promises_case_id"), "promises", ["case_id"])


def downgrade() -> None:
    """Corrections go, those that left stay in the conversation of their case."""
    if op.get_bind().dialect.name == "postgresql":  # a check that is put off would stand in the way of ALTER TABLE
        op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.drop_table("promises")
    op.execute("DELETE FROM outbox WHERE kind = 'correction'")
    op.execute("UPDATE outbox SET rank = rank - 1 WHERE kind <> 'reply'")
    _kinds(_KINDS_BEFORE, _COPY_DUE_BEFORE)
    with op.batch_alter_table("acknowledgements") as acknowledgements:
        for name in ("bounced_at", "language", "began_at", "promised_take_up"):
            acknowledgements.drop_column(name)
