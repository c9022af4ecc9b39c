"""`sign-in`: a new OAuth2 refresh token for the mailbox, from stdin or with a code that a person types in a browser."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from triage.adapters.oauth_server import Refused, TokenServer
from triage.bootstrap import open_product_store, token_store, utc_now
from triage.errors import ConfigError, TokenUnavailable
from triage.settings import Settings, load_settings


def sign_in(*, token_stdin: bool, sleep: Callable[[float], None] = time.sleep) -> int:
    """Keeps the refresh token sealed in the database; a running `serve` finds it there at its next poll."""
    settings = load_settings()
    oauth = settings.mailbox.oauth
    if oauth.grant != "refresh_token":
        raise ConfigError('signing in needs mailbox.oauth.grant = "refresh_token"; an application has a secret instead')
    store, _ = open_product_store(settings)
    try:
        token = sys.stdin.readline().strip() if token_stdin else _by_code(settings, sleep)
        if not token:
            raise ConfigError("there was no refresh token on stdin; nothing was changed")
        first = oauth.refresh_token.get_secret_value()
        token_store(settings, store).sign_in(first=first, refresh_token=token, at=utc_now())
        with store.begin() as uow:
            uow.audit("mailbox_signed_in", at=utc_now(), actor="system")
    finally:
        store.close()
    sys.stderr.write("Signed in. A running `serve` uses it at its next poll.\n")
    return 0


def _by_code(settings: Settings, sleep: Callable[[float], None]) -> str:
    server = TokenServer(settings.mailbox.oauth)
    try:
        device = server.ask_device_code()
        sys.stderr.write(
            f"Open {device.url} in a browser, type the code {device.user_code}, and sign in as the mailbox "
            f"({settings.mailbox.username}).\n"
        )
        waited = 0.0
        while waited < device.seconds:
            sleep(device.interval)
            waited += device.interval
            answer = server.redeem(device)
            if answer is not None:
                token = answer.get("refresh_token")
                if not isinstance(token, str) or not token:
                    raise TokenUnavailable(server.words("gave no refresh token", "add offline_access to the scopes"))
                return token
    except Refused as refusal:
        raise TokenUnavailable(
            server.words(f"refused the sign-in ({refusal.code}{refusal.detail})", "check mailbox.oauth.client_id")
        ) from None
    raise TokenUnavailable("nobody typed the code in time; run sign-in again")
