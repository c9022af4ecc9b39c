"""`serve` as a real process: it starts, works, answers on /gezond, and ends in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import US, mail
from tests.integration.test_command_line import free_port
from tests.servers.embedded import EmbeddedThread
from triage.settings import ROOT


@pytest.fixture
def environment(tmp_path: Path, embedded: EmbeddedThread) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("TRIAGE_")} | {
        "TRIAGE_CONFIG_DIR": str(tmp_path), "TRIAGE_DATA_DIR": str(tmp_path / "data"),
        "TRIAGE_MAILBOX__HOST": "127.0.0.1", "TRIAGE_MAILBOX__PORT": str(embedded.imap_port),
        "TRIAGE_MAILBOX__USERNAME": embedded.servers.address, "TRIAGE_MAILBOX__PASSWORD": embedded.servers.password,
        "TRIAGE_MAILBOX__SECURITY": "none", "TRIAGE_MAILBOX__POLL_SECONDS": "1", "TRIAGE_SMTP__HOST": "127.0.0.1",
        "TRIAGE_SMTP__PORT": str(embedded.smtp_port), "TRIAGE_SMTP__SECURITY": "none", "TRIAGE_SMTP__FROM": US,
        "TRIAGE_ACKNOWLEDGEMENTS__MODE": "live", "TRIAGE_WEB__PORT": str(free_port()),
    }  # fmt: skip


@pytest.fixture
def serving(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "triage", "serve"], env=environment, cwd=ROOT, stderr=subprocess.PIPE
    )
    yield process
    process.kill()
    process.communicate()


def health(environment: dict[str, str]) -> dict[str, object]:
    url = f"http://127.0.0.1:{environment['TRIAGE_WEB__PORT']}/gezond"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: dict[str, object] = json.loads(answer.read())
            return found
    except (urllib.error.URLError, ConnectionError):
        return {}


def wait_for(what, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def test_mail_is_acknowledged_health_is_shown_and_sigterm_ends_it_in_order(
    serving: subprocess.Popen[bytes], environment: dict[str, str], embedded: EmbeddedThread
) -> None:
    wait_for(lambda: health(environment).get("healthy") is True)
    embedded.deliver(mail(1))
    wait_for(lambda: len(embedded.received()) == 1)
    shown = json.dumps(health(environment))
    assert "last_succeeded" in shown
    assert "mensen.example" not in shown
    serving.send_signal(signal.SIGTERM)
    _, printed = serving.communicate(timeout=25)
    assert serving.returncode == 0, printed.decode()
    assert b"Traceback" not in printed
    assert b"JL-" in printed  # a line per mail


def test_a_second_process_on_the_same_data_folder_is_refused(
    serving: subprocess.Popen[bytes], environment: dict[str, str]
) -> None:
    wait_for(lambda: health(environment).get("healthy") is True)
    second = subprocess.run(
        [sys.executable, "-m", "triage", "poll"], env=environment, cwd=ROOT, capture_output=True, timeout=60
    )
    assert second.returncode == 2
    assert b"another process works with data_dir" in second.stderr


def test_a_port_that_is_taken_is_named(environment: dict[str, str], serving: subprocess.Popen[bytes]) -> None:
    wait_for(lambda: health(environment).get("healthy") is True)
    other = environment | {"TRIAGE_DATA_DIR": environment["TRIAGE_DATA_DIR"] + "-2"}
    second = subprocess.run(
        [sys.executable, "-m", "triage", "serve"], env=other, cwd=ROOT, capture_output=True, timeout=60
    )
    assert second.returncode == 2
    assert b"TRIAGE_WEB__PORT" in second.stderr
