"""Reports that are no delivery reports: read receipts, complaints on our mail, other servers' figures.

Sources: RFC 8098 (read receipts), RFC 5965 (complaints), RFC 7489 §7.2 and RFC 8460 (figures). `structured_*` says that
a field or a part shows it; words alone may be a person's, and count in the form that only programs write.
"""

from __future__ import annotations

import re

from triage.core.mail import ParsedMail
from triage.core.person_text import plainly_asks, speaks_of_self

_READ_SUBJECT = re.compile(
    (
        r"\s*(?:gelezen|niet gelezen|read|not read|gelesen|ungelesen|leesbevestiging|"
        r"(?:return|read) receipt|lesebest[aä]tigung|lu|non lu|accus[eé] de lecture|confirmation de lecture|"
        r"le[ií]do|letto|lido|przeczytan[oae]|okundu|l[aä]st|l[æe]st)\s*(?:\([^)]{0,40}\))?\s*:"
    ),
    re.IGNORECASE,
)
_READ_TEXT = re.compile(
    (
        r"\s*(?:uw|je|your|ihre?|votre|tw[oó]j\w?|wiadomo[sś][cć]|this is a (?:return |read )?receipt"
        r"|dit is een (?:lees|ontvangst)bevestiging)\b[^?]{0,500}?"
        r"(?:\bis gelezen(?: op\b)?|\bwas read on\b|\bhas been (?:read|displayed|opened)\b"
        r"|\bwurde (?:am [^.]{0,40})?gelesen"
        r"|ongelezen verwijderd|zonder te zijn gelezen verwijderd|deleted without being read"
        r"|\breceipt for the (?:e-?mail|mail|message)|[eé]t[eé] lu\b|\bzosta[lł]a? (?:przeczytan|odczytan))[^?]{0,200}"
    ),
    re.IGNORECASE,
)
_DMARC_REPORT = re.compile(
    r"\s*(?:\[[^\]]{0,40}\]\s*)?(?:dmarc (?:aggregate )?)?report[ -]domain:\s*\S{1,253}\s+submitter:"
    r"|\s*dmarc aggregate report\b",
    re.IGNORECASE,
)
# receiver!domain!begin!end[!unique].xml.gz (RFC 7489 §7.2.1.1), and JSON for TLS reports (RFC 8460 §5.1)
_AGGREGATE_FILE = re.compile(
    r"[\w.-]{3,200}[!_][\w.-]{3,200}[!_]\d{9,11}[!_]\d{9,11}(?:[!_][\w.-]{1,80})?\.(?:xml|zip|gz|json)(?:\.gz|\.zip)?",
    re.IGNORECASE,
)
_COMPLAINT = re.compile(
    r"\s*(?:complaint about message from |(?:\[?(?:e-?mail )?(?:abuse|feedback|spam) (?:feedback )?(?:report"
    r"|complaint)\]?)(?: for| about| from|:| on|$)|email feedback report for ip|fbl report)",
    re.IGNORECASE,
)
_LONGEST_RECEIPT = 900


def is_read_receipt(mail: ParsedMail, text: str) -> bool:
    """A read receipt by its structure, from a null path, or in the exact words of a mail program."""
    if mail.report_type == "disposition-notification":
        return True
    if not _READ_SUBJECT.match(mail.subject):
        return False
    if mail.return_path == "":
        return True
    return (
        len(text) <= _LONGEST_RECEIPT
        and bool(_READ_TEXT.fullmatch(text))
        and not speaks_of_self(text)
        and not plainly_asks("", text)
    )


def is_complaint(mail: ParsedMail) -> bool:
    """A complaint, also in another form than RFC 5965: the reported mail attached under a subject of reports."""
    return structured_complaint(mail) or bool(_COMPLAINT.match(mail.subject) and mail.attached_subjects)


def structured_complaint(mail: ParsedMail) -> bool:
    return mail.report_type == "feedback-report" or any(
        item.content_type == "message/feedback-report" for item in mail.attachments[:50]
    )


def is_aggregate_report(mail: ParsedMail, text: str, *, passed_on: bool) -> bool:
    """Figures on mail in our name, from other servers: nothing a person asks. `passed_on`: by its subject's prefix."""
    if mail.report_type in ("tlsrpt", "dmarc"):
        return True
    if passed_on:
        return False
    return bool(_DMARC_REPORT.match(mail.subject)) or (structured_figures(mail) and len(text) < 1_500)


def structured_figures(mail: ParsedMail) -> bool:
    return any(_AGGREGATE_FILE.fullmatch(item.filename) for item in mail.attachments[:20])
