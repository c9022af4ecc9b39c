"""The terms of the product beside those of `tests.oracle`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from tests.oracle import OracleCalendar, day_of
from triage.core.assessment import Band
from triage.core.sla import SlaRules, terms_for

HOUR = timedelta(hours=1)


def hours_of_years(first: int, until: int) -> Iterator[datetime]:
    """Every hour from the start of `first` to the start of `until`, in UTC."""
    moment = datetime(first, 1, 1, tzinfo=UTC)
    while moment.year < until:
        yield moment
        moment += HOUR


def differences(moments: Iterable[datetime], rules: SlaRules, oracle: OracleCalendar) -> list[str]:
    """Where a term or the moment it comes at risk is not what the oracle says."""
    found = []
    for moment in moments:
        short, plain = terms_for(Band.URGENT, moment, rules), terms_for(Band.NORMAL, moment, rules)
        take_up, answer = oracle.take_up_due(moment), oracle.answer_due(moment)
        got = (short.take_up_due, short.answer_due, plain.take_up_due, plain.answer_due, plain.at_risk_at)
        expected = (take_up, answer, None, answer, oracle.answer_at_risk(day_of(moment), share=rules.at_risk_share))
        if got != expected:
            found.append(f"{moment.isoformat()}: expected {expected}, got {got}")
    return found
