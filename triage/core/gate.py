"""The gate before release (`product.md` section 7): what must not leave, and what a person must have looked at first.

A finding names the rule. Where it was found is for the page only: it is kept nowhere and stands in no message of ours.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from stdnum.nl import bsn

from triage.core.birth_dates import FOOTNOTE, birth_dates
from triage.core.mail import EmailAddress, without_plus
from triage.core.readability import readability, sentences

_NINE_DIGITS = re.compile(r"(?<!\d)\d(?:[ .-]?\d){8}(?!\d)")
_PLACE_HOLDER = re.compile(r"\[\[[^\]\n]{1,300}\]\]|\{\{[^}\n]{0,300}\}\}|\{%[^%\n]{0,300}%\}")
_OUR_REFERENCE = re.compile(r"\bJL-\d{4}-\d{5,7}\b")  # one in eleven would pass the elfproef
SIGNATURE = "[[handtekening]]"
_LINK_LINE = re.compile(r"^[ \t]*(?:[-•*] )?https?://\S+[ \t]*$", re.MULTILINE)
_NOTE_MARK = re.compile(r"\[\d+(?:-\d+)?\]")
_SHOWN = 60  # characters shown on each side of what was found
_LONGEST_SHOWN = 240


class Finding(StrEnum):
    """Why a text may not leave as it stands: those of BLOCKING never, the others when a person ticks them."""

    BSN = "bsn"
    PLACE_HOLDER = "place_holder"
    NO_RECIPIENT = "no_recipient"
    OWN_RECIPIENT = "own_recipient"
    EMPTY = "empty"
    BIRTH_DATE = "birth_date"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    OUTSIDER = "outsider"
    LONG_SENTENCE = "long_sentence"
    STALE_BLOCK = "stale_block"
    SECURE_CHANNEL = "secure_channel"


BLOCKING = frozenset({Finding.BSN, Finding.PLACE_HOLDER, Finding.NO_RECIPIENT, Finding.OWN_RECIPIENT, Finding.EMPTY})


class SecureChannel(StrEnum):
    """Whether the product says that an answer may hold health data: not, once per case, or as a finding to tick."""

    OFF = "off"
    ADVISE = "advise"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class Found:
    """One finding; `where` are the sentences, addresses or titles that it is about, never to be stored or logged."""

    finding: Finding
    where: tuple[str, ...] = field(default=(), repr=False)

    @property
    def blocks(self) -> bool:
        return self.finding in BLOCKING


@dataclass(frozen=True, slots=True)
class Correspondents:
    """Whose addresses stand in a conversation, normalised. `copied`: in To or Cc of a mail that we received; `ours`:
    to whom we wrote in it."""

    writers: frozenset[str] = frozenset()
    copied: frozenset[str] = frozenset()
    ours: frozenset[str] = frozenset()


class GateFindings(ValueError):
    """The text may not leave: what blocks it, and what nobody ticked. Holds codes only."""

    def __init__(self, found: Iterable[Finding]) -> None:
        self.findings = tuple(found)
        super().__init__(", ".join(self.findings))

    @property
    def blocking(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one in BLOCKING)

    @property
    def unticked(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one not in BLOCKING)


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


def normalised(addresses: Iterable[str]) -> frozenset[str]:
    """The addresses as they are compared here; empty ones left out."""
    return frozenset(EmailAddress(one).normalised for one in addresses if one.strip())


def findings(
    *,
    recipients: Sequence[str],
    subject: str,
    body: str,
    own_addresses: Sequence[str],
    correspondents: Correspondents,
    stale: Sequence[str] = (),
    secure_channel: SecureChannel = SecureChannel.OFF,
) -> tuple[Found, ...]:
    """Why this text may not leave as it stands, each finding once, those that block first; empty when it may.

    `recipients` are those of To and Cc; `stale` the titles of the blocks under the text that must be checked anew."""
    own = {without_plus(address) for address in own_addresses}
    ourselves = [address for address in recipients if without_plus(address) in own]
    places = dict.fromkeys((*open_places(subject), *open_places(body)))
    unknown, outside = _strangers([one for one in recipients if one not in ourselves], correspondents)
    found: dict[Finding, Collection[str]] = {}
    if not recipients:
        found[Finding.NO_RECIPIENT] = ()
    if ourselves:
        found[Finding.OWN_RECIPIENT] = ourselves
    if not body.replace(SIGNATURE, "").strip():
        found[Finding.EMPTY] = ()
    if places:
        found[Finding.PLACE_HOLDER] = places
    if holds_bsn(body) or holds_bsn(subject):
        found[Finding.BSN] = ()
    to_tick = {
        Finding.BIRTH_DATE: [*_around_birth_dates(subject), *_around_birth_dates(body)],
        Finding.UNKNOWN_RECIPIENT: unknown,
        Finding.OUTSIDER: outside,
        Finding.LONG_SENTENCE: _long_sentences(body),
        Finding.STALE_BLOCK: stale,
    }
    found |= {finding: where for finding, where in to_tick.items() if where}
    if secure_channel is SecureChannel.REQUIRE:
        found[Finding.SECURE_CHANNEL] = ()
    return tuple(Found(finding, tuple(where)) for finding, where in found.items())


def _strangers(recipients: Sequence[str], known: Correspondents) -> tuple[list[str], list[str]]:
    """(those who stand nowhere in the conversation, those who only stood beside us in a mail to us)."""
    unknown, outside = [], []
    for address in recipients:
        one = EmailAddress(address).normalised
        if one in known.writers:
            continue
        if one in known.copied:
            outside.append(address)
        elif one not in known.ours:
            unknown.append(address)
    return unknown, outside


def _around_birth_dates(text: str) -> list[str]:
    """Each with the words around it, on one line."""
    found = []
    for start, end in birth_dates(text):
        before = text[max(0, start - _SHOWN) : start].rpartition("\n")[2]
        after = text[end : end + _SHOWN].partition("\n")[0]
        found.append(f"{before}{text[start:end]}{after}".strip())
    return list(dict.fromkeys(found))


def _long_sentences(body: str) -> list[str]:
    """Sentences above the bar of level B1; footnotes and their marks, lines with a link alone and open places do not
    count."""
    text = body
    for left_out in (FOOTNOTE, _NOTE_MARK, _LINK_LINE, _PLACE_HOLDER):
        text = left_out.sub("", text)
    too_long = readability(sentences(text)).too_long
    return [one if len(one) <= _LONGEST_SHOWN else f"{one[:_LONGEST_SHOWN].rstrip()} …" for one in too_long]
