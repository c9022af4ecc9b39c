"""Delivery reports: is this mail one, which of our mails does it speak of, and what became of each recipient.

Sources: RFC 3464 and 6533 (reports for machines), RFC 3463 (status codes), RFC 6522 (multipart/report), and for the
reports in free words what mail systems of the last thirty years write. A person who forwards or describes a report
is a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from triage.core import bounce_text
from triage.core.conversation import SubjectToken, subject_tokens
from triage.core.headers import message_ids, valid_address
from triage.core.mail import EmailAddress, ParsedMail, ReportedRecipient
from triage.core.report_fields import enhanced_status

_MAX_RECIPIENTS = 100
_ARRIVED_ACTIONS = frozenset({"delivered", "relayed", "expanded"})
_ID_LINE = re.compile(r"^[ >\t|*]{0,8}Message-ID\s{0,3}:\s{0,6}(<[^<>\s]{3,250}>)", re.IGNORECASE | re.MULTILINE)
_SUBJECT_LINE = re.compile(
    r"^[ >\t|*]{0,8}(?:Subject|Onderwerp|Betreff|Objet)\s{0,3}:\s{0,6}(\S[^\r\n]{0,500})", re.I | re.M
)
_ADDRESS = re.compile(r"(?<![\w.+%-])[\w.!#$%&*+/=?^`{|}~-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{1,190}(?<![.-])")
_REPLY_CODE = re.compile(r"(?<![\d.:/-])([45])[0-7]\d(?![\d.:/])")
_NOT_A_RECIPIENT = re.compile(
    r"(?:mail from|(?<!generated )from|van|von|de|sender|afzender|reply-to|contact|support|helpdesk|question"
    r"|assistance|help|message-id|in-reply-to|references|return-path|delivered-to|envelope-from|reported to"
    r"|forward (?:this|it)|e-?mail (?:us|me) at|mailto|write to|send (?:mail|e-?mail) to)\b[^\n@]{0,60}$",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"(?:smtp|rfc822|to|rcpt)[=:;]", re.IGNORECASE)
_REJECTED = re.compile(r"\b(?:rejected|refused|geweigerd|abgelehnt|refus[eé])\b", re.IGNORECASE)
_TO_LINE = re.compile(r"[ \t>]{0,12}(?:to|cc|aan|an|[aà])[ \t]{0,3}:", re.IGNORECASE)
_OFFICE = re.compile(r"(?:post[-_]?master|mailer[-_.]?daemon|abuse|hostmaster|helpdesk|support)@", re.IGNORECASE)
_NDR_HEADERS = frozenset(
    ("x-ms-exchange-message-is-ndr x-ms-embedded-report x-ahmailid x-mailer-daemon x-failed-recipients "
     "x-mailmarshal-ndr x-nai-header x-zmailer-report x-dsn-junk-message x-bounce-reason").split()
)  # fmt: skip
_NDR_MAILERS = re.compile(r"<?SMTP32|internet mail service|mercury|mdaemon|m-filter|mailmarshal|jetmail", re.IGNORECASE)


class Delivery(StrEnum):
    """What became of a mail for one recipient."""

    FAILED_PERMANENT = "failed_permanent"
    FAILED_TEMPORARY = "failed_temporary"  # given up, for a reason that may pass: sending again can help
    DELAYED = "delayed"  # the other side is still trying
    ARRIVED = "arrived"  # delivered, relayed or expanded: a success report


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """`address` "" when the report names nobody; `status` an enhanced code (RFC 3463) or ""."""

    address: str
    delivery: Delivery
    status: str = ""

    @property
    def failed(self) -> bool:
        return self.delivery in (Delivery.FAILED_PERMANENT, Delivery.FAILED_TEMPORARY)


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a delivery report says. `about`: Message-IDs it may speak of, the surest first; `tokens`: subject tokens
    found in it, worth nothing until their check code is verified. `recipients` is never empty."""

    about: tuple[str, ...]
    tokens: tuple[SubjectToken, ...]
    recipients: tuple[RecipientResult, ...]

    @property
    def failed(self) -> bool:
        """At least one recipient did not get the mail, and nobody is trying any more."""
        return any(item.failed for item in self.recipients)


# ---------------------------------------------------------------- is it one?


def report_rule(mail: ParsedMail, *, answered: bool, forwarded: bool) -> str:
    """The rule by which this mail is a delivery report, or "". `answered`, `forwarded`: prefixes of its subject."""
    of_recipients = bool(mail.report_actions)
    if mail.report_type in ("delivery-status", "global-delivery-status") or (
        mail.content_type == "multipart/report" and of_recipients
    ):
        return "report_delivery_status"
    sender = max((_weight(item) for item in _writers(mail)), default=0)
    if mail.report_type == "disposition-notification" and sender >= 3 and _REJECTED.search(mail.text[:1_000]):
        return "rejection_notice"  # how a filter in a mailbox refuses (RFC 5429 §2.1.2)
    if mail.report_type is not None:  # a read receipt, a complaint: another kind of report
        return ""
    names = {name for name, _ in mail.headers}
    if "x-failed-recipients" in names:
        return "failed_recipients"
    null_path = mail.return_path == ""
    if sender >= 3 and not (forwarded and bounce_text.speaks_a_person(mail.text)):
        return "bounce_sender"
    if forwarded or (sender < 2 and not null_path and bounce_text.passed_on(mail.text)):
        return ""  # a person passes a report on
    told = mail.new_text if answered else mail.text  # what a person quotes is not theirs
    subject = bounce_text.subject_weight(mail.subject)
    machine = _machine_marks(mail, names, null_path=null_path)
    if not (subject or sender or machine):
        return ""
    phrases = bounce_text.phrase_marks(told)
    score = 2 * subject + sender + machine + min(phrases, 4) + bool(mail.attached_ids or of_recipients)
    if answered and phrases < 2 and not null_path:
        return ""
    if not phrases and (subject < 2 or not (sender or machine) or bounce_text.speaks_a_person(told)):
        return ""  # without sentences of a report, a subject alone proves nothing
    if sender < 2 and not null_path and (bounce_text.speaks_a_person(told) or "?" in bounce_text.own_part(told)):
        score -= 4
    return "bounce_text" if score >= 4 else ""


def has_machine_fields(mail: ParsedMail) -> bool:
    """Fields or a null path show a machine, whatever the words say."""
    return _machine_marks(mail, {name for name, _ in mail.headers}, null_path=mail.return_path == "") > 0


def _writers(mail: ParsedMail) -> Iterator[EmailAddress]:
    yield from mail.from_addresses[:5]
    if mail.sender is not None and not mail.from_addresses:
        yield mail.sender
    if mail.return_path:
        yield EmailAddress(mail.return_path)
    if not mail.from_addresses:  # `MAILER-DAEMON` without a domain, `Mail System <>`
        for value in mail.header_values("from")[:2]:
            name, _, rest = value.partition("<")
            inner = rest.rstrip("> ") or name
            local = (inner.rpartition("@")[0] or inner).strip(' "\\')  # a source route begins with @ and is a person's
            # <> is how servers write, and what a broken web form leaves: it counts, but alone it proves nothing
            yield EmailAddress(local or "postmaster", name.strip(' "'))


def _weight(writer: EmailAddress) -> int:
    local = writer.address.rpartition("@")[0] or writer.address
    return bounce_text.sender_weight(local, writer.display_name)


def _machine_marks(mail: ParsedMail, names: set[str], *, null_path: bool) -> int:
    """Fields that machines write, apart from those of the report itself."""
    marks = int(null_path)
    if any(value.strip().lower().startswith("auto-") for value in mail.header_values("auto-submitted")):
        marks += 1
    if names & _NDR_HEADERS or any(_NDR_MAILERS.match(value) for value in mail.header_values("x-mailer")):
        marks += 2
    if any("dsn" in value.lower() for value in mail.header_values("content-class")):
        marks += 2
    return marks


# ---------------------------------------------------------------- what does it say?


def delivery_report(mail: ParsedMail, *, own_addresses: frozenset[str] = frozenset()) -> DeliveryReport:
    """Reads a mail that screening took for a delivery report. `own_addresses`: normalised, never a recipient."""
    listed = tuple(_result(item, mail) for item in mail.report_recipients[:_MAX_RECIPIENTS])
    return DeliveryReport(
        about=_about(mail),
        tokens=_tokens(mail),
        recipients=listed or _free_text_results(mail, own_addresses),
    )


def _about(mail: ParsedMail) -> tuple[str, ...]:
    in_text = message_ids(match[1] for match in list(_ID_LINE.finditer(mail.text[:200_000]))[:5])
    in_fields = message_ids(value for name, value in mail.headers if name.endswith("original-message-id"))
    ids = (*mail.report_about, *in_fields, *mail.attached_ids, *in_text, *mail.in_reply_to, *reversed(mail.references))
    return tuple(dict.fromkeys(item for item in ids if item != mail.message_id))


def _tokens(mail: ParsedMail) -> tuple[SubjectToken, ...]:
    lines = [mail.subject, *mail.attached_subjects]
    lines += [match[1] for match in list(_SUBJECT_LINE.finditer(mail.text[:200_000]))[:5]]
    return tuple(dict.fromkeys(token for line in lines for token in subject_tokens(line)))


def _result(item: ReportedRecipient, mail: ParsedMail) -> RecipientResult:
    if item.action in _ARRIVED_ACTIONS or (not item.action and item.status.startswith("2")):
        return RecipientResult(item.address, Delivery.ARRIVED, item.status)
    if item.action == "delayed":
        return RecipientResult(item.address, Delivery.DELAYED, item.status)
    if not item.action and _only_delayed(mail):
        return RecipientResult(item.address, Delivery.DELAYED, item.status)
    return RecipientResult(item.address, _severity(item.status, item.diagnostic), item.status)


def _severity(status: str, diagnostic: str) -> Delivery:
    """4.x.x was temporary, everything else permanent; without a status the SMTP reply code decides."""
    code = status[:1]
    if not code and (found := _REPLY_CODE.search(diagnostic)):
        code = found[1]
    return Delivery.FAILED_TEMPORARY if code == "4" else Delivery.FAILED_PERMANENT


def _only_delayed(mail: ParsedMail) -> bool:
    told = bounce_text.own_part(mail.text)
    head = f"{mail.subject}\n{told[:5_000]}"
    return bool(bounce_text.DELAYED.search(head)) and not bounce_text.NOT_ONLY_DELAYED.search(head)


def _free_text_results(mail: ParsedMail, own_addresses: frozenset[str]) -> tuple[RecipientResult, ...]:
    """Recipients and their results from free words; one result without address when nobody is named."""
    told = bounce_text.own_part(mail.text)
    if bounce_text.SUCCEEDED.match(mail.subject):
        verdict: Delivery | None = Delivery.ARRIVED
    else:
        verdict = Delivery.DELAYED if _only_delayed(mail) else None
    writers = {item.normalised for item in (*mail.from_addresses, *mail.to, *mail.cc, *mail.reply_to)} | own_addresses
    found: dict[str, RecipientResult] = {}
    as_header: dict[str, RecipientResult] = {}  # from a line "To: …", which may name people who got the mail

    def add(address: str, words: str, found: dict[str, RecipientResult] = found) -> None:
        known = EmailAddress(address).normalised
        if known in writers or len(found) >= _MAX_RECIPIENTS:
            return
        status = enhanced_status(words)
        status = "" if status.startswith("2") else status
        result = RecipientResult(address, verdict or _severity(status, words), status)
        if known not in found or (status and not found[known].status):
            found[known] = result

    for value in mail.header_values("x-failed-recipients")[:20]:
        for address in _ADDRESS.findall(value)[:_MAX_RECIPIENTS]:
            add(address, _words_about(address, told))
    if not found:
        matches = list(_ADDRESS.finditer(told))[: 2 * _MAX_RECIPIENTS]
        for number, match in enumerate(matches):
            before = told[max(0, match.start() - 80) : match.start()].rpartition("\n")[2]
            address = _PREFIX.sub("", match[0])
            if _NOT_A_RECIPIENT.search(before) or _OFFICE.match(address) or valid_address(address) is None:
                continue
            end = matches[number + 1].start() if number + 1 < len(matches) else len(told)
            line_start = told.rfind("\n", 0, match.start()) + 1
            words = told[line_start : max(match.end(), min(end, match.end() + 600))]
            add(address, words, as_header if _TO_LINE.match(told, line_start) else found)
    if found or as_header:
        return tuple((found or as_header).values())
    status = enhanced_status(told)
    only = RecipientResult("", verdict or _severity(status, told), status)
    return (only,) if not status.startswith("2") else (replace(only, status=""),)


def _words_about(address: str, text: str) -> str:
    at = text.find(address)
    return text[at : at + 600] if at >= 0 else text[:2_000]
