"""Our own reply samples of tests/data/replies: what a client sends, and which text of it is new.

A file holds cases one after the other: `@@@ name | client | flags`, the message, `@@@ new`, the expected new text.
`@@@ new = all`: nothing may go. Flags: `html`; `reply` or `fresh` (without a flag the case must hold both as an answer
and as a mail that answers nothing). {nbsp}, {nnbsp} and {sp} stand for a no-break, a narrow no-break and a plain space.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from triage.core.htmltext import html_to_text, strip_marks

FOLDER = Path(__file__).parent / "data" / "replies"
_SPACES = {"{nbsp}": "\u00a0", "{nnbsp}": "\u202f", "{sp}": " "}


@dataclass(frozen=True, slots=True)
class ReplyCase:
    """One message and its new text. `answers` None: both as an answer and as a first mail."""

    name: str
    client: str
    message: str
    expected: str
    html: bool
    answers: bool | None

    @property
    def language(self) -> str:
        parts = self.name.removeprefix("html-").split("-")
        return parts[0] if parts[0] in ("nl", "en", "de", "fr") else "nl"

    @property
    def kind(self) -> str:
        """`keep`: human text that looks like a program's, and answers in or below a quote; else `cut`."""
        return "keep" if any(word in self.name for word in ("keep", "inline", "bottom")) else "cut"

    @property
    def block(self) -> tuple[str, str]:
        """As the parser hands it to the body reader."""
        return ("html" if self.html else "plain", self.message)

    def subjects(self) -> tuple[str, ...]:
        """Subjects under which the expectation must hold."""
        if self.answers is None:
            return ("Re: vraag", "vraag")
        return ("Re: vraag",) if self.answers else ("vraag",)


@cache
def reply_cases() -> tuple[ReplyCase, ...]:
    cases = tuple(case for path in sorted(FOLDER.glob("*.txt")) for case in _read(path.read_text("utf-8")))
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "two reply samples have one name"
    return cases


def _read(text: str) -> Iterator[ReplyCase]:
    for mark, plain in _SPACES.items():
        text = text.replace(mark, plain)
    chunks = text.split("@@@ ")[1:]
    for first, second in zip(chunks[::2], chunks[1::2], strict=True):
        head, _, message = first.partition("\n")
        verdict, _, wanted = second.partition("\n")
        name, client, flags = (part.strip() for part in f"{head}||".split("|")[:3])
        message, html = message.rstrip("\n"), "html" in flags
        if verdict == "new = all":
            wanted = "" if html else message
        answers = True if "reply" in flags else False if "fresh" in flags else None
        yield ReplyCase(name, client, message, wanted.strip("\n"), html, answers)


def lines_of(text: str) -> list[str]:
    """The lines with words, for comparing without regard to blank lines."""
    return [line.strip() for line in text.split("\n") if line.strip()]


def expected_text(case: ReplyCase) -> str:
    """The new text that is expected; of an HTML sample that must stay whole, its readable text."""
    return case.expected or strip_marks(html_to_text(case.message))
