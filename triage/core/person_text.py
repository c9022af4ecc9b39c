"""Does a person ask for something in this text? What looks like a machine's mail is a person's when it does.

An absence notice says "I" as well, and a desk's receipt speaks of care too: sentences on being away and on where to
turn instead are left out before "I" and care together count. Patterns run over the first 20,000 characters.
"""

from __future__ import annotations

import re

_I = re.IGNORECASE
_LOOKED_AT = 20_000

_KIN = (
    r"(?:schoon|groot|stief|pleeg)?(?:moeder|vader|ouders|zoon|dochter)|mama|papa|oma|opa|oom|tante|man|vrouw"
    r"|kind(?:eren)?|broer|zus|partner|echtgeno\w{2,5}|buurman|buurvrouw|vriend(?:in)?|neef|nicht|cli[eë]nte?|pati[eë]nte?"
)
_OWN_KIN = re.compile(
    rf"\b(?:mijn|m'n|onze|ons) (?:\w{{2,20}} )?(?:{_KIN})\b"
    r"|\b(?:my|our) (?:\w{2,20} )?(?:mother|father|parents?|husband|wife|son|daughter|child|brother|sister"
    r"|mum|mom|dad)\b"
    r"|\b(?:meine?|unsere?)[nrms]? (?:mutter|vater|eltern|mann|frau|sohn|tochter|kind|bruder|schwester)\b"
    r"|\b(?:ma|mon|mes) (?:m[eè]re|p[eè]re|mari|femme|fils|fille|parents)\b|\b(?:annem|babam)\w*",
    _I,
)
_BARE_KIN = re.compile(r"\b(?:moeder|vader|oma|opa|oom|tante)\b", _I)
CARE = re.compile(
    r"\b(?:\w{0,14}zorg(?:en|verzekeraar|kantoor|instelling)?|zorg\w{1,14}|verple\w+|wijkverple\w+|hulp\w{0,14}"
    r"|indicatie\w*|ziek(?:enhuis|te|en)?|overl[ie]j?d\w*|sterft|sterven|terminaal|palliati\w+|hospice|pgb|wmo|wlz|zvw"
    r"|jeugdwet|jeugdhulp|ciz|cak|svb|uwv|gemeente|besluit|bezwaar|huisarts|wijkteam|verpleeghuis|begeleid\w+"
    r"|dagbesteding|opvang|logeeropvang|respijt\w*|crisis\w*|uitkering|bijstand|beperking|handicap\w*|gehandicapt\w*"
    r"|dement\w*|autis\w+|rolstoel\w*|scootmobiel\w*|traplift|busje|aanpass\w+|eigen bijdrage|huishoud\w+|beschermd"
    r"|care|nursing|hospital|dying|terminally|disab\w+|pflege\w*|krank\w*)\b",
    _I,
)
_FIRST = re.compile(
    r"\b(?:ik|mij|mijn|m'n|i|my|ich|mein\w{0,2}|wij (?:\w{1,20} ){0,3}(?:krijgen|zoeken|wonen|gaan))\b", _I
)
_REQUEST = re.compile(
    r"\b(?:(?<!\bu )(?<!geven )(?<!bieden )(?<!dagen )graag (?:een )?(?:advies|hulp|overleg|uitleg|antwoord|informatie"
    r"|terugbellen)|hoor (?:het )?graag|graag hoor (?:ik|wij)|(?:wil|willen) (?:graag )?weten"
    r"|verzoek(?:en)? (?:ik|wij) u om (?:advies|hulp|informatie|uitleg)|(?:ik|wij) (?:wil|willen|zoek|zoeken)\b(?! u\b)"
    r"|wil alsnog|(?:heb|hebben|heeft)\b(?! (?:u|je|jij)\b)[^.?!\n]{1,60} nodig|kunnen jullie"
    r"|kunt u (?:mij|ons) (?:\w{1,20} ){0,4}(?:helpen|adviseren|uitleggen|vertellen|zeggen|terugbellen|bellen over)"
    r"|kan iemand|wie (?:kan|moet|betaalt|regelt|helpt)|waar (?:kan|moet) (?:ik|wij|dat)|hoe (?:kan|moet) (?:ik|wij)"
    r"|red het niet|please advise|i need|who do i|what can (?:i|we))\b",
    _I,
)
_AWAY = re.compile(  # also where the reader may turn instead
    r"\b(?:afwezig(?:heid)?|niet aanwezig|niet bereikbaar|niet op kantoor|met (?:\w{0,16})verlof|(?:op|met) vakantie"
    r"|er (?:even |nu )?niet\b|werk ik niet|werk niet meer|niet meer werkzaam|out of (?:the )?office|on (?:\w+ )?leave"
    r"|on (?:holiday|vacation)|(?:mail|bericht)\w{0,3} (?:wordt|worden) niet|spoed|dringend\w*|urgente?|urgent\w*"
    r"|contact op|kunt u|kan u|vervang\w*|waarne\w+|terugkomst|abwesend|nicht im b[uü]ro|nicht erreichbar|im urlaub"
    r"|in dringenden|mijn collega\w*|my colleague\w*)\b",
    _I,
)
_SENTENCE_END = re.compile(r"[.!?\n]+")
_QUESTION = re.compile(r"[^.!?\n]{4,400}\?")
_QUESTION_WORD = re.compile(
    r"\b(?:wie|wat|waar\w{0,6}|hoe|welke?|wanneer|waarom|moet|moeten|mag|kan ik|kunnen we|who|what|where|how|which|when"
    r"|why|wer|was|wo|wie|welche\w{0,2}|warum|qui|que|o[uù]|comment|pourquoi|quel\w{0,3})\b",
    _I,
)
_TO_THE_READER = re.compile(r"\b(?:u|uw|jij|je|jouw|jullie|you|your|sie|ihr\w{0,2}|vous|votre|vos)\b", _I)


def asks_for_care(subject: str, text: str) -> bool:
    """A person asks here about care of their own or of somebody they stand for."""
    head = f"{subject}\n{text[:_LOOKED_AT]}"
    if _OWN_KIN.search(head):
        return True
    care = CARE.search(head)
    if not care:
        return False
    if _BARE_KIN.search(head) or _REQUEST.search(text[:_LOOKED_AT]):
        return True
    sentences = (one for one in _SENTENCE_END.split(text[:_LOOKED_AT]) if not _AWAY.search(one))
    return any(_FIRST.search(one) and CARE.search(one) for one in sentences)


def plainly_asks(subject: str, text: str) -> bool:
    """As asks_for_care, a request in so many words, or a question that is not about the reader's own mail."""
    return asks_for_care(subject, text) or bool(_REQUEST.search(text[:_LOOKED_AT])) or _puts_a_question(text)


def _puts_a_question(text: str) -> bool:
    """ "Wie bel ik?", and not "Kan uw vraag niet wachten?", which notices write."""
    asked = (found.group() for found in _QUESTION.finditer(text[:_LOOKED_AT]))
    return any(_QUESTION_WORD.search(one) and not _TO_THE_READER.search(one) for one in asked)


def speaks_of_self(text: str) -> bool:
    """A first person singular anywhere: receipts and other notices of machines have none."""
    return bool(_FIRST.search(text[:_LOOKED_AT]))


_CONTENT_LABEL = re.compile(
    r"^[ \t>*]{0,4}(?:uw |jouw )?(?:vraag|bericht|opmerking(?:en)?|toelichting|omschrijving"
    r"|message|question)\*?\s{0,3}:",
    _I | re.M,
)
_SENDER_LABEL = re.compile(
    r"^[ \t>*]{0,4}(?:uw |jouw )?(?:naam|voornaam|achternaam|e-?mail(?:adres)?|telefoon(?:nummer)?"
    r"|name|phone)\*?\s{0,3}:",
    _I | re.M,
)


def is_form(text: str) -> bool:
    """The labels of a web form: who asks, and what."""
    head = text[:_LOOKED_AT]
    content = _CONTENT_LABEL.search(head)
    return bool(content and (_SENDER_LABEL.search(head) or asks_for_care("", head[content.end() :])))
