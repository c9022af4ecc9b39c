"""The audit sample in the store: from which cases, drawn once, looked at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from tests.integration.store.conftest import NOW
from tests.integration.store.making import Maker
from triage.adapters.store import SqlStore
from triage.adapters.tables import sampled_cases
from triage.core.assessment import Band, Urgency
from triage.core.case import Case
from triage.services.audit_sample import AuditSample

LONG_AGO = NOW - timedelta(days=400)
NEXT_WEEK = NOW + timedelta(days=7)


def normal(store: SqlStore) -> list[str]:
    with store.begin() as uow:
        return list(uow.cases_called_normal(NOW - timedelta(days=1), NOW + timedelta(days=1)))


def drawn(store: SqlStore, *cases: Case, week: str = "2026-W48") -> bool:
    with store.begin() as uow:
        return uow.draw_sample(week, [case.id for case in cases], population=9, at=NOW)


def test_it_is_drawn_from_what_a_model_called_normal_and_nobody_raised(store: SqlStore, make: Maker) -> None:
    wanted = make.case()
    make.case(assessment={"band": Band.POSSIBLE, "urgency": Urgency.TRANSFER})
    make.case(assessment={"model": "", "band_reason": "list_or_bulk"})  # set aside by its fields, never judged
    make.case(case={"arrived_at": NOW - timedelta(days=1, microseconds=1)})
    make.case(case={"arrived_at": NOW + timedelta(days=1)})
    erased, missed, raised_once = make.case(), make.case(), make.case()
    message = store.queries.case_page(missed.reference).messages[0]
    with store.begin() as uow:
        uow.erase_case(erased.id, by="system", at=NOW)
        uow.add_correction(
            missed.id, message.id, by="u", at=NOW, field="missed_urgent", before=["regular"], after=["palliative"]
        )
        other = store.queries.case_page(raised_once.reference).messages[0]
        urgent: dict[str, Any] = {"band": Band.URGENT, "urgency": Urgency.PALLIATIVE}
        uow.add_assessment(other.id, raised_once.id, make.assessment(make.mail(1), **urgent), at=NOW)
    assert normal(store) == [wanted.id]


def test_a_week_is_drawn_once(store: SqlStore, make: Maker) -> None:
    case, other = make.case(), make.case()
    assert not store.queries.sample_is_drawn("2026-W48")
    assert drawn(store, case)
    assert store.queries.sample_is_drawn("2026-W48")
    assert not drawn(store, case, other)
    assert drawn(store, week="2026-W49")  # a week without cases is drawn as well
    figures = store.queries.audit_sample(LONG_AGO)
    assert (figures.drawn, figures.looked_at, figures.found_urgent) == (1, 0, 0)
    assert [(row.reference, row.week, row.arrived_at) for row in figures.open] == [(case.reference, "2026-W48", NOW)]
    assert store.queries.case_page(case.reference).sampled == "2026-W48"
    assert store.queries.case_page(other.reference).sampled == ""


def test_a_look_is_kept_with_who_and_when(store: SqlStore, make: Maker) -> None:
    fine, urgent, waiting, erased, not_drawn = (make.case() for _ in range(5))
    drawn(store, fine, urgent, waiting, erased)
    with store.begin() as uow:
        assert uow.look_at_sample(fine.id, by="u", at=NOW, found_urgent=False)
        assert not uow.look_at_sample(fine.id, by="v", at=NOW, found_urgent=True)  # the first look counts
        assert uow.look_at_sample(urgent.id, by="u", at=NOW, found_urgent=True)
        assert not uow.look_at_sample(not_drawn.id, by="u", at=NOW, found_urgent=True)
        uow.erase_case(erased.id, by="system", at=NOW)
    figures = store.queries.audit_sample(LONG_AGO)
    assert (figures.drawn, figures.looked_at, figures.found_urgent) == (4, 2, 1)
    assert [row.reference for row in figures.open] == [waiting.reference]
    assert store.queries.audit_sample(NOW + timedelta(seconds=1)).drawn == 0
    with store.engine.connect() as connection:
        rows = connection.execute(
            select(sampled_cases.c.looked_by, sampled_cases.c.found_urgent).where(sampled_cases.c.looked_at == NOW)
        )
        assert sorted((row[0], bool(row[1])) for row in rows) == [("u", False), ("u", True)]


def test_two_nodes_draw_one_sample(store: SqlStore, make: Maker, open_another: Callable[[], SqlStore]) -> None:
    for _ in range(12):
        make.case()
    counts: list[int] = []
    start = threading.Barrier(2)

    def node(own: SqlStore) -> None:
        sample = AuditSample(store=own, queries=own.queries, share=0.5, clock=lambda: NEXT_WEEK)
        start.wait()
        counts.append(sample.draw_once())

    threads = [threading.Thread(target=node, args=(one,)) for one in (open_another(), open_another())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [0, 6]
    assert store.queries.audit_sample(LONG_AGO).drawn == 6
    told = [
        row.details
        for open_case in store.queries.audit_sample(LONG_AGO).open
        for row in store.queries.case_page(open_case.reference).timeline
        if row.action == "sample_drawn"
    ]
    assert told == [{"week": "2026-W48"}] * 6


def test_a_share_of_nothing_draws_nothing(store: SqlStore, make: Maker) -> None:
    make.case()
    assert AuditSample(store=store, queries=store.queries, share=0.0, clock=lambda: NEXT_WEEK).draw_once() == 0
    assert not store.queries.sample_is_drawn("2026-W48")


def test_what_was_found_late_is_listed_newest_first(store: SqlStore, make: Maker) -> None:
    case, other = make.case(), make.case()
    with store.begin() as uow:
        for minutes, action, one in ((1, "found_late", case), (2, "missed_urgent", other), (3, "rescreened", case)):
            uow.audit(
                action,
                at=NOW + timedelta(minutes=minutes),
                actor="system",
                case_id=one.id,
                details={"urgency": "transfer", "band": "urgent", "model": "m-2"},
            )
    rows = store.queries.found_late(NOW)
    assert [(row.reference, row.how, row.urgency, row.model) for row in rows] == [
        (other.reference, "missed_urgent", "transfer", "m-2"),
        (case.reference, "found_late", "transfer", "m-2"),
    ]
    assert store.queries.found_late(NOW + timedelta(minutes=2)) == rows[:1]


def test_each_week_has_its_own_result(store: SqlStore, make: Maker) -> None:
    cases = [make.case() for _ in range(3)]
    assert drawn(store, *cases[:2]) and drawn(store, week="2026-W49")
    with store.begin() as uow:
        uow.draw_sample("2026-W01", [cases[2].id], population=1, at=LONG_AGO)
        uow.look_at_sample(cases[0].id, by="u", at=NOW, found_urgent=True)
        uow.look_at_sample(cases[1].id, by="u", at=NOW, found_urgent=False)
    assert store.queries.sample_by_week(NOW) == {"2026-W48": (2, 1), "2026-W49": (0, 0)}
    assert store.queries.sample_by_week(LONG_AGO)["2026-W01"] == (0, 0)
