"""Values that several unit tests need."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from triage.core.assessment import Band, Urgency
from triage.core.case import Case, CaseState
from triage.core.sla import SlaRules, terms_for
from triage.core.workdays import WorkCalendar


def ams(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """An aware moment on the wall clock of Amsterdam."""
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo("Europe/Amsterdam"))


def a_case(*, arrived: datetime, band: Band = Band.NORMAL, state: CaseState = CaseState.NEW) -> Case:
    terms = terms_for(band, arrived, SlaRules(WorkCalendar()))
    return Case(
        id="c" * 32,
        reference="JL-2026-00042",
        check_code="K7",
        state=state,
        band=band,
        urgency=Urgency.REGULAR if band is Band.NORMAL else Urgency.PALLIATIVE,
        danger=False,
        laws=("wmo",),
        arrived_at=arrived,
        answer_due=terms.answer_due,
        take_up_due=terms.take_up_due,
        at_risk_at=terms.at_risk_at,
        counting=terms.counting,
    )
