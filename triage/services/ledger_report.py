"""What became of every mail, and of its acknowledgement; in shadow mode also who would have got one.

The address stands in this report and nowhere else outside the screens: it is made so that a person can look at it
before automatic mail is switched on (`product.md` section 6).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from triage.core.mail import NoReplyReason
from triage.core.workdays import AMSTERDAM
from triage.ports import AcknowledgementFact, LedgerFact

WOULD_HAVE = "would_have_been_sent"
SHADOW_ONLY = (NoReplyReason.SHADOW_MODE.value,)
COLUMNS = (
    "arrived", "folder", "uid", "outcome", "kind", "rule", "reference", "acknowledgement", "reasons", "to",
    "promised_for", "promised_take_up", "sent_at", "reply_code",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One mail. `acknowledgement`: an outbox state, `withheld` (then `reasons`), `would_have_been_sent`, or ""."""

    arrived: datetime
    folder: str
    uid: int
    outcome: str
    kind: str
    rule: str
    reference: str
    acknowledgement: str = ""
    reasons: tuple[str, ...] = ()
    to: str = ""
    promised_for: datetime | None = None
    promised_take_up: datetime | None = None
    sent_at: datetime | None = None
    reply_code: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """`busiest_hour` and `most_to_one_address` are of acknowledgements that left or would have: what the budgets
    would have seen."""

    mails: int
    outcomes: Counter[str]
    acknowledgements: Counter[str]
    reasons: Counter[str]
    busiest_hour: int
    most_to_one_address: int


def report_lines(facts: Iterable[LedgerFact]) -> list[ReportLine]:
    """One line a mail, in the order given. A case's acknowledgement stands with its first mail."""
    lines: list[ReportLine] = []
    told: set[str] = set()
    for fact in facts:
        here = fact.acknowledgement if fact.reference not in told else None
        if here is not None:
            told.add(fact.reference)
        lines.append(_line(fact, here))
    return lines


def _line(fact: LedgerFact, here: AcknowledgementFact | None) -> ReportLine:
    base = (fact.arrived, fact.folder, fact.uid, fact.outcome or "unaccounted", fact.kind, fact.rule, fact.reference)
    if here is None:
        return ReportLine(*base)
    would_have = here.state == "withheld" and here.reasons == SHADOW_ONLY
    return ReportLine(
        *base,
        acknowledgement=WOULD_HAVE if would_have else here.state,
        reasons=here.reasons,
        to=here.to,
        promised_for=here.promised_for,
        promised_take_up=here.promised_take_up,
        sent_at=here.sent_at,
        reply_code=here.reply_code,
    )


def totals(lines: Sequence[ReportLine]) -> Totals:
    addressed = [line for line in lines if line.acknowledgement in (WOULD_HAVE, "sent", "due", "deferred", "uncertain")]
    hours = Counter(line.arrived.astimezone(AMSTERDAM).strftime("%Y-%m-%d %H") for line in addressed)
    days = Counter((line.to.casefold(), line.arrived.astimezone(AMSTERDAM).date()) for line in addressed if line.to)
    return Totals(
        mails=len(lines),
        outcomes=Counter(line.outcome for line in lines),
        acknowledgements=Counter(line.acknowledgement for line in lines if line.acknowledgement),
        reasons=Counter(reason for line in lines if line.acknowledgement == "withheld" for reason in line.reasons),
        busiest_hour=max(hours.values(), default=0),
        most_to_one_address=max(days.values(), default=0),
    )
