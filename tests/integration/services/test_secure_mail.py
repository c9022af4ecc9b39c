"""Notices of secure mail and cases of one client, from the mailbox to what staff see and decide."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.harness import START, Harness, mail
from triage.core.assessment import Band, Urgency
from triage.core.case import CaseState, LinkKind, LinkState
from triage.core.workdays import AMSTERDAM
from triage.errors import ConflictError, NotFound
from triage.ports import CaseFilter, CasePage

FIRST, SECOND = "JL-2026-00001", "JL-2026-00002"
ZIVVER = (
    "Transferbureau heeft u een beveiligde e-mail gestuurd via Zivver.\r\nBekijk bericht: "
    "https://app.zivver.com/m/1\r\n"
    "Onderwerp: palliative-marker wlz\r\n{until}"
)


def page(desk: Harness, reference: str = FIRST) -> CasePage:
    return desk.store.queries.case_page(reference)


def alerts(desk: Harness) -> list[str]:
    desk.relay_once()
    return [raw.decode() for envelope, raw in desk.sender.sent if envelope.forward_path == "staf@loket.example"]


@pytest.fixture
def noticed(tmp_path: Path) -> Harness:
    """A notice that names the 4th of December, taken in on the 23rd of November."""
    desk = Harness(tmp_path, alert_to=("staf@loket.example",))
    until = "Dit bericht verloopt op 4 december 2026."
    body = ZIVVER.format(until=until)
    desk.mailbox.deliver(mail(1, subject="Zivver bericht", sender="noreply@zivver.com", body=body))
    desk.poll()
    return desk


def test_a_notice_is_a_case_that_is_not_judged_not_acknowledged_and_shows_until_when(noticed: Harness) -> None:
    shown = page(noticed)
    assert (shown.kind, shown.case.band) == ("secure_mail_notice", Band.POSSIBLE)
    assert shown.case.laws == ()  # the words of the wrapper count for nothing
    assert shown.acknowledgement is not None
    assert (shown.acknowledgement.state, "secure_mail_notice" in shown.acknowledgement.reasons) == ("withheld", True)
    (notice,) = shown.notices
    until = datetime(2026, 12, 4, tzinfo=AMSTERDAM)
    assert (notice.provider, notice.open_before, notice.named, notice.opened_at) == ("zivver", until, True, None)
    rows, _ = noticed.store.queries.worklist(CaseFilter(), now=noticed.now)
    assert rows[0].open_before == until
    noticed.relay_once()
    assert noticed.sender.sent == []


def test_a_notice_without_a_date_gets_the_configured_days(tmp_path: Path) -> None:
    desk = Harness(tmp_path, policy_changes={"notice_days": {"zivver": 9, "other": 14}})
    for number, sender in ((1, "noreply@zivver.com"), (2, "x@thuiszorg.example")):
        text = "U heeft een beveiligd bericht ontvangen. Bekijk bericht: https://portaal.example/1"
        desk.mailbox.deliver(mail(number, sender=sender, body=text))
    desk.poll()
    terms = [page(desk, reference).notices[0] for reference in (FIRST, SECOND)]
    assert [(one.open_before - START, one.named) for one in terms] == [
        (timedelta(days=9), False),
        (timedelta(days=14), False),
    ]
    desk.store.close()


def test_staff_are_reminded_once_in_service_hours_and_not_after_somebody_opened_it(noticed: Harness) -> None:
    noticed.watch.watch_once()
    assert not any("Beveiligde mail" in one for one in alerts(noticed))
    noticed.now = datetime(2026, 12, 1, 2, 0, tzinfo=AMSTERDAM)  # three days before, at night
    noticed.watch.watch_once()
    noticed.watch.watch_once()
    assert not any("Beveiligde mail verloopt bijna" in one for one in alerts(noticed))
    noticed.now = datetime(2026, 12, 1, 9, 0, tzinfo=AMSTERDAM)
    noticed.watch.watch_once()
    (reminder,) = [one for one in alerts(noticed) if "Beveiligde mail verloopt bijna" in one]
    assert FIRST in reminder
    noticed.now = datetime(2026, 12, 3, 9, 0, tzinfo=AMSTERDAM)
    noticed.watch.watch_once()
    assert len([one for one in alerts(noticed) if "Beveiligde mail verloopt bijna" in one]) == 1


def opened(desk: Harness, text: str = "", **changes: object) -> None:
    desk.later(minutes=1)
    shown = page(desk)
    wanted = {"version": shown.case.version, "message_id": shown.messages[0].id} | changes
    known = desk.store.accounts.by_username("opener")
    user = known.user if known else desk.user(name="opener")
    desk.casework.open_notice(FIRST, user=user, text=text, **wanted)  # type: ignore[arg-type]


def test_opening_stops_the_reminder_and_takes_the_case_up(noticed: Harness) -> None:
    opened(noticed)
    noticed.now = datetime(2026, 12, 2, 9, 0, tzinfo=AMSTERDAM)
    noticed.watch.watch_once()
    assert not any("Beveiligde mail" in one for one in alerts(noticed))
    shown = page(noticed)
    assert shown.notices[0].opened_by == "A. Jansen"
    assert shown.case.taken_up_at == START + timedelta(minutes=1)
    assert "notice_opened" in [row.action for row in shown.timeline]
    assert noticed.store.queries.worklist(CaseFilter(), now=noticed.now)[0][0].open_before is None
    with pytest.raises(ConflictError):
        opened(noticed)


def test_the_pasted_text_is_kept_as_a_note_and_judged(noticed: Harness) -> None:
    text = "Mevrouw gaat naar huis om te sterven. palliative-marker. Wie regelt de zorg thuis onder de zvw?"
    opened(noticed, text)
    shown = page(noticed)
    assert shown.notes[-1].text == text
    assert (shown.case.band, shown.case.urgency, shown.case.laws) == (Band.URGENT, Urgency.PALLIATIVE, ("zvw",))
    assert shown.assessment is not None
    assert (shown.assessment.judged_text, shown.assessment.model) == (text, "test")
    assert "palliative-marker" not in shown.drafts[0].content.body


def test_a_pasted_text_never_lowers_and_can_come_after_the_opening(noticed: Harness) -> None:
    opened(noticed)
    opened(noticed, "Een gewone vraag over de wmo.")
    shown = page(noticed)
    assert (shown.case.band, shown.case.laws) == (Band.POSSIBLE, ("wmo",))
    assert shown.assessment is not None and shown.assessment.band is Band.NORMAL


def test_danger_in_a_pasted_text_alerts_at_once_and_once(noticed: Harness) -> None:
    noticed.later(hours=12)  # in the evening
    opened(noticed, "danger-marker, er is nu gevaar voor mijn zus in huis.")
    opened(noticed, "danger-marker, nog een keer.")
    assert page(noticed).case.danger
    (alert,) = alerts(noticed)
    assert FIRST in alert and "zus" not in alert


def test_only_a_notice_of_this_case_can_be_opened(noticed: Harness) -> None:
    with pytest.raises(NotFound):
        opened(noticed, message_id="iets-anders")
    with pytest.raises(ConflictError):
        opened(noticed, version=99)
    assert page(noticed).notices[0].opened_at is None


def test_a_notice_in_a_conversation_joins_it_and_still_must_be_opened(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, sender="noreply@zivver.com", body="Een eerste vraag over de wmo, van ons allemaal."))
    desk.poll()
    token = page(desk).case.subject_token
    desk.later(minutes=5)
    body = ZIVVER.format(until="")
    desk.mailbox.deliver(mail(2, sender="noreply@zivver.com", subject=f"RE: {token}", body=body))
    desk.poll()
    assert desk.taken[-1].outcome == "follow_up"
    assert [message.kind for message in page(desk).messages][-1] == "secure_mail_notice"
    assert len(page(desk).notices) == 1


def test_a_question_about_a_notice_is_a_question(desk: Harness) -> None:
    text = "Ik kreeg een Zivver-bericht van het ziekenhuis, https://app.zivver.com/m/1. Hoe open ik dat, wmo?"
    desk.mailbox.deliver(mail(1, subject="Beveiligd bericht", body=text))
    desk.poll()
    assert page(desk).kind == "question"
    assert page(desk).notices == ()
    desk.relay_once()
    assert len(desk.sender.sent) == 1


def test_erasing_a_case_ends_its_reminders(noticed: Harness) -> None:
    with noticed.store.begin() as uow:
        case_id = uow.case_by_reference(FIRST)
        assert case_id is not None
        uow.erase_case(case_id, by="system", at=noticed.now)
    noticed.now = datetime(2026, 12, 2, 9, 0, tzinfo=AMSTERDAM)
    noticed.watch.watch_once()
    assert not any("Beveiligde mail" in one for one in alerts(noticed))


# ---------------------------------------------------------------- one client, several reporters

HOSPITAL = (
    "Mw. Van Beekveld (84) ligt op afdeling C4 van het Meander met een collumfractuur. Zij mag vrijdag naar huis maar "
    "woont alleen in Soest. Waar is een ELV-plek, transfer-marker, zvw?"
)
DAUGHTER = (
    "Mijn moeder van 84 is zaterdag gevallen in Soest en brak haar heup. Ze ligt in het Meander en moet er "
    "vrijdag uit. "
    "transfer-marker, zvw. Groet, Ria van Beekveld"
)
STRANGER = "Mijn vader (67) in Tiel zoekt dagbesteding. Wie regelt dat onder de wmo?"


@pytest.fixture
def reported(desk: Harness) -> Harness:
    for number, body in enumerate((HOSPITAL, DAUGHTER, STRANGER), start=1):
        desk.mailbox.deliver(mail(number, body=body, subject=f"Vraag {number}"))
        desk.later(hours=1)
    desk.poll()
    desk.relay_once()
    return desk


def alike(desk: Harness, reference: str) -> list[str]:
    return [one.reference for one in desk.store.queries.same_client(reference)]


def test_two_reporters_are_proposed_to_each_other_and_nothing_is_stored_for_it(reported: Harness) -> None:
    assert alike(reported, FIRST) == [SECOND]
    assert alike(reported, SECOND) == [FIRST]
    assert alike(reported, "JL-2026-00003") == []
    assert page(reported).links == ()


def decide(desk: Harness, act: str, reference: str = FIRST, other: str = SECOND) -> None:
    known = desk.store.accounts.by_username("besluit")
    user = known.user if known else desk.user(name="besluit")
    version = page(desk, reference).case.version
    getattr(desk.casework.linking, act)(reference, user=user, version=version, other=other)


def test_linking_gives_both_to_one_handler_and_keeps_both_acknowledgements(reported: Harness) -> None:
    sent = len(reported.sender.sent)
    decide(reported, "link_clients")
    pages = [page(reported, reference) for reference in (FIRST, SECOND)]
    assert [one.assignee_name for one in pages] == ["A. Jansen", "A. Jansen"]
    assert [len(one.messages) for one in pages] == [1, 1]  # two cases, two senders, two answers
    for one, mate in zip(pages, (SECOND, FIRST), strict=True):
        (link,) = one.links
        assert (link.reference, link.kind, link.state) == (mate, LinkKind.SAME_CLIENT, LinkState.ACCEPTED)
        assert one.timeline[-1].action == "clients_linked"
        assert one.acknowledgement is not None and one.acknowledgement.state == "sent"
        assert one.case.state is CaseState.NEW
    reported.relay_once()
    assert len(reported.sender.sent) == sent
    assert alike(reported, FIRST) == []  # decided: not proposed again


def test_linking_leaves_a_colleague_the_case_they_have(reported: Harness) -> None:
    colleague = reported.user(name="collega")
    reported.casework.claim(SECOND, user=colleague, version=page(reported, SECOND).case.version)
    decide(reported, "link_clients")
    assert {page(reported, one).case.assignee for one in (FIRST, SECOND)} == {colleague.id}


def test_refusing_holds_from_both_sides_and_can_follow_a_link(reported: Harness) -> None:
    decide(reported, "link_clients", reference=SECOND, other=FIRST)
    decide(reported, "part_clients")
    assert [link.state for link in page(reported).links] == [LinkState.REFUSED]
    assert [link.state for link in page(reported, SECOND).links] == [LinkState.REFUSED]
    assert (alike(reported, FIRST), alike(reported, SECOND)) == ([], [])


def test_only_the_pair_and_the_decision_are_in_the_store(reported: Harness) -> None:
    decide(reported, "link_clients")
    with reported.store.engine.connect() as db:
        (row,) = db.exec_driver_sql("SELECT * FROM case_links").mappings()
    assert set(row) == {"case_id", "other_id", "kind", "state", "actor", "at"}


def test_an_unknown_case_has_no_mates(reported: Harness) -> None:
    with pytest.raises(NotFound):
        reported.store.queries.same_client("JL-2026-99999")


def test_two_notices_that_differ_in_their_link_alone_are_both_to_be_opened(desk: Harness) -> None:
    """To two of our addresses within the hour: as a text twice, they would be one mail."""
    for number, to in ((1, "meldpunt@juisteloket.example"), (2, "info@juisteloket.example")):
        html = (
            "<p>U heeft een beveiligd bericht ontvangen.</p>"
            f'<p><a href="https://app.zivver.com/m/{number}">Lees bericht</a></p>'
        )
        raw = mail(number, subject="Nieuw beveiligd bericht", sender="noreply@zivver.com", body=html)
        raw = raw.replace(b"text/plain", b"text/html").replace(
            b"To: meldpunt@juisteloket.example", f"To: {to}".encode()
        )
        desk.mailbox.deliver(raw)
    desk.poll()
    assert [len(page(desk, reference).notices) for reference in (FIRST, SECOND)] == [1, 1]


def test_two_notices_with_the_same_words_are_two_as_well(desk: Harness) -> None:
    for number, to in ((1, "meldpunt@juisteloket.example"), (2, "info@juisteloket.example")):
        raw = mail(number, sender="noreply@zivver.com", body=ZIVVER.format(until=""))
        desk.mailbox.deliver(raw.replace(b"To: meldpunt@juisteloket.example", f"To: {to}".encode()))
    desk.poll()
    assert [str(taken.outcome) for taken in desk.taken] == ["case", "case"]
