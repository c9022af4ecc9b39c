"""The Mailbox port over IMAP: one folder on a held connection, by UID only (RFC 9051), and Drafts and Sent beside it.

Nothing here sets \\Seen on received mail, moves, or deletes anything but our own drafts; every body is read with PEEK.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from imapclient.exceptions import IMAPClientError, IMAPClientReadOnlyError

from triage.adapters.imap_beside import ImapBeside
from triage.adapters.imap_connection import Folder, ImapConnection, is_refusal
from triage.adapters.imap_folders import find_folder
from triage.adapters.imap_idle import Waker, has_news, idle_until_news
from triage.adapters.imap_reading import UIDS_PER_COMMAND, MailReader, blocks
from triage.adapters.mail_server import Fact
from triage.core.mail import FetchedMail, UidRef
from triage.errors import MailboxUnavailable
from triage.logs import get_logger
from triage.ports import FolderStatus, FolderUse, FoundFolder, TokenSource
from triage.settings import MailboxSettings

_UIDS_PER_SEARCH = 50_000  # keeps an answer below the megabyte that imaplib reads as one line
_NEVER = frozenset({"\\seen", "\\deleted"})
_WANTED = ("IDLE", "MOVE", "UIDPLUS", "SPECIAL-USE", "CONDSTORE")
_HIGHEST_UID = 2**32 - 1


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
        self._reader = MailReader(self._opened, max_mail_bytes=settings.max_mail_bytes)
        self._beside = {
            use: ImapBeside(use, name, settings, self._connection, monotonic=monotonic)
            for use, name in ((FolderUse.DRAFTS, settings.drafts_folder), (FolderUse.SENT, settings.sent_folder))
        }
        self._waker = Waker()
        self.can_wait = settings.idle
        self._idle_refused = False  # offered, but answered NO or BAD: not asked for again
        self._told: FolderStatus | None = None  # by the last status(): UIDs of our caller belong to its UIDVALIDITY
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
        self._told = FolderStatus(folder.uidvalidity, folder.uidnext, folder.messages)
        return self._told

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
        """The mails that still exist, by ascending UID, as `MailReader` reads them."""
        return self._reader.fetch(uids)

    @contextmanager
    def _opened(self, doing: str) -> Iterator[tuple[Any, Folder]]:
        with self._connection.selected(doing) as (client, folder):
            self._same_uids(folder)
            yield client, folder

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
            for block in blocks(sorted(set(uids)), UIDS_PER_COMMAND):
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

    # ---------------------------------------------------------------- Drafts and Sent

    def find_beside(self, use: FolderUse) -> FoundFolder | None:
        return self._beside[use].find()

    def uids_beside(self, use: FolderUse, *, above: int = 0) -> Sequence[int]:
        return self._beside[use].uids(above=above)

    def headers_beside(self, use: FolderUse, uids: Sequence[int]) -> Mapping[int, bytes]:
        return self._beside[use].headers(uids)

    def fetch_beside(self, use: FolderUse, uids: Sequence[int]) -> Iterator[FetchedMail]:
        return self._beside[use].fetch(uids)

    def append_draft(self, raw: bytes, *, at: datetime) -> UidRef | None:
        """Flags as a mail program sets them (RFC 9051 §2.3.2), so that it opens the mail for writing."""
        return self._beside[FolderUse.DRAFTS].append(raw, at=at, flags=[b"\\Draft", b"\\Seen"])

    def remove_drafts(self, refs: Sequence[UidRef]) -> bool:
        return self._beside[FolderUse.DRAFTS].remove(refs)

    def append_sent(self, raw: bytes, *, at: datetime) -> None:
        """Puts a copy in the Sent folder, read and dated `at` (aware). Safe to repeat: a copy with the same
        Message-ID (an earlier try, or one the server keeps by itself) is enough. After a refusal the folder is left
        in peace for some minutes: until then the call raises MailboxUnavailable without asking the server."""
        self._beside[FolderUse.SENT].append(raw, at=at, flags=[b"\\Seen"])

    # ---------------------------------------------------------------- waiting

    def wait_for_news(self, seconds: float) -> bool:
        """Holds the connection in IDLE. False at once when the server has no IDLE or is not connected: then the next
        poll connects."""
        self.can_wait = self._settings.idle and self._connection.is_connected
        if self._waker.is_woken() or not self.can_wait:
            return False
        with self._connection.selected("waiting for new mail") as (client, folder):
            if self._told is not None and (folder.uidnext, folder.messages) != (
                self._told.uidnext,
                self._told.messages,
            ):
                return True  # opened anew after a look beside it: the server announces nothing of what it tells then
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
            drafts, drafts_exist = find_folder(client, "drafts", self._settings.drafts_folder)
            others = {use: find_folder(client, use, "") for use in ("junk", "trash")}
        return [
            ("folder", self._settings.folder + (" (read-only)" if folder.read_only else "")),
            ("messages", str(folder.messages)),
            ("uidvalidity", str(folder.uidvalidity)),
            ("capabilities", ", ".join(offered) or "none of those wanted"),
            ("not offered", ", ".join(lacking) or "nothing"),
            ("keywords kept", "yes" if keywords else "no: mails are not marked $Triaged on the server"),
            ("sent folder", sent if exists else f"{sent} (does not exist yet; made with the first reply)"),
            ("drafts folder", drafts if drafts_exist else f"{drafts} (does not exist yet; made with the first draft)"),
            *((f"{use} folder", name if found else "not found") for use, (name, found) in others.items()),
        ]

    def close(self) -> None:
        """Logs out; never raises."""
        self._connection.close()
        self._waker.close()

    def _same_uids(self, folder: Folder) -> None:
        """UIDs mean nothing under another UIDVALIDITY: after a reconnect that brought one, start the poll anew."""
        if self._told is not None and folder.uidvalidity != self._told.uidvalidity:
            raise MailboxUnavailable(
                f"{self._connection.server}: the folder got another UIDVALIDITY during the poll; "
                "the next poll reads it anew"
            )
