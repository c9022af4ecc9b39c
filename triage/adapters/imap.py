"""The Mailbox port over IMAP: one folder on a held connection, by UID only (RFC 9051).

Nothing here sets \\Seen, moves or deletes; every body is read with PEEK.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, IMAPClientReadOnlyError

from triage.adapters.imap_connection import Folder, ImapConnection, is_refusal
from triage.adapters.imap_folders import find_folder
from triage.adapters.imap_idle import Waker, has_news, idle_until_news
from triage.adapters.imap_login import TEMPORARY
from triage.adapters.imap_oversized import TEXT_LIMIT, find_text_part, is_report, join_text_part, without_text
from triage.adapters.imap_sent import SentFolder
from triage.adapters.mail_server import Fact, response_code
from triage.core.mail import TRIAGED, FetchedMail, UidRef
from triage.errors import MailboxUnavailable
from triage.logs import get_logger
from triage.ports import FolderStatus, TokenSource
from triage.settings import MailboxSettings

_UIDS_PER_COMMAND = 500  # keeps a command line below 8 kB (RFC 9051 §4)
_UIDS_PER_SEARCH = 50_000  # keeps an answer below the megabyte that imaplib reads as one line
_BATCH_BYTES, _BATCH_MAILS = 8_000_000, 50
_NEVER = frozenset({"\\seen", "\\deleted"})
_WANTED = ("IDLE", "MOVE", "UIDPLUS", "SPECIAL-USE", "CONDSTORE")
_HIGHEST_UID = 2**32 - 1
_UNREADABLE_STRUCTURE = (IMAPClientError, RecursionError, TypeError, ValueError, LookupError, AttributeError)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Facts:
    size: int
    internal_date: datetime
    answered: bool
    triaged: bool


class ImapMailbox:
    """One IMAP folder. Connects at the first call and again after any loss. Not thread-safe."""

    def __init__(
        self,
        settings: MailboxSettings,
        *,
        tokens: TokenSource | None = None,
        on_notice: Callable[[str], None] = lambda text: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tokens` for a login with OAuth2; `on_notice` gets each text that the server wants people to read."""
        folder = "INBOX" if settings.folder.upper() == "INBOX" else settings.folder
        self.name = f"{settings.username}@{settings.host.lower()}/{folder}"
        self._settings = settings
        self._connection = ImapConnection(settings, tokens=tokens, on_notice=on_notice, monotonic=monotonic)
        self._sent = SentFolder(settings, self._connection, monotonic=monotonic)
        self._waker = Waker()
        self.can_wait = settings.idle
        self._idle_refused = False  # offered, but answered NO or BAD: not asked for again
        self._uidvalidity: int | None = None  # what the last status() said: UIDs of our caller belong to it
        self._told_keywords_lost = False

    # ---------------------------------------------------------------- finding

    def status(self) -> FolderStatus:
        """Current UIDVALIDITY, UIDNEXT and MESSAGES.

        An idle poll costs one NOOP: the server must announce what changed in the selected folder, and says nothing
        otherwise. Only after an announcement the folder is selected again, because SELECT gives the three figures
        of one moment. STATUS is not for the selected folder (RFC 9051 §6.3.11), and some servers answer it from
        an older view."""
        with self._connection.use("reading the folder's state") as client:
            folder = self._connection.folder
            if folder is not None:
                client.noop()
                if has_news(client, folder):
                    folder = None
            if folder is None:
                folder = self._connection.select(client)
        self._uidvalidity = folder.uidvalidity
        return FolderStatus(folder.uidvalidity, folder.uidnext, folder.messages)

    def uids(self) -> Sequence[int]:
        """All UIDs, ascending."""
        return self.uids_above(0)

    def uids_above(self, uid: int) -> Sequence[int]:
        """UIDs greater than `uid`, ascending. `n:*` also gives the last old one (RFC 9051 §6.4.9): left out here."""
        if uid >= _HIGHEST_UID:
            return []
        found: set[int] = set()
        with self._connection.selected("listing the mails") as (client, folder):
            self._same_uids(folder)
            first = uid + 1
            if folder.messages > _UIDS_PER_SEARCH:
                while first + _UIDS_PER_SEARCH < folder.uidnext:
                    found.update(client.search(["UID", f"{first}:{first + _UIDS_PER_SEARCH - 1}"]))
                    first += _UIDS_PER_SEARCH
            found.update(client.search(["UID", f"{first}:*"]))
        return sorted(number for number in found if number > uid)

    # ---------------------------------------------------------------- fetching

    def fetch(self, uids: Sequence[int]) -> Iterator[FetchedMail]:
        """The mails that still exist, by ascending UID. Sizes come first, then bodies in batches of at most
        50 mails and 8 MB (one mail may be larger, up to the configured limit)."""
        delivered = 0
        for block in _blocks(sorted(set(uids)), _UIDS_PER_COMMAND):
            facts = self._facts(block)
            for batch in self._batches(facts):
                for mail in self._mails(batch, facts, store_answers=delivered > 0):
                    delivered += 1
                    yield mail

    def _facts(self, uids: Sequence[int]) -> dict[int, _Facts]:
        with self._connection.selected("asking the sizes") as (client, folder):
            self._same_uids(folder)
            told = client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE", "FLAGS"])
        facts: dict[int, _Facts] = {}
        for uid in uids:
            item = told.get(uid, {})
            if b"RFC822.SIZE" not in item:
                continue  # expunged since, or an unasked FETCH for another mail
            flags = {flag.lower() for flag in item.get(b"FLAGS") or () if isinstance(flag, bytes)}
            facts[uid] = _Facts(
                int(item[b"RFC822.SIZE"] or 0),
                _aware(item.get(b"INTERNALDATE"), uid),
                answered=b"\\answered" in flags,
                triaged=TRIAGED.lower().encode() in flags,
            )
        return facts

    def _batches(self, facts: Mapping[int, _Facts]) -> Iterator[list[int]]:
        batch: list[int] = []
        total = 0
        for uid, fact in facts.items():
            oversized = fact.size > self._settings.max_mail_bytes
            if batch and (oversized or total + fact.size > _BATCH_BYTES or len(batch) == _BATCH_MAILS):
                yield batch
                batch, total = [], 0
            if oversized:
                yield [uid]
                continue
            batch.append(uid)
            total += fact.size
        if batch:
            yield batch

    def _mails(self, uids: Sequence[int], facts: Mapping[int, _Facts], *, store_answers: bool) -> list[FetchedMail]:
        """Whole mails of one batch, or one mail above the limit."""
        if facts[uids[0]].size > self._settings.max_mail_bytes:
            mail = self._in_part(uids[0], facts[uids[0]])
            return [mail] if mail else []
        mails, refused = self._whole(uids, facts)
        if len(uids) > 1:  # one bad mail must not stop the others: ask again one by one
            alone, refused = refused, []
            for uid in alone:
                found, missing = self._whole([uid], facts)
                mails.update(found)
                refused.extend(missing)
        for uid in refused:
            mail = self._in_part(uid, facts[uid], refused=True, store_answers=store_answers or bool(mails))
            if mail:
                mails[uid] = mail
        return [mails[uid] for uid in sorted(mails)]

    def _whole(self, uids: Sequence[int], facts: Mapping[int, _Facts]) -> tuple[dict[int, FetchedMail], list[int]]:
        """(mails by UID, UIDs that exist but were not given)."""
        with self._connection.selected("fetching mails") as (client, folder):
            self._same_uids(folder)
            try:
                told = client.fetch(uids, ["BODY.PEEK[]"])
            except IMAPClientError as exc:
                if not is_refusal(exc) or response_code(str(exc)) in TEMPORARY:
                    raise
                told = {}
            bodies = {uid: told.get(uid, {}).get(b"BODY[]") for uid in uids}
            missing = [uid for uid, raw in bodies.items() if not isinstance(raw, bytes)]
            if missing:  # expunged meanwhile (RFC 9051 §7.5.1), or the server cannot read one of them
                missing = sorted(client.search(["UID", ",".join(map(str, missing))]))
        return {
            uid: FetchedMail(
                UidRef(folder.uidvalidity, uid),
                facts[uid].internal_date,
                facts[uid].size,
                raw,
                answered=facts[uid].answered,
                triaged=facts[uid].triaged,
            )
            for uid, raw in bodies.items()
            if isinstance(raw, bytes)
        }, missing

    def _in_part(
        self, uid: int, fact: _Facts, *, refused: bool = False, store_answers: bool = False
    ) -> FetchedMail | None:
        """A mail by its headers and text part; None when it is gone.

        With `refused` the server would not give it whole. When it gives nothing of it, the mail is handed over
        empty, so that people see it and the next ones go on; but only if the server does give other mails
        (`store_answers`), since otherwise the trouble is not this mail's."""
        with self._connection.selected("fetching a large mail") as (client, folder):
            self._same_uids(folder)
            try:
                raw = self._header_and_text(client, uid)
            except IMAPClientError as exc:
                if not is_refusal(exc):
                    raise
                if not client.search(["UID", str(uid)]):
                    return None
                if not (refused and store_answers):
                    raise
                get_logger().error("mail_not_given_by_server", uid=uid, size=fact.size)
                raw = b""
            if raw is None:
                return None
            ref = UidRef(folder.uidvalidity, uid)
            return FetchedMail(ref, fact.internal_date, fact.size, raw, False, fact.answered, fact.triaged)

    @staticmethod
    def _header_and_text(client: Any, uid: int) -> bytes | None:
        try:
            told = client.fetch([uid], ["BODY.PEEK[HEADER]", "BODYSTRUCTURE"]).get(uid, {})
            structure = told.get(b"BODYSTRUCTURE")
            part = find_text_part(structure) if structure is not None else None
            report = structure is not None and is_report(structure)
        except _UNREADABLE_STRUCTURE as exc:
            if is_refusal(exc) or isinstance(exc, IMAPClientAbortError):
                raise
            structure = None  # the answer was read to its end, only its sense is lost
        if structure is None:
            told = client.fetch([uid], ["BODY.PEEK[HEADER]"]).get(uid, {})
        header = told.get(b"BODY[HEADER]")
        if not isinstance(header, bytes):
            return None
        if structure is None or report:
            body = client.fetch([uid], [f"BODY.PEEK[TEXT]<0.{TEXT_LIMIT}>"]).get(uid, {})
            return join_text_part(header, b"", body.get(b"BODY[TEXT]<0>") or b"")
        if part is None:
            return without_text(header)
        if not part.section:
            body = client.fetch([uid], [f"BODY.PEEK[TEXT]<0.{TEXT_LIMIT}>"]).get(uid, {})
            return join_text_part(header, b"", body.get(b"BODY[TEXT]<0>") or b"")
        wanted = [f"BODY.PEEK[{part.section}.MIME]", f"BODY.PEEK[{part.section}]<0.{TEXT_LIMIT}>"]
        body = client.fetch([uid], wanted).get(uid, {})
        part_header = body.get(f"BODY[{part.section}.MIME]".encode()) or f"Content-Type: text/{part.subtype}".encode()
        return join_text_part(header, part_header, body.get(f"BODY[{part.section}]<0>".encode()) or b"")

    # ---------------------------------------------------------------- marking

    def mark(self, uids: Sequence[int], *, keywords: Sequence[str] = (), flags: Sequence[str] = ()) -> None:
        """Adds keywords and flags with one silent STORE. A courtesy: what the server refuses or cannot keep is
        left out without an error."""
        if forbidden := _NEVER.intersection(flag.lower() for flag in flags):
            raise ValueError(f"the mailbox never sets {sorted(forbidden)}")
        if not uids:
            return
        with self._connection.selected("marking mails") as (client, folder):
            self._same_uids(folder)
            kept = [flag for flag in (*keywords, *flags) if folder.keeps_flag(flag)]
            if folder.read_only or len(kept) < len(keywords) + len(flags):
                self._say_keywords_lost(folder)
            if folder.read_only or not kept:
                return
            for block in _blocks(sorted(set(uids)), _UIDS_PER_COMMAND):
                try:
                    client.add_flags(block, kept, silent=True)
                except IMAPClientReadOnlyError:  # the folder became read-only under our hands
                    self._say_keywords_lost(folder)
                    self._connection.drop()
                    return
                except IMAPClientError as exc:
                    if not is_refusal(exc):
                        raise
                    get_logger().warning("flags_refused", host=self._settings.host, count=len(block))

    def _say_keywords_lost(self, folder: Folder) -> None:
        if not self._told_keywords_lost:
            self._told_keywords_lost = True
            state = "read-only" if folder.read_only else "no keywords"
            get_logger().info("flags_not_kept", host=self._settings.host, state=state)

    # ---------------------------------------------------------------- Sent folder

    def append_sent(self, raw: bytes, *, at: datetime) -> None:
        """Puts a copy in the Sent folder, read and dated `at` (aware). Safe to repeat: a copy with the same
        Message-ID (an earlier try, or one the server keeps by itself) is enough. After a refusal the folder is left
        in peace for some minutes: until then the call raises MailboxUnavailable without asking the server."""
        self._sent.append(raw, at=at)

    # ---------------------------------------------------------------- waiting

    def wait_for_news(self, seconds: float) -> bool:
        """Holds the connection in IDLE. False at once when the server has no IDLE or is not connected: then the next
        poll connects."""
        self.can_wait = self._settings.idle and self._connection.is_connected
        if self._waker.is_woken() or not self.can_wait:
            return False
        with self._connection.selected("waiting for new mail") as (client, folder):
            if self._idle_refused or not client.has_capability("IDLE"):
                self.can_wait = False
                return False
            patience = self._settings.timeout_seconds
            news = idle_until_news(client, folder, seconds=seconds, waker=self._waker, answer_seconds=patience)
            if news is None:
                self._idle_refused, self.can_wait = True, False
            return bool(news)

    def stop_waiting(self) -> None:
        self._waker.wake()

    # ---------------------------------------------------------------- check, close

    def probe(self) -> list[Fact]:
        """What this mailbox offers, for `check`: (what, value) lines. Raises MailboxUnavailable."""
        with self._connection.selected("looking at the mailbox") as (client, folder):
            offered = [name for name in _WANTED if client.has_capability(name)]
            lacking = [name for name in _WANTED if name not in offered]
            keywords = not folder.read_only and folder.keeps_flag("$Triaged")
            sent, exists = find_folder(client, "sent", self._settings.sent_folder)
            others = {use: find_folder(client, use, "") for use in ("drafts", "junk", "trash")}
        return [
            ("folder", self._settings.folder + (" (read-only)" if folder.read_only else "")),
            ("messages", str(folder.messages)),
            ("uidvalidity", str(folder.uidvalidity)),
            ("capabilities", ", ".join(offered) or "none of those wanted"),
            ("not offered", ", ".join(lacking) or "nothing"),
            ("keywords kept", "yes" if keywords else "no: mails are not marked $Triaged on the server"),
            ("sent folder", sent if exists else f"{sent} (does not exist yet; made with the first reply)"),
            *((f"{use} folder", name if found else "not found") for use, (name, found) in others.items()),
        ]

    def close(self) -> None:
        """Logs out; never raises."""
        self._connection.close()
        self._waker.close()

    def _same_uids(self, folder: Folder) -> None:
        """UIDs mean nothing under another UIDVALIDITY: after a reconnect that brought one, start the poll anew."""
        if self._uidvalidity is not None and folder.uidvalidity != self._uidvalidity:
            raise MailboxUnavailable(
                f"{self._connection.server}: the folder got another UIDVALIDITY during the poll; "
                "the next poll reads it anew"
            )


def _aware(moment: object, uid: int) -> datetime:
    """The arrival as aware UTC. A server that gives no usable INTERNALDATE breaks RFC 9051 §2.3.3: then the term
    counts from now, the latest moment it can have been."""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        return moment.astimezone(UTC)
    get_logger().warning("internal_date_missing", uid=uid)
    return datetime.now(UTC)


def _blocks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
