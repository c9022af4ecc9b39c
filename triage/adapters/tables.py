"""The tables and their column types: one description for SQLite and PostgreSQL.

Columns of type `Sealed` hold what `seal.Keyring.seal` made for "table:row_id:column"; personal data stands nowhere
else. Columns named `…_key` are keyed hashes. Everything in clear is an id, a code, a count or a time.
A change here needs a script in `migrations/versions` and a new `HEAD`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from triage.core.assessment import LAWS, Band, SenderType, Urgency
from triage.core.case import CaseState, LinkKind, LinkState, WaitingFor
from triage.core.mail import LedgerOutcome, MessageKind
from triage.ports import BY_PEOPLE

HEAD = "0007"
"""The schema version this code works with: the newest script in `migrations/versions`."""

OUTBOX_STATES = ("due", "sending", "sent", "deferred", "refused", "uncertain")
OUTBOX_KINDS = ("reply", "correction", "acknowledgement", "alert")
"""In the order in which they leave."""
ROLES = ("medewerker", "trainee", "toezichthouder", "beheerder")
CHANNELS = ("mail", "telephone")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in, aware UTC out; a naive one is refused.

    SQLite has no time type and its text form drops the offset: there it is the number of microseconds since 1970,
    which also keeps the indexes small.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without time zone cannot be stored")
        return (value - _EPOCH) // _MICROSECOND if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, int):
            return _EPOCH + timedelta(microseconds=value)
        moment: datetime = value
        return moment.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _id() -> Column[str]:
    return Column("id", String(36), primary_key=True)


def _code(name: str, length: int = 32, *, null: bool = False) -> Column[str]:
    return Column(name, String(length), nullable=null)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _at(name: str, *, null: bool = False) -> Column[datetime]:
    return Column(name, UtcDateTime, nullable=null)


def _sealed(name: str) -> Column[bytes]:
    """Empty (NULL) when there never was a value, or after erasure."""
    return Column(name, LargeBinary, nullable=True)


def _key(name: str) -> Column[str]:
    return Column(name, String(64), nullable=True)


def _ref(name: str, target: str, *, null: bool = False) -> Column[str]:
    # deferred: inside one transaction the order of the rows does not matter
    key = ForeignKey(target, deferrable=True, initially="DEFERRED")
    return Column(name, String(36), key, nullable=null)


def _of_case() -> Column[str]:
    """The case as (part of) the primary key."""
    key = ForeignKey("cases.id", deferrable=True, initially="DEFERRED")
    return Column("case_id", String(36), key, primary_key=True)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=null)


# ---------------------------------------------------------------- operation

seal_keys = Table(
    "seal_keys",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("check_value", LargeBinary, nullable=False),
    _at("created_at"),
)
facts = Table("facts", metadata, Column("name", String(64), primary_key=True), _text("value"))
counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Integer, nullable=False),
    sqlite_with_rowid=False,
)
leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    _code("owner", 120),
    _at("leased_until"),
    _number("epoch"),
    sqlite_with_rowid=False,
)
jobs = Table(
    "jobs",
    metadata,
    Column("name", String(64), primary_key=True),
    _at("last_started", null=True),
    _at("last_succeeded", null=True),
    _text("last_error"),
    _at("last_error_at", null=True),
)
oauth_tokens = Table(  # what the token server gave; the settings hold the first refresh token only
    "oauth_tokens",
    metadata,
    Column("name", String(64), primary_key=True),
    _key("origin_key"),  # of the refresh token in the settings that this row follows from
    _sealed("refresh_token"),
    _sealed("access_token"),
    _at("signed_in_at", null=True),
    _at("refreshed_at", null=True),
    _at("expires_at", null=True),
    _at("refused_at", null=True),
    _code("refused_code"),
)
server_notices = Table(  # texts a mail server wants people to read (RFC 9051 §7.1, ALERT), the last one of each server
    "server_notices",
    metadata,
    Column("name", String(64), primary_key=True),
    _sealed("text"),
    _at("at"),
)

# ---------------------------------------------------------------- ledger

folders = Table(
    "folders",
    metadata,
    Column("folder", String(255), primary_key=True),
    Column("uidvalidity", BigInteger, primary_key=True, autoincrement=False),
    _number("entries_present"),  # kept as a sum: an idle poll must not count the mailbox
    _at("last_full_compare", null=True),
    sqlite_with_rowid=False,
)
ledger = Table(
    "ledger",
    metadata,
    Column("folder", String(255), primary_key=True),
    Column("uidvalidity", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    _number("attempts"),
    _code("outcome", null=True),
    _code("rule", 64),
    _at("seen_at"),
    _at("finished_at", null=True),
    _flag("present"),
    _flag("courtesy_done"),
    _code("message_id", 36, null=True),
    _code("case_id", 36, null=True),
    _one_of("outcome", LedgerOutcome),
    sqlite_with_rowid=False,
)
# The column of the condition stands first: SQLite then prefers these small indexes to the primary key, which would
# read the whole folder at each poll.
Index(
    "ix_ledger_unfinished",
    ledger.c.outcome,
    ledger.c.folder,
    ledger.c.uidvalidity,
    ledger.c.uid,
    ledger.c.attempts,
    sqlite_where=ledger.c.outcome.is_(None),
    postgresql_where=ledger.c.outcome.is_(None),
)
# With quarantined and gone mail nothing was done: no keyword. Literals, as below at the outbox.
_FINISHED = ("case", "follow_up", "attached", "ignored")
_DONE: list[ColumnElement[str]] = [literal_column(f"'{outcome}'") for outcome in _FINISHED]
COURTESY_DUE = ledger.c.outcome.in_(_DONE) & ledger.c.courtesy_done.is_(False) & ledger.c.present.is_(True)
Index(
    "ix_ledger_courtesy",
    ledger.c.courtesy_done,
    ledger.c.present,
    ledger.c.folder,
    ledger.c.uidvalidity,
    ledger.c.outcome,
    ledger.c.uid,
    sqlite_where=COURTESY_DUE,
    postgresql_where=COURTESY_DUE,
)
quarantine = Table(
    "quarantine",
    metadata,
    _id(),
    Column("folder", String(255), nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    _number("size"),
    _code("error", 120),
    _at("at"),
    _at("internal_date", null=True),
    _sealed("raw"),
    UniqueConstraint("folder", "uidvalidity", "uid"),
    ForeignKeyConstraint(
        ["folder", "uidvalidity", "uid"],
        ["ledger.folder", "ledger.uidvalidity", "ledger.uid"],
        deferrable=True,
        initially="DEFERRED",
    ),
)
tombstones = Table(
    "tombstones",
    metadata,
    Column("identity_key", String(64), primary_key=True),
    _code("message_id", 36),
    _code("case_id", 36, null=True),
    _code("outcome"),
    _at("erased_at"),
    _one_of("outcome", LedgerOutcome),
)

# ---------------------------------------------------------------- accounts

users = Table(
    "users",
    metadata,
    _id(),
    Column("username", String(120), nullable=False, unique=True),
    Column("display_name", String(200), nullable=False),
    _code("role"),
    _text("password_hash"),
    _sealed("totp_secret"),
    Column("totp_last_step", BigInteger, nullable=False),
    _flag("disabled"),
    _at("created_at"),
    _one_of("role", ROLES),
)
login_failures = Table(
    "login_failures",
    metadata,
    _id(),
    Column("key", String(64), nullable=False),
    _at("at"),
    Index(None, "key", "at"),
)
sessions = Table(
    "sessions",
    metadata,
    Column("session_key", String(64), primary_key=True),
    _ref("user_id", "users.id", null=True),
    _at("expires_at"),
    _sealed("data"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

# ---------------------------------------------------------------- cases

cases = Table(
    "cases",
    metadata,
    _id(),
    Column("reference", String(20), nullable=False, unique=True),
    Column("check_code", String(2), nullable=False),
    _code("state"),
    _code("waiting_for", null=True),
    _code("band"),
    _code("urgency"),
    _flag("danger"),
    *(_flag(f"law_{law}") for law in LAWS),
    _flag("laws_unclear"),
    _code("sender_type"),
    _code("language", 8),
    _text("topics"),  # JSON list in the order of weight; the side table case_topics serves the filter
    _code("kind"),
    _code("channel"),
    _number("askers"),
    _flag("backlog"),
    _code("no_reply_rule", 64),
    _at("arrived_at"),
    _at("answer_due"),
    _at("take_up_due", null=True),
    _at("at_risk_at"),
    _at("answer_from"),  # a moment on day 0 of the answer term, which has answer_days working days
    _number("answer_days"),
    _at("take_up_from", null=True),
    _at("taken_up_at", null=True),
    _number("paused_ends_left", null=True),
    _at("promised_for", null=True),
    _at("answered_at", null=True),
    _at("ended_at", null=True),
    _ref("assignee_id", "users.id", null=True),
    _number("version"),
    _number("place"),  # worklist order, see views.place_of
    Column("place_at", BigInteger, nullable=False),
    _at("erased_at", null=True),
    _key("contact_key"),
    _sealed("labels"),  # subject, contact name and address: what a list shows
    _one_of("state", CaseState),
    _one_of("waiting_for", WaitingFor),
    _one_of("band", Band),
    _one_of("urgency", Urgency),
    _one_of("sender_type", SenderType),
    _one_of("kind", MessageKind),
    _one_of("channel", CHANNELS),
)
# Every column a filter looks at, in worklist order: no list reads a row it does not show.
Index(
    "ix_cases_worklist",
    *(cases.c[name] for name in ("place", "place_at", "id", "state", "urgency", "band", "danger")),
    *(cases.c[f"law_{law}"] for law in LAWS),
    *(cases.c[name] for name in ("waiting_for", "assignee_id", "taken_up_at", "take_up_due", "answer_due")),
    *(cases.c[name] for name in ("at_risk_at", "paused_ends_left")),
)
Index("ix_cases_arrived_at", cases.c.arrived_at)
case_topics = Table(
    "case_topics",
    metadata,
    Column("topic", String(64), primary_key=True),
    _of_case(),
    sqlite_with_rowid=False,
)
messages = Table(
    "messages",
    metadata,
    _id(),
    _code("direction", 3),
    _ref("case_id", "cases.id", null=True),
    _code("kind"),
    Column("folder", String(255), nullable=True),
    Column("uidvalidity", BigInteger, nullable=True),
    Column("uid", BigInteger, nullable=True),
    _at("internal_date"),
    _at("received_at"),
    _number("size"),
    _flag("complete"),
    _at("erased_at", null=True),
    Column("identity_key", String(64), nullable=True, unique=True),
    _key("content_key"),
    _key("message_id_key"),
    _key("from_key"),
    _key("text_key"),  # of sender, subject, text and attachments: the same mail under another Message-ID or coding
    _sealed("view"),
    _sealed("raw"),
    _one_of("direction", ("in", "out")),
    _one_of("kind", MessageKind),
    Index(None, "case_id"),
    Index(None, "message_id_key"),
    Index(None, "text_key"),
)
secure_notices = Table(  # notices of secure mail: what must be opened before when; the content is not here
    "secure_notices",
    metadata,
    Column(
        "message_id",
        String(36),
        ForeignKey("messages.id", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    ),
    _ref("case_id", "cases.id"),
    _code("provider"),
    _at("open_before"),
    _flag("named"),  # the notice names this moment; else it is the configured number of days
    _at("opened_at", null=True),
    _code("opened_by", 36, null=True),
    _at("reminded_at", null=True),
    Index(None, "case_id"),
)
case_links = Table(  # nothing about a person: two cases, and what a person decided of them
    "case_links",
    metadata,
    _of_case(),
    Column("other_id", String(36), ForeignKey("cases.id", deferrable=True, initially="DEFERRED"), primary_key=True),
    Column("kind", String(32), primary_key=True),
    _code("state"),
    _code("actor", 36),
    _at("at"),
    _one_of("kind", LinkKind),
    _one_of("state", LinkState),
    Index(None, "other_id"),
    sqlite_with_rowid=False,
)
thread_ids = Table(  # further Message-IDs that belong to a case
    "thread_ids",
    metadata,
    Column("message_id_key", String(64), primary_key=True),
    _of_case(),
    _at("at"),
    sqlite_with_rowid=False,
)
assessments = Table(
    "assessments",
    metadata,
    _of_case(),
    Column("id", String(36), primary_key=True),
    _ref("message_id", "messages.id"),
    _at("at"),
    _code("band"),
    _code("urgency"),
    _flag("danger"),
    _code("model", 120),
    _text("figures"),  # JSON: sets, codes and probabilities
    _sealed("evidence"),  # judged text and the spans in it
    _one_of("band", Band),
    _one_of("urgency", Urgency),
    Index(None, "at"),  # drift looks at what was judged in a time
)
decisions = Table(
    "decisions",
    metadata,
    _id(),
    _code("message_id", 36, null=True),
    _code("case_id", 36, null=True),
    _at("at"),
    _text("actions"),
    sqlite_with_rowid=False,
)
corrections = Table(
    "corrections",
    metadata,
    _id(),
    _ref("case_id", "cases.id"),
    _ref("message_id", "messages.id"),
    _code("actor", 36),
    _at("at"),
    _code("field"),
    _text("before"),
    _text("after"),
    Index(None, "case_id"),
)
notes = Table(
    "notes",
    metadata,
    _id(),
    _ref("case_id", "cases.id"),
    _code("actor", 36),
    _at("at"),
    _sealed("text"),
    Index(None, "case_id"),
)
drafts = Table(
    "drafts",
    metadata,
    _of_case(),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    _code("actor", 36),
    _at("at"),
    _sealed("content"),
    _flag("beside"),  # kept, but never the draft that holds: another one was written at the same time
    _flag("copy_due"),  # what stands in the Drafts folder of this case must be looked at
)
DRAFT_COPY_DUE = drafts.c.copy_due.is_(True)
Index("ix_drafts_copy_due", drafts.c.copy_due, sqlite_where=DRAFT_COPY_DUE, postgresql_where=DRAFT_COPY_DUE)
draft_copies = Table(  # mails in the Drafts folder that hold a revision of a case's draft
    "draft_copies",
    metadata,
    _of_case(),
    Column("uidvalidity", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    _number("revision"),
    _flag("with_files"),  # holds attachments that are nowhere else: never taken away by us
    sqlite_with_rowid=False,
)
approvals = Table(
    "approvals",
    metadata,
    _id(),
    _ref("case_id", "cases.id"),
    _number("revision"),
    _key("content_key"),
    _code("actor", 36),
    _at("at"),
    _code("outbox_id", 36),  # no foreign key: an item taken back before it left is removed, the approval stays
    _code("voided_by", 36, null=True),
    _at("voided_at", null=True),
    Index(None, "case_id"),
)
drafted_blocks = Table(  # the answer blocks that stood in a machine's draft of a case
    "drafted_blocks",
    metadata,
    _of_case(),
    Column("block_id", String(64), primary_key=True),
    _at("at"),
    sqlite_with_rowid=False,
)
block_use = Table(  # codes and counts only: stays when the case is erased
    "block_use",
    metadata,
    Column(
        "approval_id",
        String(36),
        ForeignKey("approvals.id", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    ),
    Column("block_id", String(64), primary_key=True),
    _ref("case_id", "cases.id"),
    _number("drafted"),  # the machine's revision that the approved text began from
    _at("at"),
    _number("sentences"),
    _number("kept"),
    sqlite_with_rowid=False,
)
released_answers = Table(  # replies that colleagues may read as an example; their text stays in the sealed revision
    "released_answers",
    metadata,
    _of_case(),
    _ref("approval_id", "approvals.id"),
    _code("actor", 36),
    _at("at"),
    Index(None, "at"),
    sqlite_with_rowid=False,
)
alerts = Table(
    "alerts",
    metadata,
    _id(),
    _code("kind", 64),
    _code("case_id", 36),  # "" when the alert is about no case
    _code("term", 40),
    _at("at"),
    UniqueConstraint("case_id", "kind", "term"),
)
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),  # in the order of writing
    _at("at"),
    _code("actor", 36),
    _code("action", 64),
    _code("case_id", 36, null=True),
    _text("details"),
    Index(None, "case_id"),
)
FOUND_LATE = audit.c.action.in_([literal_column(f"'{action}'") for action in ("found_late", "missed_urgent")])
Index("ix_audit_found_late", audit.c.at, sqlite_where=FOUND_LATE, postgresql_where=FOUND_LATE)
sample_weeks = Table(  # the audit sample: a row says that the week was drawn, also when it gave nothing
    "sample_weeks",
    metadata,
    Column("week", String(8), primary_key=True),
    _at("drawn_at"),
    _number("population"),  # cases it was drawn from
)
sampled_cases = Table(
    "sampled_cases",
    metadata,
    _of_case(),
    Column(
        "week",
        String(8),
        ForeignKey("sample_weeks.week", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    ),
    _at("looked_at", null=True),
    _code("looked_by", 36, null=True),
    Column("found_urgent", Boolean, nullable=True),
    sqlite_with_rowid=False,
)

# ---------------------------------------------------------------- outgoing mail

outbox = Table(
    "outbox",
    metadata,
    _id(),
    _code("kind"),
    _number("rank"),  # position in OUTBOX_KINDS
    _code("state"),
    _ref("case_id", "cases.id", null=True),
    _at("created_at"),
    _at("due_at"),
    _number("attempts"),
    _code("owner", 120, null=True),
    _at("leased_until", null=True),
    _number("epoch"),
    _at("sent_at", null=True),
    _number("reply_code", null=True),
    _code("enhanced_status", 16, null=True),
    _key("message_id_key"),  # the same for each recipient of one mail
    _key("to_key"),
    _at("copied_at", null=True),  # a copy of a mail that a person sent is in the Sent folder
    _sealed("envelope"),
    _sealed("raw"),
    _one_of("kind", OUTBOX_KINDS),
    _one_of("state", OUTBOX_STATES),
    UniqueConstraint("message_id_key", "to_key"),
    Index(None, "case_id"),
    Index(None, "to_key", "created_at"),
)
# Literals, not parameters: SQLite uses a partial index only when the query repeats its condition word for word.
CLAIMABLE = outbox.c.state.in_((literal_column("'due'"), literal_column("'deferred'")))
STOPPED = outbox.c.state.in_([literal_column(f"'{state}'") for state in ("sending", "refused", "uncertain")])
Index("ix_outbox_claim", outbox.c.rank, outbox.c.due_at, sqlite_where=CLAIMABLE, postgresql_where=CLAIMABLE)
Index("ix_outbox_stopped", outbox.c.state, sqlite_where=STOPPED, postgresql_where=STOPPED)
COPY_DUE = (
    outbox.c.kind.in_([literal_column(f"'{kind}'") for kind in BY_PEOPLE])
    & (outbox.c.state == literal_column("'sent'"))
    & outbox.c.copied_at.is_(None)
)
Index("ix_outbox_copy", outbox.c.sent_at, sqlite_where=COPY_DUE, postgresql_where=COPY_DUE)
acknowledgements = Table(
    "acknowledgements",
    metadata,
    _of_case(),
    _at("at"),
    _ref("outbox_id", "outbox.id", null=True),
    _text("reasons"),
    _at("promised_for", null=True),  # what it names, as its text stands
    _at("promised_take_up", null=True),
    _at("began_at", null=True),  # the arrival that started the term it is about, as cases.arrived_at then
    _code("language", 8, null=True),  # of the mail it answers, which decides in which languages it is written
    _at("bounced_at", null=True),
    sqlite_with_rowid=False,
)
_withheld = acknowledgements.c.outbox_id.is_(None)
Index("ix_acknowledgements_withheld", acknowledgements.c.at, sqlite_where=_withheld, postgresql_where=_withheld)
acknowledgement_minutes = Table(  # acknowledgements queued per minute: the hourly budget costs the same on a busy day
    "acknowledgement_minutes",
    metadata,
    Column("minute", UtcDateTime, primary_key=True),
    _number("queued"),
    sqlite_with_rowid=False,
)
promises = Table(  # later promises: each correction mail with the day it names
    "promises",
    metadata,
    _id(),
    _ref("case_id", "cases.id"),
    _at("at"),
    _code("actor", 36),
    _ref("outbox_id", "outbox.id"),
    _at("promised_for"),
    _at("began_at"),  # these three: how the answer term stood when it was promised, as in cases
    _at("answer_from"),
    _number("answer_days"),
    _at("bounced_at", null=True),
    Index(None, "case_id"),
)
