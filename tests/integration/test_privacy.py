"""Unique markers go through everything; none is found in what the product prints, in its files, or in error texts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.harness import US, mail
from tests.servers.embedded import EmbeddedThread
from triage.settings import ROOT

MARKERS = ("Zonnebloemlaan", "Quispelaar", "kwispeldoor@mensen.example", "melanoomzorgen", "geheimbestand.pdf")


def marked_mails() -> list[bytes]:
    name, address = f"Truus {MARKERS[1]}", MARKERS[2]
    personal = f"Ik woon in de {MARKERS[0]} en heb {MARKERS[3]}. Wie helpt mij thuis met de wijkverpleging (zvw)?"
    boundary = (
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
        f"{personal}\r\n--b\r\nContent-Type: application/pdf\r\n"
        f'Content-Disposition: attachment; filename="{MARKERS[4]}"\r\n\r\nx\r\n--b--\r\n'
    )
    head = f"From: {name} <{address}>\r\nTo: {US}\r\nSubject: {MARKERS[3]} en {MARKERS[0]}\r\n"
    return [
        mail(1, body=personal, subject=f"{MARKERS[3]} {MARKERS[0]}", sender=f"{name} <{address}>"),
        (f"Message-ID: <tweede@mensen.example>\r\n{head}MIME-Version: 1.0\r\n{boundary}").encode(),
        (f"{head}Content-Type: text/plain; charset=bestaat-niet\r\nDate: {MARKERS[0]}\r\n\r\n{personal}").encode(),
        f"{MARKERS[0]} {MARKERS[1]}\x00\xff".encode("latin-1") * 50,
        (f"From: <{MARKERS[2]}>, <ander@mensen.example>\r\nSubject: {MARKERS[3]}\r\n\r\n{personal}").encode(),
        (f"{head}Auto-Submitted: auto-replied\r\n\r\nIk ben op vakantie in de {MARKERS[0]}.").encode(),
    ]


def test_no_marker_is_printed_or_stored_in_clear(tmp_path: Path, embedded: EmbeddedThread) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TRIAGE_")} | {
        "TRIAGE_CONFIG_DIR": str(tmp_path), "TRIAGE_DATA_DIR": str(tmp_path / "data"), "TRIAGE_LOG__LEVEL": "debug",
        "TRIAGE_MAILBOX__HOST": "127.0.0.1", "TRIAGE_MAILBOX__PORT": str(embedded.imap_port),
        "TRIAGE_MAILBOX__USERNAME": embedded.servers.address, "TRIAGE_MAILBOX__PASSWORD": embedded.servers.password,
        "TRIAGE_MAILBOX__SECURITY": "none", "TRIAGE_SMTP__HOST": "127.0.0.1",
        "TRIAGE_SMTP__PORT": str(embedded.smtp_port), "TRIAGE_SMTP__SECURITY": "none", "TRIAGE_SMTP__FROM": US,
        "TRIAGE_ACKNOWLEDGEMENTS__MODE": "live", "TRIAGE_ACKNOWLEDGEMENTS__SINCE": "2020-01-01T00:00:00Z",
    }  # fmt: skip
    for raw in marked_mails():
        embedded.deliver(raw)
    printed = b""
    for command in (["poll"], ["relay"], ["poll", "--json"], ["relay", "--json"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "triage", *command], env=environment, cwd=ROOT, capture_output=True, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()
        printed += done.stdout + done.stderr
    received = embedded.received()
    assert len(received) >= 2  # the mails of one sender were acknowledged: the run did its work
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert len(stored) > 50_000
    sent = b"".join(item.raw for item in received)
    for marker in MARKERS:
        for place, found in (("printed", printed), ("stored", stored)):
            assert marker.lower().encode() not in found.lower(), f"{marker} was {place}"
        if "@" not in marker:
            assert marker.lower().encode() not in sent.lower(), f"{marker} stands in an acknowledgement"
