"""The gate before release."""

from __future__ import annotations

import pytest

from triage.core.gate import Finding, findings, holds_bsn, mask_bsn

# passes the elfproef and is reserved for tests: published as an example number by the government
EXAMPLE_BSN = "111222333"


def found(
    body: str = "Beste lezer,\n\nU belt de gemeente.\n\n[[handtekening]]",
    subject: str = "Uw vraag",
    to=("a@b.example",),
):
    return findings(recipients=to, subject=subject, body=body, own_addresses=["meldpunt@juisteloket.example"])


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
