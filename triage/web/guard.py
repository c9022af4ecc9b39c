"""What holds for every request, whatever page it asks: host, origin, size, headers, and no detail in an error.

Pure ASGI and outermost, so that error pages and static files get the headers too.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triage.errors import StoreUnavailable
from triage.logs import get_logger, where

log = get_logger()

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
ErrorPage = Callable[[int], Response]


def known_hosts(public_url: str, host: str) -> frozenset[str]:
    """Names under which the product may be asked: its public one, the address it listens on, and this machine's own."""
    public = urlsplit(public_url).hostname
    return frozenset(name.lower() for name in (public, host, "localhost", "127.0.0.1", "::1") if name)


def host_of(header: str) -> str:
    """The name in a Host header, without port and brackets, lower case; "" when it is malformed."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


class Guard:
    """`error_page` makes the Dutch page for a status; `https` adds Strict-Transport-Security."""

    def __init__(
        self, app: ASGIApp, *, hosts: frozenset[str], https: bool, longest_body: int, error_page: ErrorPage
    ) -> None:
        self._app, self._hosts, self._https = app, hosts, https
        self._longest_body, self._error_page = longest_body, error_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)  # a mail that is shown has a policy of its own
                if self._https:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refusal(scope)
        if refused:
            await self._error_page(refused)(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except Exception as exc:
            # the edge of the web loop: one broken page must not show or log what was in it
            if isinstance(exc, StoreUnavailable):
                log.warning("web_store_unavailable", method=scope["method"])
            else:
                log.error("web_page_failed", method=scope["method"], error=type(exc).__name__, where=where(exc))
            if started:
                raise RuntimeError("a response broke off") from None
            status = 503 if isinstance(exc, StoreUnavailable) else 500
            await self._error_page(status)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> int | None:
        headers = Headers(scope=scope)
        if host_of(headers.get("host", "")) not in self._hosts:
            return 421
        if scope["method"] in _SAFE:
            return None
        site = headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return 403
        origin = headers.get("origin")
        # "null" comes with our own no-referrer policy on some browsers: the CSRF token decides then
        if origin is not None and origin != "null" and host_of(origin.partition("://")[2]) not in self._hosts:
            return 403
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._longest_body:
            return 413
        return None
