"""The mailbox that is read, and the login by OAuth2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from triage.core.mail import FetchedMail, UidRef


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """What the server says of the folder (RFC 9051 §6.3.11)."""

    uidvalidity: int
    uidnext: int
    messages: int


class FolderUse(StrEnum):
    """A folder beside the one that is read, by what it is for (SPECIAL-USE, RFC 6154 §2): people's mail programs keep
    there what they write and what they sent."""

    DRAFTS = "drafts"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """Such a folder as the server has it; `name` is decoded, such as "Verzonden items"."""

    name: str
    status: FolderStatus


class Mailbox(Protocol):
    """One IMAP folder on a held connection, and the two beside it. Never sets `\\Seen` on received mail, never moves,
    and deletes nothing but our own drafts.

    Every call raises MailboxUnavailable when the connection is lost (the next call reconnects) and is
    safe to repeat. Not thread-safe: one job holds it at a time.
    """

    name: str
    """Identifies account and folder in the ledger; holds no personal data of senders."""
    can_wait: bool
    """Whether the last `wait_for_news` could wait; True before the first."""

    def status(self) -> FolderStatus:
        """Current UIDVALIDITY, UIDNEXT and MESSAGES; refreshes the view of the folder."""

    def uids(self) -> Sequence[int]:
        """All UIDs in the folder, ascending (for the full comparison)."""

    def uids_above(self, uid: int) -> Sequence[int]:
        """UIDs greater than `uid`, ascending. Never the last old one (RFC 9051 §6.4.9)."""

    def fetch(self, uids: Sequence[int]) -> Iterator[FetchedMail]:
        """The mails of these UIDs, as far as they still exist; sizes are asked first, mails above the
        configured limit come as headers and text part with `complete=False`. Bounded memory: batches by bytes."""

    def mark(self, uids: Sequence[int], *, keywords: Sequence[str] = (), flags: Sequence[str] = ()) -> None:
        """Adds keywords and system flags in one STORE per call; UIDs that are gone are no error.
        Keywords the server cannot keep (PERMANENTFLAGS without `\\*`) are left out."""

    def append_sent(self, raw: bytes, *, at: datetime) -> None:
        """Puts a copy of a sent reply in the Sent folder (SPECIAL-USE, configured name as fall-back). Raises
        FolderRefused as well."""

    def find_beside(self, use: FolderUse) -> FoundFolder | None:
        """The folder for `use` and how it stands now (one short command); None when there is none. The UIDs of the
        three calls below belong to the UIDVALIDITY that this call told."""

    def uids_beside(self, use: FolderUse, *, above: int = 0) -> Sequence[int]:
        """UIDs greater than `above` in that folder, ascending; without drafts that are marked as deleted."""

    def headers_beside(self, use: FolderUse, uids: Sequence[int]) -> Mapping[int, bytes]:
        """The header of each of these mails that still exists, without its body."""

    def fetch_beside(self, use: FolderUse, uids: Sequence[int]) -> Iterator[FetchedMail]:
        """As `fetch`, from that folder."""

    def append_draft(self, raw: bytes, *, at: datetime) -> UidRef | None:
        """Puts a draft in the Drafts folder (made when there is none) with `\\Draft` and `\\Seen`; where it stands now,
        None when the server does not tell. Safe to repeat: one with the same Message-ID is enough. Raises
        FolderRefused, which stays so for some minutes."""

    def remove_drafts(self, refs: Sequence[UidRef]) -> bool:
        """Takes these mails, and no others, out of the Drafts folder; those that are gone are no error. False when the
        server can only mark them as deleted (no UIDPLUS, RFC 4315). Raises FolderRefused."""

    def wait_for_news(self, seconds: float) -> bool:
        """Waits until the server tells that the folder changed (True), at most `seconds`. False as well after
        `stop_waiting()`, and at once when the server cannot tell (no IDLE, RFC 2177): then `can_wait` is False."""

    def stop_waiting(self) -> None:
        """Ends the wait that runs, or the next one; may be called from any thread."""

    def close(self) -> None:
        """Logs out; never raises."""


class TokenSource(Protocol):
    """Access tokens for a mail server (RFC 6749, 7628). May be shared by threads."""

    def access_token(self) -> str:
        """A token that is valid now; asks the token server only when the kept one is about to expire.
        Raises TokenUnavailable, or SignInNeeded when a person must sign in anew."""

    def forget(self, token: str) -> bool:
        """The mail server refused this token: it is not given again. True when asking for another makes sense,
        because this one was not fresh."""


@dataclass(frozen=True, slots=True)
class KeptTokens:
    """`refresh_token` "" when there is none; `refused_at` is set when the token server refused exactly that one."""

    refresh_token: str = ""
    access_token: str = ""
    refreshed_at: datetime | None = None
    expires_at: datetime | None = None
    refused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TokenState:
    """What people see of an OAuth2 login: moments and a code, no token."""

    signed_in_at: datetime | None = None
    refreshed_at: datetime | None = None
    refused_at: datetime | None = None
    refused_code: str = ""


class TokenStore(Protocol):
    """Tokens of one login, sealed. `first` is the refresh token of the settings: another one there replaces what
    was kept; an empty one leaves it."""

    def load(self, *, first: str) -> KeptTokens: ...
    def save(self, *, first: str, refresh_token: str, access_token: str, at: datetime, expires_at: datetime) -> None:
        """What the token server gave; a refusal is over."""

    def refuse(self, *, first: str, refresh_token: str, code: str, at: datetime) -> None:
        """The token server refused this refresh token; `code` is its error code (RFC 6749 §5.2)."""

    def sign_in(self, *, first: str, refresh_token: str, at: datetime) -> None:
        """A new refresh token, given by a person."""

    def state(self) -> TokenState: ...
