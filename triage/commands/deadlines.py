"""`deadline`: both terms for an arrival, with the sum in words."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

from triage.commands.output import json_line, say
from triage.core.assessment import Band
from triage.core.sla import SlaRules, explain, terms_for
from triage.core.workdays import AMSTERDAM
from triage.settings import load_settings


def read_moment(text: str) -> datetime:
    """ISO 8601 with offset; raises ValueError with the mend otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no ISO 8601 time: write it like 2026-05-22T16:58:00+02:00") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset: write it like 2026-05-22T16:58:00+02:00")
    return moment


def answer(moment: datetime, *, urgent: bool, rules: SlaRules) -> dict[str, str | None]:
    """The JSON object of one timestamp."""
    terms = terms_for(Band.URGENT if urgent else Band.NORMAL, moment, rules)
    take_up = terms.take_up_due
    return {
        "arrived_at": moment.isoformat(),
        "take_up_due": take_up.astimezone(AMSTERDAM).isoformat() if take_up else None,
        "answer_due": terms.answer_due.astimezone(AMSTERDAM).isoformat(),
        "explanation": explain(moment, terms, rules.calendar),
    }


def deadline(timestamps: Sequence[str], *, urgent: bool, as_json: bool) -> int:
    """Prints one object or line per timestamp, in order. A bad one is named on stderr; the rest goes on; exit 2."""
    rules = load_settings().sla_rules
    given: Iterable[str] = timestamps or (line.strip() for line in sys.stdin if line.strip())
    failed = False
    for text in given:
        try:
            result = answer(read_moment(text), urgent=urgent, rules=rules)
        except (ValueError, OverflowError) as exc:
            say(f"error: {exc}")
            failed = True
            continue
        if as_json:
            json_line(result)
        else:
            sys.stdout.write(f"{result['explanation']}\n")
    return 2 if failed else 0
