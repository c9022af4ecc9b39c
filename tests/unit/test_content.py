"""What staff can read of mails that are broken, wrapped or made to stop a reader; the cases of sections E, M and H."""

from __future__ import annotations

import base64
import time
import tracemalloc
from pathlib import Path

import pytest

from tests.benchmark.hostile_mails import hostile_mail
from triage.core import cms
from triage.core.charsets import decode_bytes
from triage.core.mail import EmailAddress, ParsedMail, without_plus
from triage.core.parse import parse_mail
from triage.core.rtf import decompress, rtf_to_text
from triage.core.tnef import read_tnef

MAILS = Path(__file__).parent.parent / "data" / "mail"
HEAD = b"From: Jan <jan@x.example>\r\nSubject: Vraag\r\nMIME-Version: 1.0\r\n"
SENTENCE = "Wie coördineert de zorg?"


def read(name: str) -> ParsedMail:
    return parse_mail((MAILS / f"{name}.eml").read_bytes())


def plain(body: bytes, kind: str = "text/plain", encoding: str = "8bit") -> ParsedMail:
    return parse_mail(HEAD + f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body)


def mixed(*parts: bytes, kind: str = "mixed", boundary: str = '"b1"') -> ParsedMail:
    body = b"".join(b"--b1\r\n" + part + b"\r\n" for part in parts) + b"--b1--\r\n"
    return parse_mail(HEAD + f"Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n".encode() + body)


def shows(case: str, *values: object) -> object:
    """A row of a table of cases, with the mark of the protocol case that it shows."""
    return pytest.param(*values, marks=pytest.mark.protocol(case))


# ---------------------------------------------------------------- E: charsets and transfer encodings


@pytest.mark.parametrize(
    ("label", "data", "expected", "defect"),
    [
        shows("E01", "iso-8859-1", "“€ 5”".encode("cp1252"), "“€ 5”", None),
        shows("E01", "us-ascii", "“€ 5”".encode("cp1252"), "“€ 5”", "charset_mismatch"),
        shows("E01", "", "“€ 5”".encode("cp1252"), "“€ 5”", None),
        shows("E02", "us-ascii", SENTENCE.encode(), SENTENCE, "charset_mismatch"),
        shows("E02", "", SENTENCE.encode(), SENTENCE, None),
        shows("E02", "iso-8859-1", SENTENCE.encode(), SENTENCE, "charset_mismatch"),
        shows("E02", "gb2312", "financiën, één, ruïne".encode(), "financiën, één, ruïne", "charset_mismatch"),
        shows("E03", "utf-8", SENTENCE.encode("cp1252"), SENTENCE, "charset_mismatch"),
        shows(
            "E03", "utf-8", "één, twee, coördinatie".encode() + b" caf\xe9", "één, twee, coördinatie café", "bad_bytes"
        ),
        shows("E04", "x-geen", SENTENCE.encode(), SENTENCE, "unknown_charset"),
        shows("E04", '"utf-8"', SENTENCE.encode(), SENTENCE, None),
        shows("E04", "utf-8 (Unicode)", SENTENCE.encode(), SENTENCE, None),
        shows("E04", "utf-8;format=flowed", SENTENCE.encode(), SENTENCE, None),
        shows("E04", "", SENTENCE.encode("cp1252"), SENTENCE, None),
        shows("E04", "", "Нужна помощь на дому".encode("koi8-r"), "Нужна помощь на дому", None),
        shows("E04", "us-ascii", "Нужна помощь на дому".encode("cp1251"), "Нужна помощь на дому", "charset_mismatch"),
        shows("E05", "iso-8859-15", b"\xa4 5", "€ 5", None),
        shows("E05", "utf-16", SENTENCE.encode("utf-16"), SENTENCE, None),
        shows("E05", "utf-16", SENTENCE.encode("utf-16-le"), SENTENCE, None),
        shows("E05", "utf-7", b"Co+APY-rdinatie", "Coördinatie", None),
        shows("E05", "gb18030", "护理".encode("gb18030"), "护理", None),
        shows("E05", "iso-2022-jp", "介護".encode("iso-2022-jp"), "介護", None),
        shows("E05", "ks_c_5601-1987", "요양".encode("cp949"), "요양", None),
        shows("H14", "zlib_codec", b"x", "x", "unknown_charset"),
        shows("H14", "rot13", b"Hallo", "Hallo", "unknown_charset"),
        shows("H14", "idna", b"Hallo", "Hallo", "unknown_charset"),
        shows("H14", "undefined", b"Hallo", "Hallo", "unknown_charset"),
    ],
)
def test_bytes_become_the_text_that_was_meant(label: str, data: bytes, expected: str, defect: str | None) -> None:
    assert decode_bytes(data, label) == (expected, defect)


@pytest.mark.protocol("E02", "E05")
@pytest.mark.parametrize("name", ["utf8-as-gb2312", "cyrillic-unnamed"])
def test_a_wrong_or_missing_charset_costs_no_letter(name: str) -> None:
    assert read(name).text.strip() in (
        "Coördinatie één € café, ruïne en financiën.",
        "Моя мать нуждается в помощи по дому.",
    )


@pytest.mark.protocol("E01", "E03")
@pytest.mark.parametrize("label", ["utf-8", "iso-8859-1", "us-ascii", "x-geen"])
def test_eight_bit_text_inside_a_multipart_is_the_same(label: str) -> None:
    mail = mixed(f"Content-Type: text/plain; charset={label}\r\n\r\n".encode() + SENTENCE.encode("cp1252") + b" \x80 5")
    assert mail.text == f"{SENTENCE} € 5"


@pytest.mark.protocol("E06")
@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("text/html; charset=utf-8", "<meta charset=iso-8859-2><p>Coördinatie &euro;&nbsp;5 &amp; meer</p>".encode()),
        ("text/html", "<meta charset=utf-8><p>Coördinatie &#8364;&#xA0;5 &amp; meer</p>".encode()),
        ("text/html", b'<meta content="text/html; charset=iso-8859-15"><p>Co\xf6rdinatie \xa4 5 & meer'),
    ],
)
def test_the_header_names_the_charset_and_the_html_when_there_is_none(header: str, body: bytes) -> None:
    assert plain(body, header).text == "Coördinatie € 5 & meer"


@pytest.mark.protocol("E07")
def test_quoted_printable_is_read_as_far_as_it_goes() -> None:
    mail = plain(b"caf=e9 =ZZ 50=% =E2=82=AC rauw \xe9\r\nzacht=\r\n einde=", "text/plain", "quoted-printable")
    assert mail.text == "café =ZZ 50=% â‚¬ rauw é\nzacht einde"


@pytest.mark.protocol("E08")
@pytest.mark.parametrize(
    ("coded", "text"),
    [
        (base64.b64encode(SENTENCE.encode()).rstrip(b"="), SENTENCE),
        (base64.b64encode(SENTENCE.encode()).replace(b"n", b" n\r\n"), SENTENCE),
        (base64.encodebytes(SENTENCE.encode()) + b"-- \r\nVia de lijst\r\n", SENTENCE + "\n-- \nVia de lijst"),
        (base64.b64encode(b"Wie ") + base64.b64encode(b"betaalt dit?"), "Wie betaalt dit?"),
        (base64.b64encode(b"Wie b") + b"\r\n" + base64.b64encode(b"etaalt dit?"), "Wie betaalt dit?"),
        (base64.b64encode(SENTENCE.encode())[:-5], SENTENCE[:-2]),
    ],
)  # fmt: skip
def test_base64_is_read_as_far_as_it_goes(coded: bytes, text: str) -> None:
    assert plain(coded, "text/plain; charset=utf-8", "base64").text.strip() == text


@pytest.mark.protocol("E09")
@pytest.mark.parametrize("encoding", ["x-geen", "8 bits", "plain", "text/html", "UTF-8"])
def test_an_unknown_transfer_encoding_is_none(encoding: str) -> None:
    mail = plain(SENTENCE.encode(), "text/plain; charset=utf-8", encoding)
    assert (mail.text, mail.defects) == (SENTENCE, ("unknown_transfer_encoding",))


@pytest.mark.protocol("E10")
def test_base64_over_a_whole_multipart_is_opened() -> None:
    mail = read("multipart-base64")
    assert mail.text == "De tekst staat in de codering."
    assert [item.filename for item in mail.attachments] == ["brief.pdf"]


@pytest.mark.protocol("E11")
def test_flowed_text_is_joined_and_keeps_its_quotes() -> None:
    body = b"Een lange \r\nregel die doorloopt.\r\n >65 is de grens.\r\n> oud \r\n> verder oud\r\n-- \r\nJan\r\n"
    assert plain(body, "text/plain; format=flowed").text.split("\n")[:3] == [
        "Een lange regel die doorloopt.",
        " >65 is de grens.",
        "> oud verder oud",
    ]
    joined = plain("护理 \r\n服务\r\n".encode(), "text/plain; charset=utf-8; format=flowed; delsp=yes")
    assert joined.text.strip() == "护理服务"


@pytest.mark.protocol("E12")
def test_uuencode_is_an_attachment_and_a_sentence_stays_a_sentence() -> None:
    mail = read("uuencode-cut")
    assert mail.text.startswith("Hierbij het formulier.")
    assert mail.text.endswith("Kunt u dit bekijken? Wij begin 644 keer opnieuw.")
    assert [(item.filename, item.size) for item in mail.attachments] == [("brief.txt", 6)]
    assert (
        plain(b"begin 644 x.txt\r\n+2&%L;&\\@9&%A<@``\r\n`\r\nend\r\n", "text/plain", "x-uuencode").text.strip("\0")
        == "Hallo daar"
    )
    assert plain(b"begin 644 de dag rustig\r\nen dan dit.\r\nend\r\n").text.startswith("begin 644 de dag")


@pytest.mark.protocol("E14")
@pytest.mark.parametrize("name", ["text 40 MB", "line 10 MB of words"])
def test_a_huge_text_is_cut_for_the_view_and_says_so(name: str) -> None:
    raw = hostile_mail(name)
    started = time.process_time()
    mail = parse_mail(raw)
    assert time.process_time() - started < 2.0
    assert "text_too_long" in mail.defects
    assert 1_500_000 < len(mail.text) <= 2_000_000
    assert len(mail.new_text) < 500_000


# ---------------------------------------------------------------- M: structure and content


@pytest.mark.protocol("M02")
def test_html_loses_what_nobody_sees_and_no_word() -> None:
    mail = plain(
        b'<html><head><title>Titel</title><style>p{color:red}</style></head><body bgcolor="a>b">'
        b'<div style="display:none">voorproefje</div><p title="1 > 0">Een <b>vraag<p>met < en &lt;'
        b"<ul><li>een<li>twee</ul><script>alert(1)</script><div>" + b"<div>" * 5_000 + b"diep",
        "text/html",
    )
    assert mail.text == "Een vraag\n\nmet < en <\n\n* een\n* twee\n\ndiep"


@pytest.mark.protocol("M02")
@pytest.mark.parametrize("opened", [b"<style>", b"<!-- ", b"<script>", b"<title>"])
def test_an_element_that_is_never_closed_hides_no_sentence(opened: bytes) -> None:
    assert "Wie betaalt dit?" in plain(b"<p>Vraag</p>" + opened + b"<p>Wie betaalt dit?</p>", "text/html").text


@pytest.mark.protocol("M02")
def test_html_that_is_called_plain_text_reads_as_html() -> None:
    assert read("plain-is-html").text == "Wie betaalt de hulp?"


@pytest.mark.protocol("M02")
def test_a_picture_in_the_html_does_not_push_the_words_out() -> None:
    picture = b'<img src="data:image/png;base64,' + b"A" * 3_000_000 + b'">'
    mail = plain(b"<p>Boven</p>" + picture + b"<p>Onder</p>", "text/html")
    assert mail.text == "Boven\n\nOnder"
    assert len(mail.html) < 1_000


@pytest.mark.protocol("M03", "M04")
@pytest.mark.parametrize("order", [0, 1])
def test_of_an_alternative_one_version_is_read(order: int) -> None:
    parts = [b"Content-Type: text/html\r\n\r\n<p>De vraag</p>", b"Content-Type: text/plain\r\n\r\nDe vraag"]
    assert mixed(*parts[:: -1 if order else 1], kind="alternative").text == "De vraag"
    blank = mixed(b"Content-Type: text/plain\r\n\r\n \r\n", parts[0], kind="alternative")
    assert blank.text == "De vraag"


@pytest.mark.protocol("M06", "M07")
def test_attached_text_is_read_only_when_there_is_nothing_else() -> None:
    assert "Geheime" not in read("text-attachment").text
    only = read("attached-text-only")
    assert only.text == "Wie betaalt de hulp in huis voor mijn coördinator?"
    assert "content_only_in_attachment" in only.defects


@pytest.mark.protocol("M08")
def test_an_attached_mail_never_lends_its_headers() -> None:
    raw = hostile_mail("message/rfc822 nested 300 deep")
    mail = parse_mail(raw)
    assert (mail.subject, mail.from_addresses[0].address) == ("Vraag", "jan@voorbeeld.example")
    assert mail.attachments[0].content_type == "message/rfc822"


@pytest.mark.protocol("M09")
@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("multipart nested 30 deep", None),
        ("multipart nested 150 deep", "nesting_too_deep"),
        ("multipart nested 900 deep", "nesting_too_deep"),
        ("multipart nested 4,000 deep", "nesting_too_deep"),
        ("5,000 parts", "too_many_parts"),
    ],
)
def test_deep_and_wide_mails_keep_sender_and_subject_and_say_what_was_left_out(name: str, mark: str | None) -> None:
    raw = hostile_mail(name)
    started = time.process_time()
    mail = parse_mail(raw)
    assert time.process_time() - started < 2.0
    assert (mail.subject, mail.from_addresses[0].address) == ("Vraag", "jan@voorbeeld.example")
    assert mark is None or mark in mail.defects
    assert mark is not None or "Mijn moeder krijgt minder hulp" in mail.text


@pytest.mark.protocol("M10")
@pytest.mark.parametrize("boundary", ["nee", '""', '"b1   "', "b", '"b1'])
def test_text_is_found_whatever_boundary_is_named(boundary: str) -> None:
    mail = mixed(
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + SENTENCE.encode(),
        b"Content-Type: application/pdf; name=brief.pdf\r\n\r\nx",
        boundary=boundary,
    )
    assert mail.text.startswith(SENTENCE)
    assert [item.filename for item in mail.attachments] == ["brief.pdf"]


@pytest.mark.protocol("M10")
def test_one_boundary_on_two_levels_loses_neither_text_nor_attachment() -> None:
    mail = read("boundary-twice")
    assert mail.text == "Een vraag over hulp."
    assert [item.filename for item in mail.attachments] == ["brief.pdf"]


@pytest.mark.protocol("M11")
def test_parts_that_are_elsewhere_are_named_and_not_fetched() -> None:
    assert "partial" in read("message-partial").defects
    assert read("message-partial").text == "Het begin van een lange mail."
    assert [item.content_type for item in read("external-body").attachments] == ["message/external-body"]


@pytest.mark.protocol("M12")
@pytest.mark.parametrize(
    ("name", "text", "files"),
    [
        (
            "winmail-text",
            "Kan de wijkverpleging per direct starten? Coördinatie loopt via de huisarts.",
            ["winmail.dat", "indicatie coördinatie.docx"],
        ),
        ("winmail-rtf", "Mijn moeder krijgt pijnstilling en wil naar huis; coördinatie €50.", ["winmail.dat"]),
    ],
)
def test_winmail_is_opened(name: str, text: str, files: list[str]) -> None:
    mail = read(name)
    assert mail.text == mail.new_text == text
    assert [item.filename for item in mail.attachments] == files
    assert "bad_tnef" not in mail.defects


@pytest.mark.protocol("M12")
def test_winmail_cut_anywhere_does_no_harm() -> None:
    raw = (MAILS / "winmail-text.eml").read_bytes()
    data = base64.b64decode(raw.split(b"\r\n\r\n")[-1].split(b"--")[0])
    whole = read_tnef(data)
    assert whole is not None
    for end in range(len(data)):
        found = read_tnef(data[:end])
        assert found is None or whole.text.startswith(found.text)
        assert found is None or len(found.files) <= len(whole.files)
    assert "bad_tnef" in read("winmail-cut").defects
    assert read("winmail-cut").text.startswith("Kan de wijkverpleging")


@pytest.mark.protocol("M12")
def test_compressed_rich_text_is_unpacked_within_bounds() -> None:
    # The example of [MS-OXRTFCP] 3.1.1: literals, and references into what is known from the start.
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert decompress(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert rtf_to_text(decompress(packed)) == "hello world"
    assert decompress(b"") == decompress(packed[:10]) == b""
    assert rtf_to_text(b"geen rich text") == ""
    assert rtf_to_text(b"{\\rtf1 een\\par twee {\\*\\weg nee}\\u233?\\'e9{\\fonttbl nee}}") == "een\ntwee éé"


@pytest.mark.protocol("M13")
@pytest.mark.parametrize("name", ["smime-opaque", "smime-opaque-der"])
def test_a_signed_wrapping_is_opened(name: str) -> None:
    mail = read(name)
    assert mail.text == "Ondertekende vraag: wie coördineert de zorg?"
    assert [item.filename for item in mail.attachments] == ["smime.p7m", "brief.pdf"]
    assert mail.defects == ("signature_unchecked",)


@pytest.mark.protocol("M13")
def test_a_signed_or_encrypted_wrapping_that_stays_shut_says_so() -> None:
    assert {"opaque_signed", "content_only_in_attachment"} <= set(read("smime-opaque-cut").defects)
    assert "encrypted" in read("smime-encrypted").defects
    data = base64.b64decode((MAILS / "smime-opaque.eml").read_bytes().partition(b"\r\n\r\n")[2])
    whole = cms.signed_content(data)
    assert whole is not None
    for end in range(0, len(data), 7):
        assert whole.startswith(cms.signed_content(data[:end]) or b"")


@pytest.mark.protocol("M14")
def test_pgp_is_read_or_flagged_and_its_armour_is_no_text() -> None:
    assert "encrypted" in read("pgp-encrypted").defects
    assert "BEGIN PGP" not in read("pgp-inline-signed").new_text
    inline = plain(b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n")
    assert (inline.new_text, inline.defects) == ("", ("encrypted",))
    signed = mixed(
        b"Content-Type: text/plain\r\n\r\nOndertekend.",
        b"Content-Type: application/pgp-signature; name=signature.asc\r\n\r\n-----BEGIN PGP SIGNATURE-----",
        kind="signed",
    )
    assert signed.text == "Ondertekend."


@pytest.mark.protocol("M15")
@pytest.mark.parametrize(
    ("name", "size"),
    [("attachment 26 MB in base64", 19_000_000), ("attachment 26 MB in binary", 26_000_000)],
)
def test_a_large_attachment_is_not_held_again(name: str, size: int) -> None:
    raw = hostile_mail(name)
    tracemalloc.start()
    mail = parse_mail(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [item.size for item in mail.attachments] == [size]
    assert "Mijn moeder krijgt minder hulp" in mail.text
    assert peak < 5_000_000


@pytest.mark.protocol("M15")
def test_setting_large_parts_aside_changes_nothing_of_the_structure() -> None:
    large = b"Content-Type: image/png; name=foto.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    pixels = base64.encodebytes(b"x" * 300_000)
    inner = (
        b'Content-Type: multipart/related; boundary="b2"\r\n\r\n--b2\r\nContent-Type: text/html\r\n\r\n<p>Hallo'
        b"\r\n--b2\r\n" + large + pixels + b"\r\n--b2--\r\n"
    )
    mail = mixed(inner, large + pixels, b"Content-Type: text/plain\r\n\r\nNog iets.")
    assert mail.text == "Hallo\nNog iets."
    assert [(item.filename, item.size) for item in mail.attachments] == [("foto.png", 300_000)] * 2


@pytest.mark.protocol("M16")
@pytest.mark.parametrize("name", ["zip bomb", "gzip bomb", "XML entity bomb"])
def test_archives_are_listed_and_never_unpacked(name: str) -> None:
    raw = hostile_mail(name)
    tracemalloc.start()
    mail = parse_mail(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(mail.attachments) == 1
    assert peak < 5 * len(raw) + 1_000_000


@pytest.mark.protocol("M17")
@pytest.mark.parametrize("name", ["rekening.pdf.exe", "FOTO.SCR", "brief.docm", "snelkoppeling.lnk"])
def test_a_program_is_listed_with_a_warning(name: str) -> None:
    mail = mixed(b"\r\nZie bijlage.", f"Content-Type: application/pdf; name={name}\r\n\r\nMZ".encode())
    assert [item.filename for item in mail.attachments] == [name]
    assert "program_attached" in mail.defects
    assert "program_attached" not in read("attachment-only").defects


@pytest.mark.parametrize(
    ("field", "name"),
    [
        shows("M18", "filename*=utf-8''co%C3%B6rdinatie.pdf", "coördinatie.pdf"),
        shows("M18", "filename*=utf-8'nl'co%C3%B6rdinatie.pdf", "coördinatie.pdf"),
        shows("M18", "filename*0*=utf-8''co%C3%B6r; filename*1=dinatie; filename*2*=%2Epdf", "coördinatie.pdf"),
        shows("M18", "filename*1=dinatie.pdf; filename*0*=utf-8''co%C3%B6r", "coördinatie.pdf"),
        shows("M18", "filename=x.pdf; filename*=utf-8''co%C3%B6rdinatie.pdf", "coördinatie.pdf"),
        shows("M18", "filename*=x-geen''brief.pdf", "brief.pdf"),
        shows("M19", 'filename="=?utf-8?q?co=C3=B6rdinatie=2Epdf?="', "coördinatie.pdf"),
        shows("M19", 'filename="=?utf-8?b?Y2/DtnI=?= =?utf-8?b?ZGluYXRpZS5wZGY=?="', "coördinatie.pdf"),
        shows("M19", 'filename="coördinatie.pdf"', "coördinatie.pdf"),
        shows("M20", 'filename="../../etc/passwd"', "passwd"),
        shows("M20", 'filename="C:\\\\Windows\\\\brief.pdf"', "brief.pdf"),
        shows("M20", 'filename="a\0b.pdf"', "ab.pdf"),
        shows("M20", "filename*=utf-8''gnp.%E2%80%AEexe.pdf", "gnp.exe.pdf"),
        shows("M20", 'filename="NUL"', "_NUL"),
        shows("M20", 'filename="lpt1.txt"', "_lpt1.txt"),
        shows("M20", 'filename=""', ""),
        shows("M20", 'filename="   "', ""),
        shows("M20", 'filename="<script>.pdf"', "_script_.pdf"),
        shows("H05", 'filename="=?utf-8?q?a=0D=0ABcc:_x=2Epdf?="', "a Bcc_ x.pdf"),
    ],
)
def test_file_names_are_right_and_safe(field: str, name: str) -> None:
    part = f"Content-Type: application/pdf\r\nContent-Disposition: attachment; {field}\r\n\r\nx".encode()
    assert [item.filename for item in mixed(b"\r\nx", part).attachments] == [name]


@pytest.mark.protocol("M19", "M20")
def test_raw_and_endless_file_names() -> None:
    assert [item.filename for item in read("filename-raw").attachments] == ["coördinatie.pdf", "patiënt.pdf"]
    (long,) = mixed(b"Content-Type: application/pdf; name=" + b"a" * 5_000 + b".pdf\r\n\r\nx").attachments
    assert len(long.filename) == 150
    assert long.filename.endswith("aaa.pdf")


@pytest.mark.protocol("D20")
def test_an_invitation_is_words() -> None:
    mail = read("calendar-reply")
    assert mail.text == "Overleg zorgplan, deel 2\n20-11-2026 10:00\nGemeentehuis\nBespreken van\nhet plan"
    assert mail.calendar_method == "reply"


# ---------------------------------------------------------------- H: headers


@pytest.mark.protocol("H05", "H06")
def test_no_header_can_bring_another_along() -> None:
    mail = read("injected-everywhere")
    values = [mail.subject, *(value for _, value in mail.headers), *(item.filename for item in mail.attachments)]
    values += [person.display_name for person in (*mail.from_addresses, *mail.reply_to)]
    assert not any(char in value for value in values for char in "\r\n\0\x85\u2028\u2029")
    assert [person.address for person in (*mail.from_addresses, *mail.reply_to)] == ["jan@voorbeeld.example"] * 2
    assert mail.cc == ()


@pytest.mark.protocol("H07")
@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('"Vries, Jan de" <jan@x.example>', "Vries, Jan de"),
        ("=?utf-8?q?Vries=2C_Jan_de?= <jan@x.example>", "Vries, Jan de"),
        ("=?utf-8?q?Vries,_Jan_de?= <jan@x.example>", "Vries, Jan de"),
        ("jan@x.example (Vries, Jan de)", "Vries, Jan de"),
        ('"Vries\\, \\"Jan\\" de" <jan@x.example>', 'Vries, "Jan" de'),
    ],
)
def test_a_comma_in_a_name_makes_no_second_person(value: str, name: str) -> None:
    mail = parse_mail(f"From: {value}\r\nSubject: x\r\n\r\nx".encode())
    assert [(person.address, person.display_name) for person in mail.from_addresses] == [("jan@x.example", name)]


@pytest.mark.protocol("H08")
def test_direction_marks_do_not_turn_a_name_round() -> None:
    mail = parse_mail("From: \u202ebank\u2066 van nu <nep@x.example>\r\n\r\nx".encode())
    assert [(person.display_name, person.address) for person in mail.from_addresses] == [
        ("bank van nu", "nep@x.example")
    ]


@pytest.mark.protocol("H10", "H11")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jan@Bücher.example", "jan@xn--bcher-kva.example"),
        ("JAN@X.EXAMPLE", "jan@x.example"),
        ("jan@x.example.", "jan@x.example"),
    ],
)
def test_one_address_in_several_spellings_counts_as_one(one: str, other: str) -> None:
    assert EmailAddress(one).normalised == EmailAddress(other).normalised
    assert without_plus(one.replace("@", "+wmo@")) == without_plus(other)
    assert parse_mail(f"From: {one}\r\n\r\nx".encode()).from_addresses[0].address == one.removesuffix(".")


@pytest.mark.protocol("H12")
def test_raw_headers_are_read_in_the_charset_of_the_text() -> None:
    raw = b"From: \xc1\xdc\xd8\xe8 <a@x.example>\r\nSubject: \xf0\xd2\xc9\xd7\xc5\xd4\r\n"
    mail = parse_mail(raw + b"Content-Type: text/plain; charset=koi8-r\r\n\r\n\xf0\xd2\xc9\xd7\xc5\xd4")
    assert (mail.subject, mail.text) == ("Привет", "Привет")
    western = parse_mail(b"From: Andr\xe9 <a@x.example>\r\nSubject: \x80 5 en caf\xe9\r\n\r\nx")
    assert (western.subject, western.from_addresses[0].display_name) == ("€ 5 en café", "André")


@pytest.mark.parametrize(
    ("coded", "text"),
    [
        shows("H13", "=?nope-1?q?caf=E9?=", "café"),
        shows("H13", "=?utf-8?b?Y2Fmw6k?=", "café"),
        shows("H13", "=?utf-8?b?!!!?=", "=?utf-8?b?!!!?="),
        shows("H13", "=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),
        shows("H13", "=?utf-8?q?een?==?utf-8?q?twee?=", "eentwee"),
        shows("H13", "=?utf-8?q?een twee?=", "een twee"),
        shows("H13", "=?us-ascii?q?caf=E9?=", "café"),
        shows("H13", "=?utf-8?x?caf?=", "=?utf-8?x?caf?="),
        shows("H13", "=?utf-8?q?open", "=?utf-8?q?open"),
        shows("H14", "=?zlib_codec?b?eJw=?=", "xœ"),
        shows("H14", "=?idna?q?caf=E9?=", "café"),
        shows("H15", "=?utf-8*nl?q?co=C3=B6rdinatie?=", "coördinatie"),
    ],
)
def test_encoded_words_give_their_best_text(coded: str, text: str) -> None:
    assert parse_mail(f"From: a@x.example\r\nSubject: {coded}\r\n\r\nx".encode()).subject == text


@pytest.mark.protocol("H16")
@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("20,000 headers", "too_many_headers"),
        ("header of 1 MB", "header_too_long"),
        ("300 Received", "too_many_hops"),
        ("10,000 recipients", None),
        ("3,000 nested comments", None),
        ("300,000 open comments", "header_too_long"),
        ("RFC 2231 name in 60,000 pieces", None),
        ("open encoded words in Subject, 1 MB", "header_too_long"),
        ("1 MB of '<' in From", "header_too_long"),
        ("boundary of 100 kB", "bad_boundary"),
    ],
)
def test_floods_in_headers_take_bounded_time_and_leave_the_text(name: str, mark: str | None) -> None:
    raw = hostile_mail(name)
    started = time.process_time()
    mail = parse_mail(raw)
    assert time.process_time() - started < 2.0
    assert mark is None or mark in mail.defects
    assert mail.text.strip()
    assert mail.readable


@pytest.mark.protocol("H16")
def test_ten_thousand_recipients_are_kept() -> None:
    assert len(parse_mail(hostile_mail("10,000 recipients")).cc) > 9_000


@pytest.mark.protocol("H17")
def test_of_two_fields_the_first_counts_always() -> None:
    raw = (
        b"From: a@x.example\r\nSubject: Een\r\nSubject: Twee\r\n"
        b"Message-ID: <1@x.example>\r\nMessage-ID: <2@x.example>\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Type: application/pdf\r\n\r\nx"
    )
    mail = parse_mail(raw)
    assert (mail.subject, mail.message_id, mail.content_type) == ("Een", "<1@x.example>", "text/plain")
    assert {"duplicate_subject", "duplicate_message_id", "duplicate_content_type"} <= set(mail.defects)


@pytest.mark.protocol("H18")
@pytest.mark.parametrize(
    "raw",
    [
        b"From: jan@x.example\r\nSubject: Vraag\r\nWie betaalt dit?\r\nGroet",
        b"\r\n\r\nFrom: jan@x.example\r\nSubject: Vraag\r\n\r\nWie betaalt dit?",
        b" voortzetting\r\nFrom: jan@x.example\r\nSubject: Vraag\r\n\r\nWie betaalt dit?",
        b"geen dubbele punt\r\nFrom: jan@x.example\r\nSubject: Vraag\r\n\r\nWie betaalt dit?",
        b"\xef\xbb\xbfFrom: jan@x.example\r\nSubject: Vraag\r\n\r\nWie betaalt dit?",
        b"From: jan@x.example\rSubject: Vraag\r\rWie betaalt dit?",
        b"From jan@x.example Mon Nov 16 10:00:00 2026\nFrom: jan@x.example\nSubject: Vraag\n\nWie betaalt dit?",
        b"Wie betaalt dit? Ik hoor het graag.",
    ],
)
def test_a_head_that_is_broken_leaves_a_readable_mail(raw: bytes) -> None:
    mail = parse_mail(raw)
    assert mail.readable
    assert "Wie betaalt dit?" in mail.text
    assert {person.address for person in mail.from_addresses} <= {"jan@x.example"}
