"""The decision as a table of situations and the actions they call for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.cases import a_case, ams
from triage.core.actions import (
    Acknowledge,
    Alert,
    AppendToCase,
    AttachToCase,
    Ignore,
    OpenCase,
    PrepareDraft,
    WithholdAcknowledgement,
    outcome_of,
)
from triage.core.assessment import Assessment, Band, Urgency
from triage.core.case import CaseState
from triage.core.decide import Budget, Policy, Thread, decide
from triage.core.mail import LedgerOutcome, MessageKind, NoReplyReason, Screening
from triage.core.sla import SlaRules, terms_for
from triage.core.workdays import WorkCalendar

RULES = SlaRules(WorkCalendar())
LIVE = Policy(sla=RULES, mode="live", since=ams(2026, 11, 1))
ARRIVED = ams(2026, 11, 23, 9)
NORMAL = Assessment(laws=("wmo",), band=Band.NORMAL, topics=("T24",), language="nl")
URGENT = Assessment(laws=("zvw",), band=Band.URGENT, urgency=Urgency.PALLIATIVE, language="nl")
QUESTION = Screening(MessageKind.QUESTION)


NO_THREAD, NO_BUDGET = Thread(), Budget()


def decided(screening=QUESTION, assessment=NORMAL, thread=NO_THREAD, budget=NO_BUDGET, policy=LIVE, arrived=ARRIVED):
    return decide(screening, assessment, thread, budget, arrived=arrived, now=arrived, policy=policy)


def test_an_ordinary_question_becomes_a_case_is_acknowledged_and_gets_a_draft() -> None:
    terms = terms_for(Band.NORMAL, ARRIVED, RULES)
    assert decided() == (
        OpenCase(MessageKind.QUESTION, terms),
        Acknowledge("nl", terms.answer_due, None),
        PrepareDraft(("wmo",), ("T24",)),
    )


def test_only_band_urgent_promises_the_take_up_day() -> None:
    urgent = decided(assessment=URGENT)
    possible = decided(assessment=replace(URGENT, band=Band.POSSIBLE))
    assert isinstance(urgent[1], Acknowledge)
    assert isinstance(possible[1], Acknowledge)
    assert urgent[1].promised_take_up == terms_for(Band.URGENT, ARRIVED, RULES).take_up_due
    assert possible[1].promised_take_up is None
    assert isinstance(possible[0], OpenCase)
    assert possible[0].terms.take_up_due is not None  # the short term runs inside all the same


def test_danger_alerts_and_changes_nothing_in_the_acknowledgement() -> None:
    assert decided(assessment=replace(NORMAL, danger=True)) == (*decided(), Alert("danger"))


@pytest.mark.parametrize(
    ("policy", "budget", "arrived", "reason"),
    [
        (replace(LIVE, mode="shadow"), Budget(), ARRIVED, NoReplyReason.SHADOW_MODE),
        (LIVE, Budget(), ams(2026, 10, 31, 9), NoReplyReason.BEFORE_SINCE),
        (LIVE, Budget(to_address=5), ARRIVED, NoReplyReason.BUDGET_ADDRESS),
        (LIVE, Budget(last_hour=200), ARRIVED, NoReplyReason.BUDGET_HOUR),
        (LIVE, Budget(breaker_tripped=True), ARRIVED, NoReplyReason.BUDGET_HOUR),
    ],
)
def test_policy_withholds_the_acknowledgement_and_keeps_the_case(policy, budget, arrived, reason) -> None:
    actions = decided(policy=policy, budget=budget, arrived=arrived)
    assert actions[1] == WithholdAcknowledgement((reason,))
    assert isinstance(actions[0], OpenCase)
    assert isinstance(actions[2], PrepareDraft)


def test_a_web_form_notice_is_a_question_without_acknowledgement() -> None:
    actions = decided(Screening(MessageKind.QUESTION, (NoReplyReason.AUTO_SUBMITTED,)))
    assert actions[1] == WithholdAcknowledgement((NoReplyReason.AUTO_SUBMITTED,))
    assert outcome_of(actions) is LedgerOutcome.CASE


@pytest.mark.parametrize("kind", [MessageKind.UNSOLICITED, MessageKind.LIST_OR_BULK])
def test_bulk_and_scams_open_a_case_that_needs_no_reply(kind: MessageKind) -> None:
    actions = decided(Screening(kind, (NoReplyReason.UNSOLICITED,), rule="scam_inheritance"))
    assert isinstance(actions[0], OpenCase)
    assert actions[0].no_reply_rule == "scam_inheritance"
    assert not any(isinstance(action, PrepareDraft | Acknowledge) for action in actions)


@pytest.mark.parametrize("kind", [MessageKind.AUTO_REPLY, MessageKind.DELIVERY_REPORT])
def test_machine_mail_joins_its_case_or_is_ignored_with_its_rule(kind: MessageKind) -> None:
    screening = Screening(kind, (NoReplyReason.AUTO_SUBMITTED,), rule="rule")
    case = a_case(arrived=ARRIVED)
    assert decided(screening) == (Ignore("rule"),)
    assert decided(screening, thread=Thread(case=case)) == (AttachToCase(case.id, "rule"),)


def test_mail_from_ourselves_is_ignored_even_in_a_thread() -> None:
    screening = Screening(MessageKind.OWN, (NoReplyReason.OWN_ADDRESS,), rule="own_address")
    assert decided(screening, thread=Thread(case=a_case(arrived=ARRIVED))) == (Ignore("own_address"),)


def test_a_second_copy_joins_the_case_and_sends_nothing() -> None:
    assert decided(thread=Thread(copy_of=("c1", "second_copy"))) == (AttachToCase("c1", "second_copy"),)
    assert decided(thread=Thread(copy_of=(None, "newsletter"))) == (Ignore("newsletter"),)


def test_a_follow_up_is_never_acknowledged_and_never_lowers() -> None:
    case = a_case(arrived=ARRIVED, band=Band.URGENT)
    actions = decided(thread=Thread(case=case))
    assert len(actions) == 1
    assert isinstance(actions[0], AppendToCase)
    assert actions[0].raised_to is None
    assert actions[0].terms.take_up_due == case.take_up_due


def test_a_follow_up_that_is_urgent_raises_the_case() -> None:
    actions = decided(assessment=URGENT, thread=Thread(case=a_case(arrived=ARRIVED)))
    assert isinstance(actions[0], AppendToCase)
    assert actions[0].raised_to is Band.URGENT


def test_a_reopened_case_gets_a_new_draft_and_no_second_acknowledgement() -> None:
    case = a_case(arrived=ams(2026, 11, 2, 9), state=CaseState.ANSWERED)
    actions = decided(thread=Thread(case=case))
    assert [type(action) for action in actions] == [AppendToCase, PrepareDraft]


def test_an_unknown_sender_with_a_valid_token_gets_a_case_of_its_own() -> None:
    assert isinstance(decided(thread=Thread(proposed_reference="JL-2026-00001"))[0], OpenCase)


BY_WORDS = [MessageKind.AUTO_REPLY, MessageKind.DELIVERY_REPORT, MessageKind.LIST_OR_BULK, MessageKind.UNSOLICITED]


@pytest.mark.parametrize("kind", BY_WORDS)
@pytest.mark.parametrize("reasons", [(), (NoReplyReason.MACHINE_TEXT,)])
def test_what_is_a_machine_by_its_words_alone_is_never_ignored(kind: MessageKind, reasons) -> None:
    actions = decided(Screening(kind, reasons, rule="rule", by_words=True))
    assert [type(action) for action in actions] == [OpenCase, WithholdAcknowledgement]
    assert actions[0].no_reply_rule == "rule"
    assert actions[1].reasons == (NoReplyReason.MACHINE_TEXT,)


@pytest.mark.parametrize("kind", BY_WORDS)
@pytest.mark.parametrize(
    "assessment",
    [
        replace(URGENT, band_reason="model"),
        replace(URGENT, band=Band.POSSIBLE, band_reason="softened_rule"),
        replace(URGENT, band=Band.POSSIBLE, band_reason="classifier_error"),
        replace(NORMAL, danger=True),
    ],
)
def test_by_words_alone_and_haste_or_danger_is_an_open_case_without_acknowledgement(kind, assessment) -> None:
    actions = decided(Screening(kind, (NoReplyReason.MACHINE_TEXT,), rule="rule", by_words=True), assessment)
    assert [type(action) for action in actions[:3]] == [OpenCase, WithholdAcknowledgement, PrepareDraft]
    assert actions[0].no_reply_rule == ""


def test_a_language_that_the_model_does_not_know_is_no_sign_of_haste() -> None:
    unknown = replace(URGENT, band=Band.POSSIBLE, band_reason="language")
    actions = decided(Screening(MessageKind.AUTO_REPLY, rule="rule", by_words=True), unknown)
    assert actions[0].no_reply_rule == "rule"


def test_in_its_case_a_machine_by_its_words_counts_as_a_message_only_when_it_stands_out() -> None:
    screening = Screening(MessageKind.AUTO_REPLY, (NoReplyReason.AUTO_REPLY_SUBJECT,), rule="rule", by_words=True)
    case = a_case(arrived=ARRIVED)
    assert decided(screening, thread=Thread(case=case)) == (AttachToCase(case.id, "rule"),)
    urgent = decided(screening, replace(URGENT, band_reason="model"), thread=Thread(case=case))
    assert isinstance(urgent[0], AppendToCase)
    assert urgent[0].raised_to is Band.URGENT
