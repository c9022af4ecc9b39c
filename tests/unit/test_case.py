"""The table of moves, and the property that nothing leaves it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.core.case import MOVES, CaseState, move, state_after_sender_wrote
from triage.core.conversation import subject_tokens, thread_ids
from triage.core.mail import EmailAddress, ParsedMail
from triage.errors import NotAllowed


@given(st.lists(st.sampled_from(CaseState)))
def test_no_sequence_of_moves_leaves_the_table(wanted: list[CaseState]) -> None:
    state = CaseState.NEW
    for to in wanted:
        try:
            state = move(state, to)
        except NotAllowed:
            assert to not in MOVES[state]
        else:
            assert state is to


def test_an_answered_case_does_not_become_new() -> None:
    with pytest.raises(NotAllowed):
        move(CaseState.ANSWERED, CaseState.NEW)


@pytest.mark.parametrize("state", list(CaseState))
@pytest.mark.parametrize("taken_up", [True, False])
def test_a_message_from_the_sender_always_leaves_an_open_case_that_is_not_waiting(
    state: CaseState, taken_up: bool
) -> None:
    after = state_after_sender_wrote(state, taken_up=taken_up)
    assert after in (CaseState.NEW, CaseState.IN_PROGRESS)
    assert move(state, after) is after


def test_tokens_are_found_in_any_case_and_only_whole() -> None:
    assert [t.check_code for t in subject_tokens("Re: uw vraag [jl-2026-00042-k7] en [JL-2026-00042-K7]")] == ["K7"]
    assert subject_tokens("JL-2026-00042 zonder haken, [JL-2026-42-K7], [JL-2026-00042]") == ()


def test_a_mail_never_threads_on_its_own_or_an_empty_id() -> None:
    mail = ParsedMail(message_id="<a@x>", in_reply_to=("<a@x>", ""), references=("<r1@x>", "<r2@x>"))
    assert thread_ids(mail) == ("<r2@x>", "<r1@x>")


def test_addresses_compare_without_case_and_with_ascii_domain() -> None:
    assert EmailAddress("Jan@Zorg.Example").normalised == EmailAddress("jan@zorg.example").normalised
    assert EmailAddress("a@bücher.example").normalised == EmailAddress("a@xn--bcher-kva.example").normalised
    assert EmailAddress("a+b@x.example").normalised != EmailAddress("a@x.example").normalised
