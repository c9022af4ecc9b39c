"""What stands below the sender's own words: device lines, disclaimers, contact blocks. Sentences and a PS stay.

Everything here is for reading and classifying only: the whole text stays stored and shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from triage.core import signature_patterns as p
from triage.core.attribution import next_filled, squeeze

_MAX_SIGNATURE = 20  # lines
_SHORT_SIGNATURE = 8  # lines below "--" without the blank that RFC 3676 §4.3 asks
_DELIMITER = re.compile(r"(?:-{2,3}|[\u2013\u2014_]{1,40}|_{5,60})[ \xa0]?\r?")


def strip_signature(lines: Sequence[str]) -> list[str]:
    """The lines without device lines, disclaimers and the block below a signature mark or closing."""
    kept = _without_disclaimers([line for line in lines if not line or not is_device(squeeze(line))])
    kept = _without_list_footer(kept)
    kept = _below_delimiter(kept)
    return _below_closing(kept)


def is_device(line: str) -> bool:
    """A line such as "Verstuurd vanaf mijn iPhone" or "Outlook voor Android downloaden<https://…>"."""
    if not 8 <= len(line) < 240 or not p.DEVICE.fullmatch(line) or not p.DEVICE_WORD.search(line):
        return False
    if p.DOWNLOAD.match(line):
        return True
    excused = re.split(r"(?i)excus|sorry|entschuld|forgive", line, maxsplit=1)[0]
    return not p.NOT_DEVICE.search(p.DEVICE_OPENING.sub("", excused))


def _reads_as_sentence(line: str) -> bool:
    """Could a person have written this to us? Then it stays, signature or not."""
    if p.POSTSCRIPT.match(line) or p.CASE_FACT.match(line) or "?" in line.replace("://", ""):
        return True
    words = line.split()
    own, ends = p.OWN_VOICE.search(line), line.endswith((".", "!", ",", ":", ";", "…"))
    if p.CONTACT.search(line):
        return len(words) >= 6 and bool(own) and not re.search(r"[|•·]", line)
    if own and (len(words) >= 4 or (ends and len(words) >= 2)):
        return True
    return (
        len(words) >= 12 or (len(words) >= 6 and line.endswith((".", "!"))) or (line.endswith(":") and len(words) >= 2)
    )


def _looks_like_name(line: str) -> bool:
    return (
        len(line.split()) <= 5
        and len(line) <= 50
        and not re.search(r"[\d@|]", line)
        and not p.ORGANISATION.search(line)
    )


def _is_disclaimer(paragraph: Sequence[str]) -> bool:
    text = " ".join(squeeze(line) for line in paragraph[:12])
    if not p.DISCLAIMER_OPENING.match(text) or "?" in text.replace("://", "") or p.FIRST_PERSON.search(text):
        return False
    if p.DISCLAIMER_STRONG.search(text):
        return True
    return len({match[0].lower() for match in p.DISCLAIMER_WEAK.finditer(text)}) >= 2


def _without_disclaimers(lines: list[str]) -> list[str]:
    """Without paragraphs that no person wrote for this mail; the first third of the text is left alone."""
    out: list[str] = []
    at = 0
    while at < len(lines):
        end = at
        while end < len(lines) and lines[end].strip():
            end += 1
        paragraph = lines[at:end]
        if not (paragraph and at > len(lines) // 3 and _is_disclaimer(paragraph)):
            out += paragraph
        out += lines[end : end + 1]
        at = end + 1
    return out


def _without_list_footer(lines: list[str]) -> list[str]:
    """Without what list software adds: an underscore rule and at most six lines about the list."""
    for at in range(max(0, len(lines) - 12), len(lines)):
        if re.fullmatch(r"_{20,}\s?", lines[at][:200]):
            rest = [squeeze(line) for line in lines[at + 1 :] if line.strip()]
            if rest and len(rest) <= 6 and p.WEBLIST.search(" ".join(rest)) and not any("?" in line for line in rest):
                return lines[:at]
    return lines


def _below_delimiter(lines: list[str]) -> list[str]:
    for at, line in enumerate(lines):
        if not at or not line or line[0] not in "-_\u2013\u2014" or not _DELIMITER.fullmatch(line[:80]):
            continue
        rest = lines[at + 1 :]
        filled = [squeeze(item) for item in rest if item.strip()]
        if line.startswith("-- "):  # RFC 3676 §4.3: what follows is a signature
            return lines[:at] + _after_signature(rest) if len(filled) <= _MAX_SIGNATURE else lines
        if not filled or len(filled) > _SHORT_SIGNATURE or any(_reads_as_sentence(item) for item in filled):
            continue
        # A dash line also separates; it is a signature only with contact details, or with a name and nothing more.
        contact = any(p.CONTACT.search(item) for item in filled)
        named = line.startswith("--") and len(filled) <= 4 and _is_person(filled[0])
        if contact or named:
            return lines[:at]
    return lines


def _is_person(line: str) -> bool:
    words = line.split()
    return 1 <= len(words) <= 4 and _looks_like_name(line) and words[0][:1].isupper() and words[-1][:1].isupper()


def _below_closing(lines: list[str]) -> list[str]:
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at]
        if not 2 <= len(line) < 100:
            continue
        named = p.CLOSING_NAMED.fullmatch(line.rstrip())
        if not named and not p.CLOSING.fullmatch(line):
            continue
        rest = lines[at + 1 :]
        if sum(1 for item in rest if item.strip()) > _MAX_SIGNATURE + 10:
            return lines
        first = next_filled(lines, at + 1)
        name = [lines[first]] if not named and first < len(lines) and _looks_like_name(squeeze(lines[first])) else []
        if name and _reads_as_sentence(squeeze(name[0])):
            return lines
        tail = lines[first + 1 :] if name else rest
        return [*lines[: at + 1], *name, *_after_signature(tail)]
    return lines


def _after_signature(lines: Sequence[str]) -> list[str]:
    """What of the lines below a signature mark is still the sender's: from the first sentence on."""
    for at, line in enumerate(lines):
        squeezed = squeeze(line)
        if squeezed and _reads_as_sentence(squeezed):
            return ["", *lines[at:]]
    return []
