"""The fields of a delivery report (RFC 3464 §2.3, RFC 6533 §4): from groups of fields to one result a recipient.

Real reports put the fields in any order, spread a group over blank lines or run several together; what belongs to
one recipient is found by which fields would otherwise stand twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from triage.core.headers import valid_address
from triage.core.mail import ReportedRecipient

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_ADDRESS = re.compile(r"[^\s<>;:,()\"']{1,64}@[^\s<>;:,()\"']{1,190}")
_XTEXT = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_OF_RECIPIENT = frozenset(
    {"final-recipient", "original-recipient", "action", "status", "diagnostic-code", "x-actual-recipient"}
)


def enhanced_status(text: str) -> str:
    """The first enhanced status code (RFC 3463) of a text, or ""."""
    found = _STATUS.search(text)
    return found[0] if found else ""


def recipient_address(value: str) -> str:
    """The address of a recipient field such as `rfc822; <jan@x.example>`; "" when it has none."""
    text = _XTEXT.sub(lambda match: chr(min(int(match[1], 16), 0x10FFFF)), value[:1_000])
    text = text.partition(";")[2] if ";" in text else text
    found = _ADDRESS.search(text)
    return (valid_address(found[0].strip(".")) or "") if found else ""


def reported_recipients(groups: Iterable[Iterable[tuple[str, str]]]) -> list[ReportedRecipient]:
    """One result per recipient, in order. `groups`: lower-case names with decoded values."""
    results: list[dict[str, str]] = []
    current: dict[str, str] = {}
    for group in groups:
        named = {key for key, _ in group} & _OF_RECIPIENT
        if named & current.keys():  # the same field again: somebody else
            results.append(current)
            current = {}
        for key, value in group:
            if key not in _OF_RECIPIENT:
                continue
            if key in current:
                results.append(current)
                current = {}
            current[key] = value.strip()
    results.append(current)
    return [_recipient(fields) for fields in results if fields.keys() - {"status"}]


def _recipient(fields: dict[str, str]) -> ReportedRecipient:
    original, final = (recipient_address(fields.get(f"{name}-recipient", "")) for name in ("original", "final"))
    actual = recipient_address(fields.get("x-actual-recipient", ""))
    diagnostic = fields.get("diagnostic-code", "")[:1_000]
    action = re.split(r"[\s(;]", fields.get("action", "").strip().lower(), maxsplit=1)[0][:40]
    return ReportedRecipient(
        address=original or final or actual,  # the original one is the address that we wrote to
        action=action,
        status=enhanced_status(fields.get("status", "")) or enhanced_status(diagnostic),
        diagnostic=diagnostic,
    )
