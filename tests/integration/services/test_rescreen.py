"""A new model or rule judges the open cases again: what was missed is found, once, and people keep the last word."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from tests.integration.harness import Harness, MarkerClassifier, mail
from tests.servers import postgresql
from triage.adapters import migrate
from triage.adapters.store import open_store
from triage.core.assessment import Band, Urgency, Verdict
from triage.core.case import CaseState
from triage.errors import StoreUnavailable
from triage.ports import CasePage

QUIET = "Wie regelt de zorg? Mijn man slaapt de hele dag en eet niet meer."


class NextClassifier(MarkerClassifier):
    """The next model: it knows what "eet niet meer" means, and takes "mes" for danger."""

    model_id = "test-2"

    def _verdict(self, text: str) -> Verdict:
        text = text.replace("eet niet meer", "palliative-marker").replace("mes", "danger-marker")
        found = super()._verdict(text)
        return Verdict(**{**{name: getattr(found, name) for name in Verdict.__slots__}, "model": self.model_id})


class NoModel(NextClassifier):
    model_id = "none"

    def verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        return [Verdict({}, {}, {}, model=self.model_id) for _ in texts]


def take_in(desk: Harness, *bodies: str) -> None:
    for number, body in enumerate(bodies, start=1):
        desk.mailbox.deliver(mail(number, body=body))
    desk.poll()


def page(desk: Harness, number: int = 1) -> CasePage:
    return desk.store.queries.case_page(f"JL-2026-{number:05d}")


def actions(desk: Harness, number: int = 1) -> list[str]:
    return [row.action for row in page(desk, number).timeline]


def new_model(desk: Harness, classifier: MarkerClassifier | None = None) -> None:
    desk.reader.classifier = classifier or NextClassifier()


def test_what_the_old_model_missed_becomes_urgent_and_is_told(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=("chef@juisteloket.example",))
    take_in(desk, QUIET)
    user = desk.user()
    desk.casework.claim("JL-2026-00001", user=user, version=page(desk).case.version)
    desk.later(days=1)
    new_model(desk)
    report = desk.rescreen.rescreen_once()
    assert (report.judged, report.raised, report.found_late) == (1, 1, 1)
    case = page(desk).case
    assert (case.band, case.urgency) == (Band.URGENT, Urgency.PALLIATIVE)
    assert case.taken_up_at is None
    assert case.assignee == user.id
    assert case.take_up_due == desk.rules.calendar.end_of(desk.now.date() + timedelta(days=1))
    row = next(row for row in page(desk).timeline if row.action == "found_late")
    assert row.details == {"band": "urgent", "urgency": "palliative", "model": "test-2"}
    judged = page(desk).assessment
    assert judged is not None
    assert (judged.model, judged.band) == ("test-2", Band.URGENT)
    assert page(desk).drafts[0].created_by == "system"
    assert len(page(desk).drafts) == 2  # written anew, as after a correction
    desk.relay_once()
    alerts = [raw for envelope, raw in desk.sender.sent if envelope.forward_path == "chef@juisteloket.example"]
    assert len(alerts) == 1
    assert b"Spoed laat gevonden" in alerts[0]


def test_a_second_run_has_nothing_to_do(desk: Harness) -> None:
    take_in(desk, QUIET, "Wie betaalt de wmo?")
    assert desk.rescreen.rescreen_once().judged == 0
    new_model(desk)
    assert desk.rescreen.rescreen_once().judged == 2
    seen, told = page(desk).case.version, actions(desk)
    assert desk.rescreen.rescreen_once().judged == 0
    assert (page(desk).case.version, actions(desk)) == (seen, told)
    assert page(desk, 2).case.version == 1  # judged again, nothing found, nothing changed
    assert "rescreened" not in actions(desk, 2)


def test_nothing_is_lowered_and_no_flag_is_taken_away(desk: Harness) -> None:
    take_in(desk, "palliative-marker danger-marker wlz")
    before = page(desk).case

    class Calm(NextClassifier):
        def _verdict(self, text: str) -> Verdict:
            return super()._verdict(text.replace("-marker", ""))

    new_model(desk, Calm())
    assert desk.rescreen.rescreen_once().judged == 1
    assert page(desk).case == before


def test_a_persons_decision_is_left_and_noted(desk: Harness) -> None:
    take_in(desk, "transfer-marker " + QUIET)
    desk.casework.corrections.correct_urgency(
        "JL-2026-00001",
        user=desk.user(),
        version=page(desk).case.version,
        urgency=Urgency.REGULAR,
        band=Band.NORMAL,
        reason="gaat over vorig jaar",
    )
    new_model(desk)
    report = desk.rescreen.rescreen_once()
    assert (report.raised, report.held) == (0, 1)
    assert page(desk).case.band is Band.NORMAL
    row = page(desk).timeline[-1]
    assert (row.action, row.actor, row.details) == ("rescreened", "system", {"held": "urgent", "model": "test-2"})


def test_a_mail_that_came_after_a_persons_decision_may_raise(desk: Harness) -> None:
    take_in(desk, "Wie betaalt de wmo?")
    case = page(desk).case
    desk.casework.corrections.correct_urgency(
        case.reference, user=desk.user(), version=case.version, urgency=Urgency.REGULAR, band=Band.NORMAL, reason=""
    )
    desk.later(hours=1)
    desk.mailbox.deliver(mail(2, body=QUIET, subject=f"Re: {case.subject_token}", sender="vrager1@mensen.example"))
    desk.poll()
    new_model(desk)
    assert desk.rescreen.rescreen_once().found_late == 1
    assert page(desk).case.band is Band.URGENT


def test_an_earlier_mail_of_the_case_counts_and_the_last_one_stays_the_newest(desk: Harness) -> None:
    take_in(desk, QUIET)
    token = page(desk).case.subject_token
    desk.later(minutes=1)
    desk.mailbox.deliver(mail(2, body="Dank u wel.", subject=f"Re: {token}", sender="vrager1@mensen.example"))
    desk.poll()
    new_model(desk)
    assert desk.rescreen.rescreen_once().judged == 2
    assert page(desk).case.band is Band.URGENT
    judged = page(desk).assessment
    assert judged is not None
    assert "Dank u wel" in judged.judged_text


def test_danger_is_put_on_with_its_alert(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=("chef@juisteloket.example",))
    take_in(desk, "Hij heeft een mes bij zich, wat kan de wmo doen?")
    desk.now = desk.now.replace(hour=23)
    new_model(desk)
    report = desk.rescreen.rescreen_once()
    assert (report.raised, page(desk).case.danger, page(desk).case.band) == (0, True, Band.NORMAL)
    assert actions(desk)[-2:] == ["rescreened", "alert_raised"]
    desk.relay_once()
    assert any(b"Gevaar gemeld" in raw for _, raw in desk.sender.sent)  # at any hour


def test_ended_cases_wrappers_and_machine_mail_are_left_alone(desk: Harness) -> None:
    take_in(desk, QUIET)
    desk.casework.close("JL-2026-00001", user=desk.user(), version=1, reason="klaar")
    desk.mailbox.deliver(
        mail(
            7,
            subject="U heeft een beveiligd bericht ontvangen",
            sender="ZorgMail <noreply@zorgmail.nl>",
            body="U heeft een beveiligd bericht ontvangen via ZorgMail. Klik om het bericht te openen.",
        )
    )
    desk.poll()
    assert page(desk, 2).notices
    new_model(desk)
    assert desk.rescreen.rescreen_once().judged == 0
    assert page(desk).case.state is CaseState.CLOSED


@pytest.mark.parametrize("classifier", [NoModel(), None])
def test_what_cannot_be_judged_now_keeps_its_reading_and_is_tried_again(
    desk: Harness, classifier: MarkerClassifier | None
) -> None:
    take_in(desk, QUIET)

    class Breaking(NextClassifier):
        def verdicts(self, texts: Sequence[str]) -> list[Verdict]:
            raise RuntimeError("no verdict")

    new_model(desk, classifier or Breaking())
    assert desk.rescreen.rescreen_once().judged == 0
    assert page(desk).case.band is Band.NORMAL
    new_model(desk)
    assert desk.rescreen.rescreen_once().found_late == 1


def test_more_than_a_batch_and_one_that_fails_does_not_stop_the_rest(
    desk: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(desk, *[QUIET] * 9)
    monkeypatch.setattr("triage.services.rescreen._BATCH", 4)
    new_model(desk)
    broken = page(desk, 3).case.id
    real = desk.rescreen._carry_out

    def failing(uow, before, outcome, now) -> None:  # type: ignore[no-untyped-def]
        if before.id == broken:
            raise RuntimeError("this one")
        real(uow, before, outcome, now)

    monkeypatch.setattr(desk.rescreen, "_carry_out", failing)
    report = desk.rescreen.rescreen_once()
    assert (report.found_late, report.failed) == (8, 1)
    judged = page(desk, 3).assessment
    assert judged is not None
    assert judged.model == "test"  # its transaction was undone whole


def test_a_store_that_is_away_ends_the_run(desk: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    take_in(desk, QUIET)
    new_model(desk)

    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(desk.rescreen, "_one_case", away)
    with pytest.raises(StoreUnavailable):
        desk.rescreen.rescreen_once()


def test_a_stop_ends_it_between_batches(desk: Harness) -> None:
    take_in(desk, QUIET)
    new_model(desk)
    desk.rescreen.stopping = True
    assert desk.rescreen.rescreen_once().judged == 0


# ---------------------------------------------------------------- two nodes


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.PostgresqlServer]:
    with postgresql.running() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'triage.sqlite3'}"
        return
    with request.getfixturevalue("server").database() as made:
        migrate.upgrade(made)
        yield made


def test_two_nodes_judge_each_case_once(url: str, tmp_path: Path) -> None:
    nodes = [
        Harness(tmp_path, owner=name, open_with=lambda _, keyring: open_store(url, keyring)) for name in ("a", "b")
    ]
    take_in(nodes[0], *[QUIET] * 8)
    for node in nodes:
        new_model(node)
        node.rescreen._may_work = lambda: True  # type: ignore[method-assign]  # as when a lease ran out
    threads = [threading.Thread(target=node.rescreen.rescreen_once) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(1, 9):
        assert actions(nodes[0], number).count("found_late") == 1
    with nodes[0].store.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM assessments WHERE model = 'test-2'").scalar()
    assert rows == 8
    for node in nodes:
        node.store.close()


def test_while_one_node_is_at_it_another_leaves_it(tmp_path: Path) -> None:
    first, second = Harness(tmp_path, owner="a"), Harness(tmp_path, owner="b")
    take_in(first, QUIET)
    new_model(second)
    assert first.rescreen._may_work()
    assert second.rescreen.rescreen_once().skipped
    first.later(minutes=11)
    second.now = first.now
    assert second.rescreen.rescreen_once().found_late == 1
    for node in (first, second):
        node.store.close()


def test_the_look_for_work_reads_indexes_only(desk: Harness) -> None:
    take_in(desk, QUIET)
    seen: list[str] = []
    with desk.store.engine.connect() as connection:

        @event.listens_for(desk.store.engine, "before_cursor_execute")
        def _note(conn, cursor, statement, parameters, context, many) -> None:  # type: ignore[no-untyped-def]
            if "FROM cases" in statement and "EXISTS" in statement:
                plan = connection.connection.cursor().execute("EXPLAIN QUERY PLAN " + statement, parameters)
                seen.extend(row[3] for row in plan.fetchall())

        desk.store.queries.stale_cases("test-2")
    assert any("ix_cases_worklist" in line for line in seen), seen
    assert not any(line.startswith("SCAN assessments") for line in seen), seen
