"""Logged-in sessions, kept on the server and revocable.

Not starsessions: its one lifetime cannot be idle and absolute at once, its store is not told whose session it is
(so a disabled account could not be logged out), it keeps the old row after rotation and reads the wall clock itself.

The cookie holds a random token; the store sees only its HMAC, so a copy of the database opens no session. The CSRF
token is another HMAC of the same token: bound to the session, nothing to store, and still checkable for a form that
comes in after the session ended (its text must not be lost).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from triage.ports import Accounts, Clock, User

IDLE = timedelta(hours=1)
_TOUCH_AFTER = timedelta(minutes=1)  # a write per click would queue behind intake


@dataclass(frozen=True, slots=True)
class Session:
    """`token` is the cookie's value and must not be logged; neither may `pending_totp`.

    `enrolling`: the password was right, but the account must first get a second step; nothing else is open to it.
    `pending_totp`: a secret that was shown and waits for its first code (base32), else ""."""

    token: str = field(repr=False)
    user: User
    created_at: datetime
    seen_at: datetime
    enrolling: bool = False
    pending_totp: str = field(default="", repr=False)


class Sessions:
    """Opens, finds and ends sessions. `absolute` is the longest a session lives, whatever happens."""

    def __init__(
        self,
        accounts: Accounts,
        *,
        secret: bytes,
        clock: Clock,
        absolute: timedelta,
        idle: timedelta = IDLE,
    ) -> None:
        if len(secret) < 32:
            raise ValueError("the session secret needs at least 32 bytes")
        self._accounts, self._secret, self._clock = accounts, secret, clock
        self._absolute, self._idle = absolute, idle

    def keyed(self, purpose: str, value: str) -> str:
        """HMAC-SHA-256 of a value, apart for each purpose; hexadecimal."""
        return hmac.new(self._secret, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()

    def open(self, user: User, *, enrolling: bool = False) -> Session:
        """A new session under a new token (so a token planted before login is worth nothing)."""
        now = self._clock()
        session = Session(secrets.token_urlsafe(32), user, now, now, enrolling)
        self._save(session)
        return session

    def renew(self, user: User) -> Session:
        """Ends every session of this user, here and elsewhere, and opens a new one: the ways in have changed."""
        self._accounts.delete_sessions_of(user.id)
        return self.open(user)

    def keep_pending_totp(self, session: Session, secret: str) -> Session:
        """The session with a secret that waits for its first code; kept sealed, never in the page's form."""
        kept = replace(session, pending_totp=secret)
        self._save(kept)
        return kept

    def find(self, token: str, *, touch: bool = True) -> Session | None:
        """The live session of a cookie, with the user as he is now; None when it ended or the account is disabled.

        `touch` counts this request as the person's own doing, which starts the idle time anew."""
        if not token:
            return None
        now = self._clock()
        data = self._accounts.load_session(self.keyed("session", token), now=now)
        if data is None:
            return None
        kept = json.loads(data)
        user = self._accounts.by_id(kept["user"])
        if user is None or user.disabled:
            self.end(token)
            return None
        session = Session(
            token,
            user,
            datetime.fromisoformat(kept["created"]),
            datetime.fromisoformat(kept["seen"]),
            enrolling=bool(kept.get("enrolling")),
            pending_totp=str(kept.get("pending_totp", "")),
        )
        if now - session.created_at >= self._absolute or now - session.seen_at >= self._idle:
            self.end(token)
            return None
        if touch and now - session.seen_at >= _TOUCH_AFTER:
            session = replace(session, seen_at=now)
            self._save(session)
        return session

    def end(self, token: str) -> None:
        if token:
            self._accounts.delete_session(self.keyed("session", token))

    def csrf(self, token: str) -> str:
        """The value that every form of this session carries."""
        return self.keyed("csrf", token)

    def csrf_matches(self, token: str, given: str) -> bool:
        """Constant-time comparison; an empty token or value never matches."""
        return bool(token and given) and hmac.compare_digest(self.csrf(token).encode(), given.encode())

    def _save(self, session: Session) -> None:
        kept = {
            "user": session.user.id,
            "created": session.created_at.isoformat(),
            "seen": session.seen_at.isoformat(),
            "enrolling": session.enrolling,
            "pending_totp": session.pending_totp,
        }
        self._accounts.save_session(
            self.keyed("session", session.token),
            json.dumps(kept).encode(),
            expires_at=min(session.created_at + self._absolute, session.seen_at + self._idle),
            user_id=session.user.id,
        )
