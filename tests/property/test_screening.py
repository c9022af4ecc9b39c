"""Screening and delivery reports over anything a sender can write."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.screening_cases import AUTHSERV_ID, FIELDS_THAT_WITHHOLD, HARMLESS_FIELDS, MAILS, OWN, mail
from triage.core import bounce_text
from triage.core.automated import screen
from triage.core.mail import MessageKind, NoReplyReason, Screening
from triage.core.parse import parse_mail
from triage.core.reports import delivery_report

FIXTURES = sorted(MAILS.glob("*.eml"))
_LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


def judged(raw: bytes) -> Screening:
    return screen(parse_mail(raw), own_addresses=OWN, authserv_id=AUTHSERV_ID)


def _once(field: str) -> bool:
    """Of these fields the first one counts: the server that delivered wrote it."""
    return field.lower().startswith(("return-path:", "sender:"))


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=2_000))
def test_any_bytes_are_judged_and_read_as_a_report(raw: bytes) -> None:
    parsed = parse_mail(raw)
    result = screen(parsed, own_addresses=OWN, authserv_id=AUTHSERV_ID)
    assert list(result.reasons) == [reason for reason in NoReplyReason if reason in result.reasons]  # order, no repeats
    assert delivery_report(parsed).recipients


@settings(max_examples=150, deadline=None)
@given(
    withholding=st.lists(st.sampled_from(FIELDS_THAT_WITHHOLD), min_size=1, max_size=4, unique=True),
    harmless=st.lists(
        st.sampled_from([case for case in HARMLESS_FIELDS if not _once(case[1])]), max_size=3, unique=True
    ),
    data=st.data(),
)
def test_no_field_takes_back_what_another_withholds(
    withholding: list[tuple[str, str, NoReplyReason]], harmless: list[tuple[str, str]], data: st.DataObject
) -> None:
    """All reasons come out, in whatever order the fields stand, and one of them is enough."""
    fields = [field for _, field, _ in withholding] + [field for _, field in harmless]
    reasons = judged(mail(*data.draw(st.permutations(fields)))).reasons
    once = [field for field in fields if _once(field)]
    wanted = {reason for _, field, reason in withholding if len(once) < 2 or field not in once}
    assert reasons and wanted <= set(reasons)


@settings(max_examples=150, deadline=None)
@given(words=st.lists(_LINE, max_size=6), subject=_LINE)
def test_what_stands_in_the_text_never_makes_a_field(words: list[str], subject: str) -> None:
    fields = "Auto-Submitted: auto-replied\r\nList-Id: <x>\r\nReturn-Path: <>"
    result = judged(mail(subject=f"Vraag {subject}", text="\r\n".join([*words, fields])))
    assert not {NoReplyReason.AUTO_SUBMITTED, NoReplyReason.MAILING_LIST, NoReplyReason.NULL_REVERSE_PATH} & set(
        result.reasons
    )


@settings(max_examples=100, deadline=None)
@given(path=st.sampled_from(FIXTURES), cut=st.integers(0, 3_000), noise=st.binary(max_size=30))
def test_a_damaged_report_is_still_judged(path: Path, cut: int, noise: bytes) -> None:
    raw = path.read_bytes()
    parsed = parse_mail(raw[:cut] + noise + raw[cut + len(noise) :])
    screen(parsed, own_addresses=OWN, authserv_id=AUTHSERV_ID)
    assert len(delivery_report(parsed).recipients) <= 100


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_a_persons_own_words_before_a_report_keep_it_a_question(text: str) -> None:
    body = "Beste loket, mijn mail aan het wijkteam kwam terug. Weet u een ander adres? " + " ".join(text.split())
    body += "\r\n\r\n550 5.1.1 user unknown\r\nThe mail could not be delivered."
    assert judged(mail(subject="Mail kwam terug", text=body)).kind is not MessageKind.DELIVERY_REPORT


@pytest.mark.parametrize(
    "unit", ["a@", "550 ", "<a@x.example>: ", "delivery to ", "-- ", "could not ", "Received: from ", "automatisch "]
)
def test_time_stays_linear(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    started = time.perf_counter()
    parsed = parse_mail(mail(subject="Undeliverable " + unit * 100, sender="MAILER-DAEMON@x.example", text=text))
    screen(parsed, own_addresses=OWN, authserv_id=AUTHSERV_ID)
    delivery_report(parsed)
    bounce_text.phrase_marks(text)
    assert time.perf_counter() - started < 2.0
