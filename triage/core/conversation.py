"""Which case a message belongs to: known Message-IDs first, then the subject token (`product.md` section 3.5).

Nothing here decides who may join: an id or a token only names a case. Whoever is not known in that case becomes a
proposed link, whatever was quoted (`services/threads.py`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from triage.core.htmltext import links
from triage.core.mail import EmailAddress, ParsedMail

LOOKED_AT = 4_000  # characters of a subject: ours are short, and a hostile one is not
MOST_TOKENS = 10
MOST_IDS = 200  # RFC 5322 §3.6.4 sets no limit; the nearest ones count

_DASHES = dict.fromkeys(map(ord, "\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"), "-")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_BRACKETED = re.compile(r"\[([^\[\]]{10,60})\]")
_TOKEN = re.compile(
    r"(?<![A-Z0-9-])JL\s?-\s?([0-9]{4})\s?-\s?([0-9]{5,7})\s?-\s?([A-Z0-9]{2})(?![A-Z0-9-])", re.IGNORECASE
)
_REFERENCE = re.compile(r"(?<![A-Z0-9-])JL\s?-\s?([0-9]{4})\s?-\s?([0-9]{5,7})(?![\s]?-|[A-Z0-9])", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class SubjectToken:
    """`[JL-2026-00042-K7]` as found in a subject; worth nothing until its check code is verified."""

    reference: str
    check_code: str


def _plain(subject: str) -> str:
    """The subject as clients rewrite it, brought back: full-width forms, other dashes, invisible signs, folded lines.

    Between brackets no blank means anything: a client that folds a long subject may break it anywhere."""
    text = unicodedata.normalize("NFKC", subject[:LOOKED_AT].translate(_INVISIBLE).translate(_DASHES))
    return _BRACKETED.sub(lambda match: f"[{_BLANKS.sub('', match[1])}]", text.translate(_DASHES))


def subject_tokens(subject: str) -> tuple[SubjectToken, ...]:
    """The tokens of a subject, in order, without repeats, with or without brackets; never more than ten."""
    found: dict[SubjectToken, None] = {}
    for match in _TOKEN.finditer(_plain(subject)):
        found[SubjectToken(f"JL-{match[1]}-{match[2]}", match[3].upper())] = None
        if len(found) == MOST_TOKENS:
            break
    return tuple(found)


def named_references(subject: str) -> tuple[str, ...]:
    """References that people type without the check code. Anybody can guess one: never a reason to join."""
    found = dict.fromkeys(f"JL-{match[1]}-{match[2]}" for match in _REFERENCE.finditer(_plain(subject)))
    return tuple(found)[:MOST_TOKENS]


def thread_ids(mail: ParsedMail) -> tuple[str, ...]:
    """Message-IDs this mail says it answers or reports on, nearest first. Its own id never counts."""
    nearest_first = (*mail.report_about, *mail.in_reply_to, *reversed(mail.references))
    ids = dict.fromkeys(item for item in nearest_first if item.strip("<> \t") and item != mail.message_id)
    return tuple(ids)[:MOST_IDS]


def text_identity(mail: ParsedMail) -> str | None:
    """Equal for one mail that reached us in two forms: other Message-ID, recipients, coding or line ends.

    Over sender, reply addresses, subject, text, where the HTML leads, and names and sizes of attachments; None when
    there is no sender or nothing to compare. Two visitors of one web form differ in their reply address alone, two
    notices of one portal in their link alone.
    """
    sender = mail.from_address
    text = " ".join(mail.text.split())
    if sender is None or not (text or mail.attachments):
        return None
    attachments = "\x1e".join(f"{part.filename}:{part.size}" for part in mail.attachments)
    replies = " ".join(sorted({one.normalised for one in mail.reply_to} - {sender.normalised}))
    leads_to = "\x1e".join(dict.fromkeys(links(mail.html))) if mail.html else ""
    parts = [sender.normalised, " ".join(mail.subject.split()), text, attachments]
    if replies or leads_to:
        parts += [replies, leads_to]
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def answers_go_to(mail: ParsedMail) -> EmailAddress | None:
    """The one other address that this mail asks to be answered at: with a web form the visitor, while the From is the
    form's own. None when there is none or more than one, and for an address the mail itself is addressed to."""
    sender = mail.from_address
    if sender is None or len(mail.reply_to) != 1:
        return None
    other = mail.reply_to[0]
    near = {one.normalised for one in (sender, *mail.to, *mail.cc)}
    return None if other.normalised in near else other


def much_alike(one: str, other: str) -> bool:
    """Whether one text may be the other with a banner or footer added on the way: it shares most of the words of the
    shorter one. An empty text is like any: a converter took it."""
    first, second = set(one.casefold().split()), set(other.casefold().split())
    least = min(len(first), len(second))
    return least == 0 or len(first & second) * 10 >= least * 6
