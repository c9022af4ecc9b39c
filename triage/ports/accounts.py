"""Accounts of the staff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from triage.ports.stored import User


@dataclass(frozen=True, slots=True)
class Credentials:
    user: User
    password_hash: str
    totp_secret: str | None  # base32; None while the second factor is not set up
    totp_last_step: int  # a TOTP step is used once


class Accounts(Protocol):
    def add(self, *, username: str, display_name: str, role: str, password_hash: str, at: datetime) -> User:
        """Raises ConflictError when the name is taken."""

    def by_username(self, username: str) -> Credentials | None: ...
    def by_id(self, user_id: str) -> User | None: ...
    def all(self) -> Sequence[User]: ...
    def set_password(self, user_id: str, password_hash: str) -> None: ...
    def set_disabled(self, user_id: str, disabled: bool) -> None: ...
    def set_totp(self, user_id: str, secret: str | None) -> None: ...
    def use_totp_step(self, user_id: str, step: int) -> bool:
        """True once per step; False when this or a later step was used before."""

    def note_failure(self, key: str, *, at: datetime) -> None:
        """`key` is an HMAC of username or client address."""

    def failures(self, key: str, *, since: datetime) -> int: ...
    def clear_failures(self, key: str) -> None: ...
    def load_session(self, session_id: str, *, now: datetime) -> bytes | None: ...
    def save_session(self, session_id: str, data: bytes, *, expires_at: datetime, user_id: str | None) -> None: ...
    def delete_session(self, session_id: str) -> None: ...
    def delete_sessions_of(self, user_id: str) -> None: ...
