"""A Dovecot of our own: free port, own folder, own processes; started as root, stopped with the tests."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
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
auth_mechanisms = plain
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
last_valid_uid = 0
mail_max_userip_connections = 100
default_vsz_limit = 512M
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
  separator = /
  mailbox Concepten {{
    special_use = \\Drafts
    auto = subscribe
  }}
  mailbox Verzonden {{
    special_use = \\Sent
    auto = subscribe
  }}
}}
"""


class DovecotServer:
    """Context manager. `port` speaks plain IMAP (and STARTTLS with `tls`), `tls_port` implicit TLS."""

    def __init__(self, *, tls: bool = False) -> None:
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
            _CONFIG.format(folder=self.folder, port=self.port, tls_port=self.tls_port, password=PASSWORD)
            + self._tls_config()
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

    def append(self, username: str, raw: bytes, internal_date: datetime | None = None, folder: str = "INBOX") -> None:
        client = self.client(username)
        client.append(folder, raw, msg_time=internal_date)
        client.logout()

    def log(self) -> str:
        return (self.folder / "dovecot.log").read_text(errors="replace")

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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
