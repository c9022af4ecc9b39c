"""What stands around the product in a simulated year: mailbox and mail server that can fail, the mails people write,
and what reaches the mail server, read as its recipient reads it."""

from __future__ import annotations

import email
import email.policy
import re
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.message import EmailMessage

from tests.fakes import FakeMailbox, FakeMailSender, FakeMailSession
from tests.integration.harness import US
from tests.oracle import day_of
from triage.bootstrap import TEMPLATES
from triage.errors import MailboxUnavailable, SenderUnavailable

ALERT_TO = "toezicht@juisteloket.example"
_WEEKDAYS = ("maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag")
_MONTHS = (
    "januari februari maart april mei juni juli augustus september oktober november december".split()
)  # fmt: skip
_PROMISED = re.compile(r"uiterlijk op ([a-z]+) (\d{1,2}) ([a-z]+)(?: (\d{4}))?")
_REFERENCE = re.compile(r"JL-\d{4}-\d{5}")
_UNNAMED = re.compile(r"en nog (\d+) andere")
_ALERTS = tomllib.loads((TEMPLATES / "alerts" / "alerts.toml").read_text(encoding="utf-8"))


class YearMailbox(FakeMailbox):
    """A mailbox that cannot be reached while `reachable` is False."""

    reachable = True

    @property
    def has_news(self) -> bool:
        """Changed since the product last looked."""
        return self._seen != (self._last_uid, len(self.mails))

    def append_sent(self, raw: bytes, *, at: datetime) -> None:
        """Without the search for a double: nothing here depends on the Sent folder."""
        self._called("append_sent")

    def _called(self, method: str) -> None:
        if not self.reachable:
            raise MailboxUnavailable("IMAP server imap.test.example:993: connection refused")
        super()._called(method)


class YearMailServer(FakeMailSender):
    """A mail server that takes no mail while `up` is False."""

    up = True

    def session(self) -> AbstractAsyncContextManager[FakeMailSession]:
        return super().session() if self.up else self._refused()

    @asynccontextmanager
    async def _refused(self) -> AsyncIterator[FakeMailSession]:
        raise SenderUnavailable("SMTP server smtp.test.example:587: connection refused")
        yield


@dataclass(frozen=True)
class Written:
    """A mail of a sender. `answers`: the case it belongs to, "" for a new question."""

    number: int
    sender: str
    at: datetime
    band: str = "normal"
    danger: bool = False
    machine: bool = False  # a web form: a question, but nobody to acknowledge
    answers: str = ""
    in_reply_to: str = ""

    @property
    def message_id(self) -> str:
        return f"<brief-{self.number}@mensen.example>"

    @property
    def raw(self) -> bytes:
        marker = {"normal": "", "possible": " classifier-breaks", "urgent": " palliative-marker"}[self.band]
        marker += " danger-marker" if self.danger else ""
        opening = "Ik wil hier nog iets aan toevoegen" if self.answers else "Ik heb een vraag over hulp onder de wmo"
        headers = f"In-Reply-To: {self.in_reply_to}\r\n" if self.in_reply_to else ""
        headers += "Auto-Submitted: auto-generated\r\n" if self.machine else ""
        return (
            f"Message-ID: {self.message_id}\r\nDate: {self.at:%a, %d %b %Y %H:%M:%S} +0000\r\n"
            f"From: Vrager Nummer <{self.sender}>\r\nTo: {US}\r\n"
            f"Subject: {'Re: ' if self.answers else ''}Vraag {self.number}\r\n{headers}"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            f"Goedemiddag, {opening} voor mijn moeder. Wie kan mij helpen? Dit is brief {self.number}.{marker}\r\n"
        ).encode()


@dataclass(frozen=True)
class Arrived:
    """A mail of ours at the mail server. `written` is its Date: fixed when the product wrote it."""

    what: str  # acknowledgement | alert | reply
    to: str
    message_id: str
    in_reply_to: str
    written: datetime
    subject: str
    text: str

    @property
    def promised(self) -> tuple[date, ...]:
        """The days it names after "uiterlijk op", in order; the year is the one that fits the weekday."""
        return tuple(_day(self.written, *found) for found in _PROMISED.findall(self.text))

    @property
    def alert_kind(self) -> str:
        subject = self.subject.removeprefix("Triage: ")
        fitting = [kind for kind, words in _ALERTS.items() if subject.startswith(words["subject"])]
        return max(fitting, key=lambda kind: len(_ALERTS[kind]["subject"]), default=f"unknown: {subject}")

    @property
    def references(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_REFERENCE.findall(self.text)))

    @property
    def unnamed(self) -> int:
        """Further cases it counts and does not name."""
        found = _UNNAMED.search(self.text)
        return int(found[1]) if found else 0


def read(to: str, raw: bytes) -> Arrived:
    message = email.message_from_bytes(raw, _class=EmailMessage, policy=email.policy.default)
    body = message.get_body(("plain",))
    automatic = str(message.get("Auto-Submitted", "no"))
    what = "alert" if to == ALERT_TO else "acknowledgement" if automatic == "auto-replied" else "reply"
    return Arrived(
        what=what,
        to=to,
        message_id=str(message["Message-ID"]),
        in_reply_to=str(message.get("In-Reply-To", "")),
        written=message["Date"].datetime.astimezone(UTC),
        subject=str(message["Subject"]),
        text=str(body.get_content()) if body is not None else "",
    )


def _day(written: datetime, weekday: str, day: str, month: str, year: str) -> date:
    first = day_of(written).year
    fits: Callable[[int], bool] = lambda number: _WEEKDAYS[_date(number, month, day).weekday()] == weekday  # noqa: E731
    years = [int(year)] if year else [number for number in (first, first + 1, first - 1) if fits(number)]
    if not years or not fits(years[0]):
        raise ValueError(f"no such day: {weekday} {day} {month} {year}")
    return _date(years[0], month, day)


def _date(year: int, month: str, day: str) -> date:
    return date(year, _MONTHS.index(month) + 1, int(day))
