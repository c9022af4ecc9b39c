"""An OAuth2 token server on this machine: gives tokens, rotates refresh tokens, refuses on request, and answers
Dovecot when it asks whether a token is valid (RFC 6749, 7662, 8628)."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.parse
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self


class TokenEndpoint:
    """Context manager; `url` is the token endpoint. What a test decides stands in the attributes."""

    def __init__(self, *, certificate: tuple[Path, Path] | None = None) -> None:
        self.refresh_tokens = {"eerste"}
        self.secrets = {"app": "app-geheim"}
        self.expires_in: object = 3600
        self.rotates = True
        self.username = ""
        self.tokens: dict[str, str] = {}  # access token → account it is for
        self.asked: list[dict[str, str]] = []  # forms that came in at /token
        self.planned: list[tuple[int, Mapping[str, str], bytes]] = []  # status, headers, body of the next answers
        self.signed_in_after = 1  # polls of a device code until the person is done
        self.user = ""
        self._number = 0
        self._certificate = certificate

    def __enter__(self) -> Self:
        endpoint = self

        class Handler(_Handler):
            server_of_tokens = endpoint

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}/token"

    def plan(self, status: int, body: object, *, headers: Mapping[str, str] | None = None) -> None:
        """The next answer of /token; `body` is made JSON unless it is bytes."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.planned.append((status, headers or {}, raw))

    def revoke(self) -> None:
        """As when the account's password changes: no refresh token is valid any more."""
        self.refresh_tokens.clear()

    def expire_access_tokens(self) -> None:
        self.tokens.clear()

    # ---------------------------------------------------------------- what it answers

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        if path == "/introspect":
            user = self.tokens.get(form.get("token", ""))
            return _reply(200, {"active": user is not None, "username": user or "", "user": user or ""})
        if path == "/devicecode":
            return _reply(
                200,
                {
                    "device_code": "toestel-1", "user_code": "ABCD-EFGH", "expires_in": 900, "interval": 1,
                    "verification_uri": "https://login.example/device",
                },
            )  # fmt: skip
        self.asked.append(form)
        if self.planned:
            return self.planned.pop(0)
        return self._token(form)

    def _token(self, form: dict[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        grant, client = form.get("grant_type"), form.get("client_id", "")
        if client not in self.secrets or form.get("client_secret", self.secrets[client]) != self.secrets[client]:
            return _reply(401, {"error": "invalid_client", "error_description": "AADSTS7000215: geheim onjuist"})
        if grant == "client_credentials" and "client_secret" in form:
            return _reply(200, self._issued())
        if grant == "refresh_token" and form.get("refresh_token") in self.refresh_tokens:
            return _reply(200, self._issued() | self._renewed(form["refresh_token"]))
        if grant == "urn:ietf:params:oauth:grant-type:device_code":
            self.signed_in_after -= 1
            if self.signed_in_after >= 0:
                return _reply(400, {"error": "authorization_pending"})
            return _reply(200, self._issued() | self._renewed(""))
        description = "AADSTS700082: The refresh token of ria@kpn.example has expired"
        return _reply(400, {"error": "invalid_grant", "error_description": description})

    def _issued(self) -> dict[str, object]:
        self._number += 1
        token = f"toegang-{self._number}"
        self.tokens[token] = self.user
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}

    def _renewed(self, old: str) -> dict[str, object]:
        if not self.rotates and old:
            return {}
        self.refresh_tokens.discard(old)
        self.refresh_tokens.add(f"volgende-{self._number}")
        return {"refresh_token": f"volgende-{self._number}"}


class _Handler(BaseHTTPRequestHandler):
    server_of_tokens: ClassVar[TokenEndpoint]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(dict(urllib.parse.parse_qsl(body.decode())))

    def do_GET(self) -> None:
        self._send(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query)))

    def _send(self, form: dict[str, str]) -> None:
        status, headers, body = self.server_of_tokens.answer(urllib.parse.urlsplit(self.path).path, form)
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test reads `asked`."""


def _reply(status: int, body: Mapping[str, object]) -> tuple[int, Mapping[str, str], bytes]:
    return status, {}, json.dumps(body).encode()
