"""New text told from quotes and signatures: our own reply samples, forwards, and texts made to be slow."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.benchmark.quoting import hostile_texts, section
from tests.reply_cases import ReplyCase, expected_text, lines_of, reply_cases
from triage.core.attribution import attribution, strength
from triage.core.body import Body, read_body
from triage.core.parse import parse_mail
from triage.core.quoted_header import quoted_header
from triage.core.quotes import split
from triage.core.signature import is_device, strip_signature

MAILS = Path(__file__).parent.parent / "data" / "mail"
OLD = "Van: Juiste Loket <info@loket.example>\nVerzonden: dinsdag 3 maart 2026 10:12\nAan: Wim <w@t.example>\n"
# Which case of the protocol a sample shows, by a word of its name; the first that fits.
_CASES = (
    ("inline", "Q07"), ("bottom", "Q07"), ("answer", "Q07"), ("keep-ps", "Q11"), ("postscript", "Q11"),
    ("closing", "Q11"), ("disclaimer", "Q11"), ("signature", "Q11"), ("keep", "Q08"), ("html", "Q06"),
    ("gmail", "Q01"), ("apple", "Q02"), ("ios", "Q02"), ("oorspronkelijk", "Q04"), ("samsung", "Q04"),
    ("origine", "Q04"), ("original", "Q04"), ("urspr", "Q04"), ("outlook", "Q03"), ("windows", "Q03"),
    ("zivver", "Q03"), ("header", "Q03"),
)  # fmt: skip


def protocol_of(case: ReplyCase) -> str:
    return next((number for word, number in _CASES if word in case.name), "Q05")


def body_of(text: str, subject: str = "Re: vraag") -> Body:
    return read_body([("plain", text)], subject=subject, answers=False)


@pytest.mark.parametrize(
    "case",
    [pytest.param(one, id=one.name, marks=pytest.mark.protocol(protocol_of(one))) for one in reply_cases()],
)
def test_the_new_text_of_a_reply_sample(case: ReplyCase) -> None:
    for subject in case.subjects():
        found = read_body([case.block], subject=subject, answers=False)
        assert lines_of(found.new_text) == lines_of(expected_text(case))
        if not case.html:
            assert found.text == case.message  # what staff can unfold is the whole mail


def test_there_are_enough_samples_of_each_kind() -> None:
    cases = reply_cases()
    assert len(cases) >= 80
    assert sum(1 for case in cases if case.language == "nl") >= 40
    assert sum(1 for case in cases if case.kind == "keep") >= 20


@pytest.mark.protocol("Q12")
@pytest.mark.parametrize("name", sorted(hostile_texts(1)))
def test_hostile_text_is_read_in_time(name: str) -> None:
    text = hostile_texts(400_000)[name]
    started = time.process_time()
    split(text, is_reply=True, is_forward=False)
    assert time.process_time() - started < 2


@pytest.mark.protocol("Q09")
@pytest.mark.parametrize(
    "text",
    [
        f"{OLD}Onderwerp: vraag\n\nHoe oud is uw moeder?",
        f"Verstuurd vanaf mijn iPhone\n\n{OLD}Onderwerp: vraag\n\nHoe oud is uw moeder?",
        f"Beste mevrouw Jansen,\n\n{OLD}Onderwerp: vraag\n\nHoe oud is uw moeder?\n\nZij is 84.",
        "> Hoe oud is uw moeder?\n> Woont zij alleen?",
    ],
)
def test_a_quote_without_new_text_is_shown_whole_and_marked(text: str) -> None:
    body = body_of(text)
    assert body.new_text == text
    assert "only_quote" in body.defects


@pytest.mark.protocol("Q07")
def test_answers_in_the_quoted_mail_are_kept_and_told() -> None:
    text = f"Zie mijn antwoorden hieronder.\n\n{OLD}Onderwerp: vraag\n\nHoe oud is zij? 84 jaar."
    body = body_of(text)
    assert body.new_text == text
    assert "answers_in_quote" in body.defects


@pytest.mark.protocol("Q07")
def test_own_words_below_a_forwarded_mail_in_quote_marks_stay() -> None:
    text = (
        "Zie hieronder.\n\nBegin doorgestuurd bericht:\n\n> Van: Jan <jan@huis.example>\n> Datum: 3 maart 2026 10:12\n"
        "> Onderwerp: hulp\n>\n> De hulp is gestopt.\n\nKunt u hem bellen?"
    )
    body = body_of(text, "Fwd: hulp")
    assert lines_of(body.new_text) == ["Zie hieronder.", "Kunt u hem bellen?"]
    assert body.forwarded_text == "De hulp is gestopt."
    assert body.originally_from == "Jan <jan@huis.example>"


@pytest.mark.protocol("Q10")
@pytest.mark.parametrize(
    "marking",
    [
        "---------- Forwarded message ---------\nVan: Jan Mol <jan@huis.example>\nDate: di 3 mrt. 2026 om 10:12\n"
        "Subject: hulp\nTo: <loket@loket.example>\n",
        "---------- Doorgestuurd bericht ---------\nVan: Jan Mol <jan@huis.example>\nDatum: 3 maart 2026\n",
        "-------- Doorgestuurd bericht --------\nOnderwerp: \thulp\nDatum: \tTue, 3 Mar 2026 10:12:13 +0100\n"
        "Van: \tJan Mol <jan@huis.example>\nAan: \tloket@loket.example\n",
        "Begin doorgestuurd bericht:\n\nVan: Jan Mol <jan@huis.example>\nDatum: 3 maart 2026 om 10:12:13 CET\n"
        "Aan: loket@loket.example\nOnderwerp: hulp\n",
        "Van: Jan Mol <jan@huis.example>\nVerzonden: dinsdag 3 maart 2026 10:12\nAan: Loket <l@loket.example>\n"
        "Onderwerp: hulp\n",
        "-------- Weitergeleitete Nachricht --------\nBetreff: hulp\nDatum: Tue, 3 Mar 2026 10:12:13 +0100\n"
        "Von: Jan Mol <jan@huis.example>\nAn: loket@loket.example\n",
        "Début du message réexpédié :\n\nDe: Jan Mol <jan@huis.example>\nDate: 3 mars 2026 à 10:12:13\n"
        "À: loket@loket.example\nObjet: hulp\n",
    ],
)
@pytest.mark.parametrize("own", ["Kunt u deze meneer helpen met zijn vraag over thuiszorg en vervoer?", ""])
def test_a_forwarded_mail_stays_available_with_its_writer(marking: str, own: str) -> None:
    body = body_of(f"{own}\n\n{marking}\nDe hulp is gestopt, wat nu?\n".lstrip("\n"), "Fwd: hulp")
    assert body.forwarded_text == "De hulp is gestopt, wat nu?"
    assert body.originally_from == "Jan Mol <jan@huis.example>"
    assert body.new_text == (own or "De hulp is gestopt, wat nu?")
    assert ("only_forward" in body.defects) == (not own)


@pytest.mark.protocol("Q10")
def test_of_an_attached_mail_the_writer_is_told() -> None:
    raw = (
        b"From: balie@huisarts.example\r\nTo: loket@loket.example\r\nSubject: Fwd: hulp\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nZie bijlage.\r\n'
        b"--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: =?utf-8?q?Zo=C3=AB?= Bos <zoe@huis.example>\r\n"
        b"Subject: hulp\r\n\r\nDe hulp is gestopt.\r\n--x--\r\n"
    )
    mail = parse_mail(raw)
    assert mail.originally_from == "Zoë Bos <zoe@huis.example>"
    assert mail.originally_found == "attached"
    assert mail.forwarded_text == "De hulp is gestopt."
    assert mail.from_addresses[0].address == "balie@huisarts.example"


@pytest.mark.protocol("Q08")
def test_a_mail_pasted_with_an_announcement_is_the_senders_own() -> None:
    text = (
        f"Deze mail kreeg ik van de gemeente:\n\n{OLD}Onderwerp: besluit\n\nUw aanvraag is afgewezen.\n\n"
        "Mag dat zomaar?"
    )
    assert lines_of(body_of(text, "vraag over een besluit").new_text) == lines_of(text)


@pytest.mark.protocol("Q08")
@pytest.mark.parametrize(
    "line",
    [
        "Op 3 maart 2026 om 10:12 schreef de wethouder:",
        "Op 3 maart 2026 om 10:12 schreef mevrouw De Wit mij het volgende:",
        "Op 3 maart 2026 om 10.12 uur schreef info@gemeente.example mij:",
        "Op dinsdag 3 maart 2026 om 10:12 schreef ik aan info@gemeente.example:",
        "Mijn dochter schreef op 3 maart 2026 om 10:12:",
        "De huisarts schreef:",
        "In de mail van 3 maart 2026 10:12 van Jan <jan@huis.example> staat:",
        "On 3 March 2026 at 10:12 the mayor wrote:",
        "Am 3. März 2026 um 10:12 schrieb der Bürgermeister:",
        "Le 3 mars 2026 à 10:12, le maire a écrit :",
        "3 maart 2026 10:00 gesprek met Jan Mol <jan@huis.example>:",
        "On the other hand, the doctor wrote:",
    ],
)
def test_a_sentence_is_no_attribution(line: str) -> None:
    assert strength(line) is None
    text = f"Ik heb een vraag over de hulp.\n\n{line}\nde hulp stopt.\n\nMag dat?"
    for subject in ("Re: vraag", "vraag"):
        assert body_of(text, subject).new_text == text


@pytest.mark.protocol("Q01", "Q02", "Q05")
@pytest.mark.parametrize(
    ("lines", "how"),
    [
        (["Op di 3 mrt. 2026 om 10:12 schreef Jan <jan@huis.example>:"], "certain"),
        (["Op di 3 mrt. 2026 om 10:12 schreef Jan van der", "Berg-de Vries <jan@", "huis.example>:"], "certain"),
        (["Op 3 mrt. 2026 om 10:12 heeft Jan Mol het volgende geschreven:"], "certain"),
        (["Op 3-3-2026 om 10:12 schreef Jan Mol:"], "certain"),
        (["Jan Mol schreef op 2026-03-03 10:12:"], "certain"),
        (["*Op di 3 mrt. 2026 om 10:12 schreef Jan <jan@huis.example>:*"], "certain"),
        (["Op maandag 2 maart 2026 om 10:12 schreef Jan Mol:"], "likely"),
        (["2026-03-03 10:12 GMT+01:00 Jan <jan@huis.example>:"], "certain"),
        (["Le mar. 3 mars 2026 à 10:12, Jan Mol", "<jan@huis.example> a écrit :"], "certain"),
        (["Am Di., 3. März 2026 um 10:12 Uhr schrieb Jan <", "jan@huis.example>:"], "certain"),
        (["Jan Mol schreef:"], "weak"),
    ],
)
def test_what_programs_write_above_a_quote(lines: list[str], how: str) -> None:
    assert attribution(lines, 0) == (len(lines), how)


@pytest.mark.protocol("Q08")
@pytest.mark.parametrize("is_reply", [True, False])
@pytest.mark.parametrize(
    "block",
    [
        "Van: maandag\nTot: vrijdag\nAan: de keukentafel",
        "Aan: Gemeente Oostdorp\nVan: familie Mol\nDatum: 3 maart 2026\nOnderwerp: bezwaar",
        "Van: Piet Mol\nAan: het loket\nOnderwerp: vraag",
        "Datum: 3 maart 2026 10:00\nOnderwerp: gesprek\nAan: mijn ouders",
        "Van: huis\nNaar: dagbesteding\nDatum: maandag 9 maart 2026 9:00",
    ],
)
def test_a_letterhead_is_no_header_of_a_program(block: str, is_reply: bool) -> None:
    assert quoted_header(block.split("\n"), 0, hinted=False, is_reply=is_reply) is None


@pytest.mark.protocol("Q11")
@pytest.mark.parametrize(
    "line",
    [
        "Verstuurd vanaf mijn iPhone", "Verzonden vanaf mijn Samsung Galaxy-smartphone.", "Mobiel verzonden",
        "Outlook voor Android downloaden<https://aka.ms/AAb9ysg>", "Verzonden vanaf Outlook voor Android",
        "Verzonden vanuit Mail voor Windows", "Verstuurd met Proton Mail beveiligde e-mail.", "Sent from my iPad",
        "Get Outlook for iOS<https://aka.ms/o0ukef>", "Von meinem iPhone gesendet", "Envoyé de mon iPhone",
        "Télécharger Outlook pour iOS<https://aka.ms/o0ukef>", "Gesendet mit der GMX Mail App",
        "Dit bericht is verzonden vanaf mijn Android-apparaat met K-9 Mail. Excuseer mijn beknoptheid.",
    ],
)  # fmt: skip
def test_lines_of_devices_go(line: str) -> None:
    assert is_device(line)
    assert body_of(f"Mag dit?\n\n{line}", "vraag").new_text == "Mag dit?"


@pytest.mark.protocol("Q11")
@pytest.mark.parametrize(
    "line",
    [
        "Verzonden via de mail heb ik u het formulier gisteren al.",
        "Verstuurd vanaf mijn telefoon is het u niet aangekomen.",
        "Sent from my desk, is much easier than my mobile phone.",
        "Gesendet mit der Post ist der Antrag schon.",
        "Mijn telefoon is kapot, mail mij.",
    ],
)
def test_sentences_about_sending_stay(line: str) -> None:
    assert not is_device(line)
    assert line in body_of(f"Mag dit?\n\n{line}", "vraag").new_text


@pytest.mark.protocol("Q08")
@pytest.mark.parametrize(
    "sentence",
    [
        "De zorgaanbieder is aansprakelijk en het dossier is vertrouwelijk, zegt de wet.",
        "Zij schrijven dat aan de toezegging geen rechten kunnen worden ontleend.",
        "Deze mail is ook bestemd voor de mentor.",
        "Volgens de algemene voorwaarden zijn zij nergens toe verplicht.",
        "De gemeente sluit elke aansprakelijkheid uit.",
    ],
)
def test_a_sentence_with_words_of_disclaimers_stays(sentence: str) -> None:
    text = f"Goedendag,\n\nDe hulp is gestopt.\n\nWij wachten al weken.\n\n{sentence}\n\nGroet, Jan"
    assert body_of(text, "vraag").new_text == text


@pytest.mark.protocol("Q11")
def test_a_signature_goes_and_what_is_said_below_it_stays() -> None:
    lines = [
        "Wie regelt dit?", "", "Groetjes, Anja de Vries", "Teamleider thuiszorg", "T 06 12345678", "",
        "PS: bel mij na vijf uur.",
    ]  # fmt: skip
    assert [line for line in strip_signature(lines) if line] == [
        "Wie regelt dit?", "Groetjes, Anja de Vries", "PS: bel mij na vijf uur.",
    ]  # fmt: skip


@pytest.mark.protocol("Q11")
@pytest.mark.parametrize("mark", ["-- ", "--", "---", "\u2014"])
def test_a_signature_mark_with_contact_details_below_it(mark: str) -> None:
    text = f"Mag dit?\n{mark}\nJan Mol\nTeam Wijk\nwww.wijk.example"
    assert body_of(text, "vraag").new_text == "Mag dit?"


@pytest.mark.protocol("Q08")
@pytest.mark.parametrize("mark", ["--", "---", "----------", "\u2014"])
def test_a_dash_line_between_own_words_stays(mark: str) -> None:
    text = f"Nodig is:\n{mark}\ntraplift\nrolstoel\n{mark}\ndouchestoel"
    assert body_of(text, "vraag").new_text == text


def test_old_style_of_groupwise_is_history() -> None:
    text = "Ja, dat klopt.\n\n>>> Juiste Loket <info@loket.example> 3-3-2026 10:12 >>>\nKlopt dat?"
    assert body_of(text).new_text == "Ja, dat klopt."


def test_the_measurement_tells_of_every_language() -> None:
    page = section(20_000)
    for language in ("nl", "en", "de", "fr"):
        assert f"| {language} |" in page
    assert "missed" not in page
