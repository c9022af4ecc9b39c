"""The copy of a sent reply in the Sent folder. Trouble with it must cost neither the poll nor the connection."""

from __future__ import annotations

import email.parser
import email.policy
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from imapclient.exceptions import IMAPClientError

from triage.adapters.imap_connection import ImapConnection, is_refusal
from triage.adapters.imap_folders import find_folder, quoted_folder
from triage.adapters.mail_server import response_code
from triage.errors import MailboxUnavailable
from triage.settings import MailboxSettings

_PAUSE_SECONDS = 600.0


class SentFolder:
    """Finds the folder, makes it when there is none, and appends each copy once."""

    def __init__(
        self, settings: MailboxSettings, connection: ImapConnection, *, monotonic: Callable[[], float]
    ) -> None:
        self._settings, self._connection, self._monotonic = settings, connection, monotonic
        self._paused_until, self._reason = 0.0, ""

    def append(self, raw: bytes, *, at: datetime) -> None:
        """Raises MailboxUnavailable; see the port."""
        if self._reason and self._monotonic() < self._paused_until:
            raise MailboxUnavailable(f"{self._reason} (tried again every {int(_PAUSE_SECONDS / 60)} minutes)")
        self._reason = ""
        with self._connection.use("keeping a sent copy") as client:
            name, exists = find_folder(client, "sent", self._settings.sent_folder)
            if not exists:
                self._make(client, name)
            elif self._is_there(client, name, raw):
                return
            try:
                self._append(client, name, raw, at)
            except IMAPClientError as exc:
                if not is_refusal(exc):
                    raise
                if response_code(str(exc)) != " [TRYCREATE]":
                    self._refuse("was not kept in", name, exc)
                self._make(client, name)  # the server itself says that the folder is missing (RFC 9051 §7.1): once
                try:
                    self._append(client, name, raw, at)
                except IMAPClientError as again:
                    if not is_refusal(again):
                        raise
                    self._refuse("was not kept in", name, again)

    @staticmethod
    def _append(client: Any, name: str, raw: bytes, at: datetime) -> None:
        client.append(name, raw, flags=[b"\\Seen"], msg_time=at)

    def _make(self, client: Any, name: str) -> None:
        try:
            client.create_folder(name)
        except IMAPClientError as exc:
            if not is_refusal(exc):
                raise
            self._refuse("has no folder: it may not be made as", name, exc)
        with suppress(IMAPClientError):
            client.subscribe_folder(name)  # some mail programs show subscribed folders only

    def _refuse(self, what: str, name: str, exc: IMAPClientError) -> None:
        """The server's no will be the same at the next poll: leave it in peace for a while."""
        self._reason = (
            f"{self._connection.server}: the sent copy {what} {quoted_folder(name)}{response_code(str(exc))}; "
            "check that the mailbox is not full, that the folder can be written, and mailbox.sent_folder"
        )
        self._paused_until = self._monotonic() + _PAUSE_SECONDS
        raise MailboxUnavailable(self._reason) from exc

    def _is_there(self, client: Any, folder: str, raw: bytes) -> bool:
        """A search by Message-ID: it needs no UIDPLUS, and finds what a lost connection left behind."""
        headers = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(raw[:100_000])
        message_id = str(headers.get("Message-ID", "")).strip()
        if not re.fullmatch(r"<[\x21-\x7e]+>", message_id):
            return False
        self._connection.deselected()
        client.select_folder(folder, readonly=True)
        return bool(client.search(["HEADER", "Message-ID", message_id]))
