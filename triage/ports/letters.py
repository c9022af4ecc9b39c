"""What a mail says, before it has headers; and the texts of the acknowledgement as people may look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

SAMPLE_KINDS = ("normal", "urgent", "late", "closed")
"""An ordinary mail; one in the band urgent; one whose day has passed; one with a closing day in the week ahead."""
OTHER_LANGUAGE = "other"
"""Stands for every language that has no line of its own."""


@dataclass(frozen=True, slots=True)
class LetterText:
    """Subject, text part and HTML part of a mail."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class BlockSuggestion:
    """An answer block beside a case. `reasons` are codes such as "topic:T24"; `nearest` is the invented question that
    the mail is most like; `misfit` says in Dutch why it is not for this sender; `statements` are sentences nobody
    checked, which a person may tick; `stale` tells in codes why the block must be checked anew."""

    id: str
    title: str
    in_draft: bool
    reasons: tuple[str, ...]
    nearest: str
    statements: tuple[str, ...]
    stale: tuple[str, ...]
    recheck: str
    misfit: str = ""


class AcknowledgementSamples(Protocol):
    """The texts that acknowledgements are written from, to look at."""

    @property
    def own_files(self) -> Sequence[str]:
        """The files of the organisation that replace the product's own, by their relative names."""

    @property
    def languages(self) -> Sequence[str]:
        """Codes of the languages there is a text or a line for, and OTHER_LANGUAGE."""

    def sample(self, language: str, kind: str, arrived: datetime) -> LetterText:
        """The acknowledgement of an invented mail. Raises ValueError for a language or kind there is none of."""
