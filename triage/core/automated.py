"""May a machine answer this mail, and what kind of mail is it? One rule, with all its reasons.

Sources: RFC 3834 §2 and §5 (who may be answered), RFC 5230 §4.6 (lists), RFC 3464 and 6522 (delivery
reports), RFC 8098 (read receipts), MS-OXCMAIL (X-Auto-Response-Suppress), RFC 8601 (Authentication-Results),
and what desks learned. Kind and permission are apart: a web form marked `auto-generated` is a question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from triage.core import machine_receipts, machine_text, other_reports, person_text, reports, secure_mail
from triage.core.authentication import authentication_failed
from triage.core.body import is_forward_subject, is_reply_subject
from triage.core.mail import MessageKind, NoReplyReason, ParsedMail, Screening, without_plus

_LIST_HEADERS = frozenset(
    (
        "list-id list-help list-subscribe list-unsubscribe list-post list-owner "
        "list-archive list-unsubscribe-post mailing-list x-mailing-list"
    ).split()
)
_BULK = frozenset({"bulk", "junk", "list"})
_SUPPRESS = frozenset({"all", "oof", "autoreply"})
_MARK_HEADERS = frozenset(
    (
        "x-autoreply x-autorespond x-autoresponder x-autoreply-from x-autoreply-domain "
        "x-mail-autoreply x-auto-reply x-auto-reply-from"
    ).split()
)
_OFF = frozenset({"", "no", "false", "0", "none"})
_MACHINE_LOCAL = re.compile(
    r"mailer[-_.]?daemon|mail[-_]daemon|listserv(?:er)?|majordomo|mailman|owner-.+|"
    r".+-request|.+-owner|.+-bounces?|root|daemon|www-data|cron|apache|uucp|"
    r"microsoftexchange[0-9a-f]{32}|wordpress|nobody|mailer|mailbot|notifications|notificaties?|autoreply|automail",
    re.IGNORECASE,
)
_NO_REPLY_LOCAL = re.compile(
    r"^no[._-]?reply|(?:^|[._+=-])(?:no[._-]?reply|do?n[o']?t[._-]?reply|do[._-]?not[._-]?reply|niet[._-]?(?:be)?antwoorden|"
    r"niet[._-]?reageren|geen[._-]?(?:antwoord|reactie)|no[._-]?response|"
    r"unattended|noreplies)(?:$|[._+=0-9-])|^bounces?(?:$|[+=_.-](?!srs))",
    re.IGNORECASE,
)
_LONG_MAILING = 1_500  # characters
_SPAM_YES = re.compile(r"\s*(?:yes|true|1)\b", re.IGNORECASE)
_QUOTED_FROM = re.compile(r"^[ \t>*]{0,4}(?:van|from|von|de)\*?\s{0,3}:\*?\s", re.IGNORECASE | re.MULTILINE)
_LIST_SENDER = re.compile(r"owner-.+|.+-(?:owner|bounces?|request)|listserv|majordomo|mailman", re.IGNORECASE)
_CALENDAR_ANSWERS = frozenset({"reply", "counter", "refresh", "declinecounter"})
_CAMPAIGN_HEADERS = frozenset(
    {
        "x-campaign",
        "x-campaignid",
        "x-campaign-id",
        "x-mc-user",
        "x-mailchimp-campaign-id",
        "feedback-id",
        "x-csa-complaints",
        "list-unsubscribe-post",
    }
)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What several rules look at, found once."""

    local_parts: tuple[str, ...]  # From, Sender, Return-Path
    null_path: bool
    own: bool  # one From is ours
    all_own: bool
    forwarded: bool  # by its subject
    answered: bool
    names: frozenset[str]
    auto_submitted: frozenset[str]
    precedence: frozenset[str]
    machine: bool  # the envelope or a field shows that no person pressed "send"
    text: str


@lru_cache(maxsize=16)
def _own_set(addresses: tuple[str, ...]) -> frozenset[str]:
    return frozenset(without_plus(item) for item in addresses if "@" in item)


def _keyword(value: str) -> str:
    """The bare keyword of a field with comments and parameters (RFC 3834 §5), lower case."""
    out, depth = [], 0
    for char in value[:500]:
        if char == "(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif not depth:
            out.append(char)
    return "".join(out).partition(";")[0].strip().strip("\"'").lower()


def _local(address: str) -> str:
    return address.rpartition("@")[0] if "@" in address else address


def _facts(mail: ParsedMail, own_addresses: Sequence[str]) -> _Facts:
    own = _own_set(tuple(own_addresses))
    locals_ = [_local(item.address) for item in mail.from_addresses[:20]]
    if mail.sender is not None and _LIST_SENDER.fullmatch(_local(mail.sender.address)[:100]):
        locals_.append(_local(mail.sender.address))  # any other Sender is a secretary or a web form: From is asked
    if mail.return_path:
        locals_.append(_local(mail.return_path))
    names = frozenset(name for name, _ in mail.headers)
    auto_submitted = frozenset(_keyword(value) for value in mail.header_values("auto-submitted"))
    precedence = frozenset(_keyword(value) for value in mail.header_values("precedence"))
    return _Facts(
        local_parts=tuple(locals_),
        null_path=mail.return_path == "",
        own=any(mine := [without_plus(item.address) in own for item in mail.from_addresses[:20]]),
        all_own=bool(mine) and all(mine),
        forwarded=is_forward_subject(mail.subject),
        answered=is_reply_subject(mail.subject),
        names=names,
        auto_submitted=auto_submitted,
        precedence=precedence,
        machine=mail.return_path == "" or bool(auto_submitted - {"no"}) or bool(precedence & {"bulk", "junk"}),
        text=mail.new_text or mail.text,
    )


def _auto_reply_mark(mail: ParsedMail, facts: _Facts) -> bool:
    """Fields that only vacation programs write."""
    if facts.precedence & {"auto_reply", "auto-reply"}:
        return True
    if any(
        value.strip().lower() not in _OFF for name in _MARK_HEADERS & facts.names for value in mail.header_values(name)
    ):
        return True
    checks = (
        ("x-autogenerated", "reply"),
        ("x-fc-machinegenerated", "true"),
        ("delivered-to", "autoresponder"),
        ("x-apple-action", "vacation"),
    )
    if any(
        _keyword(value) == wanted
        for name, wanted in checks
        if name in facts.names
        for value in mail.header_values(name)
    ):
        return True
    return any("autoresponder" in value.lower() for value in mail.header_values("x-post-messageclass"))


def _auto_reply_subject(mail: ParsedMail, facts: _Facts) -> bool:
    """A subject that vacation programs write, over a text in which nobody asks. In Dutch "Auto:" is also a car."""
    if facts.forwarded:
        return False
    suffix = bool(machine_text.AUTO_REPLY_SUFFIX.search(mail.subject))
    if suffix and facts.answered and not _says_automatic(mail, facts):
        return False
    if not suffix and facts.answered:  # a person answers an automatic reply
        return False
    if not (
        suffix or machine_text.AUTO_REPLY_SUBJECT.match(mail.subject) or machine_text.AUTO_PREFIX.match(mail.subject)
    ):
        return False
    return not person_text.plainly_asks(mail.subject, facts.text)


def _says_automatic(mail: ParsedMail, facts: _Facts) -> bool:
    return (
        machine_text.looks_absent(facts.text)
        or machine_text.is_automatic(facts.text)
        or machine_receipts.is_notice(mail.subject, facts.text)
    )


def _spam_flag(mail: ParsedMail) -> bool:
    if any(
        _SPAM_YES.match(value)
        for name in ("x-spam-flag", "x-spam-status", "x-spam")
        for value in mail.header_values(name)
    ):
        return True
    return any(re.fullmatch(r"\s*[5-9]\s*", value) for value in mail.header_values("x-ms-exchange-organization-scl"))


def _is_own(mail: ParsedMail, facts: _Facts, own_addresses: Sequence[str]) -> bool:
    """Every From is ours, and nobody else speaks in it: neither a form on our own site nor a mail passed on to us."""
    if not facts.all_own:
        return False
    own = _own_set(tuple(own_addresses))
    domains = {address.rpartition("@")[2] for address in own}
    named = (*mail.in_reply_to, *mail.references)
    if "auto-replied" in facts.auto_submitted or any(
        item.strip("<>").rpartition("@")[2].lower() in domains for item in named
    ):
        return True
    if facts.forwarded and (mail.forwarded_text or mail.attached_subjects or _QUOTED_FROM.search(mail.text[:20_000])):
        return False
    if mail.in_reply_to:
        return True
    asker = len(mail.reply_to) == 1 and without_plus(mail.reply_to[0].address) not in own
    return not asker and not person_text.is_form(mail.text)


def _is_form(mail: ParsedMail, facts: _Facts) -> bool:
    """A web form writes for a person: its labels, or a program's mail that names one asker elsewhere in Reply-To."""
    if facts.forwarded or facts.answered or "auto-replied" in facts.auto_submitted or mail.report_type is not None:
        return False
    if person_text.is_form(facts.text):
        return not _auto_reply_mark(mail, facts)
    if "auto-generated" not in facts.auto_submitted or len(mail.reply_to) != 1 or len(mail.from_addresses) != 1:
        return False
    asker, writer = (item[0].normalised for item in (mail.reply_to, mail.from_addresses))
    elsewhere = asker.rpartition("@")[2] != writer.rpartition("@")[2]
    return elsewhere and not is_no_reply_address(asker) and not _LIST_HEADERS & facts.names


def _is_list_or_bulk(mail: ParsedMail, facts: _Facts) -> str:
    """The rule by which this is a mailing, or "". A person's question through a list alias stays a question."""
    listed = bool(_LIST_HEADERS & facts.names)
    bulk = bool(facts.precedence & _BULK)
    if not (listed or bulk):
        mass = not facts.forwarded and not facts.answered and machine_text.is_mass_mail(mail.subject, facts.text)
        return "mass_mail_text" if mass else ""
    marks = machine_text.mass_marks(mail.subject, mail.text)
    asks = machine_text.asks_on_care(mail.subject, facts.text)
    short = marks < 4 and len(facts.text) < _LONG_MAILING and not _CAMPAIGN_HEADERS & facts.names
    short = short and not (listed and facts.precedence & {"bulk", "junk"})  # both: somebody's mailing list
    if short and asks and person_text.asks_for_care(mail.subject, facts.text):
        return ""  # an organisation's mailing foot under its question
    if marks >= 2 or (marks and "?" not in facts.text[:20_000]):
        return "list_mail"
    if "list-unsubscribe" not in facts.names or (facts.answered and marks == 0):
        return ""
    if "list-post" in facts.names or "mailing-list" in facts.names:  # an alias or discussion list: people write there
        return ""
    if _CAMPAIGN_HEADERS & facts.names and not ("?" in facts.text and asks):
        return "campaign"
    return "" if asks else "list_unsubscribe"


def _kind(mail: ParsedMail, facts: _Facts, own_addresses: Sequence[str]) -> tuple[MessageKind, str]:
    if not mail.readable:
        return MessageKind.UNREADABLE, "unreadable"
    report = reports.report_rule(mail, answered=facts.answered, forwarded=facts.forwarded)
    if report == "report_delivery_status":  # also when our own server writes it in our own name
        return MessageKind.DELIVERY_REPORT, report
    if _is_own(mail, facts, own_addresses):
        return MessageKind.OWN, "own_address"
    if report and report != "bounce_text":
        return MessageKind.DELIVERY_REPORT, report
    if _is_form(mail, facts):
        return MessageKind.QUESTION, ""
    if report:
        return MessageKind.DELIVERY_REPORT, report
    if other_reports.is_read_receipt(mail, facts.text):
        return MessageKind.AUTO_REPLY, "read_receipt"
    if other_reports.is_complaint(mail):
        return MessageKind.AUTO_REPLY, "feedback_report"
    if other_reports.is_aggregate_report(mail, facts.text, passed_on=facts.forwarded or facts.answered):
        return MessageKind.AUTO_REPLY, "dmarc_report"
    if secure_mail.is_access_code(mail):
        return MessageKind.AUTO_REPLY, "secure_mail_code"
    if secure_mail.notice_of(mail) is not None:  # before all that only looks automatic: care hides behind it
        return MessageKind.SECURE_MAIL_NOTICE, "secure_mail_notice"
    if "auto-replied" in facts.auto_submitted:
        return MessageKind.AUTO_REPLY, "auto_submitted"
    if _auto_reply_mark(mail, facts):
        return MessageKind.AUTO_REPLY, "auto_reply_mark"
    if _auto_reply_subject(mail, facts):
        if _says_automatic(mail, facts):
            return MessageKind.AUTO_REPLY, "auto_reply_subject"
        return MessageKind.QUESTION, "auto_reply_subject"  # the subject alone: people write it too
    if facts.machine and machine_text.is_absence_notice(facts.text):
        return MessageKind.AUTO_REPLY, "absence_text"
    if facts.forwarded:
        return MessageKind.QUESTION, ""
    if machine_text.is_challenge(mail.subject, facts.text):
        return MessageKind.AUTO_REPLY, "challenge"
    if machine_text.is_confirmation(mail.subject, facts.text) or (
        facts.machine and machine_text.confirms(mail.subject, facts.text)
    ):
        return MessageKind.AUTO_REPLY, "confirmation_text"
    if rule := _is_list_or_bulk(mail, facts):
        return MessageKind.LIST_OR_BULK, rule
    if not facts.answered and (rule := machine_text.unsolicited_rule(mail.subject, facts.text)):
        return MessageKind.UNSOLICITED, rule
    return MessageKind.QUESTION, ""


def _reasons(
    mail: ParsedMail, facts: _Facts, kind: MessageKind, rule: str, own_addresses: Sequence[str], authserv_id: str
) -> tuple[NoReplyReason, ...]:
    reason = NoReplyReason
    found: set[NoReplyReason] = set()

    def when(condition: object, item: NoReplyReason) -> None:
        if condition:
            found.add(item)

    # RFC 3834 §5 allows one field; of several the most cautious reading wins, and every value but "no" counts.
    when(facts.auto_submitted - {"no"}, reason.AUTO_SUBMITTED)
    when(facts.null_path, reason.NULL_REVERSE_PATH)
    when(any(_MACHINE_LOCAL.fullmatch(part[:100]) for part in facts.local_parts), reason.MACHINE_SENDER)
    when(any(_NO_REPLY_LOCAL.search(part[:100]) for part in facts.local_parts), reason.NO_REPLY_ADDRESS)
    when(_LIST_HEADERS & facts.names, reason.MAILING_LIST)
    when(facts.precedence & _BULK, reason.BULK_PRECEDENCE)
    when(_auto_reply_mark(mail, facts), reason.AUTO_REPLY_MARK)
    when(_auto_reply_subject(mail, facts), reason.AUTO_REPLY_SUBJECT)
    suppressed = (
        token.strip().lower()
        for value in mail.header_values("x-auto-response-suppress")
        for token in re.split(r"[,;\s]+", value)
    )
    when(_SUPPRESS & set(suppressed), reason.RESPONSE_SUPPRESSED)
    when(kind is MessageKind.DELIVERY_REPORT, reason.DELIVERY_REPORT)
    when(rule == "read_receipt", reason.READ_RECEIPT)
    when(facts.own, reason.OWN_ADDRESS)
    when(authentication_failed(mail, authserv_id), reason.AUTHENTICATION_FAILED)
    several = len(mail.from_addresses) > 1 or len(mail.header_values("from")) > 1
    when(not mail.from_addresses, reason.NO_VALID_FROM)
    when(several, reason.SEVERAL_FROM)
    when(kind is MessageKind.SECURE_MAIL_NOTICE, reason.SECURE_MAIL_NOTICE)
    when(kind is MessageKind.UNSOLICITED, reason.UNSOLICITED)
    when(_spam_flag(mail), reason.SPAM_FLAG)
    machine_rules = ("challenge", "confirmation_text", "dmarc_report", "feedback_report", "mass_mail_text")
    when(rule in machine_rules or (kind is MessageKind.QUESTION and _shows_machine(mail, facts)), reason.MACHINE_TEXT)
    when(kind is MessageKind.LIST_OR_BULK and not found, reason.MACHINE_TEXT)
    when(kind is MessageKind.UNREADABLE, reason.UNREADABLE)
    return tuple(item for item in NoReplyReason if item in found)


def _shows_machine(mail: ParsedMail, facts: _Facts) -> bool:
    """A machine by its own words, in the new text only: people quote and describe such words."""
    if mail.calendar_method in _CALENDAR_ANSWERS:
        return True
    if facts.forwarded or mail.forwarded_text:
        return False
    if len(facts.text) > _LONG_MAILING and machine_text.mass_marks(mail.subject, facts.text) >= 3:
        return True  # a mailing in which somebody tells of their care
    if person_text.plainly_asks(mail.subject, facts.text):
        return False
    # also behind "Re:": that is how autoresponders answer
    if machine_text.is_absence_notice(facts.text) or machine_receipts.is_notice(mail.subject, facts.text):
        return True
    if machine_receipts.is_receipt(facts.text):
        return True
    if facts.answered:
        return False
    return machine_text.is_automatic(facts.text) and not machine_text.asks_on_care(mail.subject, facts.text)


def _by_words(mail: ParsedMail, facts: _Facts, kind: MessageKind, rule: str) -> bool:
    """Only subject and text made this a machine's or a mass mailing: no field, null path or structure agrees."""
    if kind is MessageKind.DELIVERY_REPORT:
        return rule == "bounce_text" and not reports.has_machine_fields(mail)
    if facts.machine or mail.report_type is not None or _auto_reply_mark(mail, facts):
        return False
    if kind is MessageKind.AUTO_REPLY:
        shown = {
            "feedback_report": other_reports.structured_complaint(mail),
            "dmarc_report": other_reports.structured_figures(mail),
            "secure_mail_code": True,  # by the service's domain
        }
        return not shown.get(rule, False)
    if kind is MessageKind.LIST_OR_BULK:
        return rule == "mass_mail_text"
    return kind is MessageKind.UNSOLICITED and not _spam_flag(mail)


def is_no_reply_address(address: str) -> bool:
    """An address that wants no answer by its own words; a reply to it will not be read."""
    return bool(_NO_REPLY_LOCAL.search(_local(address)[:100]))


def no_reply_reasons(mail: ParsedMail, *, own_addresses: Sequence[str], authserv_id: str) -> tuple[NoReplyReason, ...]:
    """Every reason why no machine may answer this mail, in the order of the enum; empty: it may be answered."""
    return screen(mail, own_addresses=own_addresses, authserv_id=authserv_id).reasons


def screen(mail: ParsedMail, *, own_addresses: Sequence[str], authserv_id: str) -> Screening:
    """Kind, reasons and the rule that decided the kind. Never raises. `authserv_id` "": that header is not used."""
    facts = _facts(mail, own_addresses)
    kind, rule = _kind(mail, facts, own_addresses)
    reasons = _reasons(mail, facts, kind, rule, own_addresses, authserv_id)
    if facts.own and kind is not MessageKind.OWN and not rule:
        rule = "own_address_form"
    return Screening(kind=kind, reasons=reasons, rule=rule, by_words=_by_words(mail, facts, kind, rule))
