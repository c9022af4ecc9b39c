"""Whatever a text holds: it is read in one pass, nothing is made up, and what looks like nobody's quote is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reply_cases import ReplyCase, reply_cases
from triage.core.body import read_body
from triage.core.quotes import split
from triage.core.signature import strip_signature

# Pieces that marks of mail programs are made of, to be mixed with anything.
PIECES = st.sampled_from(
    [
        "Op di 3 mrt. 2026 om 10:12 schreef", " Jan <jan@huis.example>:", "Van: ", "Verzonden: ", "Aan: ",
        "Onderwerp: ",
        "> ", ">", "-----Oorspronkelijk bericht-----", "________________________", "-- ", "--", "\n", "\n\n", " ", ":",
        "3-3-2026 10:12", "Met vriendelijke groet,", "Verstuurd vanaf mijn iPhone", "wrote:", "schreef:", "<", "@", "*",
        "Begin doorgestuurd bericht:", "-----BEGIN PGP SIGNED MESSAGE-----", "\u00a0", "\ue003", "Zie onder.", "a" * 90,
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=30), max_size=40).map("".join)
# Sentences of a client, with the words that marks of programs begin with, but never a program's mark.
SENTENCES = st.sampled_from(
    [
        "Op 3 maart schreef de wethouder dat de hulp blijft.",
        "Van: maandag tot vrijdag komt er niemand.",
        "Aan: wie moet ik dit vragen?",
        "Mijn moeder is 84 en woont alleen.",
        "Met vriendelijke groet kreeg ik de afwijzing terug.",
        "Verzonden per post heb ik het formulier op 3 maart.",
        "Onderwerp van het gesprek was de nachtzorg.",
        "De huisarts schreef: zij kan niet alleen zijn.",
        "On Monday my father fell again.",
        "Datum van het besluit is 14 januari 2026.",
        "-- zo begint de brief van de gemeente.",
        "> 65 jaar is de grens, zeggen ze.",
        "Graag hoor ik van u, Piet.",
        "Am Montag war niemand da.",
        "Le médecin a écrit une lettre.",
        "Dit bericht gaat over mijn zus.",
    ]
)


@given(TEXTS, st.booleans(), st.booleans())
@pytest.mark.protocol("Q12")
def test_any_text_is_split(text: str, is_reply: bool, is_forward: bool) -> None:
    parts = split(text, is_reply=is_reply, is_forward=is_forward and not is_reply)
    whole = "".join(text.replace("\ue003", "").split())
    for piece in (parts.new_text, parts.forwarded_text):
        for line in piece.split("\n"):  # nothing is made up, and no word is torn
            assert "".join(line.replace("\ue003", "").split()).lstrip(">") in whole
    assert "\ue003" not in parts.new_text + parts.forwarded_text


@given(TEXTS)
@pytest.mark.protocol("Q09")
def test_there_is_new_text_whenever_there_is_text(text: str) -> None:
    body = read_body([("plain", text)], subject="Re: vraag", answers=True)
    assert bool(body.new_text.strip()) == bool(body.text.strip()) or "encrypted" in body.defects


@given(st.lists(SENTENCES, min_size=1, max_size=8), st.sampled_from(["\n", "\n\n"]), st.booleans())
@pytest.mark.protocol("Q08")
def test_sentences_of_a_first_mail_are_never_lost(sentences: list[str], gap: str, greeted: bool) -> None:
    text = gap.join(sentences) + ("\n\nGroet,\nPiet Mol" if greeted else "")
    found = read_body([("plain", text)], subject="vraag", answers=False)
    assert [line for line in text.split("\n") if line] == [line for line in found.new_text.split("\n") if line]


@given(
    st.sampled_from([case for case in reply_cases() if case.kind == "cut" and not case.html and case.answers is None]),
    st.lists(SENTENCES.filter(lambda one: one[0] != ">"), min_size=1, max_size=4),
)
@pytest.mark.protocol("Q07", "Q08")
def test_sentences_above_a_quote_are_never_lost(case: ReplyCase, sentences: list[str]) -> None:
    text = "\n".join(sentences) + "\n" + case.message
    found = read_body([("plain", text)], subject="Re: vraag", answers=False).new_text
    assert all(sentence in found for sentence in sentences)


@given(st.lists(SENTENCES, min_size=1, max_size=6))
@pytest.mark.protocol("Q11")
def test_sentences_below_a_greeting_are_never_lost(sentences: list[str]) -> None:
    lines = ["Ik heb een vraag.", "Met vriendelijke groet,", "Piet Mol", "", *sentences]
    assert all(sentence in strip_signature(lines) for sentence in sentences)
