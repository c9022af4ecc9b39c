"""New text apart from quotes, signatures and forwards, in the styles of many clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from triage.core.htmltext import html_to_text, links
from triage.core.mail import ParsedMail
from triage.core.parse import parse_mail
from triage.core.quotes import split

MAILS = Path(__file__).parent.parent / "data" / "mail"
NEW = "Dank voor uw antwoord. Geldt dat ook voor mijn moeder?"


def read(name: str) -> ParsedMail:
    return parse_mail((MAILS / f"{name}.eml").read_bytes())


@pytest.mark.parametrize(
    "name",
    sorted(
        path.stem
        for pattern in ("quote-*.eml", "html-*.eml")
        for path in MAILS.glob(pattern)
        if path.stem not in ("html-only", "html-meta-charset")
    ),
)
def test_only_the_new_text_is_left(name: str) -> None:
    mail = read(name)
    assert mail.new_text == NEW
    assert "hospicezorg" in mail.text


@pytest.mark.protocol("Q07")
def test_answers_between_and_below_quotes_stay() -> None:
    mail = read("answers-inline")
    assert "Zij is 84 jaar." in mail.new_text
    assert NEW in mail.new_text
    assert "Woont zij alleen?" not in mail.new_text


@pytest.mark.protocol("Q08")
def test_sentences_that_look_like_headers_stay() -> None:
    mail = read("header-like")
    assert mail.new_text == mail.text.strip()


@pytest.mark.protocol("Q09")
def test_only_a_quote_falls_back_to_all_text() -> None:
    mail = read("only-quote")
    assert "hospicezorg" in mail.new_text
    assert "only_quote" in mail.defects


@pytest.mark.parametrize("name", ["forward-inline", "forward-only", "forward-outlook"])
def test_forwarded_text_is_available(name: str) -> None:
    mail = read(name)
    assert mail.forwarded_text == "Kan de dagbesteding doorgaan?"
    assert "wilma@anders.example" not in mail.new_text


@pytest.mark.protocol("Q10")
def test_forward_without_own_text_is_the_question() -> None:
    assert read("forward-only").new_text == "Kan de dagbesteding doorgaan?"
    assert "only_forward" in read("forward-only").defects


@pytest.mark.protocol("Q10")
def test_forward_with_own_text_keeps_both_apart() -> None:
    assert "dagbesteding" not in read("forward-inline").new_text
    assert read("forward-inline").new_text.startswith("Kunt u deze mevrouw helpen?")


@pytest.mark.protocol("Q11")
def test_signature_goes_and_postscript_stays() -> None:
    text = read("signature").new_text
    assert "Palliatief" not in text
    assert "uitsluitend bestemd" not in text
    assert text.endswith("PS: kunt u mij bellen na vijf uur?")
    assert "Marloes Jansen" in text


@pytest.mark.protocol("Q11")
def test_dashes_and_device_line() -> None:
    assert read("signature-dashes").new_text == "Mag dit?"


@pytest.mark.parametrize(
    "text",
    [
        "> 65 jaar is de grens\n> 18 jaar ook",
        "Wij wonen hier\n--\nen nu is de vraag: wie betaalt dit?",
        "Groeten uit Friesland, ik heb een vraag over zorg.",
        "Groet,\nJan\n\nKunt u mij ook zeggen wie dit betaalt?",
        "Van: maandag\nTot: vrijdag\nkomt de hulp niet.",
        "Verzonden met de post heb ik het formulier al.",
        "Dit bericht is voor mijn moeder bestemd.",
    ],
)
def test_a_customers_sentence_is_never_lost(text: str) -> None:
    kept = split(text, is_reply=False, is_forward=False).new_text
    assert all(line.strip() in kept for line in text.split("\n") if line not in ("--",))


def test_stuffed_angle_bracket_is_text() -> None:
    assert ">65 jaar is de grens." in read("flowed").new_text


def test_html_blocks_become_lines() -> None:
    html = "<div>een</div><div><br></div><div>twee &amp; drie</div><table><tr><td>a</td><td>b</td></tr></table>"
    assert html_to_text(html) == "een\n\ntwee & drie\na b"


@pytest.mark.protocol("Q06")
def test_html_cite_becomes_quote_marks() -> None:
    text = html_to_text('<p>boven</p><blockquote type="cite"><p>oud</p></blockquote><p>onder</p>')
    assert [line for line in text.split("\n") if line.strip(" >")] == ["boven", "> oud", "onder"]


def test_links_are_found_for_judging() -> None:
    assert links('<a href="https://x.example/a?b=1&amp;c=2">x</a><a href="javascript:y">y</a>') == (
        "https://x.example/a?b=1&c=2",
    )
