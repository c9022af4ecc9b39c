"""The gate before release: what must not leave (`product.md` section 7). Findings name the rule, never the value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from stdnum.nl import bsn

from triage.core.mail import without_plus

_NINE_DIGITS = re.compile(r"(?<!\d)\d(?:[ .-]?\d){8}(?!\d)")
_PLACE_HOLDER = re.compile(r"\[\[[^\]\n]{1,300}\]\]|\{\{[^}\n]{0,300}\}\}|\{%[^%\n]{0,300}%\}")
_OUR_REFERENCE = re.compile(r"\bJL-\d{4}-\d{5,7}\b")  # one in eleven would pass the elfproef
SIGNATURE = "[[handtekening]]"


class Finding(StrEnum):
    """All of these block the release."""

    BSN = "bsn"
    PLACE_HOLDER = "place_holder"
    NO_RECIPIENT = "no_recipient"
    OWN_RECIPIENT = "own_recipient"
    EMPTY = "empty"


def holds_bsn(text: str) -> bool:
    """True when nine digits in the text pass the elfproef of a BSN."""
    text = _OUR_REFERENCE.sub(" ", text)
    return any(bsn.is_valid(re.sub(r"\D", "", match[0])) for match in _NINE_DIGITS.finditer(text))


def mask_bsn(text: str) -> str:
    """The text with the digits of every BSN replaced by dots: what people see (`product.md` section 10)."""
    ours = [match.span() for match in _OUR_REFERENCE.finditer(text)]

    def masked(found: re.Match[str]) -> str:
        inside = any(start < found.end() and found.start() < end for start, end in ours)
        return found[0] if inside or not holds_bsn(found[0]) else re.sub(r"\d", "•", found[0])

    return _NINE_DIGITS.sub(masked, text)


def open_places(text: str) -> tuple[str, ...]:
    """What still stands between [[ ]], {{ }} or {% %} in a text, the signature's place left out; without repeats."""
    return tuple(dict.fromkeys(_PLACE_HOLDER.findall(text.replace(SIGNATURE, ""))))


def findings(
    *, recipients: Sequence[str], subject: str, body: str, own_addresses: Sequence[str]
) -> tuple[Finding, ...]:
    """Why this text may not leave; empty when it may."""
    found: list[Finding] = []
    own = {without_plus(address) for address in own_addresses}
    if not recipients:
        found.append(Finding.NO_RECIPIENT)
    if any(without_plus(address) in own for address in recipients):
        found.append(Finding.OWN_RECIPIENT)
    if not body.replace(SIGNATURE, "").strip():
        found.append(Finding.EMPTY)
    if open_places(body) or open_places(subject):
        found.append(Finding.PLACE_HOLDER)
    if holds_bsn(body) or holds_bsn(subject):
        found.append(Finding.BSN)
    return tuple(found)
