"""The weeks of the machine's judgement on a real store: the alarm, once per pair of weeks, and the report."""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.harness import Harness
from tests.integration.store.making import Maker
from triage.adapters.store import SqlStore
from triage.commands import judgement_reporting
from triage.commands.judgement_reporting import report_judgement
from triage.core.assessment import Band, Urgency
from triage.core.audit_sample import week_of
from triage.errors import ConfigError
from triage.services.judgement_report import JudgementWatch, judgement_weeks, past_days

MAILS = 32
WEEKS = 11  # whole weeks before the desk's Monday


@pytest.fixture
def office(tmp_path: Path) -> Harness:
    return Harness(tmp_path, alert_to=("chef@juisteloket.example",))


def fill(desk: Harness, *, drifting: int = 0, mails: int = MAILS, weeks: int = WEEKS) -> None:
    """Weeks of plain mail; in the last `drifting` ones everything is possible and under the Jeugdwet."""
    for back in range(weeks, 0, -1):
        make = Maker(desk.store, desk.now - timedelta(days=7 * back))
        make.made = back * 1000
        for number in range(mails):
            odd = back <= drifting
            make.now = desk.now - timedelta(days=7 * back) + timedelta(hours=number)
            make.case(
                assessment={
                    "laws": ("jeugdwet",) if odd else (("wlz",), ("wmo",))[number % 2],
                    "band": Band.POSSIBLE if odd or number % 8 == 0 else Band.NORMAL,
                    "urgency": Urgency.PALLIATIVE if odd or number % 8 == 0 else Urgency.REGULAR,
                    "topics": ("T01",),
                    "unknown_words": 0.1 + number / 1000,
                    "nearest": 0.4 + number / 1000,
                }
            )


def watch_of(desk: Harness) -> JudgementWatch:
    return JudgementWatch(store=desk.store, queries=desk.store.queries, alerts=desk.alerts, clock=desk.clock)


def alerts(desk: Harness) -> list[bytes]:
    desk.relay_once()
    return [raw for envelope, raw in desk.sender.sent if envelope.forward_path == "chef@juisteloket.example"]


def test_two_weeks_of_drift_alert_once(office: Harness) -> None:
    fill(office, drifting=2)
    watch = watch_of(office)
    assert watch.latest == ()
    assert {"possible", "laws", "bands"} <= set(watch.watch_once())
    assert watch.watch_once() == () and watch_of(office).watch_once() == ()  # also of another node
    (mail,) = alerts(office)
    assert b"De computer oordeelt anders" in mail and b"JL-2026" not in mail
    assert len(watch.latest) == 8 and watch.latest[-1].alarms
    newest = watch.latest[-1].figures
    assert (newest.week.name, newest.n) == ("2026-W47", MAILS)


def test_one_week_of_drift_and_plain_weeks_alert_nobody(office: Harness) -> None:
    fill(office, drifting=1)
    watch = watch_of(office)
    assert watch.watch_once() == ()
    assert {item.figure for item in watch.latest[-1].departures} >= {"laws", "possible"}
    assert watch.latest[-2].departures == ()
    assert alerts(office) == []


def test_the_alert_waits_for_service_hours(office: Harness) -> None:
    fill(office, drifting=2)
    office.now = datetime.fromisoformat("2026-11-23T05:00:00+00:00")  # 06:00 in Amsterdam
    watch_of(office).watch_once()
    assert alerts(office) == []
    office.later(hours=4)
    assert len(alerts(office)) == 1


def test_few_mails_are_not_judged(office: Harness) -> None:
    fill(office, drifting=2, mails=10)
    watch = watch_of(office)
    assert watch.watch_once() == ()
    assert {one.not_judged for one in watch.latest} == {"few_mails"}


def test_late_finds_and_samples_stand_in_their_week(office: Harness) -> None:
    make = Maker(office.store, office.now - timedelta(days=5))
    cases = [make.case() for _ in range(3)]
    week = week_of((office.now - timedelta(days=5)).date()).name
    with office.store.begin() as uow:
        uow.audit("found_late", at=make.now, actor="system", case_id=cases[0].id, details={"urgency": "palliative"})
        uow.draw_sample(week, [one.id for one in cases], population=3, at=office.now)
        uow.look_at_sample(cases[1].id, by="u", at=office.now, found_urgent=True)
        uow.look_at_sample(cases[2].id, by="u", at=office.now, found_urgent=False)
    first, last = past_days(office.now.date())
    found = judgement_weeks(office.store.queries, first, last)
    assert [one.figures.found_late for one in found] == [0] * 7 + [1]
    assert [one.figures.sample for one in found] == [None] * 7 + [(2, 1)]
    assert found[-1].figures.n == 3


def test_days_choose_whole_weeks(office: Harness) -> None:
    found = judgement_weeks(office.store.queries, date(2026, 11, 11), date(2026, 11, 16))
    assert [one.figures.week.name for one in found] == ["2026-W46", "2026-W47"]
    assert past_days(date(2026, 11, 23)) == (date(2026, 9, 28), date(2026, 11, 22))


# ---------------------------------------------------------------- the command


@pytest.fixture
def command(office: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    for name in [name for name in os.environ if name.startswith("TRIAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRIAGE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("TRIAGE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(judgement_reporting, "utc_now", office.clock)
    fill(office, drifting=2)
    return office.store


def test_the_report_in_three_forms(command: SqlStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_judgement(begin="", end="", form="json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["week"] for row in rows] == [f"2026-W{number}" for number in range(40, 48)]
    assert rows[-1]["n"] == MAILS and rows[-1]["laws"] == {"jeugdwet": MAILS} and rows[-1]["possible"] == 1.0
    assert rows[0]["laws"] == {"wlz": 16, "wmo": 16} and rows[0]["departures"] == []
    assert "laws" in rows[-1]["alarms"] and rows[-2]["alarms"] == []

    assert report_judgement(begin="2026-11-10", end="2026-11-22", form="csv") == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["week"] for row in table] == ["2026-W46", "2026-W47"]
    assert table[1]["bands"] == f"possible: {MAILS}" and "laws" in table[1]["alarms"].split()

    assert report_judgement(begin="2026-11-16", end="", form="text") == 0
    text = capsys.readouterr().out
    assert "2026-W47  32 mails judged by a model" in text
    assert "departs in possible: 1.000" in text and "ALARM: the second week running" in text
    assert "Marker" not in text and "JL-2026" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        {"begin": "", "end": "", "form": "xml"},
        {"begin": "2026-11-23", "end": "2026-11-01", "form": "text"},
        {"begin": "gisteren", "end": "", "form": "text"},
        {"begin": "1990-01-01", "end": "", "form": "text"},
    ],
)
def test_a_wrong_call_is_named(arguments: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        report_judgement(**arguments)
