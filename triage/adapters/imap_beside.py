"""The folders beside the inbox, Drafts and Sent. Trouble with them must cost neither the poll nor the connection."""

from __future__ import annotations

import email.parser
import email.policy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, NoReturn

from imapclient.exceptions import IMAPClientError, IMAPClientReadOnlyError

from triage.adapters.imap_connection import Folder, ImapConnection, is_refusal
from triage.adapters.imap_folders import find_folder, quoted_folder
from triage.adapters.imap_reading import UIDS_PER_COMMAND, MailReader, blocks
from triage.adapters.mail_server import response_code
from triage.core.mail import FetchedMail, UidRef
from triage.errors import FolderRefused, MailboxUnavailable
from triage.ports import FolderStatus, FolderUse, FoundFolder
from triage.settings import MailboxSettings

_PAUSE_SECONDS = 600.0
_APPENDUID = re.compile(rb"\[APPENDUID (\d+) (\d+)\]", re.IGNORECASE)
_WHY = {" [OVERQUOTA]": "full", " [LIMIT]": "full", " [NOPERM]": "read_only", " [TOOBIG]": "too_big"}  # RFC 9051 §7.1
_WORDS = {
    FolderUse.SENT: ("keeping a sent copy", "the sent copy", "mailbox.sent_folder"),
    FolderUse.DRAFTS: ("keeping a draft", "the draft", "mailbox.drafts_folder"),
}


class ImapBeside:
    """One of them: found by its SPECIAL-USE mark or its name, read, and written to. After a refusal it is left in
    peace for some minutes: until then writing raises FolderRefused without asking the server."""

    def __init__(
        self,
        use: FolderUse,
        configured: str,
        settings: MailboxSettings,
        connection: ImapConnection,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._use, self._configured = use, configured
        self._connection, self._monotonic = connection, monotonic
        self._doing, self._thing, self._setting = _WORDS[use]
        self._reader = MailReader(self._opened, max_mail_bytes=settings.max_mail_bytes)
        self._found: tuple[Any, str] | None = None  # (connection it was found on, name)
        self._uidvalidity: int | None = None  # of the last find(): the UIDs of our caller belong to it
        self._paused_until, self._refusal = 0.0, FolderRefused("", code="")

    # ---------------------------------------------------------------- finding and reading

    def find(self) -> FoundFolder | None:
        """One STATUS, once the folder's name is known; None when there is no such folder."""
        with self._connection.use(f"looking at the {self._use} folder") as client:
            name, exists = self._name(client)
            if not exists:
                return None
            try:
                told = client.folder_status(name, ["UIDVALIDITY", "UIDNEXT", "MESSAGES"])
            except IMAPClientError as exc:
                if not is_refusal(exc):
                    raise
                self._found = None  # taken away since
                return None
        self._uidvalidity = int(told.get(b"UIDVALIDITY", 0))
        status = FolderStatus(self._uidvalidity, int(told.get(b"UIDNEXT", 0)), int(told.get(b"MESSAGES", 0)))
        return FoundFolder(name, status)

    def uids(self, *, above: int = 0) -> Sequence[int]:
        # a draft that is marked as deleted is gone for people; a sent mail was sent all the same
        there = ["UNDELETED"] if self._use is FolderUse.DRAFTS else []
        with self._opened("listing its mails") as (client, _):
            return sorted(uid for uid in client.search([*there, "UID", f"{above + 1}:*"]) if uid > above)

    def headers(self, uids: Sequence[int]) -> Mapping[int, bytes]:
        found: dict[int, bytes] = {}
        for block in blocks(sorted(set(uids)), UIDS_PER_COMMAND):
            with self._opened("reading headers") as (client, _):
                told = client.fetch(block, ["BODY.PEEK[HEADER]"])
            heads = {uid: told.get(uid, {}).get(b"BODY[HEADER]") for uid in block}
            found |= {uid: head for uid, head in heads.items() if isinstance(head, bytes)}
        return found

    def fetch(self, uids: Sequence[int]) -> Iterator[FetchedMail]:
        return self._reader.fetch(uids)

    @contextmanager
    def _opened(self, doing: str) -> Iterator[tuple[Any, Folder]]:
        """The folder by EXAMINE: looking changes nothing."""
        with self._connection.use(f"the {self._use} folder: {doing}") as client:
            yield client, self._select(client, read_only=True)

    def _select(self, client: Any, *, read_only: bool) -> Folder:
        name, _ = self._name(client)
        self._connection.deselected()
        told = client.select_folder(name, readonly=read_only)
        folder = Folder(int(told.get(b"UIDVALIDITY", 0)), 0, int(told.get(b"EXISTS", 0)), read_only, None)
        if self._uidvalidity is not None and folder.uidvalidity != self._uidvalidity:
            self._uidvalidity = None
            raise MailboxUnavailable(
                f"{self._connection.server}: the {self._use} folder got another UIDVALIDITY; it is read anew"
            )
        return folder

    def _name(self, client: Any) -> tuple[str, bool]:
        if self._found is not None and self._found[0] is client:
            return self._found[1], True
        name, exists = find_folder(client, self._use, self._configured)
        self._found = (client, name) if exists else None
        return name, exists

    # ---------------------------------------------------------------- writing

    def append(self, raw: bytes, *, at: datetime, flags: Sequence[bytes]) -> UidRef | None:
        """Where the copy stands, None when the server does not tell. A copy with the same Message-ID, from an earlier
        try or by the server itself, is enough. Raises FolderRefused or MailboxUnavailable."""
        self._obey_pause()
        with self._connection.use(self._doing) as client:
            name, exists = self._name(client)
            if not exists:
                self._make(client, name)
            elif (known := self._there(client, raw)) is not None:
                return known
            try:
                told = self._append(client, name, raw, at, flags)
            except IMAPClientError as exc:
                if not is_refusal(exc):
                    raise
                if response_code(str(exc)) != " [TRYCREATE]":
                    self._refuse("was not kept in", name, exc)
                self._make(client, name)  # the server itself says that the folder is missing (RFC 9051 §7.1): once
                try:
                    told = self._append(client, name, raw, at, flags)
                except IMAPClientError as again:
                    if not is_refusal(again):
                        raise
                    self._refuse("was not kept in", name, again)
            if found := _APPENDUID.search(told):
                return UidRef(int(found[1]), int(found[2]))
            return self._there(client, raw)

    def remove(self, refs: Sequence[UidRef]) -> bool:
        """Marks these mails as deleted and expunges them and no others (UID EXPUNGE, RFC 4315). False when the server
        cannot: then the mark is all. Those that are gone are no error. A full mailbox is no reason to wait."""
        with self._connection.use(f"removing from the {self._use} folder") as client:
            name, exists = self._name(client)
            if not exists:
                return True
            try:
                folder = self._select(client, read_only=False)
                uids = [ref.uid for ref in refs if ref.uidvalidity == folder.uidvalidity]
                if not uids:
                    return True
                client.add_flags(uids, [b"\\Deleted"], silent=True)
            except IMAPClientReadOnlyError as exc:
                self._refuse("cannot be removed from", name, exc, code="read_only")
            except IMAPClientError as exc:
                if not is_refusal(exc):
                    raise
                self._refuse("cannot be removed from", name, exc)
            if not client.has_capability("UIDPLUS"):
                return False
            client.uid_expunge(uids)
        return True

    @staticmethod
    def _append(client: Any, name: str, raw: bytes, at: datetime, flags: Sequence[bytes]) -> bytes:
        told = client.append(name, raw, flags=flags, msg_time=at)
        return told if isinstance(told, bytes) else b""

    def _make(self, client: Any, name: str) -> None:
        try:
            client.create_folder(name)
        except IMAPClientError as exc:
            if not is_refusal(exc):
                raise
            self._refuse("has no folder: it may not be made as", name, exc, code="missing")
        with suppress(IMAPClientError):
            client.subscribe_folder(name)  # some mail programs show subscribed folders only
        self._found, self._uidvalidity = (client, name), None

    def _obey_pause(self) -> None:
        if self._refusal.code and self._monotonic() < self._paused_until:
            again = f"{self._refusal} (tried again every {int(_PAUSE_SECONDS / 60)} minutes)"
            raise FolderRefused(again, code=self._refusal.code)
        self._refusal = FolderRefused("", code="")

    def _refuse(self, what: str, name: str, exc: IMAPClientError, *, code: str = "") -> NoReturn:
        """The server's no will be the same at the next poll: leave it in peace for a while."""
        answer = response_code(str(exc))
        reason = (
            f"{self._connection.server}: {self._thing} {what} {quoted_folder(name)}{answer}; "
            f"check that the mailbox is not full, that the folder can be written, and {self._setting}"
        )
        self._refusal = FolderRefused(reason, code=code or _WHY.get(answer, "refused"))
        self._paused_until = self._monotonic() + _PAUSE_SECONDS
        raise self._refusal from exc

    def _there(self, client: Any, raw: bytes) -> UidRef | None:
        """A search by Message-ID: it needs no UIDPLUS, and finds what a lost connection left behind."""
        headers = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(raw[:100_000])
        message_id = str(headers.get("Message-ID", "")).strip()
        if not re.fullmatch(r"<[\x21-\x7e]+>", message_id):
            return None
        folder = self._select(client, read_only=True)
        uids = client.search(["UNDELETED", "HEADER", "Message-ID", message_id])
        return UidRef(folder.uidvalidity, max(uids)) if uids else None
