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
    """One compact object on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


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
