"""Before the mailbox opens: TLS on the connection, and the login with a password or an OAuth2 token.

No password and no token leaves on a connection that should be encrypted and is not (RFC 8314 §4.1).
"""

from __future__ import annotations

import re
from typing import Any

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from triage.adapters.mail_server import ServerName, response_code
from triage.errors import MailboxUnavailable
from triage.ports import TokenSource
from triage.settings import MailboxSettings

TEMPORARY = frozenset({" [UNAVAILABLE]", " [INUSE]", " [LIMIT]"})
"""Response codes that say nothing against this login or this mail (RFC 5530 §3)."""
_TEMPORARY_WORDS = re.compile(r"too many|maximum number of connections|throttled|try again later", re.IGNORECASE)
_ATOM = re.compile(r"[A-Za-z0-9.@_+=/-]+")
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
_MECHANISMS = ("XOAUTH2", "OAUTHBEARER")


class LoginRefused(MailboxUnavailable):
    """The server says no to this login: the next try waits, since accounts get locked."""


class TokenRefused(LoginRefused):
    """The server says no to this access token. `renewable`: it may just have expired."""

    renewable = False


class Login:
    """How the account of the settings gets in."""

    def __init__(self, settings: MailboxSettings, server: ServerName, tokens: TokenSource | None) -> None:
        self._settings, self._server, self._tokens = settings, server, tokens

    def secure(self, client: Any, context: Any) -> None:
        """STARTTLS where the settings ask for it. What the server sent in clear behind its OK is thrown away: the
        library begins to read anew, and asks the capabilities again."""
        if self._settings.security != "starttls":
            return
        if _is_preauthenticated(client) or not client.has_capability("STARTTLS"):
            # a man in the middle can take the offer away (RFC 8314 §4.1): no password leaves in clear
            raise MailboxUnavailable(
                f"{self._server} does not offer STARTTLS, so no password was sent; "
                "check mailbox.port and mailbox.security"
            )
        try:
            client.starttls(context)
        except OSError as exc:
            raise MailboxUnavailable(self._server.connection_failed(exc)) from exc
        except IMAPClientError as exc:
            raise MailboxUnavailable(
                f"{self._server} refused STARTTLS{response_code(str(exc))}, so no password was sent; "
                "check the server's certificate and mailbox.security"
            ) from exc

    def log_in(self, client: Any) -> None:
        """Raises LoginRefused, MailboxUnavailable, or what the library raises when the connection is lost."""
        if _is_preauthenticated(client):
            return
        if self._settings.oauth.grant:
            self._with_token(client)
        else:
            self._with_password(client)

    def _with_password(self, client: Any) -> None:
        user, password = self._settings.username, self._settings.password.get_secret_value()
        plain = client.has_capability("AUTH=PLAIN")
        if client.has_capability("LOGINDISABLED") and not (plain and self._is_encrypted):
            self._raise_unencrypted()
        if not plain and not (user + password).isascii():
            raise MailboxUnavailable(
                f"{self._server} takes only ASCII in login names and passwords (it offers no AUTH=PLAIN); "
                "choose other ones for mailbox.username or mailbox.password"
            )
        try:
            if plain:  # base64: any character passes, which LOGIN cannot promise
                client.plain_login(user, password)
            else:
                client.login(user if _ATOM.fullmatch(user) else _quoted(user), password)
        except IMAPClientError as exc:
            self._raise_unless_refused(exc)
            raise LoginRefused(
                f"{self._server} refused the login as mailbox.username{response_code(str(exc))}; "
                "check mailbox.username and mailbox.password (TRIAGE_MAILBOX__PASSWORD)"
            ) from exc

    def _with_token(self, client: Any) -> None:
        if not self._is_encrypted:
            if client.has_capability("LOGINDISABLED"):
                self._raise_unencrypted()
            if self._settings.host not in _THIS_MACHINE:  # whoever reads a token can use it (RFC 6750 §5.3)
                raise MailboxUnavailable(
                    f"{self._server} is not encrypted, so no token was sent; set mailbox.security to tls or starttls"
                )
        mechanism = next((name for name in _MECHANISMS if client.has_capability(f"AUTH={name}")), None)
        if mechanism is None or self._tokens is None:
            raise MailboxUnavailable(
                f"{self._server} offers no login with an OAuth2 token (XOAUTH2, OAUTHBEARER); "
                "check mailbox.host and mailbox.oauth.grant"
            )
        token = self._tokens.access_token()
        responses = [_initial_response(mechanism, self._settings.username, token)]
        try:
            # a refused token is told in a challenge; it wants an empty response before the NO comes (RFC 7628 §3.2.3)
            client.sasl_login(mechanism, lambda challenge: responses.pop() if responses else b"")
        except IMAPClientError as exc:
            self._raise_unless_refused(exc)
            refused = TokenRefused(
                f"{self._server} refused the OAuth2 token of mailbox.username{response_code(str(exc))}; "
                "check mailbox.username, mailbox.oauth.scopes and the application's rights on the mailbox"
            )
            refused.renewable = self._tokens.forget(token)
            raise refused from exc

    @property
    def _is_encrypted(self) -> bool:
        return self._settings.security != "none"

    def _raise_unencrypted(self) -> None:
        raise MailboxUnavailable(
            f"{self._server} allows no login on an unencrypted connection; set mailbox.security to tls or starttls"
        )

    def _raise_unless_refused(self, exc: IMAPClientError) -> None:
        """Passes on a lost connection; raises MailboxUnavailable when the server only wants us to come later."""
        text = str(exc)
        if isinstance(exc, IMAPClientAbortError) or isinstance(exc.__context__, IMAPClientAbortError):
            raise exc
        if "backoff time" in text.lower():
            raise exc  # the connection obeys the time that stands in it
        code = response_code(text)
        if code in TEMPORARY or _TEMPORARY_WORDS.search(text):
            raise MailboxUnavailable(f"{self._server} takes no logins now{code}; it is tried again") from exc


def _initial_response(mechanism: str, user: str, token: str) -> str:
    if mechanism == "XOAUTH2":  # Google's and Microsoft's own form, older than the standard
        return f"user={user}\x01auth=Bearer {token}\x01\x01"
    name = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 §4
    return f"n,a={name},\x01auth=Bearer {token}\x01\x01"


def _is_preauthenticated(client: Any) -> bool:
    return bool(client._imap.state == "AUTH")


def _quoted(text: str) -> str:
    """A quoted string (RFC 9051 §4.3): imaplib quotes the password, but not the login name."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
