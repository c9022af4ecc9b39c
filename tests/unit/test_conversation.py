"""Which case a message names: tokens as clients rewrite them, ids as hostile mail writes them."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.core.conversation import (
    MOST_IDS,
    MOST_TOKENS,
    SubjectToken,
    answers_go_to,
    much_alike,
    named_references,
    subject_tokens,
    text_identity,
    thread_ids,
)
from triage.core.mail import Attachment, EmailAddress, ParsedMail
from triage.core.parse import parse_mail

TOKEN = SubjectToken("JL-2026-00042", "K7")


def parsed_subject(raw: str) -> str:
    return parse_mail(f"From: a@b.example\r\n{raw}\r\n\r\ntekst\r\n".encode()).subject


@pytest.mark.parametrize(
    "subject",
    [
        "Uw vraag [JL-2026-00042-K7]",
        "Re: Uw vraag [JL-2026-00042-K7]",
        "RE: Antw: AW: SV: Uw vraag [JL-2026-00042-K7]",
        "FW: [EXTERN] Uw vraag [JL-2026-00042-K7] (2)",
        "Betr.: uw vraag [jl-2026-00042-k7]",
        "Odp: Ynt: رد: 回复: Uw vraag [JL-2026-00042-K7]",
        "Uw vraag [ JL-2026-00042-K7 ]",
        "Uw vraag [JL-2026- 00042-K7]",
        "Uw vraag [JL-2026-000 42-K7]",
        "Uw vraag [JL\u20112026\u201100042\u2011K7]",
        "Uw vraag [JL\u20132026\u201300042\u2013K7]",
        "Uw vraag \uff3bJL-2026-00042-K7\uff3d",
        "Uw vraag [\uff2a\uff2c-2026-00042-K7]",
        "Uw vraag \u200b[JL-2026\u200b-00042-K7]",
        "JL-2026-00042-K7",
        "mijn zaaknummer is JL-2026-00042-K7, nog een vraag",
        "Kenmerk: (JL-2026-00042-K7)",
        "JL 2026".replace(" ", " - ") + " - 00042 - K7",
    ],
)
def test_a_token_is_found_however_a_client_writes_it(subject: str) -> None:
    assert subject_tokens(subject) == (TOKEN,)


@pytest.mark.parametrize(
    "header",
    [
        "Subject: Re: Uw vraag\r\n [JL-2026-00042-K7]",
        "Subject: Re: Uw vraag [JL-2026-\r\n 00042-K7]",
        "Subject: =?utf-8?q?Re=3A_Uw_vraag_=5BJL-2026-00?=\r\n =?utf-8?q?042-K7=5D?=",
        "Subject: =?iso-8859-1?Q?R=E9p=20:_Uw_vraag_[JL-2026-00042-K7]?=",
        "Subject: =?UTF-8?B?" + base64.b64encode("Antw: uw vraag – [JL-2026-00042-K7]".encode()).decode() + "?=",
        "Subject: =?utf-16?B?" + base64.b64encode("Re: [JL-2026-00042-K7]".encode("utf-16")).decode() + "?=",
    ],
)
def test_a_token_survives_coding_and_folding(header: str) -> None:
    assert subject_tokens(parsed_subject(header)) == (TOKEN,)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "Vraag over JL-2026-00042",
        "[JL-2026-00042]",
        "[JL-2026-00042-K]",
        "[JL-2026-00042-K7A]",
        "[JL-26-00042-K7]",
        "[JL-2026-42-K7]",
        "XJL-2026-00042-K7",
        "JL-2026-00042-K7-9",
        "[JL-٢٠٢٦-٠٠٠٤٢-K7]",
        "[PL-2026-00042-K7]",
    ],
)
def test_what_only_looks_like_a_token_is_none(subject: str) -> None:
    assert subject_tokens(subject) == ()


def test_many_tokens_are_bounded_and_in_order() -> None:
    subject = " ".join(f"[JL-2026-{number:05d}-K7]" for number in range(500))
    found = subject_tokens(subject)
    assert len(found) == MOST_TOKENS
    assert found[0].reference == "JL-2026-00000"
    assert subject_tokens("[JL-2026-00042-K7] [jl-2026-00042-k7]") == (TOKEN,)


def test_a_reference_without_its_code_is_only_named() -> None:
    assert named_references("Nog iets over JL-2026-00042.") == ("JL-2026-00042",)
    assert named_references("[JL-2026-00042-K7]") == ()
    assert named_references("[JL-2026-00042-ZZ] en JL-2026-00043") == ("JL-2026-00043",)


@given(st.text(max_size=5_000))
def test_any_subject_ends_quickly_and_gives_well_formed_tokens(subject: str) -> None:
    began = time.process_time()
    for token in subject_tokens(subject):
        assert token.reference.startswith("JL-") and token.reference.isascii()
        assert len(token.check_code) == 2
    assert all(reference.isascii() for reference in named_references(subject))
    assert time.process_time() - began < 1


@given(
    st.sampled_from(["Re: ", "Antw: ", "FW: ", "", "AW: WG: ", "[SPAM?] "]),
    st.text(alphabet="abc é[]()-:\u200b ", max_size=60),
    st.integers(0, 9_999_999),
    st.sampled_from("23456789ABCDEFGHJKLMNPQRSTUVWXYZ"),
    st.sampled_from("23456789ABCDEFGHJKLMNPQRSTUVWXYZ"),
)
def test_our_own_token_is_found_behind_any_words(prefix: str, words: str, number: int, one: str, two: str) -> None:
    reference = f"JL-2026-{number:05d}"
    words = words.replace("[", "(")
    assert SubjectToken(reference, one + two) in subject_tokens(f"{prefix}{words} [{reference}-{one}{two}]")


# ---------------------------------------------------------------- ids


def test_the_nearest_id_comes_first_and_the_own_id_never_counts() -> None:
    mail = ParsedMail(
        message_id="<self@a.example>",
        in_reply_to=("<near@a.example>",),
        references=("<first@a.example>", "<second@a.example>", "<near@a.example>", "<self@a.example>"),
    )
    assert thread_ids(mail) == ("<near@a.example>", "<second@a.example>", "<first@a.example>")


BLANKS = ["", "<>", "< >", "<@>", "   ", "<\t>", "<<>>", "@", "<a>", "a@b", "<a@>", "<@b>", "<a@b@c>", "<a b@c>"]


@given(
    st.lists(st.sampled_from(BLANKS), max_size=6),
    st.lists(st.sampled_from(BLANKS), max_size=30),
    st.sampled_from(BLANKS),
)
def test_empty_and_broken_ids_name_nothing(replied: list[str], references: list[str], own: str) -> None:
    raw = (
        f"Message-ID: {own}\r\nIn-Reply-To: {' '.join(replied)}\r\nReferences: {' '.join(references)}\r\n"
        "From: a@b.example\r\nSubject: x\r\n\r\ntekst\r\n"
    )
    assert thread_ids(parse_mail(raw.encode())) == ()


def test_huge_and_repeated_ids_are_bounded() -> None:
    many = " ".join(f"<{number}@a.example>" for number in range(5_000))
    huge = f"<{'x' * 100_000}@a.example>"
    raw = f"References: {many} {huge} {many}\r\nIn-Reply-To: {huge}\r\nFrom: a@b.example\r\n\r\ntekst\r\n"
    found = thread_ids(parse_mail(raw.encode()))
    assert len(found) == MOST_IDS
    assert len(set(found)) == MOST_IDS
    assert all(len(one) < 600 for one in found)


# ---------------------------------------------------------------- one mail in two forms


def form(**changes: object) -> ParsedMail:
    values: dict[str, object] = {
        "message_id": "<1@a.example>",
        "subject": "Vraag over hulp",
        "from_addresses": (EmailAddress("Anna@Post.Example", "Anna"),),
        "text": "Goedemiddag,\n\nKan mijn moeder hulp krijgen?",
    }
    return ParsedMail(**{**values, **changes})  # type: ignore[arg-type]


def test_other_ids_recipients_and_line_ends_are_the_same_mail() -> None:
    other = form(
        message_id="<2@a.example>",
        to=(EmailAddress("info@loket.example"),),
        from_addresses=(EmailAddress("anna@post.example", "A. Jansen"),),
        text="Goedemiddag,\r\n\r\nKan mijn  moeder hulp krijgen? ",
    )
    assert text_identity(form()) == text_identity(other) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "Goedemiddag, kan mijn vader hulp krijgen?"},
        {"subject": "Een andere vraag"},
        {"from_addresses": (EmailAddress("piet@post.example"),)},
        {"attachments": (Attachment("brief.pdf", "application/pdf", 10),)},
        {"reply_to": (EmailAddress("bob@post.example"),)},
        {"html": '<a href="https://portaal.example/m/2">Lees</a>'},
    ],
)
def test_another_word_sender_or_attachment_is_another_mail(changes: dict[str, object]) -> None:
    assert text_identity(form()) != text_identity(form(**changes))


def test_nothing_to_compare_is_never_the_same() -> None:
    assert text_identity(form(text=" \n")) is None
    assert text_identity(form(from_addresses=())) is None
    two = (EmailAddress("a@b.example"), EmailAddress("c@d.example"))
    assert text_identity(form(from_addresses=two)) is None


def test_the_own_address_as_reply_address_changes_nothing() -> None:
    assert text_identity(form(reply_to=(EmailAddress("ANNA@post.example"),))) == text_identity(form())


@pytest.mark.parametrize(
    ("reply_to", "answered"),
    [
        ((), None),
        (("ans@thuis.example",), "ans@thuis.example"),
        (("anna@POST.example",), None),
        (("info@loket.example",), None),  # ours: the mail is addressed to it
        (("ans@thuis.example", "bob@thuis.example"), None),
    ],
)
def test_one_other_reply_address_is_who_wants_the_answer(reply_to: tuple[str, ...], answered: str | None) -> None:
    asked = form(reply_to=tuple(map(EmailAddress, reply_to)), to=(EmailAddress("Info@loket.example"),))
    found = answers_go_to(asked)
    assert (found.address if found else None) == answered


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Wie helpt mijn moeder?", "LET OP: van buiten. Wie helpt mijn moeder?", True),
        ("Wie helpt mijn moeder?", "", True),
        ("Wie helpt mijn moeder?", "Vergoedt de zvw verpleging voor vader", False),
    ],
)
def test_a_banner_leaves_most_words(one: str, other: str, alike: bool) -> None:
    assert much_alike(one, other) is much_alike(other, one) is alike
