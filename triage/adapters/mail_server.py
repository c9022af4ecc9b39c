"""What the IMAP and the SMTP adapter share: certificates, and how a failed connection is put into words.

A message names the server, the setting and the mend. It never repeats what the server said, because that can
hold an address or text of a mail; only a response code such as `[AUTHENTICATIONFAILED]` passes.
"""

from __future__ import annotations

import random
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

Fact = tuple[str, str]
"""(what, value) for a line of `check`."""

_RESPONSE_CODE = re.compile(r"\[([A-Z][A-Z0-9-]{1,31})[\] ]")


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Checks certificate and host name against `ca_file`, or the system's authorities when it is empty.

    Raises OSError (ssl.SSLError is one) when the file cannot be read."""
    return ssl.create_default_context(cafile=ca_file or None)


def response_code(server_text: str) -> str:
    """ " [CODE]" from a server's text (RFC 5530), with a space in front; "" when there is none."""
    found = _RESPONSE_CODE.search(server_text)
    return f" [{found.group(1)}]" if found else ""


@dataclass(frozen=True, slots=True)
class ServerName:
    """A server in error texts. `section` is the section of the settings that names it."""

    protocol: str
    section: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol} server {self.host}:{self.port}"

    def connection_failed(self, exc: BaseException) -> str:
        """One line on why no connection could be had, with the setting to look at."""
        key = self.section
        if isinstance(exc, ssl.SSLCertVerificationError):
            why = exc.verify_message.rstrip(".")  # OpenSSL's own words, not the server's
            return f"{self}: its certificate is not trusted ({why}); check {key}.host or set {key}.ca_file"
        if isinstance(exc, ssl.SSLError):
            return f"{self} does not speak TLS as expected; check {key}.port and {key}.security"
        if isinstance(exc, socket.gaierror):
            return f"{self}: this name cannot be found; check {key}.host"
        if isinstance(exc, TimeoutError):
            return f"{self} does not answer in time; check {key}.host, {key}.port and the network"
        name = type(exc).__name__
        return f"{self} cannot be reached ({name}); check {key}.host, {key}.port and that the server runs"

    def ca_file_unreadable(self, exc: BaseException) -> str:
        return f"{self.section}.ca_file cannot be used ({type(exc).__name__}); it must be a readable PEM file"


class HoldOff:
    """Keeps a client from knocking again too soon: after a refused login (accounts get locked, RFC 5530 §3), after
    failures in a row, and when a server said how long to wait.

    `monotonic` gives seconds; `jitter` gives 0 to 1 and makes a pause up to a quarter shorter, so that several
    clients that lost one server do not come back at one moment."""

    FIRST_SECONDS, LONGEST_SECONDS = 30.0, 900.0
    FIRST_FAILURE_SECONDS, LONGEST_FAILURE_SECONDS = 10.0, 300.0

    def __init__(self, monotonic: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        self._monotonic, self._jitter = monotonic, jitter
        self._refusals = self._failures = 0
        self._until = 0.0
        self.reason = ""

    def seconds_left(self) -> float:
        return max(0.0, self._until - self._monotonic()) if self.reason else 0.0

    def refused(self, reason: str) -> None:
        """A login was refused: the pause doubles each time."""
        self._refusals += 1
        self._pause(self.FIRST_SECONDS * 2 ** min(self._refusals - 1, 10), self.LONGEST_SECONDS, reason)

    def failed(self, reason: str) -> None:
        """No connection, or one that broke. The first time another try may follow at once, since a held connection
        ends now and then; from the second in a row on the pause doubles."""
        self._failures += 1
        if self._failures > 1:
            self._pause(
                self.FIRST_FAILURE_SECONDS * 2 ** min(self._failures - 2, 10), self.LONGEST_FAILURE_SECONDS, reason
            )

    def wait(self, seconds: float, reason: str) -> None:
        """At least as long as told; never shorter than a pause that runs already."""
        until = self._monotonic() + seconds
        if until > self._until or not self.reason:
            self._until, self.reason = until, reason

    def succeeded(self) -> None:
        self._refusals = self._failures = 0
        self.reason = ""

    def _pause(self, seconds: float, longest: float, reason: str) -> None:
        self.wait(min(seconds, longest) * (1 - self._jitter() / 4), reason)
