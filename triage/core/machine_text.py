"""What a text itself shows of its maker when headers are silent: machines, mass mail, scams, portal notices.

Precision first. A person's question is never hidden for a word; every rule needs several marks together.
Patterns run over the first 20,000 characters, with bounded repeats only.
"""

from __future__ import annotations

import re

from triage.core.person_text import asks_for_care, plainly_asks, speaks_of_self

LOOKED_AT = 20_000

_I = re.IGNORECASE

# ---------------------------------------------------------------- automatic replies

_AUTO_WORDS = (
    r"automatisch(?:e|er)? (?:antwoord|reactie|beantwoording|bericht van afwezigheid)|autom\. antwoord|auto-?antwoord"
    r"|auto(?:matic|mated|mat)?[ -]?(?:reply|response|respond(?:er|ing)?|answer|acknowledge?ment)"
    r"|automatische (?:antwort|abwesenheits\w+)|autoantwort|r[eé]ponse automatique|(?:message|mail) automatique"
    r"|automatyczna odpowied[zź]|odpowied[zź] automatyczna|autoodpowied[zź]|otomatik (?:yan[ıi]t|cevap)"
    r"|respuesta autom[aá]tica|contestaci[oó]n autom[aá]tica|risposta automatica|resposta autom[aá]tica"
    r"|autosvar|automatisk[at]? svar|automaattinen vastaus|automatick[aá] odpov[eě][dď]|automatikus v[aá]lasz"
    r"|r[aă]spuns automat|αυτόματη απάντηση|автоматический ответ|автоответ|автоматична відповідь|رد تلقائي"
    r"|自动(?:回复|答复)|自動(?:回覆|返信|応答)"
)
_AWAY_WORDS = (
    r"out[ -]of[ -](?:the[ -])?office|buiten kantoor|niet op kantoor|afwezig(?:heid)?|niet aanwezig|abwesend"
    r"|abwesenheit|nicht im b[uü]ro|au[sß]er haus|absence (?:du bureau|de l'entreprise)|absent(?:e)? du bureau"
    r"|en cong[eé]s?|poza biurem|nieobecno[sś][cć]|ofis d[ıi][sş][ıi]nda|fuera de (?:la )?oficina"
    r"|ausencia de la oficina|fuori (?:sede|ufficio)|assente dall'ufficio|ausente do escrit[oó]rio|fr[aå]nvarande?"
    r"|frav[aæ]r(?:ende)?|poissa toimistosta"
)
AUTO_REPLY_SUBJECT = re.compile(
    rf"\s*[\[(]?(?:(?:{_AUTO_WORDS})\s*(?:[:\-–—|\[(\]):：]|$)|"
    r"out[ -]of[ -](?:the[ -])?office\s*(?:[:\-–—|\[(\]]|auto|reply|notification|message|$)|"
    rf"(?:{_AWAY_WORDS})\s*(?:[:\[(\]|]|$|t/?m\b|tot\b|van \d|until\b|bis\b|jusqu|do dnia)|"
    r"(?:afwezig|niet aanwezig|abwesend)\s*[\-–—]|afwezigheids?(?:bericht|melding|assistent|notificatie)\b"
    r"|abwesenheits(?:notiz|meldung|benachrichtigung|assistent)|message d'absence|absence (?:message|notification"
    r"|notice)\b|ik ben (?:er even niet|afwezig|met vakantie|met verlof)\b"
    r"|i am (?:currently )?(?:out of (?:the )?office|away|on (?:leave|vacation|holiday))"
    r"|ich bin (?:\w+ ){0,3}(?:nicht im b[uü]ro|abwesend|im urlaub)|(?:vakantie(?:bericht|melding)|(?:op "
    r"|met )?vakantie|urlaub|vacation (?:reply|message|notice|response)|on (?:vacation|leave"
    r"|holiday))\s*(?:[:\[(\]]|$)|ooo\s*[:\-–])",
    _I,
)
AUTO_REPLY_SUFFIX = re.compile(rf"[\[(](?:{_AUTO_WORDS}|out of (?:the )?office|afwezig)[\])]\s*$", _I)
"""At the end of a subject, also behind "Re:"; a person who answers such a mail keeps it, so the text must agree."""
AUTO_PREFIX = re.compile(r"\s*auto\s*:", _I)
ABSENCE = re.compile(
    r"\b(?:ik ben (?:\S+ ){0,4}(?:afwezig|niet aanwezig|niet (?:goed )?bereikbaar|met (?:vakantie|verlof"
    r"|zwangerschapsverlof)|niet op kantoor|op vakantie|niet in de gelegenheid)|i(?: am|'m) (?:currently "
    r"|now )?(?:out of|away|on (?:leave|holiday|vacation|maternity)|not in the office|travell?ing)|i will be (?:out"
    r"|away|on)|i'll be (?:out|away)|unable to read your|ich bin (?:\S+ ){0,6}(?:abwesend|nicht (?:im büro"
    r"|erreichbar|im hause|da)|im urlaub|außer haus)|lees (?:ik )?mijn (?:e-?)?mail niet|(?:mail"
    r"|bericht)(?:en)? (?:wordt|worden) niet (?:gelezen|doorgestuurd|doorgezonden)|afwezig (?:van|tot|t/m|vanaf)"
    r"|met zwangerschapsverlof|bij afwezigheid|werk ik niet|weer (?:aanwezig|bereikbaar|op kantoor)"
    r"|je suis (?:\S+ ){0,4}(?:absente?|en cong[eé]s?|en vacances|en d[eé]placement)|de retour (?:le|au bureau)"
    r"|(?:jestem|b[eę]d[eę]) (?:\S+ ){0,4}(?:nieobecn\w+|na urlopie|poza biurem)|przebywam na urlopie|(?:ofis"
    r"|ofiste|b[uü]ro) (?:\S+ ){0,2}(?:d[ıi][sş][ıi]nda|de[gğ]ilim)|izinde(?:yim)?\b|estoy (?:\S+ ){0,3}(?:fuera"
    r"|de vacaciones|ausente)|sono (?:\S+ ){0,3}(?:assente|fuori ufficio|in ferie)|estou (?:\S+ ){0,3}(?:ausente"
    r"|de f[eé]rias))",
    _I,
)
_INSTEAD = re.compile(
    r"\b(?:voor (?:dringende|spoedeisende|urgente) (?:zaken|vragen|gevallen)|bij spoed|(?:for|in case of) urgent"
    r"|neem (?:dan )?contact op met (?:mijn )?(?:collega|secretariaat)|(?:e-?mail|mail|bericht)(?:en)? (?:wordt"
    r"|worden) niet (?:gelezen|doorgestuurd|doorgezonden)|in dringenden f[aä]llen|ihre (?:e-?mail"
    r"|nachricht) wird nicht weitergeleitet|en cas d'urgence|pour toute urgence|w pilnych sprawach|acil (?:durum"
    r"|konu)|i will (?:respond|reply|answer|get back)[^.\n]{0,60}(?:return|back|soon)|(?:na|zodra) (?:mijn"
    r"|ik) (?:terugkomst|terugkeer|terug)|upon my return|nach meiner r[uü]ckkehr"
    r"|mijn collega'?s?\b[^.\n]{0,60}bereikbaar|(?:beperkt|geen) toegang tot (?:mijn )?(?:e-?)?mail"
    r"|limited access to (?:my )?e-?mail)",
    _I,
)
_CONFIRMATION_SUBJECT = re.compile(
    r"\s*(?:ontvangstbevestiging|bevestiging (?:van )?(?:ontvangst|uw (?:bericht|e-?mail|vraag|aanvraag|melding))"
    r"|wij hebben uw (?:e-?mail|bericht|vraag|aanvraag|melding)\b[^?]{0,60}ontvangen|uw (?:e-?mail|bericht|vraag"
    r"|aanvraag|melding) is (?:door ons )?(?:in goede orde )?ontvangen|(?:bedankt|dank) voor uw (?:e-?mail|bericht)"
    r"|we (?:have )?received your|your (?:message|request|e-?mail|ticket) (?:has been|was) received|thank(?:s"
    r"| you) for (?:contacting|your (?:message|e-?mail|inquiry|enquiry))|eingangsbestätigung"
    r"|vielen dank für ihre (?:nachricht|e-?mail|anfrage)|accus[eé] de r[eé]ception|merci (?:de"
    r"|pour) votre (?:message|e-?mail|courriel)|potwierdzenie (?:otrzymania|wp[lł]yni[eę]cia)"
    r"|mesaj[ıi]n[ıi]z al[ıi]nm[ıi][sş]t[ıi]r|\[?(?:ticket|case"
    r"|request) ?(?:id)?[ :#-]*\w*\d+\]?[^?]{0,60}(?:received|ontvangen|created|geopend))",
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
    r"\b(?:confirm|verify) (?:that )?you(?:r (?:message|e-?mail)| are (?:human|a (?:real )?person|not a (?:robot"
    r"|spammer)))|\bklik (?:op de (?:onderstaande )?link|hier(?:onder)?)[^.?!]{0,60}(?:uw|je) (?:bericht|e-?mail"
    r"|mail)[^.?!]{0,20}(?:bevestigen|af te leveren|door te laten)|\bbevestig(?:en)? dat u (?:geen|een) (?:spam"
    r"|robot|mens|echt)|message (?:is|was) (?:being )?held[^.?!]{0,60}(?:confirm|verif)"
    r"|\bom te bevestigen(?: dat)?[^.?!]{0,60}(?:spam|afzender|mens)|(?:afzender|sender)[ -]?verifi[ck]ati[eo]"
    r"|(?:link|click)[^?!]{0,120}(?:(?:added|add (?:you|yourself|your address)) to (?:the |my |his |her "
    r"|their )?[^.?!]{0,30}(?:allowed|approved|guest|white|safe|contact)|verify your|confirm your (?:message"
    r"|e-?mail|identity|address))|(?:allowed|approved|guest|white)[ -]?list\b[^?!]{0,160}(?:link|click|https?:)"
    r"|prove (?:that )?you(?:'re| are) (?:a )?human|(?:bevestig|verifieer)[^.?!]{0,60}(?:afzender|geen robot)"
    r"|best[aä]tigen sie[^.?!]{0,60}(?:absender|mensch|kein spam)",
    _I,
)
_CHALLENGE_SUBJECT = re.compile(
    r"\s*(?:please (?:confirm|verify) your (?:message|e-?mail|identity)|confirm(?:ation)? (?:required|"
    r"needed)|(?:re:\s*)?\[?challenge\]?|"
    r"bevestig uw (?:e-?mail|bericht|mail)\b|sender verification|bevestiging (?:nodig|vereist))",
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
# Words of our own trade; those of everybody's care stand in core/person_text.py. "ziekte" and "terminaal" are in
# neither place for scams: scams are full of them.
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


# Words without which a rule cannot hold: plain searches cost a fiftieth of the patterns above.
_CHALLENGE_WORDS = ("confirm", "verif", "bevestig", "klik ", "list", "prove", "bestätig")
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


def is_absence_notice(text: str) -> bool:
    """An autoresponder by its words alone: its sender is away, says what to do instead, and asks nothing."""
    head = _head(text)
    return len(head) < 2_500 and "?" not in head and bool(ABSENCE.search(head)) and bool(_INSTEAD.search(head))


def is_confirmation(subject: str, text: str) -> bool:
    """Somebody else's acknowledgement: the subject says so, the text calls itself automatic and says no "I"."""
    head = _head(text)
    return bool(
        _CONFIRMATION_SUBJECT.match(subject)
        and _AUTOMATIC.search(head)
        and len(head) < 1_500
        and not speaks_of_self(head)
        and not plainly_asks("", head)
    )


def confirms(subject: str, text: str) -> bool:
    """The subject of somebody's acknowledgement over a text that asks nothing; headers must show the machine."""
    head = _head(text)
    return (
        bool(_CONFIRMATION_SUBJECT.match(subject))
        and len(head) < 3_000
        and not _asks(head)
        and not asks_for_care("", head)
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


def mass_marks(subject: str, text: str) -> int:
    """How many different marks of a mailing stand in the text."""
    head = f"{subject}\n{_head(text)}"
    return sum(1 for mark in _MASS_MARKS if mark.search(head))


def is_mass_mail(subject: str, text: str) -> bool:
    """A mailing by its text alone: three marks, or two and no question of a person's own; never a question on care."""
    if not _holds(_head(text), _MASS_WORDS):
        return False
    marks = mass_marks(subject, text)
    if marks < 2 or asks_for_care(subject, text):
        return False
    return marks >= 3 or not _asks(_head(text))


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
    if _FIRST_PERSON.search(head) or asks_for_care(subject, text):
        return ""
    if sum(1 for mark in _SELLING if mark.search(head)) >= (4 if care else 3):
        return "advertising"
    return ""
