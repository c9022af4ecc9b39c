"""Synthetic Dutch mail for the measuring commands: the same bytes for the same seed, no real persons.

The mix is that of the anchors' measurements: median 2 kB; 42% plain, 42% alternative, 9% with a PDF of 200 kB, the
rest HTML alone; 22% in iso-8859-1; 3.8% automatic.
"""

from __future__ import annotations

import base64
import io
import quopri
import random
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import format_datetime

ADDRESS = "meldpunt@juisteloket.example"
_WRITTEN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_PDF_BYTES = 200_000
_SHARES = (("plain", 42), ("alternative", 42), ("pdf", 9), ("html", 7))
_LATIN1_SHARE = 0.22
_AUTOMATIC_SHARE = 0.038

_FIRST = "Anneke Bram Carla Dirk Elske Fenna Geert Hilde Ineke Joris Karin Lotte Maarten Nelleke Otto Petra Renée Ruud"
_LAST = "Lindewater Korenhof Zandbergsma Veldpoort Hoogduin Rietkamp Molensloot Brinkweide Oeverland Wilgenbroek"
_PLACES = "Almelo Assen Breda Delft Deventer Ede Gouda Heerlen Hoorn Lelystad Meppel Oss Roermond Sneek Tiel Venlo"
_WHO = (
    "mijn moeder (83)", "mijn vader van 79", "onze dochter van 9", "mijn broer met een verstandelijke beperking",
    "mijn man", "mijn vrouw", "een cliënt die ik begeleid", "onze zoon van 16", "mijn tante", "een bewoner bij ons",
)  # fmt: skip
_SITUATIONS = (
    "{who} woont nog zelfstandig in {place}, maar het huishouden lukt niet meer en wij komen er als familie niet uit",
    "sinds vorig jaar krijgt {who} begeleiding vanuit de gemeente {place} en die stopt binnenkort",
    "{who} heeft sinds enige tijd een indicatie van het CIZ, maar wij vinden in de regio {place} geen passende plek",
    "de gemeente {place} heeft de aanvraag voor {who} afgewezen omdat er sprake zou zijn van gebruikelijke hulp",
    "voor {who} is wijkverpleging aangevraagd in {place}, maar er is een wachtlijst van drie maanden",
    "{who} wordt binnenkort achttien en de hulp vanuit de gemeente {place} loopt dan af",
    "wij kregen uit {place} een brief over de eigen bijdrage voor {who} en wij begrijpen de berekening niet",
    "het pgb van {who} wordt in {place} opnieuw beoordeeld en wij weten niet welke papieren nodig zijn",
    "de huisarts in {place} denkt dat dagbesteding voor {who} goed zou zijn, maar wie dat betaalt weten wij niet",
    "{who} heeft een scootmobiel en een traplift nodig en wij horen in {place} niets op onze aanvraag",
)
_QUESTIONS = (
    "Bij welk loket moeten wij nu zijn: de gemeente, het zorgkantoor of de zorgverzekeraar?",
    "Kunnen wij bezwaar maken tegen dit besluit, en binnen welke termijn moet dat?",
    "Onder welke wet valt deze hulp, en wie beslist daarover?",
    "Is er een onafhankelijke cliëntondersteuner die ons hierbij kan helpen?",
    "Moeten wij eerst een nieuwe indicatie aanvragen of loopt de oude gewoon door?",
    "Hoe hoog mag de eigen bijdrage zijn en wie stelt die vast?",
    "Mag de aanbieder de zorg stoppen zolang er nog geen nieuwe plek is?",
    "Wat kunnen wij doen als er in onze regio geen aanbieder met plaats is?",
)
_DETAILS = (
    "Wij hebben al drie keer gebeld en werden steeds doorverwezen naar een ander nummer.",
    "De wijkverpleegkundige zei dat het onder een andere wet valt, maar zij wist het niet zeker.",
    "Het gaat om ongeveer zes uur hulp per week, vooral in de ochtend en aan het begin van de avond.",
    "Zelf werk ik vier dagen en ik kan de zorg er niet nog verder bij nemen.",
    "De vorige aanvraag is twee jaar geleden gedaan en daarna is de situatie veranderd.",
    "In het gesprek thuis is niet gevraagd wat wij als familie nog kunnen doen.",
    "Wij hebben de brief van de gemeente bewaard en kunnen hem opsturen als dat helpt.",
    "Ook het vervoer naar de dagbesteding is een probleem, want de taxi komt vaak te laat.",
    "De aanbieder zegt dat er wel plek is, maar alleen met een andere indicatie.",
    "Wij zouden graag weten wat onze rechten zijn voordat wij het volgende gesprek voeren.",
    "Het zorgkantoor noemde een overbruggingszorgmodule, maar wij konden daar niets over vinden.",
    "Financieel wordt het lastig, omdat wij nu zelf een hulp betalen van één à twee dagdelen.",
    "Over de hulpmiddelen zijn wij tevreden; het gaat ons vooral om de persoonlijke verzorging.",
    "Het is ons niet duidelijk of de partner wordt meegeteld bij het vaststellen van de bijdrage.",
)
_SUBJECTS = (
    "Vraag over hulp in huis", "Indicatie en wachtlijst", "Afwijzing van de gemeente", "Eigen bijdrage",
    "Begeleiding na achttien jaar", "Pgb en herbeoordeling", "Dagbesteding: wie betaalt?", "Wijkverpleging gezocht",
    "Welk loket voor een traplift?", "Vervolg op ons telefoongesprek", "Cliëntondersteuning",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MadeMail:
    """A mail and what must become of it. `acknowledged` is True for questions only."""

    raw: bytes
    message_id: str
    kind: str  # question | auto_reply | delivery_report | list_or_bulk
    shape: str  # plain | alternative | pdf | html
    charset: str

    @property
    def acknowledged(self) -> bool:
        return self.kind == "question"


def make_mails(count: int, *, seed: int = 1) -> list[MadeMail]:
    """`count` different mails in a fixed mix: the shares are exact, the order is shuffled."""
    chance = random.Random(seed)
    automatic = round(count * _AUTOMATIC_SHARE)
    kinds = ["question"] * (count - automatic)
    kinds += [("auto_reply", "delivery_report", "list_or_bulk", "auto_reply")[i % 4] for i in range(automatic)]
    shapes = _spread(count, _SHARES)
    charsets = ["iso-8859-1"] * round(count * _LATIN1_SHARE)
    charsets += ["utf-8"] * (count - len(charsets))
    for row in (kinds, shapes, charsets):
        chance.shuffle(row)
    return [
        _make(chance, seed * 1_000_000 + number, kind, shape if kind == "question" else "plain", charset)
        for number, (kind, shape, charset) in enumerate(zip(kinds, shapes, charsets, strict=True))
    ]


def old_mails(count: int) -> Iterator[bytes]:
    """Small mails that fill a mailbox."""
    for number in range(count):
        yield (
            f"From: afzender{number}@example.nl\r\nTo: {ADDRESS}\r\nSubject: Oude vraag {number}\r\n"
            f"Message-ID: <oud-{number}@example.nl>\r\nDate: {format_datetime(_WRITTEN)}\r\n\r\nGroet\r\n"
        ).encode()


def ordinary(number: int) -> MadeMail:
    """One plain question; `number` makes it different from the others."""
    return _make(random.Random(number), 900_000_000 + number, "question", "plain", "utf-8")


def _spread(count: int, shares: tuple[tuple[str, int], ...]) -> list[str]:
    made: list[str] = []
    for name, share in shares[:-1]:
        made += [name] * round(count * share / 100)
    return made + [shares[-1][0]] * (count - len(made))


def _make(chance: random.Random, number: int, kind: str, shape: str, charset: str) -> MadeMail:
    first, last = chance.choice(_FIRST.split()), chance.choice(_LAST.split())
    name, address = f"{first} {last}", f"afzender{number}@example.nl"
    written = _WRITTEN + timedelta(minutes=chance.randrange(60 * 24 * 30), seconds=number % 60)
    message_id = f"<{number}.{chance.getrandbits(64):x}@example.nl>"
    subject = f"{chance.choice(_SUBJECTS)} ({chance.choice(_PLACES.split())})"
    paragraphs = _paragraphs(chance, name)
    extra: list[str] = []
    if kind == "auto_reply":
        extra = ["Auto-Submitted: auto-replied", "X-Auto-Response-Suppress: All"]
        subject = f"Automatisch antwoord: {subject}"
        paragraphs = ["Dank voor uw bericht. Ik ben afwezig en lees mijn mail weer volgende week.", name]
    elif kind == "list_or_bulk":
        extra = ["List-Id: <nieuwsbrief.example.nl>", "List-Unsubscribe: <https://example.nl/af>", "Precedence: bulk"]
        subject = f"Nieuwsbrief {number}: zorg in de regio"
        paragraphs = ["In deze nieuwsbrief leest u over bijeenkomsten in de regio.", *paragraphs[1:3]]
    head = [
        f"Return-Path: <{'' if kind == 'delivery_report' else address}>",
        f"Delivered-To: {ADDRESS}",
        f"Received: from mx{number % 7}.example.nl (mx{number % 7}.example.nl [192.0.2.{number % 250}])",
        f"\tby mail.juisteloket.example with ESMTPS id {chance.getrandbits(60):015x}",
        f"\tfor <{ADDRESS}>; {format_datetime(written + timedelta(seconds=4))}",
        f"From: {_word(name, charset)} <{'mailer-daemon@example.nl' if kind == 'delivery_report' else address}>",
        f"To: Juiste Loket <{ADDRESS}>",
        f"Subject: {_word(subject, charset)}",
        f"Date: {format_datetime(written)}",
        f"Message-ID: {message_id}",
        *extra,
        "MIME-Version: 1.0",
    ]
    lines = _report(number) if kind == "delivery_report" else _body(chance, shape, charset, paragraphs, number)
    raw = "\r\n".join([*head, *lines]).encode("ascii") + b"\r\n"
    return MadeMail(raw, message_id, kind, shape, charset)


def _paragraphs(chance: random.Random, name: str) -> list[str]:
    who, place = chance.choice(_WHO), chance.choice(_PLACES.split())
    opening = chance.choice(_SITUATIONS).format(who=who, place=place)
    details = chance.sample(_DETAILS, k=min(len(_DETAILS), max(2, round(chance.lognormvariate(1.35, 0.55)))))
    middle = [" ".join(details[i : i + 3]) for i in range(0, len(details), 3)]
    return [
        chance.choice(("Geachte heer, mevrouw,", "Beste medewerker,", "Goedemiddag,")),
        f"Het gaat om het volgende: {opening}.",
        *middle,
        " ".join(chance.sample(_QUESTIONS, k=chance.choice((1, 1, 2)))),
        "Alvast hartelijk dank voor uw reactie.",
        f"Met vriendelijke groet,\r\n{name}\r\nDossier {chance.getrandbits(32):08x}",
    ]


def _body(chance: random.Random, shape: str, charset: str, paragraphs: list[str], number: int) -> list[str]:
    text = _text_part("plain", charset, "\r\n\r\n".join(paragraphs))
    rows = "".join(f'<p style="margin:0 0 10pt 0">{part}</p>\r\n' for part in paragraphs).replace("\r\n", "<br>\r\n")
    html = _text_part("html", charset, f"<html><head><title></title></head><body>\r\n{rows}</body></html>")
    if shape == "plain":
        return text
    if shape == "html":
        return html
    if shape == "alternative":
        return _multipart("alternative", f"alt-{number}", [text, html])
    pdf = [
        'Content-Type: application/pdf; name="brief.pdf"',
        'Content-Disposition: attachment; filename="brief.pdf"',
        "Content-Transfer-Encoding: base64",
        "",
        *_base64_lines(_pdf(chance)),
    ]
    return _multipart("mixed", f"mix-{number}", [text, pdf])


def _text_part(subtype: str, charset: str, text: str) -> list[str]:
    encoded = quopri.encodestring(text.replace("\r\n", "\n").encode(charset)).decode("ascii")
    return [
        f"Content-Type: text/{subtype}; charset={charset}",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        *encoded.split("\n"),
    ]


def _multipart(subtype: str, boundary: str, parts: list[list[str]]) -> list[str]:
    lines = [f'Content-Type: multipart/{subtype}; boundary="{boundary}"', ""]
    for part in parts:
        lines += [f"--{boundary}", *part]
    return [*lines, f"--{boundary}--"]


def _report(number: int) -> list[str]:
    status = [
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.example.nl",
        "",
        f"Final-Recipient: rfc822; weg{number}@example.nl",
        "Action: failed",
        "Status: 5.1.1",
    ]
    notice = ["Content-Type: text/plain; charset=us-ascii", "", "Your message could not be delivered."]
    original = ["Content-Type: text/rfc822-headers", "", f"Message-ID: <elders-{number}@example.org>"]
    lines = _multipart("report", f"dsn-{number}", [notice, status, original])
    lines[0] = lines[0].replace("report;", "report; report-type=delivery-status;")
    return lines


def _word(text: str, charset: str) -> str:
    return text if text.isascii() else Header(text, charset).encode()


def _base64_lines(data: bytes) -> list[str]:
    return base64.encodebytes(data).decode("ascii").split("\n")[:-1]


def _pdf(chance: random.Random) -> bytes:
    """A valid one-page PDF whose page holds an incompressible stream."""
    noise = chance.randbytes(_PDF_BYTES)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(noise), noise),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 5\n0000000000 65535 f \n" + table + trailer


# ---------------------------------------------------------------- hard mails


def hard_mails() -> Iterator[tuple[str, bytes]]:
    """(what is hard about it, the mail), made one at a time: together they are larger than one wants in memory."""
    noise = random.Random(25).randbytes(25_000_000)
    yield (
        "attachment of 25 MB",
        _hard(
            "bijlage", _multipart("mixed", "h", [_plain("Zie de bijlage."), _attached("scan.tif", "image/tiff", noise)])
        ),
    )
    # just below the default size limit, so that all of it is parsed
    yield "one line of 10 MB", _hard("regel", _plain("woord " * 1_666_000))
    many = ",\r\n ".join(f"Naam {i} <ontvanger{i}@example.nl>" for i in range(5_000))
    yield "5,000 addresses in To", _hard("adressen", _plain("Aan u allen."), to=many)
    yield "multiparts nested 150 deep", _hard("diep", _nested(150))
    headers = [f"X-Kop-{i}: waarde {i}" for i in range(20_000)]
    yield "20,000 headers", _hard("koppen", [*headers, *_plain("Veel koppen.")])
    line = "Dit is een regel van een heel lange brief over zorg in de gemeente.\r\n"
    yield "text of 40 MB", _hard("lang", _plain(line * (40_000_000 // len(line))))
    broken = ["--a", *_plain("Half."), "--b", "--a-", "--"] * 50
    yield "broken boundaries", _hard("grenzen", ['Content-Type: multipart/mixed; boundary="a"', "", *broken])
    archive = _attached("foto.zip", "application/zip", _bomb())
    yield "zip bomb attached", _hard("zip", _multipart("mixed", "z", [_plain("Zie de bijlage."), archive]))
    yield "5,000 parts", _hard("delen", _multipart("mixed", "p", [_plain(f"Deel {i}") for i in range(5_000)]))


def _hard(name: str, lines: list[str], *, to: str = ADDRESS) -> bytes:
    head = [
        f"Return-Path: <{name}@example.nl>",
        f"From: Moeilijk <{name}@example.nl>",
        f"To: {to}",
        f"Subject: Vraag over een indicatie ({name})",
        f"Date: {format_datetime(_WRITTEN)}",
        f"Message-ID: <moeilijk-{name}@example.nl>",
        "MIME-Version: 1.0",
    ]
    return "\r\n".join([*head, *lines]).encode("ascii") + b"\r\n"


def _plain(text: str) -> list[str]:
    return ["Content-Type: text/plain; charset=us-ascii", "", text]


def _attached(filename: str, content_type: str, data: bytes) -> list[str]:
    return [
        f'Content-Type: {content_type}; name="{filename}"',
        f'Content-Disposition: attachment; filename="{filename}"',
        "Content-Transfer-Encoding: base64",
        "",
        *_base64_lines(data),
    ]


def _nested(depth: int) -> list[str]:
    lines = _plain("Helemaal onderin staat mijn vraag over de indicatie.")
    for level in range(depth):
        lines = _multipart("mixed", f"laag-{level:03}", [lines])
    return lines


def _bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.bin", bytes(100_000_000))
    return out.getvalue()
