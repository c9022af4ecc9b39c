"""Whatever stands in a mail, what we write stays valid and holds nothing of it."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.letter_cases import NOW, a_case, a_mail, assessed, letters
from triage.core.actions import Acknowledge
from triage.core.assessment import Urgency
from triage.core.compose import compose, is_writable, reply_addresses, reply_subject
from triage.core.mail import EmailAddress, ParsedMail

WHEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
HEADERS = {
    "from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding",
}  # fmt: skip
nasty = st.text(st.one_of(st.characters(), st.sampled_from('\r\n\t:<>@",;=? \x00')), max_size=200)
marker = "kenteken"


def names_of(raw: bytes) -> list[str]:
    return [name.lower() for name in email.message_from_bytes(raw, policy=policy.compat32).keys()]  # noqa: SIM118


@given(subject=nasty, text=nasty, ids=st.lists(nasty, max_size=30), address=nasty)
def test_no_value_brings_a_header_or_a_broken_line(subject: str, text: str, ids: list[str], address: str) -> None:
    to = [address] if is_writable(address) else ["jan@post.example"]
    raw = compose(
        sender=EmailAddress("loket@ons.example", "Juiste Loket"),
        to=to,
        subject=subject,
        date=WHEN,
        message_id="<een@ons.example>",
        text=text,
        in_reply_to=ids[0] if ids else None,
        references=ids,
    )
    found = names_of(raw)
    assert set(found) <= HEADERS and len(found) == len(set(found))
    assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998


@given(nasty)
def test_a_reply_subject_is_one_line_with_one_token(subject: str) -> None:
    made = reply_subject(subject, "[JL-2026-00042-K7]")
    assert made.endswith("[JL-2026-00042-K7]") and made.count("[JL-2026-00042-K7]") == 1
    assert "\n" not in made and "\r" not in made and len(made) <= 200
    assert reply_subject(made, "[JL-2026-00042-K7]") == made


@given(st.lists(nasty, max_size=5), st.lists(nasty, max_size=5))
def test_reply_addresses_can_always_be_written(one: list[str], other: list[str]) -> None:
    mail = ParsedMail(
        from_addresses=tuple(EmailAddress(text) for text in one), reply_to=tuple(EmailAddress(text) for text in other)
    )
    assert all(is_writable(address) for address in reply_addresses(mail, frozenset()))


@pytest.mark.protocol("F21")
@settings(max_examples=60, deadline=None)  # the first call reads all templates
@given(
    noise=st.lists(st.text(st.characters(categories=("L", "Nd")), min_size=1, max_size=12), max_size=6),
    language=st.sampled_from(["nl", "en", "de", "ar", "und", "zh"]),
    urgent=st.booleans(),
)
def test_the_acknowledgement_holds_no_word_of_the_mail(noise: list[str], language: str, urgent: bool) -> None:
    words = " ".join(f"{marker}{word}" for word in [*noise, "x"])
    mail = a_mail(
        words,
        name=words,
        subject=words,
        forwarded_text=words,
        html=f"<p>{words}</p>",
        headers=(("x-marker", words),),
        references=(f"<{marker}@x y>",),
    )
    letter = letters().acknowledgement(
        mail, a_case(), Acknowledge(language, NOW, NOW if urgent else None), identity_key=words, now=NOW
    )
    message = email.message_from_bytes(letter.raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    shown = [str(value) for value in message.values()] + [str(part.get_content()) for part in message.iter_parts()]
    assert not any(marker in text for text in shown)
    assert len(shown) > 4


@pytest.mark.protocol("F27")
@settings(max_examples=60, deadline=None)  # the first call reads all templates
@given(text=nasty, name=nasty, subject=nasty, urgency=st.sampled_from(list(Urgency)), unclear=st.booleans())
def test_a_draft_never_quotes_and_never_fails(
    text: str, name: str, subject: str, urgency: Urgency, unclear: bool
) -> None:
    words = f"{marker} {text} {marker}"
    mail = a_mail(words, name=f"{marker} {name}", subject=f"{marker} {subject}")
    draft = letters().draft(mail, assessed(("wmo",), ("T24",), urgency, laws_unclear=unclear), a_case())
    assert marker not in draft.body and marker not in draft.subject
    assert draft.body.count("[[handtekening]]") == 1
