"""OAuth2 access tokens for IMAP and SMTP: client credentials and refresh tokens (RFC 6749 §4.4, §6).

Tokens are kept sealed in the store, so that a restart asks for none and a rotated refresh token is never lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from triage.adapters.mail_server import HoldOff
from triage.adapters.oauth_server import Refused, TokenServer
from triage.errors import SignInNeeded, TokenUnavailable
from triage.logs import get_logger
from triage.ports import Clock, KeptTokens, TokenStore
from triage.settings import OAuthSettings

_MARGIN = timedelta(minutes=5)  # a token is renewed this long before it expires, or a fifth of its life when shorter
_FRESH_SECONDS = 60.0
_SIGN_IN = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})
_SIGN_IN_AGAIN = "the token server takes our refresh token no more: sign in anew with python3 run.py sign-in"


def identity_of(settings: OAuthSettings, username: str) -> str:
    """Tells the tokens of one login from those of another."""
    return "|".join((settings.grant, settings.endpoint, settings.client_id, username))


class OAuthTokens:
    """A TokenSource. Safe for threads: one of them asks, the others wait for its answer."""

    def __init__(
        self,
        settings: OAuthSettings,
        store: TokenStore,
        *,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._store, self._clock, self._monotonic = settings, store, clock, monotonic
        self._first = settings.refresh_token.get_secret_value() if settings.grant == "refresh_token" else ""
        self._hold_off = HoldOff(monotonic)
        self._server = TokenServer(settings)
        self._lock = threading.Lock()
        self._rejected = ""
        self._fetched = ("", 0.0)

    def access_token(self) -> str:
        with self._lock:
            kept = self._store.load(first=self._first)
            if self._is_usable(kept):
                return kept.access_token
            if left := self._hold_off.seconds_left():
                raise TokenUnavailable(f"{self._hold_off.reason}; next try in {int(left) + 1} s")
            return self._renewed(kept)

    def forget(self, token: str) -> bool:
        with self._lock:
            self._rejected = token
            fetched, at = self._fetched
            return token != fetched or self._monotonic() - at > _FRESH_SECONDS

    def _is_usable(self, kept: KeptTokens) -> bool:
        if not kept.access_token or kept.access_token == self._rejected or kept.expires_at is None:
            return False
        life = kept.expires_at - kept.refreshed_at if kept.refreshed_at else _MARGIN
        return self._clock() < kept.expires_at - min(_MARGIN, life / 5)

    def _renewed(self, kept: KeptTokens) -> str:
        settings = self._settings
        while True:
            if settings.grant == "refresh_token":
                if not kept.refresh_token:
                    raise SignInNeeded(
                        "there is no refresh token yet: set mailbox.oauth.refresh_token, or run: python3 run.py sign-in"
                    )
                if kept.refused_at is not None:
                    raise SignInNeeded(_SIGN_IN_AGAIN)
            try:
                answer = self._server.renew(kept.refresh_token)
            except TokenUnavailable as exc:
                if wait := self._server.asked_to_wait():
                    self._hold_off.wait(wait, str(exc))
                self._hold_off.failed(str(exc))
                raise
            except Refused as refusal:
                if settings.grant != "refresh_token" or refusal.code not in _SIGN_IN:
                    self._raise_refused(refusal)
                now_kept = self._store.load(first=self._first)
                if now_kept.refresh_token != kept.refresh_token:  # another node renewed it, or a person did
                    kept = now_kept
                    if self._is_usable(kept):
                        return kept.access_token
                    continue
                self._store.refuse(
                    first=self._first, refresh_token=kept.refresh_token, code=refusal.code, at=self._clock()
                )
                get_logger().error("oauth_sign_in_needed", error=refusal.code + refusal.detail)
                raise SignInNeeded(f"{_SIGN_IN_AGAIN} ({refusal.code}{refusal.detail})") from None
            return self._keep(answer, kept)

    def _keep(self, answer: dict[str, Any], kept: KeptTokens) -> str:
        token, renewed = answer.get("access_token"), answer.get("refresh_token")
        if not isinstance(token, str) or not token or not token.isascii():
            reason = self._server.words(
                "gave no access token", "check mailbox.oauth.token_url and mailbox.oauth.scopes"
            )
            self._hold_off.failed(reason)
            raise TokenUnavailable(reason)
        now = self._clock()
        self._store.save(
            first=self._first,
            refresh_token=renewed if isinstance(renewed, str) and renewed else kept.refresh_token,
            access_token=token,
            at=now,
            expires_at=now + timedelta(seconds=_seconds(answer.get("expires_in"))),
        )
        self._fetched = (token, self._monotonic())
        self._hold_off.succeeded()
        return token

    def _raise_refused(self, refusal: Refused) -> None:
        reason = self._server.words(
            f"refused us ({refusal.code}{refusal.detail})",
            "check mailbox.oauth.client_id, client_secret and scopes (an application's secret expires)",
        )
        self._hold_off.refused(reason)
        raise TokenUnavailable(reason) from None


def _seconds(told: object) -> float:
    """`expires_in` (RFC 6749 §5.1), which some servers give as text; an hour when it is left out."""
    try:
        return max(0.0, min(float(str(told)), 86_400.0))
    except ValueError:
        return 3600.0
