"""Short notices of machines without a field that says so: absence, receipts, invoices, codes, scanners, parcels.

They only withhold the acknowledgement; the mail stays a case. A text in which a person asks is never one of them
(`core/person_text.py`, checked by the caller). Patterns run over short texts only, with bounded repeats.
"""

from __future__ import annotations

import re

from triage.core.person_text import speaks_of_self

LONGEST = 900  # characters of new text; notices are short
_I = re.IGNORECASE

_AWAY = re.compile(
    r"\b(?:met (?:\w{0,16})verlof|(?:op|met|terug van) vakantie|afwezig|ik ben er (?:even |nu |dan )?niet"
    r"|niet (?:op kantoor|bereikbaar|aanwezig)|out of (?:the )?office|on (?:annual |maternity |parental |sick )?leave"
    r"|on (?:holiday|vacation)"
    r"|(?:derzeit|momentan|leider)? ?nicht (?:im b[üu]ro|im hause|erreichbar)|im urlaub|abwesend|en cong[eé]s?"
    r"|(?:suis|serai) absente?)\b",
    _I,
)
_UNTIL = re.compile(
    r"\b(?:tot(?: en met)?|t/m|terug|terugkomst|bel|belt|contact\w*|spoed|dringend\w*|until|till|back|return|call"
    r"|urgent|bis|r[üu]ckkehr|wenden|dringenden|jusqu|retour|contactez|urgence)\b",
    _I,
)
_IN_DAYS = r"binnen (?:\d{1,2}|een|[eé][eé]n|twee|drie|vier|vijf|tien) (?:werk)?dag(?:en)?\b"
_RECEIPT = re.compile(
    r"\b(?:wij|we) hebben (?:uw|je) (?:bericht|e-?mail|mail|vraag|aanvraag|verzoek|melding)"
    r"(?: in goede orde)? ontvangen"
    r"|\bin goede orde (?:door ons )?ontvangen|\bhebben wij in goede orde"
    r"|\b(?:uw|je) (?:bericht|e-?mail|mail|vraag|aanvraag|verzoek|melding) is (?:bij ons |door ons |in goede orde )*"
    r"(?:geregistreerd|binnengekomen|ontvangen)|\bgeregistreerd onder (?:nummer|kenmerk)"
    r"|type your reply above this line|\byour (?:request|ticket|message|e-?mail) [^.\n]{0,30}(?:has been|was) received"
    r"|\b(?:ticket|zaak) (?:is )?aangemaakt"
    rf"|\b(?:antwoord\w*|reager\w+|reactie|bericht)\b[^.\n]{{0,40}}\b{_IN_DAYS}|\b{_IN_DAYS}[^.\n]{{0,30}}"
    r"\b(?:antwoord|reactie|bericht)",
    _I,
)
_RECEIPT_SUBJECT = re.compile(
    r"\s*(?:(?:re|antw(?:oord)?)\s*:\s*)?(?:\[?request received\]?|automatische (?:ontvangst)?bevestiging"
    r"|ontvangstbevestiging)",
    _I,
)
_MAILBOX = re.compile(
    r"\b(?:deze |dit )?(?:mailbox|postbus|postvak|inbox|e-?mailadres|mailadres)\b[^.\n]{0,30}\b(?:wordt niet (?:meer )?"
    r"(?:gelezen|gebruikt|beheerd|bekeken)|is niet (?:meer )?in gebruik|is vervallen|is opgeheven)"
    r"|\bwerk niet (?:meer|langer) (?:bij|voor)\b|\bniet meer werkzaam\b"
    r"|\b(?:no longer (?:works?|employed|in use|monitored)|(?:is|are) not monitored)\b",
    _I,
)
_UNREAD = re.compile(r"\bzonder te zijn gelezen\b|\bongelezen verwijderd\b|\bdeleted without being read\b", _I)
_CALENDAR = re.compile(
    r"\bhas (?:accepted|declined|tentatively accepted) (?:this|the|your) (?:invitation|meeting)"
    r"|\bheeft (?:de|deze|uw) (?:uitnodiging|vergadering|afspraak) (?:geaccepteerd|geweigerd|afgewezen|voorlopig)",
    _I,
)
_INVOICE_SUBJECT = re.compile(
    r"\s*(?:uw (?:nieuwe )?factuur|factuur(?: |$|:)|your invoice|invoice\b|betalingsherinnering)", _I
)
_AMOUNT = re.compile(r"(?:€|eur|euro|bedrag)[^\n]{0,20}\d|\d{1,6},\d\d\b", _I)
_CODE = re.compile(
    r"\b(?:verification|security|login|one-time|beveiligings|verificatie|inlog|controle|eenmalige )[ -]?code\b", _I
)
_DIGITS = re.compile(r"(?<!\d)\d{4,8}(?!\d)")
_SURVEY = re.compile(r"\bhoe tevreden bent u\b|\bvul (?:de|onze|deze) (?:korte )?(?:enqu[eê]te|vragenlijst)\b", _I)
_SURVEY_END = re.compile(r"\bafmelden\b|https?://|\buitschrijven\b", _I)
_SCANNER = re.compile(
    r"\bautomatically sent from\b|\bautomatisch verzonden (?:door|vanaf) (?:de )?(?:printer|scanner|mfp)", _I
)
_SCANNER_SUBJECT = re.compile(r"\s*(?:scan van\b|scanned (?:from|document)|message from \"?[A-Z]{2,6}[_ -]?\w*\d)", _I)
_PARCEL = re.compile(
    r"\b(?:je|uw|jouw) (?:pakket|zending|bestelling) (?:is|wordt|komt)\b[^.\n]{0,60}"
    r"\b(?:onderweg|bezorgd|verzonden|morgen|vandaag)|\bvolg (?:je|uw) (?:pakket|zending)"
    r"|\btrack your (?:parcel|package)",
    _I,
)
_QUARANTINE = re.compile(
    r"\bquarantai?ne(?: |-)?(?:overzicht|rapport|digest|summary|report|notification)"
    r"|\bberichten? (?:is |zijn )?in (?:de )?quarantaine|\bmessages? (?:held )?in quarantine",
    _I,
)


def is_notice(subject: str, text: str) -> bool:
    """One of those notices. A person's question must be ruled out first."""
    if len(text) > LONGEST:
        return False
    if (_AWAY.search(text) and _UNTIL.search(text)) or _MAILBOX.search(text):
        return True  # an absence notice says "I"
    if speaks_of_self(text):
        return False
    return bool(
        _RECEIPT.search(text)
        or _RECEIPT_SUBJECT.match(subject)
        or _UNREAD.search(text)
        or _CALENDAR.search(text)
        or (_INVOICE_SUBJECT.match(subject) and "?" not in text and _AMOUNT.search(text))
        or (_CODE.search(f"{subject}\n{text}") and _DIGITS.search(text))
        or (_SURVEY.search(f"{subject}\n{text}") and _SURVEY_END.search(text))
        or _SCANNER.search(text)
        or _SCANNER_SUBJECT.match(subject)
        or _PARCEL.search(f"{subject}\n{text}")
        or _QUARANTINE.search(f"{subject}\n{text}")
    )


_RECEIVED = re.compile(
    r"\b(?:uw|je) (?:vraag|bericht|e-?mail|melding|aanvraag"
    r"|verzoek)\b[^.\n]{0,40}\bontvangen\b[\s\S]{0,1500}\b(?:ticket|zaak|meldings?|referentie"
    r"|dossier)[- ]?(?:nummer|nr|id)?\b[^\n\d]{0,30}\d{3,}|\b(?:we|we have|has been"
    r"|was) received\b[^.\n]{0,60}[\s\S]{0,1500}\b(?:ticket|case|reference|request)\b[^\n\d]{0,30}\d{3,}",
    _I,
)


def is_receipt(text: str) -> bool:
    """Somebody else's acknowledgement in more words: a number, thanks for what was sent, no question, no "I"."""
    head = text[:2_000]
    return len(text) < 2_000 and "?" not in head and bool(_RECEIVED.search(head)) and not speaks_of_self(head)
