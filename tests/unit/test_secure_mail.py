"""Notices of secure mail: recognised for what they are, and until when; a person who speaks of one asks a question."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.core.assess import assess, needs_verdict
from triage.core.assessment import Band
from triage.core.automated import screen
from triage.core.expiry import ends_before
from triage.core.mail import Attachment, EmailAddress, MessageKind, NoReplyReason, ParsedMail
from triage.core.secure_mail import DEFAULT_DAYS, PROVIDERS, is_access_code, notice_of, term_of
from triage.core.workdays import AMSTERDAM

ARRIVED = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)  # a Monday, 10:30 in Amsterdam


def mail(subject: str, words: str, sender: str = "balie@ziekenhuis.example", /, **changes: Any) -> ParsedMail:
    values: dict[str, Any] = {
        "headers": (("from", sender), ("subject", subject)),
        "subject": subject,
        "text": words,
        "new_text": words,
        "from_addresses": (EmailAddress(sender),),
    }
    return ParsedMail(**{**values, **changes})


NOTICES: list[tuple[str, ParsedMail]] = [
    (
        "zorgmail",
        mail(
            "ZorgMail Secure e-mail – Nieuw bericht van Gemeente Voorbeeld",
            "Er staat een nieuw bericht voor u klaar in ZorgMail.\nBericht lezen\n"
            "https://viewer.zorgmail.nl/m/123\nDit bericht is 90 dagen beschikbaar.",
            "noreply@zorgmail.nl",
        ),
    ),
    (
        "zorgmail",
        mail(
            "Beveiligd bericht",
            "Huisartsenpraktijk De Linde heeft u een beveiligd bericht gestuurd.\n"
            "Klik op Bericht lezen om het te openen: https://viewer.zorgmail.nl/x",
            "praktijk@delinde.example",
        ),
    ),
    (
        "zivver",
        mail(
            "Zivver bericht van Spoorweg Ziekenhuis",
            "Transferbureau heeft u een beveiligde e-mail gestuurd via Zivver.\nBekijk bericht\n"
            "https://app.zivver.com/mail/abc\nDit bericht verloopt op 12 december 2026.",
            "noreply@zivver.com",
        ),
    ),
    (
        "zivver",  # the sender added words of their own, and a question: still not the message
        mail(
            "RE: Uw vraag [JL-2026-00042-K7]",
            "Jan van Thuiszorg heeft u een veilig bericht gestuurd.\nPersoonlijke tekst: hierbij ons verslag, kunt u "
            "mij bellen als u vragen heeft?\nOpen het bericht: https://app.zivver.com/mail/abc",
            "no-reply@zivver.com",
        ),
    ),
    (
        "zivver",
        mail(
            "New Zivver message",
            "Transfer desk sent you a secure message. Read message: https://app.zivver.com/m/1\n"
            "This message expires on December 5, 2026.",
            "desk@hospital.example",
            headers=(("x-zivver-id", "1"),),
        ),
    ),
    (
        "smartlockr",
        mail(
            "U heeft een beveiligd bericht ontvangen",
            "U heeft een beveiligd bericht ontvangen van wijkteam@gemeente.example.\nBekijk bericht: "
            "https://secure.smartlockr.eu/m/1\nHet bericht is beschikbaar tot en met 01-12-2026.",
            "wijkteam@gemeente.example",
        ),
    ),
    (
        "cryptshare",
        mail(
            "Bestanden voor u",
            "De afdeling Wlz heeft u een vertrouwelijk bericht gestuurd met Cryptshare.\nDownload de bestanden: "
            "https://cryptshare.zorgkantoor.example/Download1.php?id=1\nBeschikbaar tot 30.11.2026 23:59",
            "wlz@zorgkantoor.example",
        ),
    ),
    (
        "microsoft",
        mail(
            "Overdracht",
            "transfer@ziekenhuis.example has sent you a protected message.\nRead the message\nLearn about messages "
            "protected by Microsoft Purview Message Encryption.",
            html='<a href="https://outlook.office365.com/Encryption/retrieve.ashx?recipientemailaddress=x">Read</a>',
            attachments=(Attachment("message_v4.rpmsg", "application/x-microsoft-rpmsg-message", 900),),
        ),
    ),
    (
        "microsoft",
        mail(
            "Overdracht",
            "Dit bericht is versleuteld met Microsoft Purview-berichtversleuteling. "
            "Lees het beveiligde bericht: https://outlook.office365.com/Encryption/x",
        ),
    ),
    (
        "virtru",
        mail(
            "A secure message",
            "Anna has sent you a secure email with Virtru.\nView message https://secure.virtru.com/start/?c=1\n"
            "Access expires in 7 days.",
        ),
    ),
    (
        "kpn",
        mail(
            "Veilige mail van Thuiszorg",
            "U heeft een beveiligde e-mail ontvangen via KPN Secure Mail.\nOpen de e-mail: "
            "https://portaal.kpnsecuremail.nl/x",
            "thuiszorg@zorg.example",
        ),
    ),
    (
        "enovation",
        mail(
            "Nieuw bericht",
            "U heeft een beveiligd bericht ontvangen. Bericht lezen: https://secure.enovation.nl/viewer/1",
            "noreply@enovation.nl",
        ),
    ),
    (
        "other",
        mail(
            "U heeft een beveiligd bericht ontvangen van Thuiszorg",
            "U heeft een beveiligd bericht ontvangen\nLees het bericht hier: https://lezen.portaal.example/m/1\n"
            "U ontvangt een sms-code.",
            "noreply@veiligbericht.example",
        ),
    ),
    (
        "other",
        mail(
            "Bericht",
            "Open de bijlage om het bericht te lezen.",
            attachments=(Attachment("message_zdm.html", "text/html", 80_000),),
        ),
    ),
]


@pytest.mark.parametrize(("provider", "notice"), NOTICES, ids=[f"{n}-{code}" for n, (code, _) in enumerate(NOTICES)])
def test_a_notice_is_recognised_never_acknowledged_and_never_judged(provider: str, notice: ParsedMail) -> None:
    assert notice_of(notice) == provider
    screening = screen(notice, own_addresses=("meldpunt@loket.example",), authserv_id="")
    assert screening.kind is MessageKind.SECURE_MAIL_NOTICE
    assert NoReplyReason.SECURE_MAIL_NOTICE in screening.reasons
    assert not needs_verdict(screening)
    assessment = assess(notice, screening, None, language="nl", model_languages=frozenset({"nl"}))
    assert (assessment.band, assessment.band_reason, assessment.laws) == (Band.POSSIBLE, "secure_mail_notice", ())


PEOPLE = [
    mail("Zivver", "Ik heb een beveiligd bericht ontvangen maar de link https://app.zivver.com/x werkt niet. Wat nu?"),
    mail("Hoe open ik ZorgMail?", "Mijn moeder kreeg een ZorgMail-bericht van het ziekenhuis. Hoe lees ik dat?"),
    mail(
        "FW: U heeft een beveiligd bericht ontvangen",
        "U heeft een beveiligd bericht ontvangen van het CIZ. Lees het hier: https://app.zivver.com/x",
        forwarded_text="U heeft een beveiligd bericht ontvangen van het CIZ.",
    ),
    mail(
        "Re: Nieuw Zivver-bericht",
        "Dank, gelezen. Mijn vraag blijft of de Wmo dit betaalt.",
        text="Dank, gelezen. Mijn vraag blijft of de Wmo dit betaalt.\n\n> U heeft een beveiligd bericht ontvangen\n"
        "> https://app.zivver.com/x",
    ),
    mail("Veilig thuis wonen", "Mijn vader wil veilig thuis blijven wonen. Krijgen wij hulp? https://gemeente.example"),
    mail("Stuur mij het antwoord per Zivver", "Kunt u mij het antwoord via een beveiligd bericht sturen? Ik wacht af."),
    mail(
        "Overdracht mw. De Boer",
        "Mw. gaat vrijdag met ontslag. Wie regelt de ELV-plek? Beveiligd verzonden met Zivver.",
        "transfer@ziekenhuis.example",
        headers=(("x-zivver-id", "1"),),
    ),
    mail(
        "Bijlage niet te openen",
        "Ik kan message.rpmsg niet openen, kunt u het anders sturen?",
        attachments=(Attachment("message.rpmsg", "application/x-microsoft-rpmsg-message", 900),),
    ),
    mail(
        "Vertrouwelijk",
        "Dit is een vertrouwelijk bericht over mijn dochter. Wij zoeken hulp. Zie https://school.example",
    ),
]


@pytest.mark.parametrize("asked", PEOPLE, ids=[one.subject for one in PEOPLE])
def test_a_person_who_speaks_of_a_notice_asks_a_question(asked: ParsedMail) -> None:
    assert notice_of(asked) is None
    assert screen(asked, own_addresses=(), authserv_id="").kind is MessageKind.QUESTION


def test_a_newsletter_of_a_service_is_no_notice() -> None:
    news = mail(
        "Nieuw in Zivver",
        "Ontdek onze nieuwe functies. Lees meer op https://www.zivver.com/blog. Afmelden? Klik hier.",
        "news@zivver.com",
        headers=(("list-unsubscribe", "<https://www.zivver.com/u>"),),
    )
    assert notice_of(news) is None


def test_a_code_that_opens_a_message_is_no_message() -> None:
    code = mail(
        "ZorgMail Secure e-mail – Uw toegangscode",
        "Uw toegangscode is:\n\n483920\n\nDe code is 15 minuten geldig.",
        "noreply@zorgmail.nl",
    )
    assert is_access_code(code)
    assert screen(code, own_addresses=(), authserv_id="").kind is MessageKind.AUTO_REPLY
    assert not any(is_access_code(notice) for _, notice in NOTICES)
    person = mail("Mijn toegangscode", "Mijn toegangscode 483920 werkt niet, uw toegangscode is verlopen?")
    assert not is_access_code(person)


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (
            "Casus",
            "J. Smit heeft u een beveiligd bericht gestuurd.\nUw toegangscode ontvangt u per sms.\nTot 3-4-2027.",
        ),
        ("Bericht", "Uw toegangscode ontvangt u per sms. Verloopt op 3 april 2027."),
        ("Bericht", "Uw toegangscode is verstuurd per sms naar 06 1234."),
        ("Bericht", "Uw toegangscode is 483920. Lees: https://app.zivver.com/m/abc"),
        ("Bericht", "Uw toegangscode staat in een andere mail.\n\nDeze mail gaat over dossier 483920 en niets anders."),
        ("Bericht", "Vul uw toegangscode in voor 2027"),
    ],
)
def test_a_notice_that_speaks_of_a_code_is_never_taken_for_the_code(subject: str, words: str) -> None:
    notice = mail(subject, words, "noreply@zivver.com")
    assert not is_access_code(notice)
    screening = screen(notice, own_addresses=(), authserv_id="")
    assert screening.kind is MessageKind.SECURE_MAIL_NOTICE


@pytest.mark.parametrize(
    "words", ["Uw toegangscode is 4839.", "Uw verificatiecode: 483 920", "Your access code:\n\nK7Q2M9"]
)
def test_a_code_right_after_its_words_is_a_code(words: str) -> None:
    code = mail("ZorgMail", f"{words}\nhttps://www.zorgmail.nl/privacy", "noreply@zorgmail.nl")
    assert is_access_code(code)


LONG = (
    "Mevrouw De Boer (84) ligt sinds zaterdag op afdeling C4 met een gebroken heup. Zij mag vrijdag naar huis, woont "
    "alleen en kan nog niet lopen. De thuiszorg heeft geen plek. Graag advies over een bed voor herstel, en wie dat "
    "aanvraagt als de huisarts niet bereikbaar is.\n\n"
)
ZIVVER_FOOTER = "Dit bericht is beveiligd verzonden met Zivver. Lees beveiligde berichten op https://app.zivver.com/x"


@pytest.mark.parametrize(
    "asked",
    [
        mail("Casus", "Een cliënt gaat uit de jeugdhulp. Graag advies over de Wlz.\n\n"
             "Open beveiligde mail via https://veilig.zorg.example"),
        mail("Casus", "Graag advies over de Wlz voor een cliënt.\n\nLees beveiligde berichten op www.zivver.nl"),
        mail("Casus", LONG + ZIVVER_FOOTER, headers=(("x-zivver-sent", "1"),)),
        mail("Casus", "Graag advies.\n" + ZIVVER_FOOTER, headers=(("x-zivver-sent", "1"),)),
        mail("U heeft een beveiligd bericht ontvangen", LONG + ZIVVER_FOOTER),
        mail("pgb", "Kan een moeder pgb krijgen? Graag antwoord op dit bericht. https://www.enovation.nl/secure-mail",
             "jan@enovation.nl"),
        mail("Wmo", "Kan een moeder pgb krijgen? Lees https://gemeente.example", "jan@tutanota.com"),
    ],
    ids=["portal", "www", "marked", "short", "subject", "enovation", "tutanota"],
)  # fmt: skip
def test_a_footer_about_secure_mail_makes_no_notice_of_a_question(asked: ParsedMail) -> None:
    assert notice_of(asked) is None
    assert screen(asked, own_addresses=(), authserv_id="").kind is MessageKind.QUESTION


# ---------------------------------------------------------------- until when


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("Dit bericht verloopt op 12 december 2026.", (2026, 12, 12)),
        ("Het bericht is beschikbaar tot en met 12 december 2026. Daarna wordt het verwijderd.", (2026, 12, 13)),
        ("U kunt het bericht lezen t/m 12-12-2026.", (2026, 12, 13)),
        ("Open het bericht vóór 12 dec. 2026 om 17:00 uur", (2026, 12, 12, 17)),
        ("Beschikbaar tot: 30.11.2026 23:59", (2026, 11, 30, 23, 59)),
        ("Verloopt op\n5 december 2026", (2026, 12, 5)),
        ("Geldig tot 3 januari", (2027, 1, 3)),
        ("Het bericht wordt verwijderd op 12/12/2026", (2026, 12, 12)),
        ("This message expires on December 12, 2026 at 11:59 PM", (2026, 12, 12, 23, 59)),
        ("Valid until 12 Dec 2026.", (2026, 12, 12)),
        ("The message will be deleted on 12/31/2026", (2026, 12, 31)),
        ("Available until 2026-12-24 08:15:00", (2026, 12, 24, 8, 15)),
        ("Expires 1st of December 2026", (2026, 12, 1)),
        ("Expires: 3/4/2027", (2027, 3, 4)),  # either reading lies ahead: the earlier one, so that nobody is late
        ("De toegangscode is 15 minuten geldig. Het bericht verloopt op 1 december 2026.", (2026, 12, 1)),
        ("Verzonden op 23 november 2026. Te lezen tot 7 december 2026 of 1 december 2026.", (2026, 12, 1)),
    ],
)
def test_a_moment_is_read_in_dutch_and_english(text: str, until: tuple[int, ...]) -> None:
    assert ends_before(text, arrived=ARRIVED) == datetime(*until, tzinfo=AMSTERDAM)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("Het bericht blijft 90 dagen beschikbaar.", 90 * 24),
        ("U kunt het bericht binnen veertien dagen ophalen.", 14 * 24),
        ("This link expires in 7 days.", 7 * 24),
        ("De bestanden worden na 2 weken verwijderd.", 14 * 24),
        ("The link is valid for 48 hours.", 48),
        ("Het bericht wordt een maand bewaard", 30 * 24),
    ],
)
def test_a_term_is_read_in_dutch_and_english(text: str, hours: int) -> None:
    until = ends_before(text, arrived=ARRIVED)
    assert until is not None
    assert (until - ARRIVED).total_seconds() == hours * 3600


@pytest.mark.parametrize(
    "text",
    [
        "U heeft een beveiligd bericht ontvangen.",
        "De toegangscode is 15 minuten geldig.",
        "Uw wachtwoord is 30 dagen geldig.",
        "Verzonden op 12 december 2026.",
        "Dit bericht verliep op 12 oktober 2026.",
        "Beschikbaar tot 31-02-2027.",
        "Geldig tot 12 december 2099.",
        "Bel ons binnen kantooruren: 030 789 78 78.",
    ],
)
def test_what_names_no_end_gives_none(text: str) -> None:
    assert ends_before(text, arrived=ARRIVED) is None


def test_without_a_moment_the_configured_days_of_the_service_count() -> None:
    notice = mail("Beveiligd bericht", "U heeft een beveiligd bericht ontvangen.")
    for days, provider, expected in (
        (DEFAULT_DAYS, "zorgmail", 90),
        (DEFAULT_DAYS, "zivver", 14),
        ({"other": 5, "zivver": 3}, "zivver", 3),
        ({"other": 5}, "kpn", 5),
    ):
        until, named = term_of(notice, provider, arrived=ARRIVED, days=days)
        assert ((until - ARRIVED).days, named) == (expected, False)
    assert set(DEFAULT_DAYS) <= set(PROVIDERS)


@given(st.text(max_size=3_000), st.text(max_size=200))
def test_any_text_ends_quickly(text: str, subject: str) -> None:
    began = time.process_time()
    notice_of(mail(subject, "beveiligd " + text))
    ends_before(text, arrived=ARRIVED)
    assert time.process_time() - began < 1


def test_hostile_repeats_end_quickly() -> None:
    began = time.process_time()
    for piece in ("beveiligd bericht ", "tot 12 ", "u heeft een ", "verloopt 1-1-", "https://", "heeft u "):
        notice_of(mail(piece, piece * 20_000))
        ends_before((piece * 20_000)[:6_000], arrived=ARRIVED)
    assert time.process_time() - began < 2
