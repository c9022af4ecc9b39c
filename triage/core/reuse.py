"""A sent reply as colleagues may read it as an example: its text without the lines that speak to one person."""

from __future__ import annotations

import re

from triage.core.gate import SIGNATURE, mask_bsn

_SALUTATION = re.compile(
    r"\A\s*(?:geachte|beste|lieve|dag|hallo|hoi|goede(?:morgen|middag|navond)|dear|hello|good (?:morning|afternoon))\b"
    r"[^\n,!:]{0,120}(?:[,!:]|\n|\Z)",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"^[ \t]*(?:(?:(?:met )?(?:vriendelijke|hartelijke|warme) groet(?:en)?|hoogachtend|"
    r"(?:kind|best|warm) regards|yours (?:sincerely|faithfully|truly))\b[^\n]{0,60}|"
    r"groet(?:en|jes)?\b[^\n.]{0,40})$",  # with a full stop it is a sentence
    re.IGNORECASE | re.MULTILINE,
)
_PART_OF_A_NAME = re.compile(r"[^\W\d_]{3,}")
_NO_NAMES = frozenset(
    {"van", "von", "den", "der", "des", "het", "een", "ten", "ter", "heer", "mevrouw", "team", "zorg", "info", "loket"}
)


def as_example(body: str) -> str:
    """The text without salutation and without what follows the last closing; BSNs masked. May be empty."""
    text = body.replace("\r\n", "\n").partition(SIGNATURE)[0]
    closings = list(_CLOSING.finditer(text))
    if closings:
        text = text[: closings[-1].start()]
    return mask_bsn(_SALUTATION.sub("", text, count=1).strip())


def names_left(text: str, *, name: str, address: str) -> tuple[str, ...]:
    """Parts of the sender's name or of the local part of the address that stand in the text as words of their own, in
    the order of the name. Only a hint: a name that is a common word is found as well, another person's is not."""
    words = {word.casefold() for word in _PART_OF_A_NAME.findall(text)} - _NO_NAMES
    found: dict[str, str] = {}
    for part in _PART_OF_A_NAME.findall(f"{name} {address.partition('@')[0]}"):
        if part.casefold() in words:
            found.setdefault(part.casefold(), part)
    return tuple(found.values())
