"""Notices of secure mail: the content sits behind a portal and is gone after a while.

Services such as ZorgMail and Zivver send such a notice in place of the mail itself. It is recognised by who sends it,
the marks and links of the service, and its wording, Dutch or English; a person who asks about a notice, quotes one or
forwards one asks a question. The notice is never classified (`core/assess.py`) and never acknowledged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.core.body import is_forward_subject, is_reply_subject
from triage.core.expiry import ends_before
from triage.core.htmltext import links
from triage.core.mail import ParsedMail

_I = re.IGNORECASE
_LOOKED_AT = 6_000  # characters: notices are short


@dataclass(frozen=True, slots=True)
class _Service:
    """How the notices of one service show: sender domains, hosts of its links, header fields, files, its names."""

    code: str
    domains: tuple[str, ...] = ()
    hosts: str = ""  # pattern of a link
    headers: str = ""  # beginning of a field name
    files: tuple[str, ...] = ()
    names: str = ""  # pattern of its name in subject or text


_SERVICES: tuple[_Service, ...] = (
    _Service(
        "zorgmail",
        ("zorgmail.nl", "zorgmail.com", "securemail.zorgmail.nl"),
        r"https?://[\w.-]*zorgmail\.(?:nl|com)[/?:]",
        "x-zorgmail",
        (),
        r"zorg ?mail",
    ),
    _Service(
        "zivver",
        ("zivver.com", "zivver.eu", "zivver.nl", "zivver.io"),
        r"https?://[\w.-]*zivver\.(?:com|eu|nl|io)[/?:]",
        "x-zivver",
        (),
        r"zivver",
    ),
    _Service(
        "smartlockr",
        ("smartlockr.eu", "smartlockr.io", "smartlockr.nl", "smartlockr.com"),
        r"https?://[\w.-]*smartlockr\.(?:eu|io|nl|com)[/?:]",
        "x-smartlockr",
        (),
        r"smart ?lockr",
    ),
    _Service(
        "cryptshare",
        ("cryptshare.com", "cryptshare.express"),
        r"https?://[\w.-]*cryptshare[\w.-]*/|https?://[\w.-]+/[^\s\"'<>]{0,40}(?:receptionconfirmation|showTransfer)",
        "x-cryptshare",
        (),
        r"cryptshare|quick technology",
    ),
    _Service(
        "microsoft",
        ("messagebundle.com",),
        r"https?://outlook\.office(?:365)?\.com/encryption/|https?://[\w.-]*\.?protection\.outlook\.com/",
        "",
        ("message.rpmsg", "message_v2.rpmsg", "message_v4.rpmsg"),
        r"microsoft (?:purview|365) (?:message )?(?:encryption|versleuteling)|office 365 (?:message encryption|"
        r"-?berichtversleuteling)|purview-?berichtversleuteling",
    ),
    _Service(
        "virtru",
        ("virtru.com",),
        r"https?://(?:secure|accounts|reader)\.virtru\.com/",
        "x-virtru",
        ("message.tdf.html",),
        r"virtru",
    ),
    _Service(
        "kpn",
        ("kpnsecuremail.nl", "securemail.kpn.com", "kpnmail.nl"),
        r"https?://[\w.-]*kpn(?:secure)?mail\.(?:nl|com)[/?:]|https?://securemail\.kpn\.com",
        "x-kpn-secure",
        (),
        r"kpn (?:secure|veilige?) ?mail",
    ),
    _Service(
        "enovation",
        ("enovation.nl", "enovationgroup.com", "lifeline.nl"),
        r"https?://[\w.-]*(?:enovation(?:group)?|lifeline)\.(?:nl|com)/[^\s\"'<>]{0,60}(?:secure|viewer|bericht|mail)",
        "x-enovation",
        (),
        r"enovation",
    ),
    _Service("filecap", ("filecap.com", "filecap.nl"), r"https?://[\w.-]*filecap\.(?:com|nl)[/?:]", "", (), r"filecap"),
)
_OTHER = _Service(
    "other",
    (
        "securemail.nl",
        "veiligmailen.nl",
        "secumailer.eu",
        "secumailer.com",
        "egress.com",
        "tutanota.com",
        "tutamail.com",
        "securemessaging.nl",
    ),
    "",
    "",
    ("securemessage.html", "securedoc.html", "message_zdm.html", "smime.p7m.html", "encrypted.html"),
    r"siilo|secumailer|egress|veiligbericht|barzmail",
)
PROVIDERS: tuple[str, ...] = (*(service.code for service in _SERVICES), _OTHER.code)
"""Codes of the services that are told apart."""

DEFAULT_DAYS: Mapping[str, int] = {"zorgmail": 90, "other": 14}
"""Days a content stays behind its portal when the notice does not say; `other` for services that are not named."""

# Words without which a notice cannot be one: a plain search costs a fiftieth of the patterns below.
_WORDS = (
    "beveilig", "versleutel", "secure", "protected", "encrypted", "zivver", "zorgmail", "smartlockr", "cryptshare",
    "filecap", "siilo", "veilig", "confidential", "vertrouwelijk", "geschützte", "sichere", "verschlüsselte", "virtru",
    "rpmsg", "bericht van", "nieuw bericht", "purview", "enovation", "encryption", "toegangscode",
    "verificatiecode", "access code", "passcode",
)  # fmt: skip
_SAFE = r"(?:beveiligde?|versleutelde?|veilige?|vertrouwelijke?|secure|encrypted|protected|confidential)"
_MESSAGE = r"(?:e-?mail|bericht|mail|bestand|message|document)\w*"
_BRAND = r"(?:zivver|zorg ?mail|smart ?lockr|cryptshare|filecap|siilo|virtru|kpn|enovation)"
_NOTICE = re.compile(
    # u heeft een beveiligd bericht ontvangen
    rf"\b(?:u|je|jij) (?:heeft|hebt|ontvangt|kreeg|ontving)\s+(?:een|\d+)?\s*(?:nieuwe?\s+)?(?:via\s+)?"
    rf"(?:{_BRAND}[ -]?(?:secure )?{_MESSAGE}|{_SAFE}\s+(?:{_BRAND}\s+)?{_MESSAGE})|"
    # X heeft u een beveiligd bericht gestuurd
    rf"(?:heeft|stuurde|stuurt|verstuurde) (?:aan )?(?:u|je|jou)\b[^.\n]{{0,40}}?{_SAFE}\s+(?:{_BRAND}\s+)?{_MESSAGE}|"
    rf"heeft (?:u|je) (?:via|met) {_BRAND}[^.\n]{{0,40}}(?:gestuurd|verstuurd|gezonden|gedeeld)|"
    # er staat een bericht voor u klaar
    rf"\b(?:er staat|staat er)\b[^.\n]{{0,30}}(?:{_SAFE}|nieuw) {_MESSAGE}[^.\n]{{0,30}}klaar|"
    rf"\b(?:nieuw|beveiligd|versleuteld|veilig) (?:{_BRAND})?[ -]?(?:secure )?{_MESSAGE} "
    rf"(?:ontvangen|van|voor u|via)\b|"
    rf"\b{_BRAND}[^\n]{{0,20}}[-–:] ?nieuw bericht\b|"
    # has sent you a protected message
    rf"\b(?:has (?:sent|shared with) you|you(?:'ve|’ve| have) (?:received|got)|sent you) (?:a|an|\d+)? ?(?:new )?"
    rf"(?:{_BRAND} )?{_SAFE}\b[^.\n]{{0,30}}{_MESSAGE}|"
    rf"\b(?:this|dit) (?:message|bericht|e-?mail) (?:is|was|werd) (?:{_SAFE}|beveiligd) (?:with|met|door|by)\b"
    rf"[^.\n]{{0,60}}(?:purview|office 365|microsoft|{_BRAND})|"
    rf"\bhat ihnen eine (?:geschützte|sichere|verschlüsselte) (?:nachricht|e-?mail)|"
    # lees het beveiligde bericht
    rf"\b(?:read|lees|open|bekijk|view) (?:het|the|uw|dit|your|this|je)? ?(?:{_SAFE}|{_BRAND})[ -]?{_MESSAGE}",
    _I,
)
_OPEN_IT = re.compile(
    r"\b(?:lees|open|bekijk|read|view|download|haal|klik|toon)\b[^.\n]{0,40}\b(?:bericht|message|e-?mail|nachricht|op|"
    r"bestand(?:en)?|files?)\b|\b(?:bericht|message|mail) (?:lezen|openen|bekijken|ophalen)\b|\btoegangscode\b|"
    r"\bsms-code\b|\bone[- ]time (?:passcode|password)\b",
    _I,
)
_FIRST_PERSON = re.compile(r"\b(?:ik|mij|mijn|wij|ons|onze|we|i|my|our|me)\b", _I)
_ASKS_ABOUT_IT = re.compile(
    r"\bik (?:heb|kan|krijg|ontving|wil|kreeg|snap|weet)\b|\b(?:i (?:have|can(?:'t|not)?|got|received)|"
    r"hoe (?:open|lees) ik|wat moet ik|lukt (?:het )?(?:mij )?niet|werkt niet)\b",
    _I,
)
# What a notice says of itself, whoever sends it; the wider _NOTICE also fits a footer that explains secure mail.
_STRONG = re.compile(
    rf"\b(?:u|je|jij) (?:heeft|hebt|ontvangt|kreeg|ontving)\s+(?:een|\d+)?\s*(?:nieuwe?\s+)?(?:via\s+)?"
    rf"(?:{_BRAND}[ -]?(?:secure )?{_MESSAGE}|{_SAFE}\s+(?:{_BRAND}\s+)?{_MESSAGE})|"
    rf"(?:heeft|stuurde|stuurt|verstuurde) (?:aan )?(?:u|je|jou)\b[^.\n]{{0,40}}?{_SAFE}\s+(?:{_BRAND}\s+)?{_MESSAGE}|"
    rf"heeft (?:u|je) (?:via|met) {_BRAND}[^.\n]{{0,40}}(?:gestuurd|verstuurd|gezonden|gedeeld)|"
    rf"\b(?:er staat|staat er)\b[^.\n]{{0,30}}{_SAFE} {_MESSAGE}[^.\n]{{0,30}}klaar|"
    rf"\b(?:has (?:sent|shared with) you|you(?:'ve|’ve| have) (?:received|got)|sent you) (?:a|an|\d+)? ?(?:new )?"
    rf"(?:{_BRAND} )?{_SAFE}\b[^.\n]{{0,30}}{_MESSAGE}|"
    rf"\bhat ihnen eine (?:geschützte|sichere|verschlüsselte) (?:nachricht|e-?mail)",
    _I,
)
_MOST_OWN_WORDS = 40  # with more text of its own a mail is the message, not a notice of one
_MOST_BEFORE = 8  # words that may stand before the sentence of the notice: a name, a heading
_GREETING = re.compile(r"(?:beste|geachte|hallo|goede?(?:n|ndag|morgen|middag|avond|dag)?|dag|dear|hello|hi)\b", _I)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_ABOUT_SECURE_MAIL = re.compile(
    r"beveilig|versleutel|encrypt|protected|\bsecure|vertrouwelijk|toegangscode|sms|passcode|wachtwoord|password|inlog|"
    r"portaal|portal|klik|click|verloopt|expire|beschikbaar|available|browser|bericht|message|e-?mail|knop|button|"
    rf"{_BRAND}|https?:",
    _I,
)
_NOTICE_SENDER = re.compile(
    r"(?:no|not|niet|do[._-]?not|donot|geen)[._+-]?(?:reply|replies|antwoord|beantwoord|reageren|response)|notif|notice|"
    r"secure|veilig|beveilig|bericht|message|encrypt|deliver|mailer|system|zivver|zorg-?mail|smartlockr|cryptshare|"
    r"filecap|virtru|kpn",
    _I,
)
_CODE = re.compile(
    r"\b(?:uw|je|your) (?:zivver |zorgmail )?(?:toegangscode|verificatiecode|inlogcode|sms-code|eenmalige code|"
    r"verification code|access code|one[- ]time pass(?:code|word))\b",
    _I,
)
# Right after those words; a year of a date is no code, nor are the last digits of a telephone number.
_CODE_ITSELF = re.compile(
    r"[\s:>*](?!(?:19|20)\d\d(?![0-9A-Za-z-]))(?=[A-Z]{0,9}\d)(?:[0-9A-Z]{4,10}|\d{3}[ -]\d{3})(?![0-9A-Za-z-])"
)
_CODE_NEAR = 40  # characters
_SENT_ELSEWHERE = re.compile(
    r"\b(?:sms|ontvangt|verstuurd|verzonden|gestuurd|aparte?|telefoon|nummer|sent|phone)\b", _I
)
_BARE_OR_HELP = re.compile(
    r"https?://[^/?#]*/?$|https?://\S*(?:privacy|support|help|faq|contact|voorwaarden|terms|disclaimer)\S*$", _I
)


def _head(mail: ParsedMail) -> str:
    return f"{mail.subject}\n{mail.text[:_LOOKED_AT]}"


def _addresses(mail: ParsedMail) -> str:
    """The links of text and HTML, one a line."""
    shown = re.findall(r"https?://[^\s\"'<>]{1,500}", mail.text[:20_000])[:50]
    hidden = links(mail.html[:200_000]) if mail.html else ()
    return "\n".join((*shown, *hidden))


def _domain(mail: ParsedMail) -> str:
    return mail.from_addresses[0].normalised.rpartition("@")[2] if mail.from_addresses else ""


def _is_of(domain: str, service: _Service) -> bool:
    return any(domain == item or domain.endswith("." + item) for item in service.domains)


def notice_of(mail: ParsedMail) -> str | None:
    """The code of the service (one of PROVIDERS) when this mail is a notice of secure mail, else None."""
    files = frozenset(item.filename.lower() for item in mail.attachments[:50])
    head = _head(mail)
    wrapped = next((one for one in (*_SERVICES, _OTHER) if files & set(one.files)), None)
    if wrapped is None and not any(word in head.lower() for word in _WORDS):
        return None
    if is_forward_subject(mail.subject):
        return None
    words = (mail.new_text or mail.text)[:_LOOKED_AT]
    own = f"{mail.subject}\n{words}"
    domain, addresses = _domain(mail), _addresses(mail)
    names = [name for name, _ in mail.headers]
    sender = next((one for one in (*_SERVICES, _OTHER) if _is_of(domain, one)), None)
    linked = next((one for one in _SERVICES if one.hosts and re.search(one.hosts, addresses, _I)), None)
    marked = next(
        (one for one in _SERVICES if one.headers and any(name.startswith(one.headers) for name in names)), None
    )
    service = sender or marked or linked or wrapped
    to_open = bool(addresses) or bool(_OPEN_IT.search(head))
    sold = "list-unsubscribe" in names  # the service writes on its own behalf
    if sender is not None and _is_notice_sender(mail):
        # the service itself writes; what a sender added to its notice may ask, and is not the whole message
        if wrapped or _NOTICE.search(own):
            return sender.code
        opens = linked is not None and _OPEN_IT.search(head)
        return sender.code if not sold and (opens or (to_open and not _first_person(own))) else None
    # A person, with or without a footer about secure mail, or a portal that writes in a person's name: only a mail
    # that begins as a notice and holds little else is one. In doubt it is a question, which is judged and answered.
    if is_reply_subject(mail.subject) or _ASKS_ABOUT_IT.search(own) or ("?" in own and _first_person(own)):
        return None
    if _own_words(words) >= _MOST_OWN_WORDS:
        return None
    if wrapped is not None:
        return wrapped.code
    opening = _opening(words)
    told = _STRONG.search(mail.subject) or _STRONG.search(opening) or (linked and _NOTICE.search(opening))
    if told and to_open:
        return service.code if service else _by_name(head)
    opens = sender is not None and linked is not None and not sold and _OPEN_IT.search(head)
    return sender.code if sender is not None and opens and not _first_person(own) else None


def _is_notice_sender(mail: ParsedMail) -> bool:
    """An address from which a service writes itself; people have mailboxes in these domains as well."""
    local = mail.from_addresses[0].normalised.rpartition("@")[0] if mail.from_addresses else ""
    return bool(_NOTICE_SENDER.search(local))


def _sentences(words: str) -> list[str]:
    return [one for one in _SENTENCE_END.split(words) if one.strip()]


def _opening(words: str) -> str:
    """The sentences that begin within the first few words, greetings not counted: where a notice says what it is."""
    found, before = [], 0
    for sentence in _sentences(words):
        if before >= _MOST_BEFORE:
            break
        found.append(sentence)
        if not _GREETING.match(sentence.strip()):
            before += len(sentence.split())
    return "\n".join(found)


def _own_words(words: str) -> int:
    """Words in sentences that say nothing of secure mail, its link or its code; a very long one is more than that."""
    counts = ((len(one.split()), one) for one in _sentences(words))
    return sum(count for count, one in counts if count >= _MOST_OWN_WORDS or not _ABOUT_SECURE_MAIL.search(one))


def _first_person(text: str) -> bool:
    return bool(_FIRST_PERSON.search(text))


def _by_name(head: str) -> str:
    return next((one.code for one in _SERVICES if one.names and re.search(one.names, head, _I)), _OTHER.code)


def is_access_code(mail: ParsedMail) -> bool:
    """The code that a service sends to somebody who opens a message just now: worthless a few minutes later.

    A notice speaks of a code as well, and its content is gone after a while: whatever tells of a message or leads to a
    portal is a notice, and so is a mail in which no code stands right after the words for one."""
    own = f"{mail.subject}\n{(mail.new_text or mail.text)[:2_000]}"
    known = any(_is_of(_domain(mail), one) for one in (*_SERVICES, _OTHER))
    if not known or len(mail.text) >= 2_000 or _NOTICE.search(own):
        return False
    if any(not _BARE_OR_HELP.match(address) for address in _addresses(mail).split("\n") if address):
        return False
    return any(_code_follows(own[match.end() : match.end() + _CODE_NEAR + 10]) for match in _CODE.finditer(own))


def _code_follows(after: str) -> bool:
    found = _CODE_ITSELF.search(after)
    return bool(found and found.start() <= _CODE_NEAR and not _SENT_ELSEWHERE.search(after[: found.start()]))


def term_of(mail: ParsedMail, provider: str, *, arrived: datetime, days: Mapping[str, int]) -> tuple[datetime, bool]:
    """(before when it must be opened, whether the notice names that). `days`: provider → configured days."""
    named = ends_before(_head(mail), arrived=arrived)
    if named is not None:
        return named, True
    return arrived + timedelta(days=days.get(provider, days.get("other", DEFAULT_DAYS["other"]))), False
