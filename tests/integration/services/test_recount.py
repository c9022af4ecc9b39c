"""The calendar in the settings changes: open cases are counted again at the next start, and it can be rehearsed."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path

import pytest

from tests.integration.harness import Harness, mail
from triage.core.case import Case, WaitingFor
from triage.core.sla import ClockState, SlaRules
from triage.core.workdays import AMSTERDAM, WorkCalendar
from triage.errors import ConfigError
from triage.services.recount import Recount, Recounted
from triage.services.rehearsal import changed_days, changed_rules, rehearse
from triage.settings import load_settings, with_calendar_of

CLOSED = SlaRules(WorkCalendar(closing_days={date(2026, 11, 24): "studiedag"}))


def recount(desk: Harness, rules: SlaRules, owner: str = "node-1") -> Recounted:
    return Recount(
        store=desk.store, queries=desk.store.queries, rules=rules, clock=desk.clock, owner=owner
    ).recount_once()


def case(desk: Harness, number: int) -> Case:
    return desk.store.queries.case_page(f"JL-2026-{number:05d}").case


def days(found: Case) -> tuple[str, str]:
    take_up = f"{found.take_up_due.astimezone(AMSTERDAM):%d %H:%M}" if found.take_up_due else ""
    return take_up, f"{found.answer_due.astimezone(AMSTERDAM):%d %H:%M}"


def test_a_new_closing_day_moves_running_clocks_once_and_keeps_the_promise(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, body="palliative-marker wlz"))
    desk.mailbox.deliver(mail(2))
    desk.poll()
    assert recount(desk, desk.rules) == Recounted()
    before = case(desk, 1)
    assert days(before) == ("24 17:00", "26 17:00")
    assert recount(desk, CLOSED) == Recounted(seen=2, changed=2)
    assert recount(desk, CLOSED) == Recounted()
    assert days(case(desk, 1)) == ("25 17:00", "27 17:00")
    assert days(case(desk, 2)) == ("", "27 17:00")
    assert case(desk, 1).promised_for == before.answer_due
    told = [row for row in desk.store.queries.case_page("JL-2026-00001").timeline if row.action == "terms_recounted"]
    assert len(told) == 1 and told[0].actor == "system"
    assert recount(desk, desk.rules).changed == 2
    assert case(desk, 1).answer_due == before.answer_due


def test_a_node_that_still_had_the_old_calendar_is_made_good_at_its_next_start(desk: Harness) -> None:
    recount(desk, desk.rules, "node-1")
    recount(desk, desk.rules, "node-2")
    recount(desk, CLOSED, "node-2")
    desk.mailbox.deliver(mail(1))
    desk.poll()  # node-1, with the old calendar
    assert days(case(desk, 1)) == ("", "26 17:00")
    assert recount(desk, CLOSED, "node-1").changed == 1
    assert days(case(desk, 1)) == ("", "27 17:00")


def test_what_ended_or_waits_for_the_sender_keeps_its_term(desk: Harness) -> None:
    for number in (1, 2):
        desk.mailbox.deliver(mail(number))
    desk.poll()
    recount(desk, desk.rules)
    user = desk.user()
    desk.casework.wait("JL-2026-00001", user=user, version=1, waiting_for=WaitingFor.SENDER)
    desk.casework.close("JL-2026-00002", user=user, version=1, reason="gebeld")
    before = case(desk, 1), case(desk, 2)
    assert recount(desk, CLOSED).changed == 0
    assert (case(desk, 1), case(desk, 2)) == before


def test_a_rehearsal_tells_what_would_move_and_changes_nothing(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, body="transfer-marker zvw"))
    for number in (2, 3, 4):
        desk.mailbox.deliver(mail(number))
    desk.poll()
    user = desk.user()
    desk.casework.wait("JL-2026-00003", user=user, version=1, waiting_for=WaitingFor.SENDER)
    desk.now = datetime(2026, 11, 27, 10, tzinfo=AMSTERDAM)  # late by the present calendar, in time by the other
    desk.casework.close("JL-2026-00004", user=user, version=1, reason="gebeld")
    before = list(desk.store.queries.open_cases())
    found = rehearse(
        desk.store.queries.open_cases(),
        desk.store.queries.ended_cases(None, None),
        present=desk.rules,
        other=CLOSED,
        now=desk.clock(),
    )
    assert (found.open_cases, found.paused, found.ended_cases, found.in_term) == (3, 1, 1, (0, 1))
    assert (found.count("later"), found.count("earlier"), found.count("promises")) == (2, 0, 2)
    assert {one.reference: one.clock_state for one in found.moved} == {
        "JL-2026-00001": (ClockState.BREACHED, ClockState.BREACHED),  # nobody took it up
        "JL-2026-00002": (ClockState.BREACHED, ClockState.AT_RISK),
        "JL-2026-00004": (ClockState.MET_LATE, ClockState.MET),
    }
    assert list(desk.store.queries.open_cases()) == before


def test_days_and_rules_that_differ_are_named() -> None:
    present = WorkCalendar(closing_days={date(2026, 12, 24): "kerst"})
    other = WorkCalendar(good_friday_free=True)
    assert changed_days(present, other, date(2026, 12, 1), date(2027, 4, 1)) == [
        (date(2026, 12, 24), "kerst", ""),
        (date(2027, 3, 26), "", "Goede Vrijdag"),
    ]
    assert changed_rules(SlaRules(present), SlaRules(other, 0.5)) == [
        ("mail.at_risk_share", "0.6", "0.5"),
        ("calendar.good_friday_free", "false", "true"),
    ]


def test_the_report_reads_a_file_of_settings_and_names_a_mistyped_key(tmp_path: Path) -> None:
    path = tmp_path / "straks.toml"
    path.write_text('[calendar]\ngood_friday_free = true\n[calendar.closing_days]\n2026-12-24 = "kerst"\n')
    settings = with_calendar_of(load_settings(), path)
    assert settings.sla_rules.calendar == WorkCalendar(
        good_friday_free=True, closing_days={date(2026, 12, 24): "kerst"}
    )
    for text, named in (
        ("[calendar]\ngoed_friday = true\n", "calendar.goed_friday"),
        ('[mail]\nday_ends = "25:00"\n', "mail.day_ends"),
        ("[kalender]\n", "kalender"),
        ("calendar = 1\n", "[calendar]"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=re.escape(named)) as refused:
            with_calendar_of(load_settings(), path)
        assert "straks.toml" in str(refused.value)
