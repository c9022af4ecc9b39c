"""Intake: every mail ends somewhere, once, whatever happens on the way."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.harness import START, US, Harness, mail
from triage.core.actions import Acknowledge
from triage.core.case import CaseState
from triage.errors import MailboxUnavailable, StoreUnavailable


def test_a_question_becomes_a_case_with_terms_acknowledgement_and_draft(desk: Harness) -> None:
    uid = desk.mailbox.deliver(mail(1))
    report = desk.poll()
    assert dict(report.outcomes) == {"case": 1}
    assert report.unaccounted == 0
    page = desk.store.queries.case_page("JL-2026-00001")
    assert page.case.laws == ("wmo",)
    assert page.contact_address == "vrager1@mensen.example"
    assert page.acknowledgement is not None
    assert page.acknowledgement.state == "due"
    assert page.acknowledgement.promised_for == page.case.answer_due
    assert page.drafts[0].content.to == ("vrager1@mensen.example",)
    assert page.case.taken_up_at is None  # the machine never takes up
    assert desk.mailbox.flags(uid) == {"$Triaged"}
    desk.relay_once()
    (envelope, raw) = desk.sender.sent[0]
    assert (envelope.reverse_path, envelope.forward_path) == ("", "vrager1@mensen.example")
    assert b"In-Reply-To: <vraag-1@mensen.example>" in raw


def test_polling_again_changes_nothing(desk: Harness) -> None:
    for number in range(1, 4):
        desk.mailbox.deliver(mail(number))
    desk.poll()
    before = desk.summary()
    for _ in range(3):
        assert desk.poll().handled == 0
    desk.relay_once()
    desk.relay_once()
    assert desk.summary() == before | {"pending": 0, "acknowledged": 3}
    assert len(desk.sender.sent) == 3


def test_urgent_mail_is_flagged_for_people_who_look_in_the_mailbox(desk: Harness) -> None:
    urgent = desk.mailbox.deliver(mail(1, body="Mijn man, zvw, palliative-marker, wie helpt ons thuis met de zorg?"))
    desk.poll()
    assert desk.mailbox.flags(urgent) == {"$Triaged", "\\Flagged"}
    assert desk.summary()["urgent"] == 1
    (acknowledge,) = [action for action in desk.taken[0].actions if isinstance(action, Acknowledge)]
    assert acknowledge.promised_take_up is not None


def test_read_mail_is_taken_in_like_any_other(desk: Harness) -> None:
    uid = desk.mailbox.deliver(mail(1))
    desk.mailbox.mails[uid].flags.add("\\Seen")
    assert desk.poll().handled == 1


@pytest.mark.parametrize("position", [0, 3, 6])
def test_one_mail_that_fails_is_quarantined_after_two_tries_and_stops_no_other(desk: Harness, position: int) -> None:
    for number in range(7):
        body = "poison-pill" if number == position else "Een vraag over de wmo en hulp in huis."
        desk.mailbox.deliver(mail(number, body=body))
    first = desk.poll()
    assert (first.outcomes["case"], first.failed, first.unaccounted) == (6, 1, 1)
    second = desk.poll()
    assert (second.outcomes["quarantined"], second.unaccounted) == (1, 0)
    assert desk.poll().handled == 0
    (row,) = desk.store.queries.quarantined()
    assert row.error == "ZeroDivisionError"


def test_a_person_can_have_a_quarantined_mail_tried_again(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, body="poison-pill"))
    desk.poll()
    desk.poll()
    (row,) = desk.store.queries.quarantined()
    desk.casework.release_quarantined(row.id, user=desk.user("beheerder"))
    assert desk.poll().outcomes["quarantined"] == 1
    (again,) = desk.store.queries.quarantined()
    desk.casework.release_quarantined(again.id, user=desk.user("beheerder", "mulder"))
    desk.reader.read_alone = lambda raw: super(type(desk.reader), desk.reader).read([raw])[0]  # type: ignore[method-assign]
    assert desk.poll().outcomes["case"] == 1
    assert desk.summary()["quarantined"] == 0


def test_a_classifier_that_fails_gives_the_short_term_not_a_lost_mail(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, body="classifier-breaks, maar ik heb wel een vraag over de wmo."))
    desk.mailbox.deliver(mail(2))
    assert desk.poll().outcomes["case"] == 2
    assert [taken.band for taken in desk.taken] == ["possible", "normal"]


def test_the_server_going_away_costs_no_mail_and_no_attempt(desk: Harness) -> None:
    for number in range(1, 26):
        desk.mailbox.deliver(mail(number))
    desk.mailbox.fail("fetch_one", times=1)
    with pytest.raises(MailboxUnavailable):
        desk.poll()
    desk.mailbox.fail("fetch_one", times=1)
    with pytest.raises(MailboxUnavailable):
        desk.poll()
    desk.poll()
    summary = desk.summary()
    assert (summary["cases"], summary["quarantined"], summary["unaccounted"]) == (25, 0, 0)


def test_a_full_disk_stops_the_poll_and_the_next_one_goes_on(desk: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 6):
        desk.mailbox.deliver(mail(number))
    original, calls = desk.taking_in.take_in, []

    def full(*args: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise StoreUnavailable("the disk is full: make room")
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.taking_in, "take_in", full)
    with pytest.raises(StoreUnavailable):
        desk.poll()
    desk.poll()
    assert (desk.summary()["cases"], desk.summary()["unaccounted"]) == (5, 0)


def test_a_mail_expunged_before_it_was_fetched_is_gone_and_accounted_for(desk: Harness) -> None:
    first, second = desk.mailbox.deliver(mail(1)), desk.mailbox.deliver(mail(2))
    original = desk.mailbox.fetch

    def expunged_meanwhile(uids):
        desk.mailbox.expunge(first)
        return original(uids)

    desk.mailbox.fetch = expunged_meanwhile  # type: ignore[method-assign]
    report = desk.poll()
    assert dict(report.outcomes) == {"gone": 1, "case": 1}
    assert report.unaccounted == 0
    assert second in desk.mailbox.mails


def test_a_person_who_moves_handled_mail_away_changes_nothing(desk: Harness) -> None:
    uids = [desk.mailbox.deliver(mail(number)) for number in range(1, 4)]
    desk.poll()
    desk.mailbox.expunge(uids[0])
    desk.mailbox.deliver(mail(9))
    assert dict(desk.poll().outcomes) == {"case": 1}
    assert desk.summary()["cases"] == 4


def test_the_same_mail_delivered_twice_is_one_case_and_one_acknowledgement(desk: Harness) -> None:
    desk.mailbox.deliver(b"Delivered-To: a@juisteloket.example\r\n" + mail(1))
    desk.mailbox.deliver(b"Delivered-To: b@juisteloket.example\r\nReceived: elsewhere\r\n" + mail(1))
    desk.poll()
    desk.relay_once()
    assert desk.summary()["attached"] == 1
    assert len(desk.sender.sent) == 1


def test_two_different_mails_with_one_message_id_are_both_handled(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.mailbox.deliver(mail(1, body="Een heel andere vraag, over de zvw en wijkverpleging."))
    desk.poll()
    assert desk.summary()["cases"] == 2


def test_a_new_uidvalidity_makes_no_second_case_and_no_second_acknowledgement(desk: Harness) -> None:
    for number in range(1, 4):
        desk.mailbox.deliver(mail(number))
    desk.poll()
    desk.mailbox.new_uidvalidity()
    desk.poll()
    desk.relay_once()
    assert desk.summary()["cases"] == 3
    assert len(desk.sender.sent) == 3


def test_a_reply_joins_its_case_without_a_second_acknowledgement(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.relay_once()
    acknowledgement = desk.sender.sent[0][1].decode()
    our_id = next(line[12:] for line in acknowledgement.splitlines() if line.startswith("Message-ID: "))
    desk.later(hours=1)
    reply = mail(
        2,
        sender="vrager1@mensen.example",
        headers=f"In-Reply-To: {our_id}\r\n",
        body="transfer-marker, hij moet morgen weg",
    )
    desk.mailbox.deliver(reply)
    assert dict(desk.poll().outcomes) == {"follow_up": 1}
    page = desk.store.queries.case_page("JL-2026-00001")
    assert page.case.band == "urgent"
    assert page.case.take_up_due is not None
    assert len(page.messages) == 2
    desk.relay_once()
    assert len(desk.sender.sent) == 1


def test_a_valid_token_joins_for_a_known_sender_and_is_only_a_proposal_for_a_stranger(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.poll()
    token = desk.store.queries.case_page("JL-2026-00001").case.subject_token
    desk.mailbox.deliver(mail(2, subject=f"Nog iets {token}", sender="vrager1@mensen.example"))
    desk.mailbox.deliver(mail(3, subject=f"Nog iets {token}", sender="vreemde@elders.example"))
    desk.mailbox.deliver(mail(4, subject="Nog iets [JL-2026-00001-ZZ]", sender="vrager1@mensen.example"))
    desk.poll()
    assert [taken.outcome for taken in desk.taken[1:]] == ["follow_up", "case", "case"]
    proposal = desk.store.queries.case_page("JL-2026-00002").timeline
    assert any(row.details.get("proposed_link") == "JL-2026-00001" for row in proposal)


def test_a_follow_up_reopens_an_answered_case_with_a_new_term(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.poll()
    user = desk.user()
    case = desk.store.queries.case_page("JL-2026-00001").case
    desk.casework.close("JL-2026-00001", user=user, version=case.version, reason="telefonisch beantwoord")
    desk.later(days=7)
    token = case.subject_token
    desk.mailbox.deliver(mail(2, subject=f"Toch nog {token}", sender="vrager1@mensen.example"))
    desk.poll()
    page = desk.store.queries.case_page("JL-2026-00001")
    assert page.case.state is CaseState.IN_PROGRESS
    assert page.case.answer_due > case.answer_due
    assert page.case.taken_up_at is None
    assert len(page.drafts) == 2


def test_machines_are_not_answered_and_nothing_is_lost(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, headers="Auto-Submitted: auto-replied\r\n", subject="Automatisch antwoord: afwezig"))
    desk.mailbox.deliver(mail(2, headers="Auto-Submitted: auto-generated\r\n"))  # a web form: a question all the same
    desk.mailbox.deliver(mail(3, sender=US))
    desk.mailbox.deliver(b"")
    desk.poll()
    desk.relay_once()
    assert desk.sender.sent == []
    summary = desk.summary()
    assert (summary["cases"], summary["ignored"], summary["withheld"], summary["unaccounted"]) == (2, 2, 2, 0)


def test_shadow_mode_computes_everything_and_touches_nothing(tmp_path: Path) -> None:
    desk = Harness(tmp_path, mode="shadow")
    uid = desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.relay_once()
    assert desk.sender.sent == []
    assert desk.mailbox.flags(uid) == set()
    view = desk.store.queries.case_page("JL-2026-00001").acknowledgement
    assert view is not None
    assert view.reasons == ("shadow_mode",)
    assert desk.summary()["drafts"] == 1
    desk.mode = "live"
    desk.wire()
    desk.poll()
    desk.relay_once()
    assert desk.sender.sent == []  # what shadow withheld is never sent later
    desk.store.close()


def test_mail_that_waited_during_an_outage_has_its_true_term_and_says_so(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1), at=START - timedelta(hours=20))
    desk.poll()
    page = desk.store.queries.case_page("JL-2026-00001")
    assert page.backlog
    assert page.case.arrived_at == START - timedelta(hours=20)


def test_budgets_stop_acknowledgements_and_not_the_cases(tmp_path: Path) -> None:
    desk = Harness(tmp_path, policy_changes={"per_address_per_day": 2})
    for number in range(1, 6):
        desk.mailbox.deliver(mail(number, sender="vaak@mensen.example"))
    desk.poll()
    desk.relay_once()
    assert len(desk.sender.sent) == 2
    assert desk.summary()["cases"] == 5
    reasons = [view.reasons for _, view in desk.store.queries.withheld()]
    assert reasons == [("budget_address",)] * 3
    desk.store.close()


def test_danger_alerts_at_once_even_at_night_and_names_only_the_case(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=("toezicht@juisteloket.example",))
    desk.later(hours=14)
    desk.mailbox.deliver(mail(1, body="danger-marker, mijn broer heeft het over een einde aan zijn leven."))
    desk.poll()
    desk.relay_once()
    to = {envelope.forward_path: raw for envelope, raw in desk.sender.sent}
    alert = to["toezicht@juisteloket.example"].decode()
    assert "JL-2026-00001" in alert
    for personal in ("vrager1", "Nummer", "broer", "Vraag over hulp"):
        assert personal not in alert
    desk.store.close()


def test_a_quarantined_mail_that_left_the_mailbox_is_tried_again_from_its_kept_bytes(desk: Harness) -> None:
    uid = desk.mailbox.deliver(mail(1, body="poison-pill"))
    desk.poll()
    desk.poll()
    desk.mailbox.expunge(uid)
    desk.intake._compare_next_time = True
    desk.poll()
    (row,) = desk.store.queries.quarantined()
    desk.casework.release_quarantined(row.id, user=desk.user("beheerder"))
    desk.reader.read_alone = lambda raw: super(type(desk.reader), desk.reader).read([raw])[0]  # type: ignore[method-assign]
    desk.intake._compare_next_time = True
    assert desk.poll().outcomes["case"] == 1
    assert (desk.summary()["quarantined"], desk.summary()["unaccounted"]) == (0, 0)


def test_a_mail_on_which_the_server_breaks_off_does_not_stop_those_behind_it(desk: Harness) -> None:
    uids = [desk.mailbox.deliver(mail(number)) for number in range(1, 5)]
    original = desk.mailbox.fetch

    def breaks_on_the_second(wanted):
        if uids[1] in wanted:
            raise MailboxUnavailable("connection lost")
        return original(wanted)

    desk.mailbox.fetch = breaks_on_the_second  # type: ignore[method-assign]
    for _ in range(4):
        try:
            desk.poll()
        except MailboxUnavailable:
            continue
    summary = desk.summary()
    assert (summary["cases"], summary["quarantined"], summary["unaccounted"]) == (3, 1, 0)
    assert desk.store.queries.quarantined()[0].error == "FetchBroken"


def test_two_mails_of_which_the_server_gives_nothing_are_two_cases(desk: Harness) -> None:
    desk.mailbox.deliver(b"")
    desk.mailbox.deliver(b"\r\n")
    desk.poll()
    assert (desk.summary()["cases"], desk.summary()["attached"]) == (2, 0)


def test_unfinished_entries_of_an_old_uidvalidity_do_not_stay_unaccounted(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, body="poison-pill"))
    desk.poll()
    desk.mailbox.new_uidvalidity()
    desk.poll()
    desk.poll()
    summary = desk.summary()
    assert summary["unaccounted"] == 0
    # the old entry keeps the bytes of its failed try: its mail need not be the one that came back
    assert (summary["gone"], summary["quarantined"]) == (0, 2)


def test_a_node_that_cannot_reach_the_mailbox_lets_another_try(desk: Harness) -> None:
    desk.mailbox.fail("status")
    with pytest.raises(MailboxUnavailable):
        desk.poll()
    with desk.store.begin() as uow:
        assert uow.lease("intake", owner="node-2", now=desk.now, ttl=timedelta(minutes=2))
    assert desk.poll().skipped


def test_a_new_mail_never_eats_a_draft_of_a_person(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.poll()
    user = desk.user()
    case = desk.store.queries.case_page("JL-2026-00001").case
    desk.casework.close("JL-2026-00001", user=user, version=case.version, reason="klaar")
    draft = desk.store.queries.case_page("JL-2026-00001").drafts[0]
    desk.approval.save_draft("JL-2026-00001", user=user, base_revision=draft.revision, content=draft.content)
    desk.mailbox.deliver(mail(2, subject=f"Nog iets {case.subject_token}", sender="vrager1@mensen.example"))
    desk.poll()
    assert desk.store.queries.case_page("JL-2026-00001").drafts[0].created_by == user.id


def test_an_alert_that_cannot_be_written_costs_no_mail_its_case(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=("geen adres",))
    desk.mailbox.deliver(mail(1, body="danger-marker, er is nu gevaar voor mijn zus in huis."))
    desk.poll()
    assert desk.summary()["cases"] == 1
    desk.store.close()


def test_a_mailbox_that_never_worked_raises_the_silence_alarm(tmp_path: Path) -> None:
    desk = Harness(tmp_path, alert_to=("toezicht@juisteloket.example",))
    raised = []
    for _ in range(6):
        with desk.store.begin() as uow:
            uow.job_ran("poll", at=desk.now, ok=False, error="MailboxUnavailable")
        raised += desk.watch.watch_once().raised["mailbox_silent"]
        desk.later(minutes=5)
    assert len(raised) == 1
    desk.store.close()
