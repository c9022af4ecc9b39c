"""Conversations: what joins a case, what only proposes to, and what a person decides of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.header import Header
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.integration.harness import US, Harness, mail
from tests.servers import postgresql
from triage.adapters import migrate
from triage.adapters.store import open_store
from triage.adapters.tables import outbox
from triage.core.assessment import Band
from triage.core.case import CaseState, LinkState
from triage.core.gate import Finding
from triage.errors import ConflictError, NotAllowed, NotFound
from triage.ports import CaseFilter, CasePage

FIRST, SECOND, THIRD = "JL-2026-00001", "JL-2026-00002", "JL-2026-00003"
ASKER = "vrager1@mensen.example"
STRANGER = "Vreemde <vreemde@elders.example>"


def page(desk: Harness, reference: str = FIRST) -> CasePage:
    return desk.store.queries.case_page(reference)


def texts(desk: Harness, reference: str = FIRST) -> list[str]:
    return [message.new_text for message in page(desk, reference).messages]


def outcomes(desk: Harness) -> list[str]:
    return [str(taken.outcome) for taken in desk.taken]


def acknowledgements(desk: Harness) -> list[str]:
    desk.relay_once()
    return [envelope.forward_path for envelope, raw in desk.sender.sent if b"auto-replied" in raw]


def our_id(desk: Harness, number: int = 0) -> str:
    """The Message-ID of the n-th mail we sent."""
    desk.relay_once()
    found = re.search(rb"^Message-ID: (<[^>]+>)", desk.sender.sent[number][1], re.MULTILINE)
    assert found
    return found[1].decode()


@pytest.fixture
def asked(desk: Harness) -> Harness:
    """One question, acknowledged."""
    desk.mailbox.deliver(mail(1))
    desk.poll()
    desk.relay_once()
    return desk


def send(desk: Harness, number: int, **changes: str) -> None:
    desk.later(minutes=1)
    desk.mailbox.deliver(mail(number, **{"sender": ASKER, **changes}))
    desk.poll()


def answer(desk: Harness, reference: str = FIRST) -> None:
    """A person answers the case and the reply leaves."""
    shown = page(desk, reference)
    user = desk.user(name=f"antwoord-{reference}")
    draft = desk.approval.save_draft(
        reference,
        user=user,
        base_revision=shown.drafts[0].revision,
        content=type(shown.drafts[0].content)(
            shown.drafts[0].content.to, (), shown.drafts[0].content.subject, "Goedemiddag,\n\nDit is het antwoord."
        ),
    )
    desk.approval.approve(
        reference,
        user=user,
        revision=draft.revision,
        content_hash=draft.content_hash,
        seen_messages=sum(one.direction == "in" for one in shown.messages),
    )
    desk.later(seconds=30)
    desk.relay_once()
    assert page(desk, reference).case.state is CaseState.ANSWERED


# ---------------------------------------------------------------- who joins


@pytest.mark.protocol("A20")
def test_a_reply_of_the_asker_joins_by_id_and_gets_no_second_acknowledgement(asked: Harness) -> None:
    send(asked, 2, headers=f"In-Reply-To: {our_id(asked)}\r\n", body="Ik vergat mijn telefoonnummer.")
    send(asked, 3, headers="References: <vraag-1@mensen.example>\r\n", body="En nog iets over de wmo.")
    assert outcomes(asked)[1:] == ["follow_up", "follow_up"]
    assert len(texts(asked)) == 3
    assert acknowledgements(asked) == [ASKER]


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Uw vraag {token}",
        "Antw: AW: SV: Fwd: {token}",
        "Betr.: {lower}",
        "Een nieuwe mail met mijn nummer {bare}",
        "{encoded}",
        "Uw vraag\r\n {token}",
        "Re: {dashes}",
    ],
)
def test_the_token_in_a_fresh_mail_of_the_asker_joins_however_it_is_written(asked: Harness, subject: str) -> None:
    token = page(asked).case.subject_token
    written = subject.format(
        token=token,
        lower=token.lower(),
        bare=token.strip("[]"),
        encoded=Header(f"Réponse: {token}", "utf-8", maxlinelen=40).encode(linesep="\r\n"),
        dashes=Header(token.replace("-", "\u2011"), "utf-8").encode(),
    )
    send(asked, 2, subject=written, body="Nog een vraag.")
    assert outcomes(asked)[1:] == ["follow_up"]


def test_who_was_copied_by_the_asker_is_no_stranger(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, headers="Cc: Zus <zus@familie.example>\r\nReply-To: thuis@mensen.example\r\n"))
    desk.poll()
    quoted = "In-Reply-To: <vraag-1@mensen.example>\r\n"
    send(desk, 2, sender="ZUS@Familie.Example", headers=quoted, body="Ik ben de zus. Zij kan niet meer lopen.")
    send(desk, 3, sender="thuis@mensen.example", headers=quoted, body="Vanaf mijn andere adres.")
    assert outcomes(desk) == ["case", "follow_up", "follow_up"]


def test_who_got_our_reply_is_no_stranger(asked: Harness) -> None:
    shown = page(asked)
    user = asked.user()
    content = shown.drafts[0].content
    draft = asked.approval.save_draft(
        FIRST,
        user=user,
        base_revision=shown.drafts[0].revision,
        content=type(content)(
            content.to, ("wijkteam@gemeente.example",), content.subject, "Goedemiddag, ons antwoord."
        ),
    )
    asked.approval.approve(
        FIRST,
        user=user,
        revision=draft.revision,
        content_hash=draft.content_hash,
        seen_messages=1,
        ticked=frozenset({Finding.UNKNOWN_RECIPIENT}),
    )
    asked.later(minutes=1)
    asked.relay_once()
    reply = next(raw for _, raw in asked.sender.sent if b"ons antwoord" in raw)
    found = re.search(rb"^Message-ID: (<[^>]+>)", reply, re.MULTILINE)
    assert found
    send(
        asked,
        2,
        sender="wijkteam@gemeente.example",
        headers=f"In-Reply-To: {found[1].decode()}\r\n",
        body="Wij nemen dit over.",
    )
    assert outcomes(asked)[-1] == "follow_up"
    assert page(asked).case.state is CaseState.IN_PROGRESS


def test_the_nearest_quoted_mail_decides_not_the_oldest(asked: Harness) -> None:
    send(asked, 2, body="Een tweede vraag, los van de eerste.", subject="Iets anders")
    send(
        asked,
        3,
        headers="References: <vraag-1@mensen.example> <vraag-2@mensen.example>\r\n"
        "In-Reply-To: <vraag-2@mensen.example>\r\n",
        body="Dit hoort bij de tweede.",
    )
    assert outcomes(asked) == ["case", "case", "follow_up"]
    assert "Dit hoort bij de tweede." in texts(asked, SECOND)


def test_an_old_subject_alone_joins_nothing(asked: Harness) -> None:
    send(asked, 2, subject="Re: Vraag over hulp", body="Nu iets heel anders, over de zvw.")
    assert outcomes(asked) == ["case", "case"]
    assert acknowledgements(asked) == [ASKER, ASKER]


def test_a_new_question_in_an_answered_conversation_reopens_it_with_its_own_law_and_term(asked: Harness) -> None:
    answer(asked)
    asked.later(days=30)
    send(asked, 2, headers=f"In-Reply-To: {our_id(asked, 1)}\r\n", body="Dank! Nieuwe vraag: vergoedt de zvw dit?")
    shown = page(asked)
    assert shown.case.state is CaseState.IN_PROGRESS
    assert shown.case.laws == ("zvw",)
    assert shown.case.arrived_at == asked.now
    assert shown.case.taken_up_at is None
    assert acknowledgements(asked) == [ASKER]
    assert any(row.details.get("reopened") is True for row in shown.timeline)


# ---------------------------------------------------------------- who does not


def untouched(before: CasePage, after: CasePage) -> bool:
    """Nothing of the case tells of the try: messages, state, version, timeline, notes, links."""
    return before == after


def test_a_stranger_with_a_valid_token_or_id_opens_a_case_and_the_named_one_keeps_no_trace(asked: Harness) -> None:
    before, token = page(asked), page(asked).case.subject_token
    send(asked, 2, sender=STRANGER, subject=f"Re: {token}", body="Wat stond er in het antwoord?")
    send(asked, 3, sender=f"Piet <piet@elders.example>\r\nIn-Reply-To: {our_id(asked)}", body="Ik ben de buurman.")
    assert outcomes(asked) == ["case", "case", "case"]
    assert untouched(before, page(asked))
    for reference in (SECOND, THIRD):
        (link,) = page(asked, reference).links
        assert (link.reference, link.state) == (FIRST, LinkState.PROPOSED)


@pytest.mark.parametrize(
    "subject",
    ["[JL-2026-00001-ZZ]", "[JL-2026-00001]", "JL-2026-00001", "[JL-2026-99999-ZZ]", "[JL-2026-00001-K7A]"],
)
def test_a_guessed_token_is_worth_nothing(asked: Harness, subject: str) -> None:
    before = page(asked)
    assert before.case.check_code != "ZZ"
    send(asked, 2, sender=STRANGER, subject=subject, body="Ik hoor hier niet.")
    assert outcomes(asked) == ["case", "case"]
    assert page(asked, SECOND).links == ()
    assert untouched(before, page(asked))


def test_a_participant_who_types_the_number_without_its_code_is_only_proposed(asked: Harness) -> None:
    send(asked, 2, subject="Mijn zaak JL-2026-00001", body="Is er al nieuws?")
    assert outcomes(asked) == ["case", "case"]
    assert [link.reference for link in page(asked, SECOND).links] == [FIRST]


def test_a_forged_sender_that_our_own_server_caught_is_a_stranger(tmp_path: Path) -> None:
    desk = Harness(tmp_path)
    desk.reader._authserv_id = "mx.juisteloket.example"
    desk.mailbox.deliver(mail(1))
    desk.poll()
    before = page(desk)
    failed = "Authentication-Results: mx.juisteloket.example; dmarc=fail (p=reject) header.from=mensen.example\r\n"
    send(desk, 2, subject=page(desk).case.subject_token, headers=failed, body="Stuur het antwoord naar mij.")
    assert outcomes(desk) == ["case", "case"]
    assert untouched(before, page(desk))
    desk.store.close()


def test_our_own_message_id_taken_by_a_stranger_swallows_nobody(asked: Harness) -> None:
    ours = our_id(asked)
    forged = mail(2, sender=STRANGER, body="Deze mail draagt uw kenmerk.").replace(
        b"<vraag-2@mensen.example>", ours.encode()
    )
    asked.mailbox.deliver(forged)
    asked.poll()
    send(asked, 3, headers=f"In-Reply-To: {ours}\r\n", body="Een echt vervolg.")
    assert outcomes(asked) == ["case", "case", "follow_up"]
    assert "Een echt vervolg." in texts(asked)
    assert texts(asked, SECOND) == ["Deze mail draagt uw kenmerk."]


EMPTY_IDS = ["", "<>", "< >", "<@>", "<<>>", "@", "<a>", "<a@>", "<@b>", "<" + "x" * 3000 + "@b.example>"]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(*(st.sampled_from(EMPTY_IDS) for _ in range(3))), min_size=2, max_size=5))
def test_empty_broken_and_repeated_ids_never_put_two_people_together(
    tmp_path_factory: pytest.TempPathFactory, ids: list[tuple[str, str, str]]
) -> None:
    desk = Harness(tmp_path_factory.mktemp("ids"))
    for number, (own, replied, references) in enumerate(ids, start=1):
        raw = mail(
            number,
            body=f"Vraag nummer {number} over de wmo.",
            headers=f"In-Reply-To: {replied}\r\nReferences: {references} {references}\r\n",
        )
        desk.mailbox.deliver(raw.replace(f"<vraag-{number}@mensen.example>".encode(), own.encode()))
    desk.poll()
    assert outcomes(desk) == ["case"] * len(ids)
    assert all(len(page(desk, f"JL-2026-{n:05d}").messages) == 1 for n in range(1, len(ids) + 1))
    desk.store.close()


def test_one_message_id_used_by_two_people_stays_two_cases_and_each_answer_finds_its_own(desk: Harness) -> None:
    same = b"<automatisch@website.example>"
    for number in (1, 2):
        body = f"Vraag {number}"
        desk.mailbox.deliver(mail(number, body=body).replace(f"<vraag-{number}@mensen.example>".encode(), same))
    desk.poll()
    for number in (1, 2):
        send(
            desk,
            number + 2,
            sender=f"vrager{number}@mensen.example",
            headers=f"In-Reply-To: {same.decode()}\r\n",
            body=f"Vervolg van {number}",
        )
    assert outcomes(desk) == ["case", "case", "follow_up", "follow_up"]
    assert texts(desk, FIRST) == ["Vraag 1", "Vervolg van 1"]
    assert texts(desk, SECOND) == ["Vraag 2", "Vervolg van 2"]


# ---------------------------------------------------------------- one mail, two addresses


def test_one_mail_to_two_of_our_addresses_is_one_case_and_one_acknowledgement(desk: Harness) -> None:
    first = mail(1)
    same_id = first.replace(b"To: " + US.encode(), b"To: info@juisteloket.example")
    recoded = first.replace(b"charset=utf-8", b"charset=us-ascii\r\nContent-Transfer-Encoding: 7bit")
    other_id = mail(2, sender="Vrager Nummer <vrager1@mensen.example>").replace(
        b"To: " + US.encode(), b"To: info@juisteloket.example"
    )
    for raw in (b"Received: from een\r\n" + first, b"Received: from twee\r\n" + first, same_id, recoded, other_id):
        desk.mailbox.deliver(raw)
    desk.poll()
    assert outcomes(desk) == ["case", "attached", "attached", "attached", "attached"]
    assert len(page(desk).messages) == 4  # each other form is kept with its bytes, the very same one once
    assert len(set(texts(desk))) == 1
    assert acknowledgements(desk) == [ASKER]
    assert desk.summary()["unaccounted"] == 0
    # an answer to the other form finds the case
    send(desk, 3, headers="In-Reply-To: <vraag-2@mensen.example>\r\n", body="Een aanvulling.")
    assert outcomes(desk)[-1] == "follow_up"


def test_the_same_words_again_to_the_same_address_or_much_later_are_a_new_mail(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1))
    desk.mailbox.deliver(mail(2, sender="Vrager Nummer <vrager1@mensen.example>"))
    desk.later(hours=2)
    desk.mailbox.deliver(
        mail(3, sender="Vrager Nummer <vrager1@mensen.example>").replace(
            b"To: " + US.encode(), b"To: info@juisteloket.example"
        )
    )
    desk.poll()
    assert outcomes(desk) == ["case", "case", "case"]


@pytest.mark.protocol("A26")
def test_our_own_receipt_that_comes_back_is_recognised(asked: Harness) -> None:
    receipt = asked.sender.sent[0][1]
    asked.mailbox.deliver(receipt)
    forwarded_by_a_list = receipt.replace(f"From: Juiste Loket <{US}>".encode(), b"From: lijst@elders.example")
    asked.mailbox.deliver(b"Received: from elders\r\n" + forwarded_by_a_list)
    asked.poll()
    assert set(outcomes(asked)[1:]) <= {"ignored", "attached"}
    assert asked.taken[1].kind == "own"
    assert acknowledgements(asked) == [ASKER]
    assert asked.summary()["cases"] == 1
    assert page(asked).case.state is CaseState.NEW


# ---------------------------------------------------------------- two mails that look like one

INFO = "info@juisteloket.example"
FORM = "Formulier <form@site.example>"


def written(number: int, *, to: str = US, **changes: str) -> bytes:
    return mail(number, **changes).replace(f"To: {US}".encode(), f"To: {to}".encode())


def test_two_visitors_of_one_form_with_the_same_words_are_two_cases(desk: Harness) -> None:
    for number, (visitor, to) in enumerate((("ans@thuis.example", US), ("bob@thuis.example", INFO)), start=1):
        raw = written(number, to=to, sender=FORM, headers=f"Reply-To: {visitor}\r\n", body="Graag terugbellen, wmo.")
        desk.mailbox.deliver(raw)
    desk.poll()
    assert outcomes(desk) == ["case", "case"]


@pytest.mark.parametrize("change", [(b"ans@thuis", b"bob@thuis"), (b"08:51:00", b"08:52:00")])
def test_a_form_with_one_message_id_for_all_its_mails_opens_a_case_for_each(
    desk: Harness, change: tuple[bytes, bytes]
) -> None:
    raw = mail(1, sender=FORM, headers="Reply-To: ans@thuis.example\r\n", body="Graag terugbellen over de wmo.")
    desk.mailbox.deliver(raw)
    desk.poll()
    desk.later(days=1)
    desk.mailbox.deliver(raw.replace(*change))
    desk.poll()
    assert outcomes(desk) == ["case", "case"]


@pytest.mark.parametrize(
    "change",
    [
        (b"Subject: Vraag", b"Subject: [EXTERN] Vraag"),
        (b"\r\n\r\nGoedemiddag", b"\r\n\r\nLET OP: deze mail komt van buiten.\r\n\r\nGoedemiddag"),
        (b"moeder?\r\n", b"moeder?\r\n\r\n_____\r\nDeze mail is gescand door een virusscanner.\r\n"),
    ],
)
@pytest.mark.parametrize("moved", [False, True], ids=["alias", "new-uidvalidity"])
def test_one_mail_that_was_tagged_on_the_way_is_one_case_and_one_acknowledgement(
    asked: Harness, change: tuple[bytes, bytes], moved: bool
) -> None:
    tagged = mail(1).replace(*change)
    assert tagged != mail(1)
    if moved:
        asked.mailbox.mails.clear()
        asked.mailbox.new_uidvalidity()
        asked.later(days=3)
    asked.mailbox.deliver(tagged)
    asked.poll()
    assert outcomes(asked) == ["case", "attached"]
    assert acknowledgements(asked) == [ASKER]
    assert len(page(asked).messages) == 2  # its bytes are kept
    asked.mailbox.deliver(b"Received: from elders\r\n" + tagged)
    asked.poll()
    assert (outcomes(asked)[-1], len(page(asked).messages)) == ("attached", 2)


def test_other_words_under_a_message_id_that_was_used_before_are_a_question_of_their_own(asked: Harness) -> None:
    other = mail(1, body="Mijn vader valt steeds en niemand komt langs. Vergoedt de zvw verpleging thuis?")
    asked.mailbox.deliver(other)
    asked.poll()
    assert outcomes(asked) == ["case", "case"]


def test_a_copy_that_comes_after_the_approval_does_not_keep_the_case_open(asked: Harness) -> None:
    shown = page(asked)
    content = shown.drafts[0].content
    user = asked.user()
    draft = asked.approval.save_draft(
        FIRST,
        user=user,
        base_revision=shown.drafts[0].revision,
        content=type(content)(content.to, (), content.subject, "Goedemiddag,\n\nDit is het antwoord."),
    )
    asked.approval.approve(FIRST, user=user, revision=draft.revision, content_hash=draft.content_hash, seen_messages=1)
    asked.later(seconds=10)
    asked.mailbox.deliver(mail(1).replace(b"Subject: Vraag", b"Subject: [EXTERN] Vraag"))
    asked.poll()
    asked.later(seconds=30)
    asked.relay_once()
    assert page(asked).case.state is CaseState.ANSWERED


def test_a_visitor_of_a_form_does_not_join_the_case_of_another_visitor(desk: Harness) -> None:
    thread = "References: <form-thread@site.example> <vraag-1@mensen.example>\r\n"
    for number, visitor in ((1, "ans"), (2, "bob"), (3, "bob"), (4, "ans")):
        headers = f"Reply-To: {visitor}@thuis.example\r\n{thread if number > 1 else ''}"
        send(desk, number, sender=FORM, headers=headers, body=f"{visitor} vraagt iets over de wmo, nummer {number}.")
    send(desk, 5, sender=FORM, headers=thread, body="Wie ben ik?")
    send(desk, 6, sender="ans@thuis.example", headers=thread, body="Nu uit mijn eigen mail.")
    assert outcomes(desk) == ["case", "case", "follow_up", "follow_up", "case", "follow_up"]
    assert [len(page(desk, one).messages) for one in (FIRST, SECOND, THIRD)] == [3, 2, 1]
    assert all("bob" not in text for text in texts(desk))
    for reference in (SECOND, THIRD):
        assert [(link.reference, link.state) for link in page(desk, reference).links] == [(FIRST, LinkState.PROPOSED)]


def test_naming_a_participant_as_reply_address_opens_no_door(asked: Harness) -> None:
    headers = f"Reply-To: {ASKER}\r\nIn-Reply-To: <vraag-1@mensen.example>\r\n"
    send(asked, 2, sender=STRANGER, headers=headers, body="Ik schrijf namens haar.")
    assert outcomes(asked) == ["case", "case"]


# ---------------------------------------------------------------- what a person decides


@pytest.fixture
def proposed(asked: Harness) -> Harness:
    """A second case that names the first one, by a stranger with the token; urgent."""
    token = page(asked).case.subject_token
    send(asked, 2, sender=STRANGER, subject=f"Re: {token}", body="Mijn buurvrouw: palliative-marker, zvw, wie helpt?")
    asked.relay_once()
    return asked


def decide(desk: Harness, act: str, reference: str = SECOND, other: str = FIRST, **changes: int) -> None:
    user = desk.store.accounts.by_username("besluit")
    who = user.user if user else desk.user(name="besluit")
    version = changes.get("version", page(desk, reference).case.version)
    getattr(desk.casework.linking, act)(reference, user=who, version=version, other=other)


def test_accepting_moves_the_message_closes_the_empty_case_and_tells_both_timelines(proposed: Harness) -> None:
    sent = len(proposed.sender.sent)
    decide(proposed, "accept_link")
    kept, emptied = page(proposed), page(proposed, SECOND)
    assert [message.from_address for message in kept.messages] == [ASKER, "vreemde@elders.example"]
    assert emptied.messages == ()
    assert emptied.case.state is CaseState.CLOSED
    assert kept.case.band is Band.URGENT  # urgency rises with the message
    assert kept.case.take_up_due is not None and kept.case.taken_up_at is None
    assert (kept.timeline[-1].action, kept.timeline[-1].details["other"]) == ("messages_joined", SECOND)
    assert (emptied.timeline[-1].action, emptied.timeline[-1].details["other"]) == ("link_accepted", FIRST)
    # each case keeps the one acknowledgement it had, and none is added
    assert kept.acknowledgement is not None and emptied.acknowledgement is not None
    proposed.relay_once()
    assert len(proposed.sender.sent) == sent
    assert [link.state for link in emptied.links] == [LinkState.ACCEPTED]
    assert proposed.summary()["unaccounted"] == 0


def test_after_accepting_further_mail_of_both_joins_the_case_that_is_left(proposed: Harness) -> None:
    stranger_receipt = our_id(proposed, 1)
    token = page(proposed, SECOND).case.subject_token
    decide(proposed, "accept_link")
    send(proposed, 3, sender=STRANGER, headers=f"In-Reply-To: {stranger_receipt}\r\n", body="Vervolg met kenmerk.")
    send(proposed, 4, sender=STRANGER, subject=f"Re: {token}", body="Vervolg met nummer van de oude zaak.")
    assert outcomes(proposed)[-2:] == ["follow_up", "follow_up"]
    assert len(page(proposed).messages) == 4
    assert page(proposed, SECOND).case.state is CaseState.CLOSED


def test_accepting_reopens_an_answered_case(proposed: Harness) -> None:
    answer(proposed)
    decide(proposed, "accept_link")
    assert page(proposed).case.state is CaseState.IN_PROGRESS
    assert page(proposed).case.answered_at is None


def test_refusing_keeps_them_apart_for_good(proposed: Harness) -> None:
    before = page(proposed)
    decide(proposed, "refuse_link")
    assert page(proposed) == before  # no trace on the case that was named
    token = before.case.subject_token
    send(proposed, 3, sender=STRANGER, subject=f"Nog eens {token}", body="Toch hoort dit erbij.")
    assert outcomes(proposed)[-1] == "follow_up"  # of the stranger's own case
    assert "Toch hoort dit erbij." in texts(proposed, SECOND)
    assert page(proposed) == before
    assert [link.state for link in page(proposed, SECOND).links] == [LinkState.REFUSED]


def test_an_undecided_stranger_gets_one_case_however_often_the_token_comes(proposed: Harness) -> None:
    token = page(proposed).case.subject_token
    for number in (3, 4, 5):
        send(proposed, number, sender=STRANGER, subject=f"Re: {token}", body=f"Poging {number}")
    assert outcomes(proposed)[2:] == ["follow_up"] * 3
    assert proposed.summary()["cases"] == 2
    assert len([one for one in acknowledgements(proposed) if one.startswith("vreemde")]) == 1


def test_a_decision_is_made_once_on_what_was_seen_and_only_on_what_was_proposed(proposed: Harness) -> None:
    with pytest.raises(ConflictError):
        decide(proposed, "accept_link", version=99)
    with pytest.raises(NotAllowed):
        decide(proposed, "accept_link", reference=FIRST, other=SECOND)  # the other way round was never proposed
    with pytest.raises(NotAllowed):
        decide(proposed, "accept_link", other=SECOND)
    with pytest.raises(NotFound):
        decide(proposed, "accept_link", other=THIRD)
    decide(proposed, "accept_link")
    with pytest.raises(ConflictError):
        decide(proposed, "refuse_link")
    with pytest.raises(ConflictError):
        decide(proposed, "accept_link")


def test_a_reply_on_its_way_is_not_left_behind(proposed: Harness) -> None:
    shown = page(proposed, SECOND)
    user = proposed.user()
    draft = proposed.approval.save_draft(
        SECOND,
        user=user,
        base_revision=shown.drafts[0].revision,
        content=type(shown.drafts[0].content)(("vreemde@elders.example",), (), "Uw vraag", "Goedemiddag, antwoord."),
    )
    proposed.approval.approve(
        SECOND, user=user, revision=draft.revision, content_hash=draft.content_hash, seen_messages=1
    )
    with pytest.raises(ConflictError):
        decide(proposed, "accept_link")
    assert len(page(proposed, SECOND).messages) == 1


def test_what_was_merged_is_erased_with_the_case_that_took_it_over(proposed: Harness) -> None:
    decide(proposed, "accept_link")
    assert page(proposed, SECOND).drafts[0].content.body
    with proposed.store.begin() as uow:
        case_id = uow.case_by_reference(FIRST)
        assert case_id is not None
        uow.erase_case(case_id, by="system", at=proposed.now)
    emptied = page(proposed, SECOND)
    assert emptied.contact_address == "" and [draft.content.body for draft in emptied.drafts] == [""] * len(
        emptied.drafts
    )
    with proposed.store.engine.connect() as connection:
        assert not connection.execute(select(outbox.c.raw).where(outbox.c.raw.is_not(None))).scalars().all()
    assert [message.text for message in page(proposed).messages] == ["", ""]


# ---------------------------------------------------------------- two people at once


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """A helpdesk on each of the two databases."""
    if request.param == "sqlite":
        desk = Harness(tmp_path)
        yield desk
        desk.store.close()
        return
    with postgresql.running() as server, server.database() as url:
        migrate.upgrade(url)
        desk = Harness(tmp_path, open_with=lambda _, keyring: open_store(url, keyring))
        yield desk
        desk.store.close()


def outcome_of(act: object) -> str:
    try:
        act()  # type: ignore[operator]
    except ConflictError:
        return "conflict"
    return "done"


@pytest.mark.protocol("F28")
def test_two_people_approve_one_draft_at_once_and_one_mail_leaves(either: Harness) -> None:
    either.mailbox.deliver(mail(1))
    either.poll()
    either.relay_once()
    users = [either.user(name=name) for name in ("een", "twee")]
    draft = page(either).drafts[0]
    saved = either.approval.save_draft(
        FIRST,
        user=users[0],
        base_revision=draft.revision,
        content=type(draft.content)(draft.content.to, (), draft.content.subject, "Goedemiddag, dit is het antwoord."),
    )

    def approve(number: int) -> str:
        return outcome_of(
            lambda: either.approval.approve(
                FIRST,
                user=users[number],
                revision=saved.revision,
                content_hash=saved.content_hash,
                seen_messages=1,
            )
        )

    with ThreadPoolExecutor(2) as pool:
        results = sorted(pool.map(approve, (0, 1)))
    assert results == ["conflict", "done"]
    either.later(minutes=1)
    either.relay_once()
    assert len([raw for _, raw in either.sender.sent if b"dit is het antwoord" in raw]) == 1


def test_two_people_decide_at_once_and_one_decision_holds(either: Harness) -> None:
    either.mailbox.deliver(mail(1))
    either.poll()
    token = page(either).case.subject_token
    send(either, 2, sender=STRANGER, subject=f"Re: {token}", body="Ik hoor hierbij.")
    users = [either.user(name=name) for name in ("een", "twee")]
    version = page(either, SECOND).case.version
    acts = (either.casework.linking.accept_link, either.casework.linking.refuse_link)
    with ThreadPoolExecutor(2) as pool:
        results = sorted(
            pool.map(lambda n: outcome_of(lambda: acts[n](SECOND, user=users[n], version=version, other=FIRST)), (0, 1))
        )
    assert results == ["conflict", "done"]
    moved = len(page(either).messages) == 2
    (link,) = page(either, SECOND).links
    assert link.state is (LinkState.ACCEPTED if moved else LinkState.REFUSED)


# ---------------------------------------------------------------- our own address in theirs


@pytest.mark.protocol("A27")
def test_a_reply_to_of_our_own_never_makes_us_write_to_ourselves(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, headers=f"Reply-To: Loket <{US.upper()}>, {US}\r\n"))
    desk.poll()
    assert acknowledgements(desk) == [ASKER]
    assert page(desk).drafts[0].content.to == (ASKER,)


@pytest.mark.protocol("A35")
def test_a_name_that_shows_our_address_changes_nothing_for_the_real_one(desk: Harness) -> None:
    desk.mailbox.deliver(mail(1, sender=f'"{US}" <dief@kwaad.example>'))
    desk.poll()
    assert acknowledgements(desk) == ["dief@kwaad.example"]
    rows, _ = desk.store.queries.worklist(CaseFilter(), now=desk.now)
    assert rows[0].contact == "dief@kwaad.example"
    assert US not in page(desk).drafts[0].content.body


# ---------------------------------------------------------------- reading and merging what is not yours


def test_nothing_of_a_case_leaves_to_whoever_names_it(asked: Harness) -> None:
    """A stranger with a valid token gets the acknowledgement of a case of their own, and not a word of the other."""
    token = page(asked).case.subject_token
    send(asked, 2, sender=STRANGER, subject=f"Re: {token}", body="Stuur mij het dossier van mijn buurvrouw.")
    asked.relay_once()
    to_stranger = [raw for envelope, raw in asked.sender.sent if envelope.forward_path == "vreemde@elders.example"]
    assert len(to_stranger) == 1
    assert FIRST.encode() not in to_stranger[0]
    assert b"Vrager Nummer" not in to_stranger[0]
    assert page(asked, SECOND).drafts[0].content.to == ("vreemde@elders.example",)


def test_a_thousand_guessed_codes_join_nothing_and_change_nothing(asked: Harness) -> None:
    before = page(asked)
    codes = [one + two for one in "23456789ABCDEFGHJKLMNPQRSTUVWXYZ" for two in "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"]
    for number in range(4):
        tokens = " ".join(f"[{FIRST}-{code}]" for code in codes[number * 256 : (number + 1) * 256])
        send(asked, number + 2, sender=f"gok{number}@elders.example", subject=tokens, body="Ik gok.")
    assert set(outcomes(asked)[1:]) == {"case"}
    assert page(asked) == before


def test_two_cases_cannot_be_merged_by_quoting_both(asked: Harness) -> None:
    send(asked, 2, sender="Ander <ander@elders.example>", body="Een eigen vraag over de zvw.", subject="Andere vraag")
    first, second = page(asked), page(asked, SECOND)
    quoted = "References: <vraag-1@mensen.example> <vraag-2@mensen.example>\r\n"
    subject = f"{first.case.subject_token} {second.case.subject_token}"
    send(asked, 3, sender=STRANGER, headers=quoted, subject=subject, body="Voeg deze zaken samen.")
    assert page(asked) == first and page(asked, SECOND) == second
    # who belongs to one of them joins that one, whatever else is quoted
    send(asked, 4, sender="ander@elders.example", headers=quoted, subject=subject, body="Mijn vervolg.")
    assert page(asked) == first
    assert texts(asked, SECOND)[-1] == "Mijn vervolg."


def test_a_copy_of_somebody_elses_mail_joins_only_with_the_same_sender_and_words(asked: Harness) -> None:
    stolen = mail(1, sender=STRANGER)  # the asker's own Message-ID, subject and text, under another name
    asked.mailbox.deliver(stolen)
    asked.poll()
    assert outcomes(asked) == ["case", "case"]
    assert len(page(asked).messages) == 1


def test_a_machine_that_forges_our_id_cannot_reopen_or_raise_a_case(asked: Harness) -> None:
    answer(asked)
    before = page(asked)
    headers = f"In-Reply-To: {our_id(asked)}\r\nAuto-Submitted: auto-replied\r\n"
    send(asked, 2, sender=STRANGER, headers=headers, subject="Automatisch antwoord", body="danger-marker")
    after = page(asked)
    assert after.case == before.case
    assert str(asked.taken[-1].outcome) == "attached"  # shown folded beside the conversation, no more


def test_a_third_mail_with_the_same_words_asks_again_though_a_copy_went_elsewhere(desk: Harness) -> None:
    sender = "Vrager Nummer <vrager1@mensen.example>"
    for number, to in ((1, US), (2, INFO), (3, US)):
        desk.mailbox.deliver(written(number, to=to, sender=sender))
    desk.poll()
    assert outcomes(desk) == ["case", "attached", "case"]
