"""The readable text of a mail from its MIME blocks, and what of it is new."""

from __future__ import annotations

import re
from dataclasses import dataclass

from triage.core.htmltext import MAX_HTML, html_to_text, strip_marks
from triage.core.quotes import split

MAX_SHOWN = 2_000_000  # characters of text kept
MAX_JUDGED = 300_000  # characters that quotes are looked for in and that classification may read
_SHORT = 100_000  # characters of a text that is compared with the others of its mail
_REPLY_PREFIX = re.compile(r"\s{0,5}(?:re|antw|antwoord|aw|sv|betr|odp|ynt|rv)\s?(?:\[\d{1,3}\])?\s?:", re.IGNORECASE)
_FORWARD_PREFIX = re.compile(
    r"\s{0,5}(?:fwd?|fw|doorst|doorgest|doorgestuurd|wg|tr|i|wtr|vb)\s?(?:\[\d{1,3}\])?\s?:", re.IGNORECASE
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ue000-\ue003\ud800-\udfff]")
_PGP_BLOCK = "-----BEGIN PGP MESSAGE-----"


@dataclass(frozen=True, slots=True)
class Body:
    """All text, the new part of it, the forwarded mail in it, and what was odd."""

    text: str = ""
    new_text: str = ""
    forwarded_text: str = ""
    defects: tuple[str, ...] = ()
    originally_from: str = ""  # who wrote the forwarded mail, by its From line in the text


def is_reply_subject(subject: str) -> bool:
    """Does the subject begin as that of an answer (Re:, Antw:, AW:)?"""
    return bool(_REPLY_PREFIX.match(subject))


def is_forward_subject(subject: str) -> bool:
    """Does the subject begin as that of a forwarded mail (Fwd:, FW:, Doorst:, WG:)?"""
    return bool(_FORWARD_PREFIX.match(subject))


def read_blocks(blocks: list[tuple[str, str]]) -> tuple[str, bool]:
    """The blocks as one text, history marks still in it; and whether HTML was cut to a million characters."""
    pieces: list[str] = []
    room = MAX_SHOWN
    long_html = False
    seen: set[str] = set()
    html_room = MAX_HTML
    for kind, block in blocks:
        if kind == "html":
            long_html = long_html or len(block) > html_room
            piece = html_to_text(block[:html_room])
            html_room -= min(html_room, len(block))
        else:
            piece = block
        words = "".join(piece.split()) if len(blocks) > 1 and len(piece) < _SHORT else piece.strip()
        if words and words not in seen:  # the same words as plain text and as HTML, side by side
            seen.add(words)
            pieces.append(piece[:room].strip("\n"))
            room -= min(room, len(piece))
    return "\n".join(pieces), long_html


def read_body(blocks: list[tuple[str, str]], *, subject: str, answers: bool) -> Body:
    """Text and new text. `answers`: In-Reply-To or References name a mail."""
    marked, long_html = read_blocks(blocks)
    defects = ["text_too_long"] if long_html else []
    text = strip_marks(marked)
    if not text.strip():
        return Body("", "", "", tuple(defects))
    if len(marked) > MAX_JUDGED:
        defects.append("text_too_long")
    if _PGP_BLOCK in text:
        defects.append("encrypted")
    forward = is_forward_subject(subject)
    parts = split(
        marked[:MAX_JUDGED], is_reply=is_reply_subject(subject) or (answers and not forward), is_forward=forward
    )
    new_text = parts.new_text
    if not new_text and parts.forwarded_text:
        new_text = parts.forwarded_text  # forwarded without a word: the forwarded mail is the question
        defects.append("only_forward")
    elif not new_text and parts.has_quote:
        new_text = text[:MAX_JUDGED].strip()
        defects.append("only_quote")
    elif not new_text and "encrypted" not in defects:
        new_text = text[:MAX_JUDGED].strip()  # a signature is all there is
    if parts.answers_inside:
        defects.append("answers_in_quote")
    return Body(text, new_text, parts.forwarded_text, tuple(dict.fromkeys(defects)), one_line(parts.author))


def one_line(text: str) -> str:
    """At most 200 characters on one line, without control characters: a name and address for the screen."""
    return " ".join(_CONTROL.sub(" ", text[:1_000]).split())[:200]
