"""A Dovecot of our own: free port, own folder, own processes; started as root, stopped with the tests."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imapclient import IMAPClient

from tests.servers import missing
from tests.servers.certificates import make_certificate

PASSWORD = "geheim-wachtwoord"
_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = {mechanisms}
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
last_valid_uid = 0
mail_max_userip_connections = 100
default_vsz_limit = 512M
{more_passdb}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=dovecot gid=dovecot home={folder}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
  process_min_avail = 1
  service_count = 0
}}
# otherwise a wrong password makes every later login from this address wait
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox {drafts} {{
    {drafts_mark}
    auto = subscribe
  }}
  mailbox {sent} {{
    {sent_mark}
    auto = subscribe
  }}
{folders}}}
"""
_PASSWD_FILE = """
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
"""
_OAUTH2 = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf.ext
}}
"""
_INTROSPECTION = """
introspection_mode = post
introspection_url = {url}
force_introspection = yes
username_attribute = username
active_attribute = active
active_value = true
"""
_QUOTA = """
mail_plugins = quota
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=40K
}
protocol imap {
  mail_plugins = quota imap_quota
}
"""


class DovecotServer:
    """Context manager. `port` speaks plain IMAP (and STARTTLS with `tls`), `tls_port` implicit TLS.

    `introspection_url`: login with OAuth2 tokens that this address knows. `passwords`: accounts with a password of
    their own. `special`: further folders, name to SPECIAL-USE mark. `quota`: mailboxes are full after 40 kB.
    `marked` False: no SPECIAL-USE marks."""

    def __init__(
        self,
        *,
        tls: bool = False,
        introspection_url: str = "",
        passwords: Mapping[str, str] | None = None,
        prefix: str = "",
        separator: str = "/",
        drafts: str = "Concepten",
        sent: str = "Verzonden",
        special: Mapping[str, str] | None = None,
        quota: bool = False,
        marked: bool = True,
    ) -> None:
        self._marked = marked
        self._introspection_url, self._passwords, self._quota = introspection_url, passwords or {}, quota
        self._prefix, self._separator = prefix, separator
        self._drafts, self._sent, self._special = drafts, sent, special or {}
        self.host = "127.0.0.1"
        self.port, self.tls_port = _free_port(), _free_port() if tls else 0
        self.certificate: Path | None = None
        self._tls = tls
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        binary = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")
        if binary is None:
            missing("the Dovecot IMAP server (Debian package dovecot-imapd)")
        if os.geteuid() != 0:
            missing("root rights, without which Dovecot does not start")
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.folder.chmod(0o755)  # its login and mail processes run under other accounts
        mail = self.folder / "mail"
        mail.mkdir()
        shutil.chown(mail, "dovecot", "dovecot")
        config = self.folder / "dovecot.conf"
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                port=self.port,
                tls_port=self.tls_port,
                password=PASSWORD,
                mechanisms="plain xoauth2 oauthbearer" if self._introspection_url else "plain",
                more_passdb=self._passdbs(),
                prefix=self._prefix,
                separator=self._separator,
                drafts=_quoted(self._drafts),
                sent=_quoted(self._sent),
                drafts_mark="special_use = \\Drafts" if self._marked else "",
                sent_mark="special_use = \\Sent" if self._marked else "",
                folders="".join(
                    f"  mailbox {_quoted(name)} {{\n    special_use = {mark}\n    auto = subscribe\n  }}\n"
                    for name, mark in self._special.items()
                ),
            )
            + self._tls_config()
            + (_QUOTA if self._quota else "")
        )
        self._process = subprocess.Popen([binary, "-F", "-c", str(config)])
        self._wait_until_ready()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def account(self) -> tuple[str, str]:
        """(username, password) of a mailbox that no other test uses."""
        return f"loket{next(self._numbers)}", PASSWORD

    def client(self, username: str) -> Any:
        """A logged-in IMAPClient, as a colleague's mail program would be."""
        client = IMAPClient(self.host, self.port, ssl=False, timeout=20)
        client.login(username, PASSWORD)
        return client

    def secure_client(self, username: str) -> Any:
        """As `client`, over TLS."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        client = IMAPClient(self.host, self.tls_port, ssl_context=context, timeout=20)
        client.login(username, PASSWORD)
        return client

    def append(self, username: str, raw: bytes, internal_date: datetime | None = None, folder: str = "INBOX") -> None:
        client = self.client(username)
        client.append(folder, raw, msg_time=internal_date)
        client.logout()

    def log(self) -> str:
        return (self.folder / "dovecot.log").read_text(errors="replace")

    def _passdbs(self) -> str:
        text = ""
        if self._passwords:
            users = self.folder / "users"
            lines = [f"{user}:{{PLAIN.HEX}}{word.encode().hex()}\n" for user, word in self._passwords.items()]
            users.write_text("".join(lines))
            text += _PASSWD_FILE.format(folder=self.folder)
        if self._introspection_url:
            (self.folder / "oauth2.conf.ext").write_text(_INTROSPECTION.format(url=self._introspection_url))
            text += _OAUTH2.format(folder=self.folder)
        return text

    def _tls_config(self) -> str:
        if not self._tls:
            return "ssl = no\n"
        self.certificate, key = make_certificate(self.folder)
        return f"ssl = yes\nssl_cert = <{self.certificate}\nssl_key = <{key}\nssl_dh =\n"

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                with socket.create_connection((self.host, self.port), timeout=1) as connection:
                    if connection.recv(4) == b"* OK":
                        return
            except OSError:
                time.sleep(0.05)
            if self._process.poll() is not None:
                break
        raise RuntimeError(f"Dovecot did not start:\n{self.log()}")


def _quoted(name: str) -> str:
    return f'"{name}"'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
