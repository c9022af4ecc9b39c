"""Values that describe a received mail. Names follow the RFCs; see `product.md` for the kinds."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_QUOTED_PAIR = re.compile(r"\\(.)")

TRIAGED = "$Triaged"
"""IMAP keyword on mail this product finished with: a courtesy to people, and a trace when a database was lost."""


class MessageKind(StrEnum):
    """What a received mail is; decided by screening and threading."""

    QUESTION = "question"
    FOLLOW_UP = "follow_up"
    AUTO_REPLY = "auto_reply"
    DELIVERY_REPORT = "delivery_report"
    LIST_OR_BULK = "list_or_bulk"
    UNSOLICITED = "unsolicited"
    SECURE_MAIL_NOTICE = "secure_mail_notice"
    OWN = "own"
    UNREADABLE = "unreadable"


class LedgerOutcome(StrEnum):
    """How a UID in the mailbox ended. A UID without an outcome is unaccounted."""

    CASE = "case"
    FOLLOW_UP = "follow_up"
    ATTACHED = "attached"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """One address (RFC 5322 §3.4). `address` is `local@domain` as given, without brackets; never empty."""

    address: str
    display_name: str = ""

    @property
    def normalised(self) -> str:
        """For comparing and counting: local part folded, domain as lower-case A-label, plus-form kept."""
        local, _, domain = self.address.strip().rpartition("@")
        if len(local) > 2 and local[0] == local[-1] == '"':  # "jan"@… is jan@… (RFC 5322 §3.2.4)
            local = _QUOTED_PAIR.sub(r"\1", local[1:-1])
        domain = domain.lower().rstrip(".")
        with contextlib.suppress(UnicodeError):  # not a valid IDN: compare it as it stands
            domain = domain.encode("idna").decode("ascii")
        return f"{local.casefold()}@{domain}"


def without_plus(address: str) -> str:
    """An address for comparing with our own: normalised, plus-form removed (RFC 5233)."""
    local, _, domain = EmailAddress(address).normalised.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not the readable text. `size` is in bytes after transfer decoding."""

    filename: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """One recipient of a delivery report (RFC 3464 §2.3), as the report has it; "" for what it does not say.

    `action` is lower case, `status` an enhanced code such as `5.1.1`, `diagnostic` the words of the other server."""

    address: str
    action: str = ""
    status: str = ""
    diagnostic: str = ""


@dataclass(frozen=True, slots=True)
class UidRef:
    """A message's place in one folder (RFC 9051 §2.3.1.1): a UID means nothing without its UIDVALIDITY."""

    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class FetchedMail:
    """What the server gave for one UID. `raw` is whole when `complete`, else headers plus the text part."""

    ref: UidRef
    internal_date: datetime  # aware; the server's arrival time
    size: int  # RFC822.SIZE in bytes
    raw: bytes
    complete: bool = True
    answered: bool = False  # \Answered is set: a person replied from the own mail program
    triaged: bool = False  # our own keyword is set: this product finished with it before


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """A mail as far as it can be read. Made from any bytes; what went wrong stands in `defects`.

    `headers` are (lower-case name, decoded unfolded value without control characters) in order.
    `text` is all readable text, `new_text` that without quoted history and signature, `forwarded_text`
    the text of a forwarded mail ("" when none), `originally_from` its writer as the forwarder shows it.
    `html` is the first HTML part as sent (unsafe!) or "".
    `date` is the author's claim, aware, or None. Lists of addresses keep the order of the header.
    `message_id`, `in_reply_to`, `references` keep their `< >`; only well-formed ids are kept.
    """

    headers: tuple[tuple[str, str], ...] = ()
    message_id: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    subject: str = ""
    from_addresses: tuple[EmailAddress, ...] = ()
    sender: EmailAddress | None = None
    reply_to: tuple[EmailAddress, ...] = ()
    to: tuple[EmailAddress, ...] = ()
    cc: tuple[EmailAddress, ...] = ()
    return_path: str | None = None  # None: no such field; "": the null reverse path <>
    date: datetime | None = None
    text: str = ""
    new_text: str = ""
    forwarded_text: str = ""
    originally_from: str = ""
    originally_found: str = ""  # where that stood: "text" (a Van: line) or "attached" (the attached mail's From)
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    content_type: str = "text/plain"
    report_type: str | None = None  # multipart/report; report-type=… (RFC 6522), lower case
    report_about: tuple[str, ...] = ()  # Message-IDs of the mail a report speaks of
    report_actions: tuple[str, ...] = ()  # Action of each recipient of a delivery report (RFC 3464 §2.3.3)
    report_recipients: tuple[ReportedRecipient, ...] = ()
    attached_ids: tuple[str, ...] = ()  # Message-IDs of attached mails; only for a report are they what it is about
    attached_subjects: tuple[str, ...] = ()
    calendar_method: str = ""  # of an invitation (RFC 5546), lower case: request, reply, cancel; "" when there is none
    defects: tuple[str, ...] = ()
    readable: bool = True  # False: nothing that looks like a mail; becomes kind `unreadable`

    @property
    def from_address(self) -> EmailAddress | None:
        """The single valid From address, or None when there is none or more than one."""
        return self.from_addresses[0] if len(self.from_addresses) == 1 else None

    def header_values(self, name: str) -> tuple[str, ...]:
        """All values of a header, in order, compared without case."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key == wanted)


class NoReplyReason(StrEnum):
    """Why no machine may answer this mail (RFC 3834 §2 and what the field learned).

    Screening reasons first; the last group belongs to policy (mode, cut-off, budget, threading).
    """

    AUTO_SUBMITTED = "auto_submitted"
    NULL_REVERSE_PATH = "null_reverse_path"
    MACHINE_SENDER = "machine_sender"  # mailer-daemon, owner-…, …-request, listserv, majordomo
    NO_REPLY_ADDRESS = "no_reply_address"
    MAILING_LIST = "mailing_list"
    BULK_PRECEDENCE = "bulk_precedence"
    AUTO_REPLY_MARK = "auto_reply_mark"
    AUTO_REPLY_SUBJECT = "auto_reply_subject"
    RESPONSE_SUPPRESSED = "response_suppressed"
    DELIVERY_REPORT = "delivery_report"
    READ_RECEIPT = "read_receipt"
    OWN_ADDRESS = "own_address"
    AUTHENTICATION_FAILED = "authentication_failed"
    NO_VALID_FROM = "no_valid_from"
    SEVERAL_FROM = "several_from"
    SECURE_MAIL_NOTICE = "secure_mail_notice"
    UNSOLICITED = "unsolicited"
    SPAM_FLAG = "spam_flag"
    MACHINE_TEXT = "machine_text"  # headers silent, the text shows a machine or a mass mailing
    UNREADABLE = "unreadable"
    SHADOW_MODE = "shadow_mode"
    BEFORE_SINCE = "before_since"
    BUDGET_ADDRESS = "budget_address"
    BUDGET_HOUR = "budget_hour"
    ALREADY_ANSWERED = (
        "already_answered"  # a person was first: \Answered in the mailbox, or the case ended before it could leave
    )


@dataclass(frozen=True, slots=True)
class Screening:
    """What kind of mail this is and whether a machine may answer; `reasons` empty means it may.

    `by_words`: the kind was read from subject and text alone, no field or structure shows a machine. Such a mail may
    be a person's, so it is assessed and is never ignored."""

    kind: MessageKind
    reasons: tuple[NoReplyReason, ...] = ()
    rule: str = ""  # the rule that decided the kind, for the ledger; "" for an ordinary question
    by_words: bool = False

    @property
    def may_acknowledge(self) -> bool:
        """Screening alone: no mode, cut-off, budget, database or threading."""
        return not self.reasons
