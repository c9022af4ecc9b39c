"""Who may come in, and what each role may do.

The table below is the only place that says which role may do what on the screens; services check release again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from triage.core.rights import Right, Role, role_may
from triage.ports import Accounts, Clock, User
from triage.web.sessions import Sessions


def may(user: User, right: Right) -> bool:
    """What `triage.core.rights` says of this user's role."""
    return role_may(user.role, right)


SHORTEST_PASSWORD = 12
_hasher = PasswordHasher()
_DUMMY = _hasher.hash("the password of nobody")
# one hash takes 64 MiB; without a bound a burst of logins would take all memory of the machine
_hashing = threading.BoundedSemaphore(2)


def password_hash(password: str) -> str:
    """argon2id, with the library's parameters of RFC 9106 (low memory). Raises ValueError when it is too short."""
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"a password needs at least {SHORTEST_PASSWORD} characters")
    with _hashing:
        return _hasher.hash(password)


def _password_fits(stored: str, password: str) -> bool:
    with _hashing:
        try:
            return _hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


class Refusal(StrEnum):
    """Why a login failed, as far as the person may know."""

    WRONG = "wrong"  # name, password or code: never which
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class Admitted:
    """The right person. `must_enrol`: the account has no second step and this product asks for one."""

    user: User
    must_enrol: bool = False


PER_CLIENT = 10
"""A client address may fail this many times as often as a name: a whole office can sit behind one address."""


@dataclass(frozen=True, slots=True)
class Logins:
    """Checks logins. Failures are counted in the store, so that all nodes count together."""

    accounts: Accounts
    sessions: Sessions
    clock: Clock
    failures: int
    require_totp: bool
    window: timedelta = timedelta(minutes=15)

    def attempt(self, username: str, password: str, code: str, *, client: str) -> Admitted | Refusal:
        """The user, or why not. An unknown name takes as long as a wrong password and counts as well."""
        name_key, client_key = self._keys(username, client)
        if self._too_many(name_key, client_key):
            return Refusal.TOO_MANY
        known = self.accounts.by_username(username.strip())
        fits = _password_fits(known.password_hash if known else _DUMMY, password)
        if known is None or not fits or known.user.disabled or known.user.role not in tuple(Role):
            return self._refuse(name_key, client_key)
        if known.totp_secret:
            step = step_of(known.totp_secret, code, self.clock())
            if step is None or not self.accounts.use_totp_step(known.user.id, step):
                return self._refuse(name_key, client_key)
        self.accounts.clear_failures(name_key)
        if _hasher.check_needs_rehash(known.password_hash):
            self.accounts.set_password(known.user.id, password_hash(password))
        return Admitted(known.user, must_enrol=self.require_totp and not known.totp_secret)

    def confirm(self, user: User, password: str, *, client: str) -> Refusal | None:
        """Whether a person who is in knows the password: an open browser must not be enough to change the ways in.

        Counts like a login, so that it is no back door for guessing."""
        name_key, client_key = self._keys(user.username, client)
        if self._too_many(name_key, client_key):
            return Refusal.TOO_MANY
        known = self.accounts.by_username(user.username)
        if known is None or not _password_fits(known.password_hash, password):
            return self._refuse(name_key, client_key)
        self.accounts.clear_failures(name_key)
        return None

    def _keys(self, username: str, client: str) -> tuple[str, str]:
        name = username.strip().casefold()
        return self.sessions.keyed("login-name", name), self.sessions.keyed("login-client", client)

    def _too_many(self, name_key: str, client_key: str) -> bool:
        since = self.clock() - self.window
        limits = ((name_key, self.failures), (client_key, self.failures * PER_CLIENT))
        return any(self.accounts.failures(key, since=since) >= limit for key, limit in limits)

    def _refuse(self, *keys: str) -> Refusal:
        now = self.clock()
        for key in keys:
            self.accounts.note_failure(key, at=now)
        return Refusal.WRONG


def new_totp_secret() -> str:
    """160 random bits in base32 (RFC 4226 §4 asks for that many)."""
    return pyotp.random_base32()


def totp_uri(secret: str, *, username: str, issuer: str) -> str:
    """What an authenticator app reads from the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=issuer)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step (RFC 6238) whose code this is: the current one or a neighbour, as clocks differ."""
    digits = "".join(code.split())
    if not digits.isdecimal():
        return None
    totp = pyotp.TOTP(secret)
    current = totp.timecode(now)
    for step in (current, current - 1, current + 1):
        if pyotp.utils.strings_equal(totp.generate_otp(step), digits):
            return step
    return None
