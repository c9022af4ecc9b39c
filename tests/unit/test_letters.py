"""Acknowledgement, drafted reply, approved reply and alert, read back from their bytes."""

from __future__ import annotations

import email
import time
from dataclasses import replace
from datetime import date, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.letter_cases import NOW, OWN, a_case, a_mail, assessed, letters, make_letters
from triage.core.actions import Acknowledge
from triage.core.assessment import Band, SenderType, Urgency
from triage.core.mail import EmailAddress
from triage.core.sla import SlaRules, dutch_date, terms_for
from triage.core.workdays import AMSTERDAM, WorkCalendar
from triage.errors import ConfigError
from triage.ports import DraftContent, Envelope
from triage.services.draft_text import Zorgkantoor
from triage.services.letters import Letter, Letters
from triage.services.places import find_place
from triage.services.wording import as_blocks, closings, english_date, spell_out_laws


def read(letter: Letter) -> EmailMessage:
    message = email.message_from_bytes(letter.raw, policy=policy.default)
    assert isinstance(message, EmailMessage) and not message.defects
    return message


def text_of(letter: Letter, kind: str = "plain") -> str:
    part = read(letter).get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def acknowledged(
    language: str = "nl",
    *,
    promised: datetime = NOW + timedelta(days=5),
    take_up: datetime | None = None,
    now: datetime = NOW,
    writer: Letters | None = None,
    **mail: Any,
) -> Letter:
    action = Acknowledge(language, promised, take_up)
    return (writer or letters()).acknowledgement(a_mail(**mail), a_case(), action, identity_key="sleutel", now=now)


# ---------------------------------------------------------------- acknowledgement


def test_headers_and_envelope_of_the_acknowledgement() -> None:
    letter = acknowledged(
        references=("<a@post.example>",),
        reply_to=(EmailAddress("ander@post.example"),),
        cc=(EmailAddress("c@post.example"),),
    )
    message = read(letter)
    assert letter.envelope == Envelope("", "fatma@post.example")
    assert letter.reverse_path_fallback == "bounce@juisteloket.example"
    assert message["To"] == "fatma@post.example" and message["Cc"] is None
    assert message["From"] == f"Juiste Loket <{OWN}>"
    assert message["Subject"] == "Wij hebben uw bericht ontvangen [JL-2026-00042-K7]"
    assert message.get_all("Auto-Submitted") == ["auto-replied"]
    assert message["X-Auto-Response-Suppress"] == "All" and message["Precedence"] is None
    assert message["In-Reply-To"] == "<vraag-1@post.example>"
    assert message["References"].split() == ["<a@post.example>", "<vraag-1@post.example>"]
    assert parsedate_to_datetime(message["Date"]) == NOW
    assert message["Message-ID"] == letter.message_id and letter.message_id.endswith("@juisteloket.example>")
    assert message.get_content_type() == "multipart/alternative"
    item = letter.as_item("o" * 32, "c" * 32, NOW)
    assert (item.kind, item.raw, item.attempts, item.created_at) == ("acknowledgement", letter.raw, 0, NOW)
    assert item.null_reverse_path_fallback == "bounce@juisteloket.example"


def test_the_message_id_depends_on_the_mail_alone() -> None:
    again = acknowledged("en", now=NOW + timedelta(hours=3))
    assert acknowledged().message_id == again.message_id
    other = letters().acknowledgement(a_mail(), a_case(), Acknowledge("nl", NOW, None), identity_key="anders", now=NOW)
    assert other.message_id != again.message_id


def test_what_the_acknowledgement_says() -> None:
    text = text_of(acknowledged())
    for words in (
        "Uw kenmerk is JL-2026-00042.", "U krijgt uiterlijk op woensdag 25 november antwoord.", "030 789 78 78",
        "van 10:00 tot 12:00 uur en van 13:00 tot 15:00 uur", "gratis", "regelen zelf geen zorg", "(BSN)",
        "medische brieven",
        "https://www.juisteloket.example/privacy", "112", "huisartsenpost", "113 of 0800-0113", "0800-2000",
        "automatisch verstuurd",
    ):  # fmt: skip
        assert words in text, words
    assert "in behandeling" not in text
    assert "## " not in text and "> " not in text


def test_text_and_html_say_the_same() -> None:
    letter = acknowledged(take_up=NOW + timedelta(days=3))
    html = text_of(letter, "html").replace("\u00a0", " ")
    for line in text_of(letter).splitlines():
        for words in line.removeprefix("- ").split(": http")[0].split(" Bel ")[:1]:
            if "030" not in words:
                assert words in html, words
    assert '<html lang="nl">' in html and html.count("<h1") == 1 and "<img" not in html and "<script" not in html


def test_band_urgent_adds_one_sentence_and_nothing_else() -> None:
    plain, urgent = text_of(acknowledged()), text_of(acknowledged(take_up=NOW + timedelta(days=3)))
    added = [line for line in urgent.splitlines() if line not in plain.splitlines()]
    assert added == ["Wij nemen uw vraag uiterlijk op maandag 23 november in behandeling."]


@pytest.mark.parametrize(
    ("language", "subject", "greetings"),
    [
        ("nl", "Wij hebben uw bericht ontvangen", ["Goedendag,"]),
        ("und", "Wij hebben uw bericht ontvangen", ["Goedendag,"]),
        ("en", "We have received your message", ["Hello,"]),
        ("tr", "Wij hebben uw bericht ontvangen / We have received your message", ["Goedendag,", "Hello,"]),
        ("zh", "Wij hebben uw bericht ontvangen / We have received your message", ["Goedendag,", "Hello,"]),
    ],
)
def test_language_of_the_acknowledgement(language: str, subject: str, greetings: list[str]) -> None:
    letter = acknowledged(language)
    assert read(letter)["Subject"] == f"{subject} [JL-2026-00042-K7]"
    found = [line for line in text_of(letter).splitlines() if line in ("Goedendag,", "Hello,")]
    assert found == greetings


def test_a_line_in_the_senders_language_stands_on_top() -> None:
    assert text_of(acknowledged("tr")).startswith("Sorunuz bize ulaştı.")
    assert 'lang="ar" dir="rtl"' in text_of(acknowledged("ar"), "html")
    assert text_of(acknowledged("zh")).startswith("Goedendag,")
    assert "by Wednesday 25 November at the latest" in text_of(acknowledged("tr"))


# arrival (Amsterdam) → promised day, worked out by hand
AWKWARD = [
    ("2026-11-20T16:58", "woensdag 25 november"),  # Friday before the day's end
    ("2026-11-20T23:59", "woensdag 25 november"),
    ("2026-11-21T10:00", "woensdag 25 november"),  # Saturday
    ("2026-12-23T12:00", "dinsdag 29 december"),  # 25 is Christmas Day, 26 a Saturday
    ("2026-12-31T23:30", "woensdag 6 januari"),  # 1 January free, then a weekend
    ("2027-03-28T02:30", "donderdag 1 april"),  # Easter Sunday and the start of summer time; Monday is free
    ("2026-10-25T02:30", "woensdag 28 oktober"),  # end of summer time
    ("2027-05-05T12:00", "dinsdag 11 mei"),  # 5 May is worked in 2027; 6 May is Ascension Day
    ("2030-05-03T12:00", "woensdag 8 mei"),  # Friday; 5 May 2030 is a Sunday
    ("2026-04-24T09:00", "donderdag 30 april"),  # King's Day on Monday
]


@pytest.mark.parametrize(("arrived", "day"), AWKWARD)
def test_the_promise_is_the_day_of_the_clock(arrived: str, day: str) -> None:
    moment = datetime.fromisoformat(arrived).replace(tzinfo=AMSTERDAM)
    terms = terms_for(Band.URGENT, moment, SlaRules(WorkCalendar()))
    assert f"U krijgt uiterlijk op {day} antwoord." in text_of(acknowledged(promised=terms.answer_due, now=moment))


def test_a_promise_that_is_already_past_is_not_made() -> None:
    text = text_of(acknowledged(promised=NOW - timedelta(days=1), take_up=NOW - timedelta(days=3)))
    assert "uiterlijk op donderdag 19 november antwoord willen geven" in text
    assert "U krijgt uiterlijk" not in text and "in behandeling" not in text
    assert "U krijgt uiterlijk op vrijdag 20 november" in text_of(acknowledged(promised=NOW + timedelta(hours=2)))


def test_closed_days_of_the_coming_week_are_named() -> None:
    christmas = datetime(2026, 12, 22, 9, 0, tzinfo=AMSTERDAM)
    text = text_of(acknowledged(now=christmas, promised=christmas + timedelta(days=6)))
    assert "Wij zijn gesloten op vrijdag 25 december (Eerste Kerstdag)." in text
    assert "gesloten" not in text_of(acknowledged())
    closed = {date(2026, 11, 23): "verhuizing", date(2026, 11, 24): "verhuizing"}
    text = text_of(acknowledged(writer=make_letters(closing_days=closed)))
    assert "Wij zijn gesloten van maandag 23 november tot en met dinsdag 24 november." in text
    calendar = WorkCalendar(closing_days={date(2026, 11, 20): "<b>", date(2026, 11, 23): "x", date(2026, 11, 25): "y"})
    assert closings(calendar, date(2026, 11, 20), date(2026, 11, 26), "en") == [
        "from Friday 20 November up to and including Monday 23 November",
        "on Wednesday 25 November",
    ]


def test_nothing_of_the_mail_or_the_assessment_is_in_it() -> None:
    letter = acknowledged(text="hospice morfine", name="Palliatief Team", subject="SPOED hospice")
    whole = text_of(letter) + text_of(letter, "html") + str(read(letter).items())
    for word in ("hospice", "morfine", "alliatief", "SPOED"):
        assert word not in whole
    assert acknowledged(text="a").raw == acknowledged(text="b", subject="c", name="D E").raw


@pytest.mark.parametrize("language", ["nl", "en"])
def test_a_day_and_its_month_stay_on_one_line(language: str) -> None:
    for month in range(1, 13):
        promised = NOW.replace(year=2027, month=month, day=9)
        letter = acknowledged(language, promised=promised)
        day = (dutch_date if language == "nl" else english_date)(promised)
        assert day in text_of(letter) and day.replace(" 9 ", " 9\u00a0") in text_of(letter, "html")


def test_settings_are_escaped_in_html() -> None:
    html = text_of(acknowledged(writer=make_letters(name="Loket <b>& Zo</b>")), "html")
    assert "<b>& Zo" not in html and "Loket &lt;b&gt;&amp; Zo" in html


def test_no_from_or_no_sender_is_said_clearly() -> None:
    with pytest.raises(ValueError, match="From"):
        acknowledged(from_addresses=())
    with pytest.raises(ConfigError, match=r"smtp\.from"):
        acknowledged(writer=make_letters(smtp_from=""))
    assert make_letters(smtp_from="").draft(a_mail(), assessed(), a_case()).to == ("fatma@post.example",)


# ---------------------------------------------------------------- draft


def test_a_draft_for_one_law() -> None:
    asked = a_mail("Mijn moeder van 80 krijgt huishoudelijke hulp van de gemeente. Wat hoort daar allemaal bij?")
    draft = letters().draft(asked, assessed(("wmo",), ("T24",)), a_case())
    assert draft.subject == "Uw vraag aan het Juiste Loket [JL-2026-00042-K7]"
    assert (draft.to, draft.cc, draft.attachments) == (("fatma@post.example",), (), ())
    body = draft.body
    assert body.startswith("Geachte Fatma Yıldız,\n\nBedankt voor uw vraag over huishoudelijke hulp.")
    order = ["Kort antwoord", "Welke wet en waarom", "Wie beslist", "Wat u kunt doen", "Niet eens met een besluit?",
             "Regels en bronnen", "Over dit antwoord", "[[handtekening]]"]  # fmt: skip
    places = [body.index(heading) for heading in order]
    assert places == sorted(places)
    assert "Wet maatschappelijke ondersteuning 2015 (Wmo 2015), artikel 2.3.5 (versie van 1 juli 2019)" in body
    assert "binnen zes weken bezwaar" in body and "SKGZ" not in body


def test_the_route_of_disagreement_follows_the_law() -> None:
    mail = a_mail("Mijn verzekeraar betaalt de rekening van de thuiszorg niet helemaal. Wat kan ik doen?")
    zvw = letters().draft(mail, assessed(("zvw",), ("T11",)), a_case()).body
    assert "heroverweging" in zvw and "SKGZ" in zvw and "artikel 6:7" not in zvw and "bezwaar maken bij" not in zvw
    mail = a_mail("Het CIZ heeft de aanvraag voor mijn moeder afgewezen.")
    wlz = letters().draft(mail, assessed(("wlz",), ("T01",)), a_case()).body
    assert "bezwaar maken bij het CIZ" in wlz and "artikel 6:7" in wlz and "SKGZ" not in wlz


def test_two_laws_put_the_border_first() -> None:
    mail = a_mail("Gemeente en verzekeraar wijzen naar elkaar voor het wassen en aankleden van mijn kind met autisme.")
    found = letters().drafts.choose(mail, assessed(("jeugdwet", "zvw"), ("T19",)))
    assert found[0].block.id == "verzorging-kind" and "laws:jeugdwet,zvw" in found[0].reasons
    mail = a_mail("Kan mijn man kort worden opgenomen, of heet dat respijtzorg omdat ik het niet meer volhoud?")
    found = letters().drafts.choose(mail, assessed(("wmo", "zvw"), ("T13", "T29")))
    assert found[0].block.id == "elv-of-respijt"


@pytest.mark.parametrize(
    ("text", "laws", "topics", "urgency", "first"),
    [
        ("Mijn man wil thuis sterven. Wie regelt dat?", ("zvw",), ("T16",), Urgency.PALLIATIVE, "palliatief-thuis"),
        ("Ma sterft, zij heeft Wlz-zorg. Kan er zorg bij?", ("wlz",), ("T16",), Urgency.PALLIATIVE, "palliatief-wlz"),
        ("Hoe krijg ik vader in een hospice?", ("wlz", "zvw"), ("T17",), Urgency.PALLIATIVE, "hospice"),
        ("Pa moet morgen het ziekenhuis uit.", ("zvw",), ("T15",), Urgency.TRANSFER, "ziekenhuis-ontslag"),
        (
            "Ma dwaalt met haar Wlz-indicatie en moet nu opgenomen worden.",
            ("wlz",),
            ("T06",),
            Urgency.TRANSFER,
            "wlz-crisis",
        ),
        ("Het huishouden lukt niet in deze fase.", ("wmo",), ("T24",), Urgency.PALLIATIVE, "wmo-spoed"),
    ],
)
def test_an_urgent_draft_begins_with_the_first_step_and_a_number(
    text: str, laws: tuple[str, ...], topics: tuple[str, ...], urgency: Urgency, first: str
) -> None:
    found, mail = assessed(laws, topics, urgency), a_mail(text)
    assert first in [choice.block.id for choice in letters().drafts.choose(mail, found)]
    says_little = a_mail("Wie beslist hierover?")
    for one in (mail, says_little):
        assert any(urgency in choice.block.urgency for choice in letters().drafts.choose(one, found))
    body = letters().draft(mail, found, a_case()).body
    assert body.index("Wat u nu eerst kunt doen") < body.index("030 789 78 78") < body.index("Kort antwoord")
    assert body.index("1. ") < body.index("Kort antwoord")


def test_a_regular_question_never_gets_an_urgent_block() -> None:
    """To write of the last phase of life to who did not ask would be cruel; a person may still choose such a block."""
    mail = a_mail("Mijn man is vorig jaar in een hospice overleden. Moet ik daar nog eigen risico voor betalen?")
    for topic in ("T16", "T17", "T33"):
        found = assessed(("zvw",), (topic,))
        for choice in letters().drafts.choose(mail, found):
            assert "regular" in choice.block.urgency
        assert "hospice" in {choice.block.id for choice in letters().drafts.suggest(mail, found)}


def test_assumed_urgency_does_not_choose() -> None:
    guessed = assessed(("wmo",), ("T28",), Urgency.PALLIATIVE, band=Band.POSSIBLE, band_reason="no_model")
    assert letters().drafts.choose(a_mail("Wie betaalt de taxi naar mijn familie?"), guessed)[0].block.id == "vervoer"


def test_unclear_or_uncovered_questions_get_questions_back() -> None:
    for found in (assessed(("wmo",), ("T24",), laws_unclear=True), assessed(), assessed((), ("T20",))):
        body = letters().draft(a_mail("ik weet het niet"), found, a_case()).body
        assert "Wat wij nog van u willen weten" in body and "3. " in body
        assert "Kort antwoord" not in body and "artikel" not in body


def test_an_unclear_urgent_question_still_gets_its_first_step() -> None:
    found = assessed(("zvw",), ("T16",), Urgency.PALLIATIVE, laws_unclear=True)
    body = letters().draft(a_mail(), found, a_case()).body
    assert "Wat u nu eerst kunt doen" in body and "Wat wij nog van u willen weten" in body


def test_a_block_that_shares_neither_act_nor_topic_is_left_to_people() -> None:
    mail = a_mail("Waar vraag ik een traplift aan en wie betaalt de aanpassing van mijn woning?")
    foreign = assessed(("zvw",), ("T12",))
    assert "woningaanpassing" in {choice.block.id for choice in letters().drafts.suggest(mail, foreign)}
    assert "woningaanpassing" not in {choice.block.id for choice in letters().drafts.choose(mail, foreign)}
    found = assessed(("wmo",), ("T27",))
    assert letters().drafts.choose(mail, found)[0].block.id == "woningaanpassing"


def test_unchecked_statements_reach_a_draft_only_when_ticked() -> None:
    blocks = [block for block in letters().knowledge.blocks if block.to_check]
    assert len(blocks) >= 8
    found, mail = assessed(("wlz",)), a_mail()
    for block in blocks:
        body = letters().draft(mail, found, a_case(), blocks=[block]).body
        assert not [one for one in block.to_check if one in body]
        ticked = block.to_check[0]
        body = letters().draft(mail, found, a_case(), blocks=[block], statements=[ticked]).body
        assert [one for one in block.to_check if one in body] == [ticked]


@pytest.mark.parametrize(
    ("text", "laws", "topic", "said"),
    [
        (
            "Ik woon in Zelhem. Wat hoort bij huishoudelijke hulp?",
            ("wmo",),
            "T24",
            "U noemt Zelhem. Dat hoort bij de gemeente Bronckhorst. Woont degene om wie het gaat daar? Dan beslist "
            "deze gemeente over hulp uit de Wmo 2015.",
        ),
        (
            "Wij wonen in Almere. Hoe vraag ik jeugdhulp aan voor mijn zoon van 9 met autisme?",
            ("jeugdwet",),
            "T20",
            "U noemt de gemeente Almere. Woont degene om wie het gaat daar? Dan beslist deze gemeente over jeugdhulp.",
        ),
    ],
)
def test_the_gemeente_is_named_as_the_sender_gave_it(text: str, laws: tuple[str, ...], topic: str, said: str) -> None:
    body = letters().draft(a_mail(text), assessed(laws, (topic,)), a_case()).body
    assert said in body.replace("Wet maatschappelijke ondersteuning 2015 (Wmo 2015)", "Wmo 2015")
    assert "zorgkantoor van de regio" not in body


def test_no_gemeente_decides_what_the_wlz_pays() -> None:
    asked = "Mijn moeder heeft een Wlz-indicatie en woont thuis in Zelhem. Wie regelt de huishoudelijke hulp?"
    body = letters().draft(a_mail(asked), assessed(("wmo", "wlz"), ("T24",)), a_case()).body
    assert "U noemt Zelhem" not in body and "zorgkantoor van de regio Arnhem" in body


def test_no_gemeente_decides_where_the_question_is_which_one() -> None:
    moving = "Ik woon in Maastricht en verhuis naar een andere gemeente. Gaat mijn hulp uit de Wmo mee?"
    found = assessed(("wmo",), ("T22",))
    assert letters().drafts.choose(a_mail(moving), found)[0].block.id == "woonplaats"
    assert "U noemt" not in letters().draft(a_mail(moving), found, a_case()).body


def test_questions_back_are_only_what_the_mail_does_not_say() -> None:
    found = replace(assessed(()), laws_unclear=True)
    vague = letters().draft(a_mail("Kunt u mij helpen?"), found, a_case(), blocks=[]).body
    assert "kind onder de 18 jaar" in vague and "indicatie van het CIZ" in vague and "In welke gemeente" in vague
    mail = a_mail("Mijn moeder van 81 woont in Almere. Kunt u mij helpen?")
    known = letters().draft(mail, found, a_case(), blocks=[]).body
    assert "Welke zorg of hulp is er nodig" in known and "indicatie van het CIZ" in known
    assert "kind onder de 18 jaar" not in known and "In welke gemeente" not in known


def test_a_zorgkantoor_is_named_only_when_it_was_confirmed() -> None:
    mail = a_mail("Wij wonen in Zutphen. Mijn moeder wacht met een indicatie op een plek. Wie helpt zoeken?")
    found = assessed(("wlz",), ("T03",))
    body = letters().draft(mail, found, a_case()).body
    assert "het zorgkantoor van de regio Apeldoorn/Zutphen. Hoe u dat bereikt, leest u hier: https://" in body
    code = next(one.region_code for one in [find_place(mail.new_text).gemeente] if one)
    confirmed = make_letters(zorgkantoren={code: Zorgkantoor("Zorgkantoor Oost", "0800 000 00 00")})
    body = confirmed.draft(mail, found, a_case()).body
    assert "Dat is Zorgkantoor Oost. Het telefoonnummer is 0800 000 00 00." in body and "leest u hier" not in body
    elsewhere = make_letters(zorgkantoren={"ZK00": Zorgkantoor("Zorgkantoor Oost", "0800 000 00 00")})
    assert "Zorgkantoor Oost" not in elsewhere.draft(mail, found, a_case()).body


def test_danger_puts_the_help_numbers_on_top() -> None:
    mail = a_mail("Ik ben mantelzorger en kan niet meer. Wie neemt de zorg voor mijn man even over?")
    body = letters().draft(mail, assessed(("wmo",), ("T29",), danger=True), a_case()).body
    assert body.index("Bel dan 112") < body.index("Kort antwoord")


def test_outside_the_laws_and_thanks() -> None:
    body = letters().draft(a_mail("keuring wia uwv"), assessed((), ("T90",)), a_case()).body
    assert "Kort antwoord\n\nWaarschijnlijk wordt dit niet betaald of geregeld" in body
    assert "Welke wet en waarom" not in body
    body = letters().draft(a_mail("dank"), assessed((), ("T99",)), a_case()).body
    assert "Bedankt voor uw bericht." in body and "Wat wij nog" not in body


def test_english_mail_gets_an_english_draft() -> None:
    draft = letters().draft(a_mail("stairlift"), assessed(("wmo",), ("T27",), language="en"), a_case())
    assert draft.subject == "Your question to the Juiste Loket [JL-2026-00042-K7]"
    assert draft.body.startswith("Dear Fatma Yıldız,\n\nThank you for your question about a home adaptation.")
    assert "Social Support Act (Wmo 2015)" in draft.body and "Kort antwoord" not in draft.body
    first = letters().knowledge.blocks[0]
    block = replace(first, marked={**first.marked, "en": {}})
    without = letters().draft(a_mail("x"), assessed(("wmo",), ("T30",), language="en"), a_case(), blocks=[block])
    assert "Kort" not in without.body and "What we still need to know" in without.body


def test_who_gets_the_draft() -> None:
    found = assessed()
    other = (EmailAddress("zus@post.example"),)
    draft = letters().draft(a_mail(reply_to=other), found, a_case())
    assert draft.to == ("zus@post.example",) and draft.body.startswith("Geachte heer/mevrouw,")
    assert letters().draft(a_mail(reply_to=(EmailAddress(OWN.upper()),)), found, a_case()).to == ("fatma@post.example",)
    ours = (EmailAddress("info+x@juisteloket.example"),)
    assert letters().draft(a_mail(from_addresses=ours), found, a_case()).to == ()


def test_a_name_that_may_be_something_else_is_not_used() -> None:
    for name in ("", "Gemeente Utrecht", "{{ 7*7 }}", "jansen"):
        body = letters().draft(a_mail(name=name), assessed(sender_type=SenderType.OTHER), a_case()).body
        assert body.startswith("Geachte heer/mevrouw,")


def test_laws_are_spelled_out_the_first_time() -> None:
    assert spell_out_laws("uit de Wlz en de Wlz.", "nl") == "uit de Wet langdurige zorg (Wlz) en de Wlz."
    assert spell_out_laws("de Wet langdurige zorg (Wlz) en Wlz", "nl") == "de Wet langdurige zorg (Wlz) en Wlz"
    assert spell_out_laws("een Wlz-indicatie", "nl") == "een Wlz-indicatie"


# ---------------------------------------------------------------- approved reply and alert


def replied(body: str = "Dag,\n\n[[handtekening]]\n", **changes: Any) -> Letter:
    content = DraftContent(to=("jan@post.example",), cc=(), subject="Uw vraag [JL-2026-00042-K7]", body=body)
    values: dict[str, Any] = {
        "case": a_case(),
        "in_reply_to": "<vraag-1@post.example>",
        "references": ["<vraag-1@post.example>"],
        "outbox_id": "o" * 32,
        "signature": "Ans de Wit\nJuiste Loket",
        "now": NOW,
    }
    values.update(changes)
    return letters().reply(values.pop("content", content), **values)


def test_the_reply_is_a_mail_of_a_person() -> None:
    letter = replied("Dag Zoë,\n.\n€ 21,80\n\n[[handtekening]]\n")
    message = read(letter)
    assert letter.envelope == Envelope(OWN, "jan@post.example") and letter.reverse_path_fallback == ""
    assert letter.as_item("o" * 32, "c", NOW).kind == "reply"
    assert message["Auto-Submitted"] is None and message["X-Auto-Response-Suppress"] is None
    assert message["In-Reply-To"] == "<vraag-1@post.example>" and message["References"] == "<vraag-1@post.example>"
    assert message["Subject"] == "Uw vraag [JL-2026-00042-K7]"
    assert message.get_content_type() == "text/plain" and message.get_content_charset() == "utf-8"
    assert text_of(letter) == "Dag Zoë,\n.\n€ 21,80\n\nAns de Wit\nJuiste Loket\n"
    assert (
        replied().message_id
        == replied(now=NOW + timedelta(days=1)).message_id
        != replied(outbox_id="p" * 32).message_id
    )


def test_an_open_place_holder_stops_the_reply() -> None:
    with pytest.raises(ValueError, match=r"\[\[termijn\]\]"):
        replied("Dag [[termijn]]\n[[handtekening]]")


def test_a_reply_needs_a_recipient_and_reaches_each_once() -> None:
    with pytest.raises(ValueError, match="no recipient"):
        replied(content=DraftContent(to=(), cc=(), subject="x", body="y"))
    content = DraftContent(to=("a@x.example", "b@x.example"), cc=("a@x.example", "c@x.example"), subject="x", body="y")
    letter = replied(content=content)
    with pytest.raises(ValueError, match="several"):
        letter.as_item("1", None, NOW)
    items = letter.as_items(["1", "2", "3"], "c", NOW)
    assert [item.envelope.forward_path for item in items] == ["a@x.example", "b@x.example", "c@x.example"]
    assert len({item.raw for item in items}) == 1 and [item.id for item in items] == ["1", "2", "3"]


ALERTS = [
    "danger",
    "at_risk",
    "breached",
    "urgent_not_taken_up",
    "mailbox_silent",
    "relay_silent",
    "delayed",
    "sign_in_needed",
    "judgement_drift",
    "breaker",
    "refused",
    "uncertain",
]


@pytest.mark.parametrize("kind", ALERTS)
@pytest.mark.parametrize("count", [0, 1, 60])
def test_alerts(kind: str, count: int) -> None:
    references = [f"JL-2026-{number:05}" for number in range(count)]
    letter = letters().alert(
        kind, references=references, to="wacht@ons.example", link="https://triage.example", outbox_id="o" * 32, now=NOW
    )
    message = read(letter)
    assert letter.envelope == Envelope("", "wacht@ons.example")
    assert letter.as_item("o", None, NOW).kind == "alert"
    assert message["Auto-Submitted"] == "auto-generated"
    text = text_of(letter)
    assert "https://triage.example" in text
    assert text.count("JL-2026-") == min(count, 40) and ("en nog 20" in text) == (count == 60)
    assert (references[0] in message["Subject"]) if count == 1 else "JL-" not in message["Subject"]


def test_an_unknown_alert_is_refused() -> None:
    with pytest.raises(ValueError, match="alert of kind brand"):
        letters().alert("brand", references=[], to="a@b.example", link="x", outbox_id="o", now=NOW)


def test_links_and_numbers_in_html() -> None:
    blocks = as_blocks("## Kop\n\nBel 0800-2000 of zie https://x.example/a?b=1&c=2.\n\n- een <b>\n- twee")
    assert [kind for kind, _ in blocks] == ["heading", "paragraph", "list"]
    assert 'href="tel:08002000"' in blocks[1][1][0]
    assert '<a href="https://x.example/a?b=1&amp;c=2">' in blocks[1][1][0] and blocks[1][1][0].endswith("</a>.")
    assert blocks[2][1] == ["een &lt;b&gt;", "twee"]


def test_writing_both_letters_stays_cheap() -> None:
    """The bar is 1.0 ms of CPU for acknowledgement and draft; five times that fails: machines are busy."""
    mail, found = a_mail("Mijn moeder is afgewezen door het CIZ. " * 20), assessed(("wlz",), ("T01",))
    action = Acknowledge("nl", NOW + timedelta(days=5), None)
    writer, case = letters(), a_case()

    def both() -> None:
        writer.acknowledgement(mail, case, action, identity_key="k", now=NOW)
        writer.draft(mail, found, case)

    both()
    best = 1.0
    for _ in range(5):
        started = time.process_time()
        for _ in range(20):
            both()
        best = min(best, (time.process_time() - started) / 20)
    assert best <= 0.005


def test_a_dying_mother_is_not_answered_as_a_sick_child() -> None:
    text = "Mijn moeder is stervende en wil thuis blijven. Welke zorg kan vannacht nog komen?"
    for laws in (("zvw",), ("wlz",), ("wlz", "zvw")):
        found = assessed(laws, ("T16",), Urgency.PALLIATIVE)
        body = letters().draft(a_mail(text), replace(found, judged_text=text), a_case()).body
        assert "kinderverpleegkundige" not in body
    child = "Onze zoon van 6 wordt niet meer beter. Wie regelt de zorg thuis in de laatste weken?"
    found = assessed(("zvw",), ("T18", "T16"), Urgency.PALLIATIVE)
    body = letters().draft(a_mail(child), replace(found, judged_text=child), a_case()).body
    assert "kinderverpleegkundige" in body
