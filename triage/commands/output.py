"""How commands speak: JSON Lines on stdout, words for people on stderr or stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from triage.core.actions import Acknowledge, WithholdAcknowledgement
from triage.core.workdays import AMSTERDAM
from triage.ports import Clock
from triage.services.taking_in import TakenIn


def json_line(value: Mapping[str, Any]) -> None:
    """One compact object on stdout, in UTF-8 whatever the terminal's own charset.

    A character without UTF-8 bytes (a file name with an odd byte, a damaged mail) becomes its JSON escape `\\udcff`,
    so that the line stays JSON and names the very same file."""
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def show(text: str) -> None:
    """A result for people on stdout; what the terminal's charset cannot show is written as an escape."""
    charset = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(charset, "backslashreplace").decode(charset))


def say(text: str) -> None:
    """A line for people, on stderr: stdout stays free for results."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def mail_line(taken: TakenIn, clock: Clock) -> str:
    """One readable line per mail, without personal data:
    `14:02:11  JL-2026-00007  question            wlz zvw        URGENT palliative  acknowledged`."""
    urgency = "" if taken.band == "normal" else f"{'URGENT' if taken.band == 'urgent' else 'possible'} {taken.urgency}"
    if taken.danger:
        urgency = f"DANGER {urgency}".strip()
    answer = ""
    for action in taken.actions:
        if isinstance(action, Acknowledge):
            answer = "acknowledgement queued"
        elif isinstance(action, WithholdAcknowledgement):
            answer = "withheld: " + ", ".join(action.reasons)
    moment = clock().astimezone(AMSTERDAM)
    where = taken.reference or "-"
    return (
        f"{moment:%H:%M:%S}  {taken.outcome:<11} {where:<14} {taken.kind:<18} "
        f"{' '.join(taken.laws) or '-':<18} {urgency:<20} {answer}"
    ).rstrip()
