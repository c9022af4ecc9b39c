"""Fakes of the outside world. Each is held to its port by the same contract test as the real adapter."""

from __future__ import annotations

import email
import email.policy
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from triage.core.mail import FetchedMail, UidRef
from triage.errors import DeliveryRefused, MailboxUnavailable, TriageError
from triage.ports import Envelope, FolderStatus, FolderUse, FoundFolder


@dataclass
class StoredMail:
    raw: bytes
    internal_date: datetime
    flags: set[str] = field(default_factory=set)


@dataclass
class FakeFolder:
    """Drafts or Sent on the server's side, as a mail program sees it."""

    name: str
    uidvalidity: int = 7
    mails: dict[int, StoredMail] = field(default_factory=dict)
    last_uid: int = 0

    def put(self, raw: bytes, at: datetime, flags: Sequence[str] = ()) -> int:
        self.last_uid += 1
        self.mails[self.last_uid] = StoredMail(raw, at, set(flags))
        return self.last_uid

    def replace(self, uid: int, raw: bytes, at: datetime) -> int:
        """As mail programs save an edited draft: a new mail, then the old one goes."""
        new = self.put(raw, at, ("\\Draft", "\\Seen"))
        self.mails.pop(uid)
        return new

    @property
    def raws(self) -> list[bytes]:
        return [stored.raw for stored in self.mails.values() if "\\Deleted" not in stored.flags]


class FakeMailbox:
    """A mailbox in memory. What a test does to the server's side: `deliver`, `expunge`, `new_uidvalidity`, `fail`, and
    what it changes in `beside`; `uidplus` False is a server that can only mark as deleted."""

    def __init__(
        self,
        name: str = "loket@imap.test.example/INBOX",
        *,
        max_mail_bytes: int = 10_000_000,
        keywords: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self.max_mail_bytes = max_mail_bytes
        self.keywords = keywords
        self.uidvalidity = 1
        self.mails: dict[int, StoredMail] = {}
        self.beside = {FolderUse.DRAFTS: FakeFolder("Concepten"), FolderUse.SENT: FakeFolder("Verzonden")}
        self.uidplus = True
        self.calls: list[str] = []
        self.closed = False
        self.can_wait = True
        self._last_uid = 0
        self._now = now
        self._failures: list[tuple[str, Exception]] = []
        self._seen = (0, 0)
        self._woken = threading.Event()

    # what happens on the server

    def deliver(self, raw: bytes, at: datetime | None = None) -> int:
        self._last_uid += 1
        self.mails[self._last_uid] = StoredMail(raw, at or self._now())
        return self._last_uid

    def expunge(self, uid: int) -> None:
        self.mails.pop(uid, None)

    def new_uidvalidity(self) -> None:
        """As after a restore of the server: same mails, other UIDs (RFC 9051 §2.3.1.1)."""
        kept = list(self.mails.values())
        self.uidvalidity += 1
        self.mails = dict(enumerate(kept, start=1))
        self._last_uid = len(kept)

    def fail(self, method: str = "", error: Exception | None = None, *, times: int = 1) -> None:
        """The next call of `method` (any, when empty) raises."""
        failure = error or MailboxUnavailable("IMAP server imap.test.example:993: connection lost")
        self._failures.extend([(method, failure)] * times)

    @property
    def sent(self) -> list[tuple[bytes, datetime]]:
        return [(stored.raw, stored.internal_date) for stored in self.beside[FolderUse.SENT].mails.values()]

    @property
    def drafts(self) -> FakeFolder:
        return self.beside[FolderUse.DRAFTS]

    def flags(self, uid: int) -> set[str]:
        return set(self.mails[uid].flags)

    # the port

    def status(self) -> FolderStatus:
        self._called("status")
        self._seen = (self._last_uid, len(self.mails))
        return FolderStatus(self.uidvalidity, self._last_uid + 1, len(self.mails))

    def uids(self) -> Sequence[int]:
        self._called("uids")
        return sorted(self.mails)

    def uids_above(self, uid: int) -> Sequence[int]:
        self._called("uids_above")
        return sorted(number for number in self.mails if number > uid)

    def fetch(self, uids: Sequence[int]) -> Iterator[FetchedMail]:
        self._called("fetch")
        for uid in sorted(set(uids)):
            self._called("fetch_one")
            stored = self.mails.get(uid)
            if stored is None:
                continue
            complete = len(stored.raw) <= self.max_mail_bytes
            raw = stored.raw if complete else _header_and_text(stored.raw)
            ref = UidRef(self.uidvalidity, uid)
            answered = "\\Answered" in stored.flags
            triaged = "$Triaged" in stored.flags
            yield FetchedMail(
                ref, stored.internal_date.astimezone(UTC), len(stored.raw), raw, complete, answered, triaged
            )

    def mark(self, uids: Sequence[int], *, keywords: Sequence[str] = (), flags: Sequence[str] = ()) -> None:
        if {"\\seen", "\\deleted"}.intersection(flag.lower() for flag in flags):
            raise ValueError("the mailbox never sets these flags")
        self._called("mark")
        for uid in uids:
            if uid in self.mails:
                self.mails[uid].flags.update(flags)
                if self.keywords:
                    self.mails[uid].flags.update(keywords)

    def append_sent(self, raw: bytes, *, at: datetime) -> None:
        self._called("append_sent")
        self._append(FolderUse.SENT, raw, at, ("\\Seen",))

    def find_beside(self, use: FolderUse) -> FoundFolder | None:
        self._called("find_beside")
        folder = self.beside.get(use)
        if folder is None:
            return None
        return FoundFolder(folder.name, FolderStatus(folder.uidvalidity, folder.last_uid + 1, len(folder.mails)))

    def uids_beside(self, use: FolderUse, *, above: int = 0) -> Sequence[int]:
        self._called("uids_beside")
        mails = self.beside[use].mails
        gone = {uid for uid in mails if use is FolderUse.DRAFTS and "\\Deleted" in mails[uid].flags}
        return sorted(uid for uid in mails if uid > above and uid not in gone)

    def headers_beside(self, use: FolderUse, uids: Sequence[int]) -> Mapping[int, bytes]:
        self._called("headers_beside")
        mails = self.beside[use].mails
        return {uid: mails[uid].raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" for uid in uids if uid in mails}

    def fetch_beside(self, use: FolderUse, uids: Sequence[int]) -> Iterator[FetchedMail]:
        self._called("fetch_beside")
        folder = self.beside[use]
        for uid in sorted(set(uids) & folder.mails.keys()):
            stored = folder.mails[uid]
            ref = UidRef(folder.uidvalidity, uid)
            yield FetchedMail(ref, stored.internal_date.astimezone(UTC), len(stored.raw), stored.raw)

    def append_draft(self, raw: bytes, *, at: datetime) -> UidRef | None:
        self._called("append_draft")
        placed = self._append(FolderUse.DRAFTS, raw, at, ("\\Draft", "\\Seen"))
        self._called("append_draft_done")  # the server has it, and the connection is lost before its answer
        return placed

    def remove_drafts(self, refs: Sequence[UidRef]) -> bool:
        self._called("remove_drafts")
        folder = self.drafts
        for ref in refs:
            if ref.uidvalidity == folder.uidvalidity and ref.uid in folder.mails:
                folder.mails[ref.uid].flags.add("\\Deleted")
                if self.uidplus:
                    del folder.mails[ref.uid]
        return self.uidplus

    def _append(self, use: FolderUse, raw: bytes, at: datetime, flags: Sequence[str]) -> UidRef:
        folder = self.beside.setdefault(use, FakeFolder(use.capitalize()))
        message_id = _message_id(raw)
        for uid, stored in folder.mails.items():
            if message_id is not None and _message_id(stored.raw) == message_id and "\\Deleted" not in stored.flags:
                return UidRef(folder.uidvalidity, uid)
        return UidRef(folder.uidvalidity, folder.put(raw, at, flags))

    def wait_for_news(self, seconds: float) -> bool:
        """Compares with the last `status()`; sleeps in small steps, as a server would keep silent."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._woken.is_set():
            if self._seen != (self._last_uid, len(self.mails)):
                return True
            self._woken.wait(0.01)
        self._woken.clear()
        return False

    def stop_waiting(self) -> None:
        self._woken.set()

    def close(self) -> None:
        self.closed = True

    def _called(self, method: str) -> None:
        self.calls.append(method)
        for number, (name, failure) in enumerate(self._failures):
            if name in ("", method):
                del self._failures[number]
                raise failure


def _message_id(raw: bytes) -> str | None:
    return email.message_from_bytes(raw, policy=email.policy.compat32).get("Message-ID")


def _header_and_text(raw: bytes) -> bytes:
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    part = next(
        (part for part in message.walk() if part.get_content_type() in ("text/plain", "text/html")),
        None,
    )
    lines = [
        f"{name}: {value}" for name, value in message.items() if not name.lower().startswith(("content-", "mime-"))
    ]
    described = [f"{n}: {v}" for n, v in part.items() if n.lower().startswith("content-")] if part is not None else []
    body = str(part.get_payload()) if part is not None else ""
    return "\r\n".join([*lines, "MIME-Version: 1.0", *described, "", body]).encode("utf-8", "surrogateescape")


class FakeMailSender:
    """Accepts mail in memory. `plan(step, error)` makes the next such step fail: session, prepare, data."""

    def __init__(self) -> None:
        self.sent: list[tuple[Envelope, bytes]] = []
        self.prepared: list[Envelope] = []
        self.refuses_null_reverse_path = False
        self.on_data: Callable[[Envelope, bytes], None] = lambda envelope, raw: None
        self.closed = False
        self._planned: list[tuple[str, str, TriageError]] = []

    def plan(self, step: str, error: TriageError, *, forward_path: str = "", times: int = 1) -> None:
        """`forward_path` limits the failure to that recipient."""
        self._planned.extend([(step, forward_path, error)] * times)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[FakeMailSession]:
        self.step("session", None)
        yield FakeMailSession(self)

    async def close(self) -> None:
        self.closed = True

    def step(self, name: str, envelope: Envelope | None) -> None:
        for number, (step, forward_path, error) in enumerate(self._planned):
            if step == name and forward_path in ("", envelope.forward_path if envelope else ""):
                del self._planned[number]
                raise error


class FakeMailSession:
    def __init__(self, sender: FakeMailSender) -> None:
        self._sender = sender
        self._envelope: Envelope | None = None

    async def prepare(self, envelope: Envelope, *, raw: bytes = b"") -> None:
        self._sender.step("prepare", envelope)
        if not envelope.reverse_path and self._sender.refuses_null_reverse_path:
            raise DeliveryRefused("the server refused the sender", reply_code=550, null_reverse_path_refused=True)
        if not envelope.forward_path.isascii():
            raise DeliveryRefused("the server does not take addresses with characters beyond ASCII")
        self._sender.prepared.append(envelope)
        self._envelope = envelope

    async def data(self, raw: bytes) -> None:
        assert self._envelope is not None, "data() before prepare()"
        envelope, self._envelope = self._envelope, None
        self._sender.on_data(envelope, raw)
        self._sender.step("data", envelope)
        self._sender.sent.append((envelope, raw))
