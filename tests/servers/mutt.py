"""A true mail program on a terminal of its own: NeoMutt, driven by the keys a person would press."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers import missing

_RC = """
set imap_user="{user}" imap_pass="{password}"
set spoolfile="imap://127.0.0.1:{imap}/INBOX"
set folder="imap://127.0.0.1:{imap}/"
set postponed="+{drafts}" record="+{sent}"
set smtp_url="smtp://127.0.0.1:{smtp}/"
set ssl_starttls=no ssl_force_tls=no
set from="{address}" realname="Juiste Loket" use_from=yes envelope_from=yes
set editor="{editor}" edit_headers=no autoedit=yes fast_reply=yes include=no
set delete=yes move=no confirmappend=no recall=yes copy=yes fcc_before_send=no wait_key=no abort_nosubject=no
set abort_unmodified=no abort_noattach=no header_cache="" message_cachedir="" timeout=1 mail_check=1 imap_poll_timeout=5
set sleep_time=0 beep=no quit=yes text_flowed=no postpone=no sort=date hostname="juisteloket.example"
"""


class Mutt:
    """Context manager. `press` types keys; `wait_for` waits until the terminal showed a text since the last wait."""

    def __init__(
        self,
        folder: Path,
        *,
        imap: int,
        smtp: int,
        user: str,
        password: str,
        address: str,
        drafts: str,
        sent: str,
        editor: str,
        start: tuple[str, ...] = (),
    ) -> None:
        """`editor` is a shell script that gets the text file as $1; `start` are further arguments of the program."""
        script = folder / "editor.sh"
        script.write_text(f"#!/bin/sh\n{editor}\n")
        script.chmod(0o755)
        self._rc = folder / "muttrc"
        self._rc.write_text(
            _RC.format(
                user=user, password=password, imap=imap, smtp=smtp, drafts=drafts, sent=sent, address=address,
                editor=script,
            )
        )  # fmt: skip
        self._home, self._start, self.screen = folder, start, b""

    def __enter__(self) -> Self:
        program = shutil.which("neomutt")
        if program is None:
            missing("the mail program NeoMutt (Debian package neomutt)")
        self._terminal, inside = pty.openpty()
        environment = {"HOME": str(self._home), "TERM": "xterm", "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        environment |= {"LINES": "40", "COLUMNS": "120"}
        self._process = subprocess.Popen(
            [program, "-n", "-F", str(self._rc), *self._start],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env=environment,
            start_new_session=True,
        )
        os.close(inside)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def wait_for(self, text: str, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while text.encode() not in self.screen:
            left = until - time.monotonic()
            ready = select.select([self._terminal], [], [], max(left, 0))[0]
            if not ready:
                raise AssertionError(f"NeoMutt did not show {text!r}:\n{self.screen.decode(errors='replace')[-3000:]}")
            try:
                self.screen += os.read(self._terminal, 65536)
            except OSError:
                raise AssertionError(f"NeoMutt ended:\n{self.screen.decode(errors='replace')[-3000:]}") from None
        self.screen = b""
