"""The first schema.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None

_MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
_DONE = "outcome IN ('case', 'follow_up', 'attached', 'ignored')"
_KINDS = (
    "'question', 'follow_up', 'auto_reply', 'delivery_report', 'list_or_bulk', 'unsolicited', "
    "'secure_mail_notice', 'own', 'unreadable'"
)


def upgrade() -> None:
    op.create_table(
        "acknowledgement_minutes",
        sa.Column("minute", _MOMENT, nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("minute", name=op.f("pk_acknowledgement_minutes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("term", sa.String(length=40), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("case_id", "kind", "term", name=op.f("uq_alerts_case_id_kind_term")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=36), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_case_id"), ["case_id"], unique=False)

    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=True),
        sa.Column("case_id", sa.String(length=36), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("actions", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_facts")),
    )
    op.create_table(
        "oauth_tokens",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("origin_key", sa.String(length=64), nullable=True),
        sa.Column("refresh_token", sa.LargeBinary(), nullable=True),
        sa.Column("access_token", sa.LargeBinary(), nullable=True),
        sa.Column("signed_in_at", _MOMENT, nullable=True),
        sa.Column("refreshed_at", _MOMENT, nullable=True),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.Column("refused_at", _MOMENT, nullable=True),
        sa.Column("refused_code", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_oauth_tokens")),
    )
    op.create_table(
        "server_notices",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_server_notices")),
    )
    op.create_table(
        "folders",
        sa.Column("folder", sa.String(length=255), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entries_present", sa.Integer(), nullable=False),
        sa.Column("last_full_compare", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("folder", "uidvalidity", name=op.f("pk_folders")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "jobs",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("last_started", _MOMENT, nullable=True),
        sa.Column("last_succeeded", _MOMENT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("last_error_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_jobs")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("leased_until", _MOMENT, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger",
        sa.Column("folder", sa.String(length=255), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT, nullable=True),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("courtesy_done", sa.Boolean(), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=True),
        sa.Column("case_id", sa.String(length=36), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('case', 'follow_up', 'attached', 'quarantined', 'ignored', 'gone')",
            name=op.f("ck_ledger_outcome"),
        ),
        sa.PrimaryKeyConstraint("folder", "uidvalidity", "uid", name=op.f("pk_ledger")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.create_index(
            "ix_ledger_courtesy",
            ["courtesy_done", "present", "folder", "uidvalidity", "outcome", "uid"],
            unique=False,
            sqlite_where=sa.text(
                "outcome IN ('case', 'follow_up', 'attached', 'ignored') AND courtesy_done IS 0 AND present IS 1"
            ),
            postgresql_where=sa.text(
                "outcome IN ('case', 'follow_up', 'attached', 'ignored') AND courtesy_done IS false AND present IS true"
            ),
        )
        batch_op.create_index(
            "ix_ledger_unfinished",
            ["outcome", "folder", "uidvalidity", "uid", "attempts"],
            unique=False,
            sqlite_where=sa.text("outcome IS NULL"),
            postgresql_where=sa.text("outcome IS NULL"),
        )

    op.create_table(
        "login_failures",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_failures")),
    )
    with op.batch_alter_table("login_failures", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_failures_key_at"), ["key", "at"], unique=False)

    op.create_table(
        "seal_keys",
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_seal_keys")),
    )
    op.create_table(
        "tombstones",
        sa.Column("identity_key", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("erased_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "outcome IN ('case', 'follow_up', 'attached', 'quarantined', 'ignored', 'gone')",
            name=op.f("ck_tombstones_outcome"),
        ),
        sa.PrimaryKeyConstraint("identity_key", name=op.f("pk_tombstones")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("username", sa.String(length=120), nullable=False),
        sa.Column("display_name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("totp_secret", sa.LargeBinary(), nullable=True),
        sa.Column("totp_last_step", sa.BigInteger(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "role IN ('medewerker', 'trainee', 'toezichthouder', 'beheerder')", name=op.f("ck_users_role")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("reference", sa.String(length=20), nullable=False),
        sa.Column("check_code", sa.String(length=2), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("waiting_for", sa.String(length=32), nullable=True),
        sa.Column("band", sa.String(length=32), nullable=False),
        sa.Column("urgency", sa.String(length=32), nullable=False),
        sa.Column("danger", sa.Boolean(), nullable=False),
        sa.Column("law_jeugdwet", sa.Boolean(), nullable=False),
        sa.Column("law_wmo", sa.Boolean(), nullable=False),
        sa.Column("law_wlz", sa.Boolean(), nullable=False),
        sa.Column("law_zvw", sa.Boolean(), nullable=False),
        sa.Column("laws_unclear", sa.Boolean(), nullable=False),
        sa.Column("sender_type", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("topics", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("askers", sa.Integer(), nullable=False),
        sa.Column("backlog", sa.Boolean(), nullable=False),
        sa.Column("no_reply_rule", sa.String(length=64), nullable=False),
        sa.Column("arrived_at", _MOMENT, nullable=False),
        sa.Column("answer_due", _MOMENT, nullable=False),
        sa.Column("take_up_due", _MOMENT, nullable=True),
        sa.Column("at_risk_at", _MOMENT, nullable=False),
        sa.Column("taken_up_at", _MOMENT, nullable=True),
        sa.Column("paused_ends_left", sa.Integer(), nullable=True),
        sa.Column("promised_for", _MOMENT, nullable=True),
        sa.Column("answered_at", _MOMENT, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("assignee_id", sa.String(length=36), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("place_at", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", _MOMENT, nullable=True),
        sa.Column("contact_key", sa.String(length=64), nullable=True),
        sa.Column("labels", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("band IN ('urgent', 'possible', 'normal')", name=op.f("ck_cases_band")),
        sa.CheckConstraint("channel IN ('mail', 'telephone')", name=op.f("ck_cases_channel")),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_cases_kind")),
        sa.CheckConstraint(
            "sender_type IN ('citizen', 'carer', 'client_supporter', 'professional', 'gemeente', "
            "'insurer', 'ciz', 'other')",
            name=op.f("ck_cases_sender_type"),
        ),
        sa.CheckConstraint(
            "state IN ('new', 'in_progress', 'waiting', 'answered', 'closed', 'no_reply_needed')",
            name=op.f("ck_cases_state"),
        ),
        sa.CheckConstraint("urgency IN ('palliative', 'transfer', 'regular')", name=op.f("ck_cases_urgency")),
        sa.CheckConstraint("waiting_for IN ('sender', 'body', 'expert_team')", name=op.f("ck_cases_waiting_for")),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["users.id"], name=op.f("fk_cases_assignee_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("reference", name=op.f("uq_cases_reference")),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.create_index(
            "ix_cases_worklist",
            [
                "place",
                "place_at",
                "id",
                "state",
                "urgency",
                "band",
                "danger",
                "law_jeugdwet",
                "law_wmo",
                "law_wlz",
                "law_zvw",
                "waiting_for",
                "assignee_id",
                "taken_up_at",
                "take_up_due",
                "answer_due",
                "at_risk_at",
                "paused_ends_left",
            ],
            unique=False,
        )
        batch_op.create_index("ix_cases_arrived_at", ["arrived_at"], unique=False)

    op.create_table(
        "case_links",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("other_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=36), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('conversation', 'same_client')", name=op.f("ck_case_links_kind")),
        sa.CheckConstraint("state IN ('proposed', 'accepted', 'refused')", name=op.f("ck_case_links_state")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_case_links_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["other_id"], ["cases.id"], name=op.f("fk_case_links_other_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("case_id", "other_id", "kind", name=op.f("pk_case_links")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("case_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_case_links_other_id"), ["other_id"], unique=False)

    op.create_table(
        "quarantine",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("folder", sa.String(length=255), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=120), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("internal_date", _MOMENT, nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["folder", "uidvalidity", "uid"],
            ["ledger.folder", "ledger.uidvalidity", "ledger.uid"],
            name=op.f("fk_quarantine_folder_uidvalidity_uid"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("folder", "uidvalidity", "uid", name=op.f("uq_quarantine_folder_uidvalidity_uid")),
    )
    op.create_table(
        "sessions",
        sa.Column("session_key", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("session_key", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_sessions_user_id"), ["user_id"], unique=False)

    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content_key", sa.String(length=64), nullable=True),
        sa.Column("actor", sa.String(length=36), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("outbox_id", sa.String(length=36), nullable=False),
        sa.Column("voided_by", sa.String(length=36), nullable=True),
        sa.Column("voided_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_approvals_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_approvals_case_id"), ["case_id"], unique=False)

    op.create_table(
        "case_topics",
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_case_topics_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("topic", "case_id", name=op.f("pk_case_topics")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "drafts",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("actor", sa.String(length=36), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_drafts_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("case_id", "revision", name=op.f("pk_drafts")),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("folder", sa.String(length=255), nullable=True),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=True),
        sa.Column("uid", sa.BigInteger(), nullable=True),
        sa.Column("internal_date", _MOMENT, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("erased_at", _MOMENT, nullable=True),
        sa.Column("identity_key", sa.String(length=64), nullable=True),
        sa.Column("content_key", sa.String(length=64), nullable=True),
        sa.Column("message_id_key", sa.String(length=64), nullable=True),
        sa.Column("from_key", sa.String(length=64), nullable=True),
        sa.Column("text_key", sa.String(length=64), nullable=True),
        sa.Column("view", sa.LargeBinary(), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_messages_direction")),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_messages_kind")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_messages_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("identity_key", name=op.f("uq_messages_identity_key")),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_messages_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_messages_message_id_key"), ["message_id_key"], unique=False)
        batch_op.create_index(batch_op.f("ix_messages_text_key"), ["text_key"], unique=False)

    op.create_table(
        "notes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("actor", sa.String(length=36), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_notes_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    with op.batch_alter_table("notes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notes_case_id"), ["case_id"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=True),
        sa.Column("leased_until", _MOMENT, nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("sent_at", _MOMENT, nullable=True),
        sa.Column("reply_code", sa.Integer(), nullable=True),
        sa.Column("enhanced_status", sa.String(length=16), nullable=True),
        sa.Column("message_id_key", sa.String(length=64), nullable=True),
        sa.Column("to_key", sa.String(length=64), nullable=True),
        sa.Column("copied_at", _MOMENT, nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("kind IN ('reply', 'acknowledgement', 'alert')", name=op.f("ck_outbox_kind")),
        sa.CheckConstraint(
            "state IN ('due', 'sending', 'sent', 'deferred', 'refused', 'uncertain')", name=op.f("ck_outbox_state")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_outbox_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id_key", "to_key", name=op.f("uq_outbox_message_id_key_to_key")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_case_id"), ["case_id"], unique=False)
        batch_op.create_index(
            "ix_outbox_claim",
            ["rank", "due_at"],
            unique=False,
            sqlite_where=sa.text("state IN ('due', 'deferred')"),
            postgresql_where=sa.text("state IN ('due', 'deferred')"),
        )
        batch_op.create_index(
            "ix_outbox_copy",
            ["sent_at"],
            unique=False,
            sqlite_where=sa.text("kind = 'reply' AND state = 'sent' AND copied_at IS NULL"),
            postgresql_where=sa.text("kind = 'reply' AND state = 'sent' AND copied_at IS NULL"),
        )
        batch_op.create_index(
            "ix_outbox_stopped",
            ["state"],
            unique=False,
            sqlite_where=sa.text("state IN ('sending', 'refused', 'uncertain')"),
            postgresql_where=sa.text("state IN ('sending', 'refused', 'uncertain')"),
        )
        batch_op.create_index(batch_op.f("ix_outbox_to_key_created_at"), ["to_key", "created_at"], unique=False)

    op.create_table(
        "thread_ids",
        sa.Column("message_id_key", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_thread_ids_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("message_id_key", "case_id", name=op.f("pk_thread_ids")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "acknowledgements",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("outbox_id", sa.String(length=36), nullable=True),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("promised_for", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_acknowledgements_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["outbox_id"],
            ["outbox.id"],
            name=op.f("fk_acknowledgements_outbox_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_acknowledgements")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("acknowledgements", schema=None) as batch_op:
        batch_op.create_index(
            "ix_acknowledgements_withheld",
            ["at"],
            unique=False,
            sqlite_where=sa.text("outbox_id IS NULL"),
            postgresql_where=sa.text("outbox_id IS NULL"),
        )

    op.create_table(
        "assessments",
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("band", sa.String(length=32), nullable=False),
        sa.Column("urgency", sa.String(length=32), nullable=False),
        sa.Column("danger", sa.Boolean(), nullable=False),
        sa.Column("model", sa.String(length=120), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("band IN ('urgent', 'possible', 'normal')", name=op.f("ck_assessments_band")),
        sa.CheckConstraint("urgency IN ('palliative', 'transfer', 'regular')", name=op.f("ck_assessments_urgency")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_assessments_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.id"],
            name=op.f("fk_assessments_message_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("case_id", "id", name=op.f("pk_assessments")),
    )
    op.create_table(
        "corrections",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("actor", sa.String(length=36), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("field", sa.String(length=32), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_corrections_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.id"],
            name=op.f("fk_corrections_message_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    with op.batch_alter_table("corrections", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_corrections_case_id"), ["case_id"], unique=False)

    op.create_table(
        "secure_notices",
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("case_id", sa.String(length=36), nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("open_before", _MOMENT, nullable=False),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=True),
        sa.Column("opened_by", sa.String(length=36), nullable=True),
        sa.Column("reminded_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_secure_notices_case_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.id"],
            name=op.f("fk_secure_notices_message_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_secure_notices")),
    )
    with op.batch_alter_table("secure_notices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_secure_notices_case_id"), ["case_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("secure_notices", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_secure_notices_case_id"))

    op.drop_table("secure_notices")
    with op.batch_alter_table("corrections", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_corrections_case_id"))

    op.drop_table("corrections")
    op.drop_table("assessments")
    with op.batch_alter_table("acknowledgements", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_acknowledgements_withheld",
            sqlite_where=sa.text("outbox_id IS NULL"),
            postgresql_where=sa.text("outbox_id IS NULL"),
        )

    op.drop_table("acknowledgements")
    op.drop_table("thread_ids")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_to_key_created_at"))
        batch_op.drop_index(
            "ix_outbox_stopped",
            sqlite_where=sa.text("state IN ('sending', 'refused', 'uncertain')"),
            postgresql_where=sa.text("state IN ('sending', 'refused', 'uncertain')"),
        )
        batch_op.drop_index(
            "ix_outbox_claim",
            sqlite_where=sa.text("state IN ('due', 'deferred')"),
            postgresql_where=sa.text("state IN ('due', 'deferred')"),
        )
        batch_op.drop_index(batch_op.f("ix_outbox_case_id"))

    op.drop_table("outbox")
    with op.batch_alter_table("notes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_notes_case_id"))

    op.drop_table("notes")
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_messages_text_key"))
        batch_op.drop_index(batch_op.f("ix_messages_message_id_key"))
        batch_op.drop_index(batch_op.f("ix_messages_case_id"))

    op.drop_table("messages")
    op.drop_table("drafts")
    op.drop_table("case_topics")
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_approvals_case_id"))

    op.drop_table("approvals")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sessions_user_id"))
        batch_op.drop_index(batch_op.f("ix_sessions_expires_at"))

    op.drop_table("sessions")
    op.drop_table("quarantine")
    with op.batch_alter_table("case_links", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_case_links_other_id"))

    op.drop_table("case_links")
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.drop_index("ix_cases_arrived_at")
        batch_op.drop_index("ix_cases_worklist")

    op.drop_table("cases")
    op.drop_table("users")
    op.drop_table("tombstones")
    op.drop_table("seal_keys")
    with op.batch_alter_table("login_failures", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_failures_key_at"))

    op.drop_table("login_failures")
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_ledger_unfinished", sqlite_where=sa.text("outcome IS NULL"), postgresql_where=sa.text("outcome IS NULL")
        )
        batch_op.drop_index(
            "ix_ledger_courtesy",
            sqlite_where=sa.text(
                "outcome IN ('case', 'follow_up', 'attached', 'ignored') AND courtesy_done IS 0 AND present IS 1"
            ),
            postgresql_where=sa.text(
                "outcome IN ('case', 'follow_up', 'attached', 'ignored') AND courtesy_done IS false AND present IS true"
            ),
        )

    op.drop_table("ledger")
    op.drop_table("leases")
    op.drop_table("jobs")
    op.drop_table("server_notices")
    op.drop_table("oauth_tokens")
    op.drop_table("folders")
    op.drop_table("facts")
    op.drop_table("decisions")
    op.drop_table("counters")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_case_id"))

    op.drop_table("audit")
    op.drop_table("alerts")
    op.drop_table("acknowledgement_minutes")
