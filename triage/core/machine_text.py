"""What a text itself shows of its maker when headers are silent: machines, mass mail, scams, portal notices.

Precision first. A person's question is never hidden for a word; every rule needs several marks together.
Patterns run over the first 20,000 characters, with bounded repeats only.
"""

from __future__ import annotations

import re

LOOKED_AT = 20_000

_I = re.IGNORECASE

# ---------------------------------------------------------------- automatic replies

AUTO_REPLY_SUBJECT = re.compile(
    r"\s*(?:(?:automatisch(?:e)? (?:antwoord|reactie|bericht van afwezigheid)|"
    r"automatic reply|auto(?:matic)?[ -]?(?:reply|response|answer)|"
    r"automatische antwort|r[eé]ponse automatique|respuesta autom[aá]tica|risposta automatica|"
    r"automatyczna odpowied[zź]|otomatik yan[ıi]t)"
    r"\s*(?:[:\-–—|\[(]|$)|"
    r"out[ -]of[ -](?:the[ -])?office\s*(?:[:\-–—|\[(]|auto|reply|notification|message|$)|"
    r"(?:afwezig|niet aanwezig|abwesend)\s*(?:[:\-–—|\[(]|$|t/?m\b|tot\b|van \d)|"
    r"afwezigheids?(?:bericht|melding|assistent|notificatie)\b|"
    r"(?:abwesenheitsnotiz|abwesenheit(?:smeldung)?|vakantie(?:bericht|melding)|"
    r"vacation (?:reply|message|notice)|on (?:vacation|leave|holiday))\s*(?:[:\-–—|\[(]|"
    r"$)|"
    r"ooo\s*[:\-–])",
    _I,
)
AUTO_PREFIX = re.compile(r"\s*auto\s*:", _I)
ABSENCE = re.compile(
    r"\b(?:ik ben (?:\S+ ){0,3}(?:afwezig|niet aanwezig|met (?:vakantie|verlof)|"
    r"niet op kantoor)|i am (?:currently )?(?:out of|away|on (?:leave|holiday|"
    r"vacation))|"
    r"i will be (?:out of|away)|ich bin (?:\S+ ){0,4}(?:abwesend|nicht (?:im büro|"
    r"erreichbar))|lees (?:ik )?mijn (?:e-?)?mail niet|"
    r"(?:mail|bericht) wordt niet (?:gelezen|doorgestuurd)|afwezig (?:van|tot|"
    r"t/m|vanaf)|met zwangerschapsverlof|bij afwezigheid)",
    _I,
)
_CONFIRMATION_SUBJECT = re.compile(
    r"\s*(?:ontvangstbevestiging|bevestiging (?:van )?(?:ontvangst|uw (?:bericht|"
    r"e-?mail|vraag|aanvraag|melding))|wij hebben uw (?:e-?mail|bericht|vraag|"
    r"aanvraag|melding)\b"
    r"[^?]{0,60}ontvangen|uw (?:e-?mail|bericht|vraag|aanvraag|melding) is (?:door ons )?(?:in goede orde )?ontvangen|"
    r"(?:bedankt|dank) voor uw (?:e-?mail|bericht)|"
    r"we (?:have )?received your|your (?:message|request|e-?mail|ticket) (?:has been|"
    r"was) received|thank you for (?:contacting|your (?:message|e-?mail))|"
    r"eingangsbestätigung)",
    _I,
)
_AUTOMATIC = re.compile(
    r"\b(?:dit is een automatisch(?:e)?\b|automatisch (?:gegenereerd|verzonden|"
    r"aangemaakt|verstuurd)e?\b|this is an auto(?:mated|matic|matically)|"
    r"automatically generated|diese (?:nachricht|e-?mail) wurde automatisch|do not (?:reply|respond) to this|"
    r"u kunt (?:hier(?:op)?|op dit bericht|op deze (?:e-?)?mail)? ?niet (?:op )?(?:antwoorden|reageren)|"
    r"(?:reageren|antwoorden) op (?:dit bericht|deze (?:e-?)?mail) is niet mogelijk|"
    r"gelieve niet te (?:antwoorden|reageren))",
    _I,
)
_CHALLENGE = re.compile(
    r"\b(?:confirm|verify) (?:that )?you(?:r (?:message|e-?mail)| are (?:human|"
    r"a (?:real )?person|not a (?:robot|spammer)))|"
    r"\bklik (?:op de (?:onderstaande )?link|hier(?:onder)?)[^.?!]{0,60}(?:uw|"
    r"je) (?:bericht|e-?mail|mail)[^.?!]{0,20}(?:bevestigen|af te leveren|door te laten)|"
    r"\bbevestig(?:en)? dat u (?:geen|een) (?:spam|robot|mens|echt)|message (?:is|"
    r"was) (?:being )?held[^.?!]{0,60}(?:confirm|verif)|"
    r"\bom te bevestigen(?: dat)?[^.?!]{0,60}(?:spam|afzender|mens)|(?:afzender|sender)[ -]?verifi[ck]ati[eo]",
    _I,
)
_CHALLENGE_SUBJECT = re.compile(
    r"\s*(?:please (?:confirm|verify) your (?:message|e-?mail|identity)|confirm(?:ation)? (?:required|"
    r"needed)|(?:re:\s*)?\[?challenge\]?|"
    r"bevestig uw (?:e-?mail|bericht|mail)\b|sender verification|bevestiging (?:nodig|vereist))",
    _I,
)

# ---------------------------------------------------------------- delivery reports

BOUNCE_SUBJECT = re.compile(
    r"\s*(?:onbestelbaar|niet te bezorgen|niet bezorgd|undeliverable|undelivered mail|"
    r"undelivered message|delivery status notification|"
    r"delivery (?:has )?(?:failed|failure|delayed)|mail delivery (?:failed|failure|"
    r"system)|mail system error|failure notice|failed mail|returned mail|"
    r"unzustellbar|nicht zustellbar|warning: (?:message|could not send)|message (?:delayed|"
    r"undeliverable|delivery (?:failure|delayed))|"
    r"(?:mail)?bezorging (?:mislukt|vertraagd)|bericht (?:kon )?niet (?:worden )?(?:bezorgd|"
    r"afgeleverd)|uw bericht kon niet|vertraagd:|relayed:|delivered:|afgeleverd:|"
    r"non[ -]?remis|non recapitabile|delivery notification)",
    _I,
)
_BOUNCE_TEXT = re.compile(
    r"\b[45]\d\d[ -]?#?[45]\.\d{1,3}\.\d{1,3}|(?:could not|can ?not|couldn't|"
    r"unable to|wasn't able to|not be able to) (?:be )?deliver|"
    r"(?:kon|kan|konden) niet (?:worden )?(?:bezorgd|afgeleverd|besteld)|niet (?:worden )?bezorgd|"
    r"bezorging (?:van|aan)[^.]{0,80}mislukt|kan uw bericht niet (?:bezorgen|"
    r"afleveren)|"
    r"recipients? (?:address )?(?:rejected|failed|unknown)|user unknown|unknown user|"
    r"mailbox (?:is )?full|konnte nicht zugestellt|permanent(?:e)? (?:error|"
    r"fatal|fout)|delivery (?:to the following|has failed)|"
    r"undeliverable|in reply to RCPT TO",
    _I,
)

# ---------------------------------------------------------------- mass mail

_MASS_MARKS = tuple(
    re.compile(pattern, _I)
    for pattern in (
        (
            r"\b(?:af ?te ?melden|afmelden|meld (?:u|je) af|uitschrijven|unsubscribe|"
            r"abmelden|abbestellen|schrijf (?:u|je) uit|opt[- ]?out|u(?:w)? aanmelding wijzigen)\b"
        ),
        (
            r"\b(?:bekijk|lees|view|open)\b[^.\n]{0,40}\b(?:browser|online|webversie|"
            r"webversion)\b|\bonline ?versie\b|\bwebversie\b"
        ),
        (
            r"\b(?:u|je) ontvangt (?:deze|dit)[^.\n]{0,60}\b(?:omdat|als)\b|\byou(?:'re|"
            r" are)? receiv(?:e|ing) this\b|\bliever (?:niet|geen)\b[^.\n]{0,40}\bontvangen\b|"
            r"\bniet meer (?:krijgen|ontvangen)\b"
        ),
        (
            r"\b(?:in dit nummer|in deze (?:nieuwsbrief|editie|uitgave)|in this issue|"
            r"nieuwsbrief|newsletter|weekbericht|mailing)\b"
        ),
        r"\bnog \d{1,3} (?:plekken|plaatsen)\b|\bsave the date\b|\bwinactie\b|\bvroegboekkorting\b|\bearly bird\b",
        (
            r"\bprofiel wijzigen\b|\bvoorkeuren (?:wijzigen|aanpassen)\b|\bupdate (?:your )?preferences\b|"
            r"\bmanage (?:your )?(?:preferences|subscription)\b"
        ),
    )
)
_SELLING = tuple(
    re.compile(pattern, _I)
    for pattern in (
        r"\d{1,2} ?% ?(?:voorjaars|zomer|extra )?(?:korting|voordeel)|\bkorting\b|\bdiscount\b|\d{1,2}% off",
        r"\bgratis\b|\bcadeau\b|\bfree (?:trial|quote|audit|gift)\b|\bvrijblijvend",
        (
            r"\b(?:laatste (?:kans|dag|dagen|week|weken)|alleen (?:deze|vandaag)|op ?= ?op|"
            r"actie geldt|aanbieding|voor middernacht|limited time|act now|wees er snel bij)\b"
        ),
        r"\b(?:klik hier|bestel (?:nu|voor|direct|vandaag)|click here|order now|offerte|shop nu|reageer v[oó]{1,2}r)\b",
        (
            r"\b(?:wist u dat|zoekt u|geen interesse|onze adviseurs|geachte inkoper|"
            r"beste (?:lezer|huiseigenaar|ondernemer|zorgprofessional|inkoper))\b"
        ),
        r"\bantwoord met stop\b|\breply stop\b|\bbeste prijs|\blaagste prijs",
    )
)

# ---------------------------------------------------------------- scams and offers

_OFFERS = tuple(
    (name, tuple(re.compile(pattern, _I) for pattern in patterns))
    for name, patterns in (
        (
            "inheritance",
            (
                (
                    r"\b(?:nalatenschap|erfenis|erfgena(?:am|men)|begunstigde|next of kin|beneficiary|"
                    r"inheritance|deceased (?:client|customer)|donatie van|donation of)\b"
                ),
                (
                    r"\b(?:miljoen|million|(?:eur|euro|usd|us\$|gbp|€|\$|£) ?\d{1,3}(?:[.,]\d{3}){2,}|"
                    r"\d{1,3}(?:[.,]\d{3}){2,} ?(?:eur|euro|usd|dollars?))"
                ),
                (
                    r"\b(?:bankgegevens|kopie (?:van uw )?paspoort|bank details|strikt (?:geheim|"
                    r"vertrouwelijk)|strictly confidential|zonder risico|risk[- ]free|100% legaal|"
                    r"per ommegaande|contact me|neem contact (?:met mij )?op|volledige naam|"
                    r"full name)\b"
                ),
            ),
        ),
        (
            "lottery",
            (
                r"\b(?:loterij|lottery|jackpot|prijstrekking|sweepstake|trekking)\b",
                r"\b(?:gewonnen|winnaar|winner|you (?:have )?won|winning (?:number|ticket))\b",
                r"\b(?:claim|opeisen|innen|bankgegevens|bank details|uw prijs|your prize|contactpersoon)\b",
            ),
        ),
        (
            "bitcoin",
            (
                r"\b(?:bitcoins?|btc|ethereum|crypto(?:valuta|currency|munten)?|forex)\b",
                (
                    r"\b(?:wallet|rendement|winst per|profit|invest(?:eer|eren|ment|eerder)?|"
                    r"verdien|handelsplatform|betaal|transfer|overmaken|passief inkomen)\b"
                ),
                (
                    r"\b(?:webcam|video van (?:u|jou)|opgenomen|recorded you|hacked|gehackt|"
                    r"gegarandeerd|guaranteed|per (?:dag|week) verdien|registreer|sign up|klik hier|"
                    r"click here|binnen \d\d uur|within \d\d hours)\b"
                ),
            ),
        ),
        (
            "search_ranking",
            (
                (
                    r"\b(?:seo|backlinks?|guest post|gastblog|zoekmachine|google ranking|ranking|"
                    r"(?:page|pagina) (?:1|one|één|een)(?: (?:of|van|in) google)?|website (?:scoort|"
                    r"design|laten maken|redesign)|web ?design|app development|lead generation)\b"
                ),
                (
                    r"\b(?:garand?eren|guarantee|wij bieden|we offer|onze diensten|our services|"
                    r"verhogen|boost|more traffic|meer bezoekers|top ?[35]|first page|price list|"
                    r"prijslijst|quote|link ?building)\b"
                ),
                (
                    r"\b(?:interesse|interested|bellen|schedule a call|a quick call|reply|proposal|"
                    r"voorstel|offerte|growth manager|marketing|digital|quote|niet op pagina)\b"
                ),
            ),
        ),
        (
            "phishing",
            (
                (
                    r"\b(?:uw|je|your|the) (?:account|rekening|mailbox|postvak|betaalpas|bankpas|"
                    r"digid|pakket|wachtwoord|password|e-?mail ?account|parcel|package|mijnoverheid|"
                    r"quota)\b"
                ),
                (
                    r"\b(?:geblokkeerd|opgeschort|verlopen|verloopt|beperkt|vol\b|gedeactiveerd|"
                    r"suspended|expires?|expired|blocked|deactivated|almost full|limited|verificatie|"
                    r"verify|verifi[eë]r|bevestig uw|update uw|valideer)"
                ),
                (
                    r"\b(?:klik (?:hier|op)|click (?:here|below|the)|log (?:hier )?in (?:via|"
                    r"op)|via (?:de )?(?:onderstaande |volgende )?link|betaal (?:nu|direct))"
                ),
                (
                    r"\b(?:binnen \d{1,2} (?:uur|werkuren|dagen)|within \d{1,2} hours|onmiddellijk|"
                    r"immediately|direct actie|laatste (?:waarschuwing|herinnering)|final (?:warning|"
                    r"notice)|om (?:blokkering|onderbreking|verlies) te voorkomen)"
                ),
            ),
        ),
    )
)
# Words of our own trade; "ziekte" and "terminaal" are not among them, scams are full of those.
_CARE = re.compile(
    r"\b(?:wmo|wlz|zvw|jeugdwet|jeugdhulp|pgb|ciz|zorgkantoor|zorgverzekeraar|"
    r"indicatie\w*|thuiszorg|wijkverple\w+|mantelzorg\w*|wijkteam|huisarts|verpleeghuis|"
    r"scootmobiel|rolstoel|traplift|hospice|zorgprofiel|eigen bijdrage|huishoudelijke hulp|"
    r"dagbesteding|gemeente|cliëntondersteun\w+|bezwaar|home care|care at home|"
    r"begeleiding)\b",
    _I,
)
_FIRST_PERSON = re.compile(
    (
        r"\b(?:ik|mijn|mij|wij (?:hebben|zijn|krijgen|willen|wonen)|mijn (?:moeder|"
        r"vader|man|vrouw|zoon|dochter|cliënt)|i am|my (?:mother|father|husband|"
        r"wife|son|daughter)|onze (?:zoon|dochter|moeder|vader|cliënt))\b"
    ),
    _I,
)

# ---------------------------------------------------------------- notices of secure mail

SECURE_DOMAINS = frozenset(
    "zivver.com zivver.eu zivver.nl zorgmail.nl securemail.nl smartlockr.eu "
    "smartlockr.io smartlockr.nl cryptshare.com veiligmailen.nl secumailer.eu "
    "secumailer.com "
    "filecap.com filecap.nl messagebundle.com egress.com tutanota.com tutamail.com "
    "securemessaging.nl kpnsecuremail.nl".split()
)
_SECURE = re.compile(
    r"\b(?:u|je|jij) (?:heeft|hebt|ontvangt|kreeg)\s+(?:een|\d+)?\s*(?:nieuw(?:e)?\s+)?(?:(?:zivver|"
    r"zorgmail|smartlockr|cryptshare|filecap|siilo)[ -]?(?:bericht|mail)|"
    r"(?:beveiligde?|versleutelde?|veilige?)\s+(?:(?:zivver|zorgmail|smartlockr)[ -])?(?:e-?mail|"
    r"bericht|mail|bestand)\w*)|"
    r"heeft (?:u|je) (?:een )?(?:beveiligde?|versleutelde?|veilige?) (?:e-?mail|"
    r"bericht|mail)\w* (?:gestuurd|verstuurd|gezonden|verzonden)|"
    r"\b(?:nieuw|beveiligd|versleuteld) (?:zivver|zorgmail|smartlockr|cryptshare)?[ -]?bericht (?:ontvangen|"
    r"van|voor u)|"
    r"\b(?:has sent you|you(?:'ve| have) (?:received|got)) (?:a|an) (?:new )?(?:secure|"
    r"protected|encrypted|zivver|confidential)\b[^.\n]{0,30}(?:message|e-?mail|"
    r"mail|file)|"
    r"\bhat ihnen eine (?:geschützte|sichere|verschlüsselte) (?:nachricht|e-?mail)|"
    r"\b(?:read|lees|open|bekijk) (?:het|the|uw|dit|your)? ?(?:beveiligde?|secure|"
    r"protected|versleutelde?|encrypted|zivver|zorgmail)[ -]?(?:bericht|message|"
    r"e-?mail)",
    _I,
)
_SECURE_ASKED = re.compile(r"\bik (?:heb|kan|krijg|ontving|wil|kreeg)\b", _I)
_OPEN_IT = re.compile(
    (
        r"https?://|\b(?:lees|open|bekijk|read|view|download|haal)\b[^.\n]{0,40}\b(?:bericht|"
        r"message|e-?mail|nachricht|op)\b|\btoegangscode\b|\bsms-code\b|\bone[- ]time passcode\b"
    ),
    _I,
)


# Words without which a rule cannot hold: plain searches cost a fiftieth of the patterns above.
_CHALLENGE_WORDS = ("confirm", "verif", "bevestig", "klik ")
_SECURE_WORDS = (
    "beveilig", "versleutel", "secure", "protected", "encrypted", "zivver", "zorgmail", "smartlockr", "cryptshare",
    "filecap", "siilo",
    "veilige", "confidential", "geschützte", "sichere", "verschlüsselte",
)  # fmt: skip
_AUTOMATIC_WORDS = ("automat", "antwoorden", "reageren", "do not re")
_MASS_WORDS = (
    "meld", "uitschrijv", "schrijf ", "unsubscribe", "abbestel", "opt-out", "opt out", "browser", "online", "webversi",
    "ontvang", "receiv", "niet meer",
)  # fmt: skip
_SEARCH_WORDS = (
    "seo",
    "backlink",
    "blog",
    "zoekmachine",
    "ranking",
    "page",
    "pagina",
    "website",
    "web design",
    "webdesign",
    "app dev",
    "lead gen",
)
_OFFER_WORDS = {
    "inheritance": ("miljoen", "million", "eur", "€", "$", "usd", "£", "gbp"),
    "lottery": ("loterij", "lottery", "jackpot", "trekking", "sweepstake"),
    "bitcoin": ("bitcoin", "btc", "ethereum", "crypto", "forex"),
    "search_ranking": _SEARCH_WORDS,
    "phishing": ("klik", "click", "log ", "link", "betaal "),
}


def _head(text: str) -> str:
    return text[:LOOKED_AT]


def _holds(head: str, words: tuple[str, ...]) -> bool:
    low = head.lower()
    return any(word in low for word in words)


def looks_absent(text: str) -> bool:
    """Does the text say that its sender is away?"""
    return bool(ABSENCE.search(_head(text)))


def is_confirmation(subject: str, text: str) -> bool:
    """Somebody else's acknowledgement: the subject says so, the text calls itself automatic, nothing is asked."""
    head = _head(text)
    return bool(
        _CONFIRMATION_SUBJECT.match(subject) and _AUTOMATIC.search(head) and len(head) < 1_500 and not _asks(head)
    )


def is_challenge(subject: str, text: str) -> bool:
    """A spam filter that wants a click before it delivers (RFC 3834 §2); no link is ever followed."""
    head = _head(text)
    return (
        len(head) < 3_000
        and _holds(head, _CHALLENGE_WORDS)
        and bool(_CHALLENGE.search(head))
        and (bool(_CHALLENGE_SUBJECT.match(subject)) or ("http" in head and not _FIRST_PERSON.search(head)))
    )


def _asks(head: str) -> bool:
    """A question of a person's own: a question mark and a first person."""
    return "?" in head and bool(_FIRST_PERSON.search(head))


def asks_on_care(subject: str, text: str) -> bool:
    """A question in the words of our own trade; such a mail is never set aside for its wrapping."""
    head = f"{subject}\n{_head(text)}"
    return bool(_CARE.search(head)) and ("?" in head or bool(_FIRST_PERSON.search(head)))


def is_automatic(text: str) -> bool:
    """Does the new text call itself automatic?"""
    head = _head(text)
    return _holds(head, _AUTOMATIC_WORDS) and bool(_AUTOMATIC.search(head))


def looks_bounced(subject: str, text: str) -> bool:
    """Subject and text of a free-text delivery report (not a forwarded one: the prefix would precede)."""
    return bool(BOUNCE_SUBJECT.match(subject) and _BOUNCE_TEXT.search(_head(text)))


def speaks_of_bounce(text: str) -> bool:
    """Do the words of the text belong to a delivery report?"""
    return bool(_BOUNCE_TEXT.search(_head(text)))


def mass_marks(subject: str, text: str) -> int:
    """How many different marks of a mailing stand in the text."""
    head = f"{subject}\n{_head(text)}"
    return sum(1 for mark in _MASS_MARKS if mark.search(head))


def is_mass_mail(subject: str, text: str) -> bool:
    """A mailing by its text alone: three marks, or two and no question of a person's own."""
    if not _holds(_head(text), _MASS_WORDS):
        return False
    marks = mass_marks(subject, text)
    return marks >= 3 or (marks == 2 and not _asks(_head(text)))


def unsolicited_rule(subject: str, text: str) -> str:
    """Which kind of scam or advertisement the text is; "" when none for certain."""
    head = f"{subject}\n{_head(text)}"
    care = _CARE.search(head)
    for name, groups in _OFFERS:
        # Nobody offers search ranking and asks about care; with the other kinds a word of care stays our hand.
        if care and name != "search_ranking":
            continue
        if _holds(head, _OFFER_WORDS[name]) and all(group.search(head) for group in groups):
            return name
    if not _FIRST_PERSON.search(head) and sum(1 for mark in _SELLING if mark.search(head)) >= (4 if care else 3):
        return "advertising"
    return ""


def is_secure_notice(subject: str, text: str, *, domain: str, has_link: bool, has_wrapper: bool) -> bool:
    """A notice whose content sits behind a portal. `has_wrapper`: an attachment only such services send."""
    if has_wrapper:
        return True
    head = f"{subject}\n{text[:3_000]}"
    if not _holds(head, _SECURE_WORDS) or _SECURE_ASKED.search(text[:3_000]) or _asks(text[:3_000]):
        return False
    if not has_link and not _OPEN_IT.search(head):
        return False
    known = any(domain == item or domain.endswith("." + item) for item in SECURE_DOMAINS)
    return bool(_SECURE.search(head)) or (known and not _FIRST_PERSON.search(text[:3_000]))
