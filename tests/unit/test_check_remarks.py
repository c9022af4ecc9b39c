"""What `check` asks a person to look at."""

from __future__ import annotations

from datetime import date
from typing import Any

from triage.commands.checking import remarks
from triage.settings import load_settings


def told(today: date, **sections: Any) -> list[str]:
    return remarks(load_settings(sections), today)


def test_an_unconfirmed_calendar_names_its_choices_and_the_next_days_that_hang_on_them() -> None:
    (remark,) = [one for one in told(date(2026, 11, 23)) if one.startswith("calendar")]
    assert "Good Friday 26 March 2027 (Goede Vrijdag) counts as a working day" in remark
    assert "Liberation Day 5 May 2027 (Bevrijdingsdag) counts as a working day" in remark
    assert "[calendar.closing_days]: none" in remark
    assert remark.endswith("then set calendar.confirmed = true")


def test_other_choices_are_told_as_they_stand() -> None:
    days = {"2026-12-24": "kerst", "2026-12-28": "kerst", "2026-12-29": "kerst", "2026-12-30": "kerst"}
    chosen = {"good_friday_free": True, "liberation_day": "always", "closing_days": days}
    (remark,) = [one for one in told(date(2026, 12, 24), calendar=chosen) if one.startswith("calendar")]
    assert "Good Friday 26 March 2027 (Goede Vrijdag) is a closed day" in remark
    assert "Liberation Day 5 May 2027 (Bevrijdingsdag) is a closed day" in remark
    assert "28 December 2026, 29 December 2026, 30 December 2026." in remark and "24 December" not in remark


def test_a_lustrum_year_and_a_weekend_are_seen() -> None:
    (remark,) = [one for one in told(date(2024, 5, 5)) if one.startswith("calendar")]
    assert "Liberation Day 5 May 2025 (Bevrijdingsdag) is a closed day" in remark
    (remark,) = [one for one in told(date(2028, 11, 1)) if one.startswith("calendar")]
    assert "Liberation Day 5 May 2031" in remark  # that of 2029 is a Saturday, that of 2030 a Sunday


def test_a_confirmed_calendar_and_addresses_for_alerts_ask_for_nothing() -> None:
    asked = "\n".join(told(date(2026, 11, 23)))
    assert "alerts.to is empty, so alerts are only on the screens: set alerts.to" in asked
    settled = told(date(2026, 11, 23), calendar={"confirmed": True}, alerts={"to": ["toezicht@loket.example"]})
    assert not [one for one in settled if one.startswith(("calendar", "alerts"))]
