"""The gate before release."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from tests.letter_cases import a_case, a_mail, assessed, letters
from triage.core.assessment import LAWS, Urgency
from triage.core.gate import (
    BLOCKING,
    Correspondents,
    Finding,
    Found,
    GateFindings,
    SecureChannel,
    findings,
    holds_bsn,
    mask_bsn,
    normalised,
)
from triage.core.readability import MOST_WORDS

# passes the elfproef and is reserved for tests: published as an example number by the government
EXAMPLE_BSN = "111222333"


THREAD = Correspondents(
    writers=normalised(["A@B.example", "thuis@b.example"]),
    copied=normalised(["buur@b.example", "a@b.example", "meldpunt@juisteloket.example"]),
    ours=normalised(["eerder@b.example"]),
)


def looked_at(
    body: str = "Beste lezer,\n\nU belt de gemeente.\n\n[[handtekening]]",
    subject: str = "Uw vraag",
    to=("a@b.example",),
    **changes,
):
    values = {"own_addresses": ["meldpunt@juisteloket.example"], "correspondents": THREAD} | changes
    return findings(recipients=to, subject=subject, body=body, **values)


def found(*args, **changes):
    return tuple(one.finding for one in looked_at(*args, **changes))


def test_a_finished_reply_may_leave() -> None:
    assert found() == ()


@pytest.mark.parametrize("written", ["111222333", "111 222 333", "1112.22.333", "BSN:111222333."])
def test_a_bsn_blocks_however_it_is_written(written: str) -> None:
    assert found(f"Uw nummer {written} staat erin") == (Finding.BSN,)


def test_a_case_reference_is_never_taken_for_a_bsn() -> None:
    for number in range(1, 400):
        assert not holds_bsn(f"Uw vraag aan het Juiste Loket [JL-2026-{number:05d}-K7]")


@pytest.mark.parametrize("number", ["030 789 78 78", "123456789", "0900-1234567", "1112223334", "20261122100"])
def test_other_numbers_do_not_block(number: str) -> None:
    assert not holds_bsn(f"Bel {number} vandaag")


@pytest.mark.parametrize("text", ["Beste [[naam]],", "U hoort bij {{ gemeente }}.", "{% if x %}"])
def test_a_place_holder_that_was_not_filled_blocks(text: str) -> None:
    assert Finding.PLACE_HOLDER in found(text)


def test_nobody_to_write_to_ourselves_and_an_empty_text_block() -> None:
    assert found(to=()) == (Finding.NO_RECIPIENT,)
    assert found(to=("MELDPUNT@juisteloket.example",)) == (Finding.OWN_RECIPIENT,)
    assert found(to=("meldpunt+zaak@juisteloket.example",)) == (Finding.OWN_RECIPIENT,)
    assert found(body="  [[handtekening]] ") == (Finding.EMPTY,)


def test_a_bsn_is_masked_and_our_references_are_not() -> None:
    assert mask_bsn("BSN 111222333, zaak") == "BSN •••••••••, zaak"
    for number in range(1, 400):
        text = f"Re: [JL-2026-{number:05d}-K7] en nog 030 789 78 78"
        assert mask_bsn(text) == text


def words(number: int) -> str:
    return " ".join(["woord"] * number)


def where(finding: Finding, *args, **changes):
    return next((one.where for one in looked_at(*args, **changes) if one.finding is finding), ())


def test_what_blocks_cannot_be_ticked_and_the_rest_can() -> None:
    assert {Finding.BSN, Finding.PLACE_HOLDER, Finding.NO_RECIPIENT, Finding.OWN_RECIPIENT, Finding.EMPTY} == BLOCKING
    assert [one.finding for one in map(Found, Finding) if one.blocks] == [one for one in Finding if one in BLOCKING]


def test_a_date_of_birth_is_shown_with_the_words_around_it() -> None:
    body = "Beste lezer,\n\nUw moeder (geb. 12-03-1950) heeft recht op hulp.\nDat is zo."
    assert found(body) == (Finding.BIRTH_DATE,)
    assert where(Finding.BIRTH_DATE, body) == ("Uw moeder (geb. 12-03-1950) heeft recht op hulp.",)
    assert found(subject="Uw vraag over mevrouw A., geboren 12-03-1950") == (Finding.BIRTH_DATE,)
    long = f"{words(30)}. Geboren op 12-03-1950. {words(30)}"
    (shown,) = where(Finding.BIRTH_DATE, long)
    assert "12-03-1950" in shown and len(shown) < 140


@pytest.mark.parametrize("address", ["a@b.example", "A@b.EXAMPLE", "thuis@b.example", "eerder@b.example"])
def test_who_wrote_who_is_to_be_answered_and_whom_we_wrote_are_no_strangers(address: str) -> None:
    assert found(to=(address,)) == ()


def test_an_address_from_nowhere_and_one_that_only_read_along_are_told_apart() -> None:
    to = ("a@b.example", "iemand@anders.example", "Buur@b.example", "a+1@b.example")
    assert found(to=to) == (Finding.UNKNOWN_RECIPIENT, Finding.OUTSIDER)
    assert where(Finding.UNKNOWN_RECIPIENT, to=to) == ("iemand@anders.example", "a+1@b.example")
    assert where(Finding.OUTSIDER, to=to) == ("Buur@b.example",)


def test_an_own_address_blocks_and_is_not_asked_about_as_well() -> None:
    assert found(to=("a@b.example", "meldpunt@juisteloket.example")) == (Finding.OWN_RECIPIENT,)


def test_a_sentence_above_the_bar_is_shown_and_one_on_it_is_not() -> None:
    assert found(f"Beste lezer,\n\n{words(MOST_WORDS)}.") == ()
    assert found(f"Beste lezer,\n\n{words(MOST_WORDS + 1)}.") == (Finding.LONG_SENTENCE,)
    shown = where(Finding.LONG_SENTENCE, f"{words(26)}.\n\n{words(90)}.")
    assert [len(one.split()) for one in shown] == [41, 26] and shown[0].endswith(" …") and len(shown[0]) <= 242


@pytest.mark.parametrize(
    "line",
    [
        f"[1] {words(40)}: https://wetten.overheid.nl/BWBR0035917",
        f"{words(24)} [[controleer deze regel: {words(10)}]]",
        f"{words(20)}\nhttps://www.juisteloket.example/een/lange/link\n{words(20)}",
        f"{words(25)}. [1] [2]",
        f"{words(20)} 030 789 78 78 {words(4)}",
    ],
)
def test_footnotes_links_and_open_places_make_no_sentence_long(line: str) -> None:
    assert Finding.LONG_SENTENCE not in found(line)


def test_a_block_that_must_be_checked_anew_is_named() -> None:
    assert found(stale=()) == ()
    assert looked_at(stale=("Toegang tot de Wlz",)) == (Found(Finding.STALE_BLOCK, ("Toegang tot de Wlz",)),)


def test_a_secure_channel_is_asked_about_only_when_it_is_required() -> None:
    asked = {one: found(secure_channel=one) for one in SecureChannel}
    assert asked == {
        SecureChannel.OFF: (),
        SecureChannel.ADVISE: (),
        SecureChannel.REQUIRE: (Finding.SECURE_CHANNEL,),
    }


def test_what_was_found_stays_out_of_errors_and_logs() -> None:
    (one,) = looked_at("Uw moeder (geb. 12-03-1950) heeft recht op hulp.")
    assert "1950" not in repr(one)
    refused = GateFindings([Finding.BSN, Finding.LONG_SENTENCE])
    assert str(refused) == "bsn, long_sentence"
    assert (refused.blocking, refused.unticked) == ((Finding.BSN,), (Finding.LONG_SENTENCE,))


@pytest.mark.parametrize("language", ["nl", "en"])
def test_nothing_is_asked_about_the_drafts_of_the_machine_but_a_rule_to_check(language: str) -> None:
    """The date of birth, the address and the length of a sentence come from people."""
    topics = [f"T{number:02}" for number in (*range(1, 37), 90, 91, 99)]
    mail = a_mail("Wie beslist hierover en wat kan ik doen?")
    known = replace(THREAD, writers=normalised([mail.from_addresses[0].address]))
    for laws, topic, urgency in itertools.product([(), *((law,) for law in LAWS), LAWS], topics, Urgency):
        draft = letters().draft(mail, assessed(laws, (topic,), urgency, language=language), a_case())
        gate = looked_at(draft.body, draft.subject, draft.to, correspondents=known)
        assert {one.finding for one in gate} <= {Finding.PLACE_HOLDER}, (laws, topic, gate)
        assert all(one.startswith(("[[controleer", "[[check this")) for found in gate for one in found.where)
