"""Beheer, the part about the texts of the acknowledgement: whose they are, and what a sender sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.letter_cases import letters, make_letters
from tests.unit.test_own_texts import HTML, NL, own
from tests.unit.web.fakes import NOW, Browser, World
from triage.ports import SAMPLE_KINDS
from triage.web.guard import CSP
from triage.web.letter_preview import KINDS
from triage.web.words import WORDS


def browser(who: str = "beheerder") -> Browser:
    return World(letters=letters().acknowledgements).browser().login(who)


def test_beheer_says_whose_texts_are_used(tmp_path: Path) -> None:
    page = browser().get("/beheer").text
    assert 'href="#bevestigingstekst"' in page and "gebruikt de tekst van het programma" in page
    assert 'href="/beheer/bevestiging?taal=nl&amp;soort=gewoon"' in page
    own(tmp_path, NL)
    own(tmp_path, HTML)
    theirs = World(letters=make_letters(own_texts=tmp_path).acknowledgements).browser().login("beheerder")
    page = theirs.get("/beheer").text
    assert f'<code class="breek">{NL}</code>' in page and HTML in page and "van het programma" not in page
    assert "Bevestigingstekst" not in World().browser().login("beheerder").get("/beheer").text


@pytest.mark.parametrize("language", letters().acknowledgements.languages)
@pytest.mark.parametrize(("kind", "sample"), KINDS.items())
def test_the_preview_shows_what_is_sent(language: str, kind: str, sample: str) -> None:
    letter = letters().acknowledgements.sample(language, sample, NOW)
    at = f"taal={language}&soort={kind}"
    page = browser().get(f"/beheer/bevestiging?{at}")
    assert page.status_code == 200 and f'href="/beheer/bevestiging/html?{at.replace("&", "&amp;")}"' in page.text
    assert letter.subject in page.text and f">{letter.text}</div>" in page.text
    assert f'<option value="{language}" selected>' in page.text and f'<option value="{kind}" selected>' in page.text
    assert page.headers["content-security-policy"] == CSP
    html = browser().get(f"/beheer/bevestiging/html?{at}")
    assert html.text == letter.html and html.headers["content-type"].startswith("text/html")


def test_the_mail_itself_has_a_policy_of_its_own() -> None:
    policy = browser().get("/beheer/bevestiging/html").headers["content-security-policy"]
    assert "default-src 'none'" in policy and "style-src 'unsafe-inline'" in policy and policy.endswith("; sandbox")
    assert "script-src" not in policy and "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", ["/beheer/bevestiging", "/beheer/bevestiging/html"])
def test_only_for_administrators_and_only_what_there_is(path: str) -> None:
    assert browser().get(path).status_code == 200
    for odd in ("?taal=xx", "?soort=normal", "?taal=<b>", "?taal=../nl"):
        answer = browser().get(path + odd)
        assert answer.status_code == 404 and "<b>" not in answer.text
    for who in ("medewerker", "trainee", "toezichthouder"):
        assert browser(who).get(path).status_code == 403
    assert World().browser().login("beheerder").get(path).status_code == 404


def test_every_kind_and_language_has_its_words() -> None:
    assert set(KINDS.values()) == set(SAMPLE_KINDS) and set(KINDS) == set(WORDS["sample_kind"])
    assert set(letters().acknowledgements.languages) <= set(WORDS["language"])
