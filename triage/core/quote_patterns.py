"""How mail clients mark history, forwards and signatures, in Dutch, English and German. Patterns only.

Every pattern is tried on one line of at most a thousand characters and has no nested quantifier.
"""

from __future__ import annotations

import re

# "-----Oorspronkelijk bericht-----", "-------- Original Message --------", also without a closing rule.
_HISTORY = (
    r"oorspronkelijk bericht|origineel bericht|original message|oorspronkelijke e-?mail|originele e-?mail|"
    r"urspr[uü]ngliche nachricht|original-?nachricht|original email|message d'origine|mensaje original|"
    r"antwoordbericht|vorig bericht|antwort nachricht|reply message"
)
_FORWARD = (
    r"doorgestuurd bericht|doorgestuurde e-?mail|forwarded message|forwarded email|weitergeleitete nachricht|"
    r"weitergeleitete e-?mail|message transf[eé]r[eé]|doorgezonden bericht|forwarded by [^-]{1,80}|"
    r"doorgestuurd door [^-]{1,80}"
)
HISTORY_RULE = re.compile(
    rf"[ \t*]{{0,8}}[-_=*]{{2,}}[ \t*]{{0,4}}(?:{_HISTORY})[ \t*:]{{0,4}}[-_=*]*[ \t]{{0,8}}", re.IGNORECASE
)
FORWARD_RULE = re.compile(
    rf"[ \t*]{{0,8}}[-_=*]{{2,}}[ \t*]{{0,4}}(?:{_FORWARD})[ \t*:]{{0,4}}[-_=*]*[ \t]{{0,8}}", re.IGNORECASE
)
FORWARD_LINE = re.compile(
    r"[ \t*]{0,8}(?:begin (?:van )?(?:het )?doorgestuurd(?:e)? (?:bericht|e-?mail)|begin forwarded message|"
    r"anfang der weitergeleiteten (?:nachricht|e-?mail)|start forwarded message)[ \t]{0,4}:?[ \t*]{0,8}",
    re.IGNORECASE,
)
RULE = re.compile(r"[ \t]{0,8}[_\-=]{8,}[ \t]{0,8}")

# Header lines inside a quote: "Van:", "*Van:*", "**Van: **", "| Van:"
HEADER = re.compile(
    r"[ \t*|_]{0,8}(van|from|von|de|afzender|verzonden|verstuurd|sent|gesendet|datum|date|aan|to|an|cc|kopie|bcc|"
    r"onderwerp|subject|betreff|urgentie|prioriteit|importance|priority|wichtigkeit|bijlagen?|attachments?|"
    r"beantwoorden aan|antwoord aan|reply-to|antwort an|gevoeligheid|sensitivity)[ \t*_]{0,4}:[ \t*_]{0,4}(.*)",
    re.IGNORECASE,
)
FROM_NAMES = frozenset({"van", "from", "von", "de", "afzender"})
DATE_NAMES = frozenset({"verzonden", "verstuurd", "sent", "gesendet", "datum", "date"})
TO_NAMES = frozenset({"aan", "to", "an"})
SUBJECT_NAMES = frozenset({"onderwerp", "subject", "betreff"})

# The intro of a quote: it starts like one, ends like one, and holds what only a program writes.
INTRO_START = re.compile(
    r"[ \t*]{0,8}(?:op |on |am |le |el |den |em |in (?:een|a|an) |\d{1,2}[-./ ]|\d{4}[-./]|"
    r"(?:ma|di|wo|do|vr|za|zo|maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|mon|tue|wed|thu|fri|sat|sun|"
    r"montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag)\b|\"?[\w.' -]{1,60}\"? ?<|"
    r"[\w.' ,-]{2,60} (?:schreef|wrote|schrieb) )",
    re.IGNORECASE,
)
INTRO_END = re.compile(
    r"(?:schreef|wrote|schrieb|a [eé]crit|escribi[oó]|skrev|escreveu|geschreven|geschreven hebben|"
    r"heeft geantwoord|написал\(а\)|написал)\b.{0,250}[:：][ \t*]{0,8}$|"
    r"(?:schreef|wrote|schrieb|geschreven)[ \t*]{0,4}:?[ \t*]{0,8}$|<[^<>\s]{3,100}@[^<>\s]{3,100}>:?[ \t]{0,4}:$",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"[^\s@<>\[\]()\"]{1,80}@[^\s@<>\[\]()\"]{2,120}")
CLOCK = re.compile(r"\b\d{1,2}[:.]\d{2}\b")
DATE = re.compile(
    r"\b(?:\d{1,2}[-./ ]{1,2}(?:\d{1,2}|jan|feb|mrt|maa|mar|mär|apr|mei|may|mai|jun|jul|aug|sep|okt|oct|nov|dec|dez)"
    r"[a-zä]{0,7}\.?,?[-./ ]{1,2}(?:\d{4}|\d{2})\b|\d{4}[-./]\d{1,2}[-./]\d{1,2}|[a-z]{3,9}\.? \d{1,2}, \d{4})",
    re.IGNORECASE,
)

# One line that a device or program adds.
DEVICE = re.compile(
    r"[ \t*]{0,8}(?:verstuurd|verzonden|sent|gesendet|get|verstuurt|envoyé|enviado|"
    r"wysłane|download|gestuurd)\b[^.?!]{0,10}"
    r"(?:vanaf|vanuit|via|met|from|with|von|mit|using|outlook|depuis|desde|z)\b[^?!]{0,90}|"
    r"[ \t*]{0,8}(?:outlook voor (?:ios|android|mac) downloaden|download outlook (?:voor|for) (?:ios|android)|"
    r"get outlook for (?:ios|android|mac)|outlook für (?:ios|android) beziehen|mobiel verzonden|"
    r"virusvrij\.?.{0,40}|virus-free\.?.{0,40})[ \t.<>\w:/]{0,80}",
    re.IGNORECASE,
)
DEVICE_WORD = re.compile(
    r"iphone|ipad|ios|android|samsung|galaxy|huawei|xiaomi|nokia|oneplus|smartphone|telefoon|mobiel|mobile|phone|handy|"
    r"tablet|mail|outlook|yahoo|proton|gmail|ziggo|kpn|windows|macbook|blackberry|htc|device|apparaat|gerät|webmail",
    re.IGNORECASE,
)

CLOSING = re.compile(
    r"[ \t]{0,8}(?:(?:nogmaals |alvast )?(?:bedankt|dank)(?: (?:en|voor uw (?:hulp|"
    r"tijd|reactie)))?,? )?(?:met )?(?:de )?"
    r"(?:vriendelijke|hartelijke|warme|lieve|vr\.?|beste|hartelijk|vriendelijk|zonnige|collegiale)?[ ]?"
    r"(?:groet(?:en|jes)?|gr\.?|m\.?v\.?g\.?|groetend)(?: (?:namens|van|en dank|"
    r"en tot ziens|alvast))?[ \t]{0,4}[,.!:;]{0,3}[ \t]{0,8}|"
    r"[ \t]{0,8}(?:hoogachtend|met (?:de )?meeste hoogachting|(?:with )?(?:kind|"
    r"best|warm|many)? ?regards|kind regards|sincerely|"
    r"yours (?:sincerely|faithfully)|best wishes|cheers|mit freundlichen gr[uü](?:ß|ss)en|viele gr[uü](?:ß|ss)e|mfg|"
    r"freundliche gr[uü](?:ß|ss)e|saygılarımla|pozdrawiam|cordialement)[ \t]{0,4}[,.!]{0,2}[ \t]{0,8}",
    re.IGNORECASE,
)
POSTSCRIPT = re.compile(r"[ \t*]{0,8}(?:p\.?\s?s\.?|naschrift|nb|n\.b\.)\b[ \t.:,)-]", re.IGNORECASE)
ORGANISATION = re.compile(
    r"team|zorg|palliat|terminal|hospice|netwerk|afdeling|ziekenhuis|transfer|gemeente|stichting|kantoor|centrum|"
    r"medewerker|verpleeg|consulent|adviseur|manager|coördinator|coordinator|arts|praktijk|b\.?v\.?$|telefoon|dienst",
    re.IGNORECASE,
)
OWN_VOICE = re.compile(
    r"\b(?:ik|wij|we|mij|mijn|ons|onze|u|uw|jullie|kunt|kan|wil|moet|graag|heeft|"
    r"hebben|had|zijn|is|wordt|werd|i|my|our|you|"
    r"can|please|ich|wir|sie|mein|bitte|het|nog|niet)\b",
    re.IGNORECASE,
)
CONTACT = re.compile(
    r"\b(?:tel|telefoon|t|m|e|mob|mobiel|mobile|phone|fax|e-?mail|mail|www|kvk|postbus|postadres|bezoekadres|adres|"
    r"website|agb|big|werkdagen|aanwezig|bereikbaar|w|i)\b\.?[ \t]{0,3}[:.|]|"
    r"www\.|https?://|@|\b0\d[\d \-]{7,}|\+31|\b\d{4} ?[A-Z]{2}\b",
    re.IGNORECASE,
)
DISCLAIMER = re.compile(
    r"[ \t*_]{0,8}(?:disclaimer\b|(?:de inhoud van )?(?:dit|deze) (?:e-?mail(?:bericht)?|bericht|mail)[^.?!]{0,80}"
    r"(?:bestemd|vertrouwelijk|geadresseerde|bedoeld voor)|de informatie (?:in|"
    r"verzonden)[^.?!]{0,60}(?:e-?mail|bericht)|"
    r"aan (?:dit|deze) (?:e-?mail(?:bericht)?|bericht)[^.?!]{0,40}geen rechten|"
    r"(?:the|this) (?:information|e-?mail|message)"
    r"[^.?!]{0,80}(?:confidential|intended)|diese (?:e-?mail|nachricht)[^.?!]{0,60}vertraulich|"
    r"denk (?:aan|om) het milieu|please consider the environment|op (?:al )?onze (?:diensten|"
    r"overeenkomsten|dienstverlening)"
    r"[^.?!]{0,80}voorwaarden|indien u niet de (?:geadresseerde|beoogde)|if you are not the intended|"
    r"(?:stichting )?[\w' -]{1,60} (?:staat niet in voor|sluit (?:iedere|elke) aansprakelijkheid))",
    re.IGNORECASE,
)
