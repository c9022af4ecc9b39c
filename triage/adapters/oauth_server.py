"""The OAuth2 token server over HTTPS: form in, JSON out (RFC 6749 §3.2), and signing in with a code (RFC 8628).

Error texts name the setting and the server's error code, never a token or what else the server said.
"""

from __future__ import annotations

import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import IO, Any, NoReturn

from triage.adapters.mail_server import tls_context
from triage.errors import TokenUnavailable
from triage.settings import OAuthSettings

_TIMEOUT_SECONDS = 20.0
_LARGEST_ANSWER = 100_000
_LONGEST_WAIT_SECONDS = 3600
_ERROR_CODE = re.compile(r"[a-z_]{1,32}")
_MICROSOFT_CODE = re.compile(r"AADSTS\d{4,8}")  # what Microsoft's own documentation is indexed by
_BUSY = frozenset({"temporarily_unavailable", "server_error"})
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Refused(Exception):
    """The token server said no. `code` is its error code (RFC 6749 §5.2), `detail` Microsoft's own, or ""."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person needs to sign in with a browser: opens `url` and types `user_code`, within `seconds`."""

    url: str
    user_code: str
    device_code: str
    seconds: float
    interval: float


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A secret goes to the configured address only."""

    def redirect_request(self, *args: object, **named: object) -> None:
        return None


class TokenServer:
    """The token server of the settings. Every call raises Refused or TokenUnavailable; none tries again by itself."""

    def __init__(self, settings: OAuthSettings) -> None:
        self._settings = settings
        self._wait = 0

    def renew(self, refresh_token: str) -> dict[str, Any]:
        """An access token by the grant of the settings."""
        form = {"grant_type": self._settings.grant, **self._client(), **self._scope()}
        if self._settings.grant == "refresh_token":
            form["refresh_token"] = refresh_token
        return self._post(self._settings.endpoint, form)

    def ask_device_code(self) -> DeviceCode:
        """Begins a sign-in by a person (RFC 8628 §3.1)."""
        answer = self._post(self._device_endpoint(), {"client_id": self._settings.client_id, **self._scope()})
        try:
            url = str(answer.get("verification_uri") or answer["verification_url"])
            return DeviceCode(
                url,
                str(answer["user_code"]),
                str(answer["device_code"]),
                float(answer["expires_in"]),
                float(answer.get("interval", 5)),
            )
        except (KeyError, TypeError, ValueError):
            raise TokenUnavailable(
                self.words("gave no code to sign in with", "use --token-stdin with a refresh token")
            ) from None

    def redeem(self, device: DeviceCode) -> dict[str, Any] | None:
        """The tokens once the person is done, None until then (RFC 8628 §3.5)."""
        form = {"grant_type": _DEVICE_GRANT, "device_code": device.device_code, **self._client()}
        try:
            return self._post(self._settings.endpoint, form)
        except Refused as refusal:
            if refusal.code in ("authorization_pending", "slow_down"):
                return None
            raise

    def asked_to_wait(self) -> int:
        """Seconds the last failed answer told us to stay away (Retry-After), once; 0 when it did not."""
        wait, self._wait = self._wait, 0
        return wait

    def words(self, what: str, mend: str) -> str:
        return f"token server {urllib.parse.urlsplit(self._settings.endpoint).hostname} {what}; {mend}"

    # ---------------------------------------------------------------- ourselves

    def _client(self) -> dict[str, str]:
        secret = self._settings.client_secret.get_secret_value()
        return {"client_id": self._settings.client_id} | ({"client_secret": secret} if secret else {})

    def _scope(self) -> dict[str, str]:
        wanted = self._settings.wanted_scopes
        return {"scope": " ".join(wanted)} if wanted else {}

    def _device_endpoint(self) -> str:
        """Microsoft's stands beside its token endpoint; others vary too much to guess."""
        head, slash, last = self._settings.endpoint.rpartition("/")
        if last != "token":
            raise TokenUnavailable(self.words("has no known address for codes", "use --token-stdin"))
        return f"{head}{slash}devicecode"

    def _post(self, url: str, form: dict[str, str]) -> dict[str, Any]:
        try:
            context = tls_context(self._settings.ca_file)
        except OSError as exc:
            self._fail(f"cannot be used ({type(exc).__name__})", "check mailbox.oauth.ca_file", exc)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirects())
        request = urllib.request.Request(  # noqa: S310 - the settings allow https, or http to this machine
            url,
            data=urllib.parse.urlencode(form).encode(),
            headers={"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
        )
        try:
            with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                answer = _json(response)
        except urllib.error.HTTPError as exc:
            with exc:
                self._raise_error(exc)
        except (OSError, HTTPException, ValueError) as exc:
            self._raise_unreachable(exc)
        if answer is None:
            self._fail("answered, but not as a token server", "check mailbox.oauth.token_url", None)
        return answer

    def _raise_error(self, exc: urllib.error.HTTPError) -> NoReturn:
        said = _json(exc) or {}
        code = said.get("error")
        if 400 <= exc.code < 500 and isinstance(code, str) and _ERROR_CODE.fullmatch(code) and code not in _BUSY:
            found = _MICROSOFT_CODE.search(str(said.get("error_description", "")))
            raise Refused(code, f" {found.group()}" if found else "") from None
        told = exc.headers.get("Retry-After", "")
        self._wait = min(int(told), _LONGEST_WAIT_SECONDS) if told.isascii() and told.isdigit() else 0
        self._fail(f"answered with status {exc.code}", "it is tried again", None)

    def _raise_unreachable(self, exc: Exception) -> NoReturn:
        cause = exc.reason if isinstance(exc, urllib.error.URLError) else exc
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = cause.verify_message.rstrip(".")
            self._fail(f"has a certificate that is not trusted ({why})", "check mailbox.oauth.ca_file", exc)
        name = type(cause).__name__ if isinstance(cause, BaseException) else "no connection"
        self._fail(f"cannot be reached ({name})", "check mailbox.oauth.token_url and the network", exc)

    def _fail(self, what: str, mend: str, exc: Exception | None) -> NoReturn:
        raise TokenUnavailable(self.words(what, mend)) from exc


def _json(source: IO[bytes]) -> dict[str, Any] | None:
    """The object in an answer; None when it is no JSON object."""
    try:
        found = json.loads(source.read(_LARGEST_ANSWER))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
