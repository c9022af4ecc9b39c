"""How mail programs mark history and forwarded mail: rules, dates, verbs, header names. Patterns only.

Every pattern is tried on one line of at most a thousand characters and has no nested quantifier. Dutch, English,
German and French are complete; of other languages what costs nothing.
"""

from __future__ import annotations

import re

DASHES = r"[-_=*\u2010-\u2015\u2212]"
# "-----Oorspronkelijk bericht-----", "-------- Original Message --------", also without a closing rule.
_HISTORY = (
    r"oorspronkelijke? (?:bericht|e-?mail|mail)|originee?le? (?:bericht|e-?mail|mail)|origin[ae]l message|"
    r"original (?:e-?mail|mail)|reply message|antwoordbericht|vorig bericht|eerder bericht|"
    r"urspr(?:[uü]|ue)ngliche (?:nachricht|e-?mail|mail)|original-?nachricht|antwort ?nachricht|"
    r"message (?:d'origine|d’origine|original|initial)|message pr[ée]c[ée]dent|mensaje original|mensagem original|"
    r"messaggio originale|opprinnelig melding|oprindelig (?:meddelelse|besked)|ursprungligt meddelande|"
    r"alkuper[äa]inen viesti|oryginalna wiadomo[śs][ćc]|wiadomo[śs][ćc] oryginalna|orijinal mesaj"
)
_FORWARD = (
    r"doorgestuurde? (?:bericht|e-?mail|mail)|doorgezonden bericht|forwarded (?:message|e-?mail|mail)|"
    r"weitergeleitete (?:nachricht|e-?mail|mail)|message (?:transf[eé]r[eé]|r[ée]exp[ée]di[ée])|"
    r"courriel transf[eé]r[eé]|"
    r"mensaje reenviado|mensagem encaminhada|messaggio inoltrato|vidarebefordrat meddelande|videresendt meddelelse|"
    r"videresendt (?:besked|melding)|forwarded by [^-]{1,80}|doorgestuurd door [^-]{1,80}|"
    r"weitergeleitet von [^-]{1,80}"
)
_RULED = rf"[ \t*]{{0,8}}{DASHES}{{2,}}+[ \t*]{{0,4}}(?:%s)[ \t*:]{{0,4}}{DASHES}*[ \t]{{0,8}}"
HISTORY_RULE = re.compile(_RULED % _HISTORY, re.IGNORECASE)
FORWARD_RULE = re.compile(_RULED % _FORWARD, re.IGNORECASE)
# Samsung's plain text has the header on the same line as its rule.
RULED_HEADER = re.compile(
    rf"[ \t*]{{0,8}}{DASHES}{{4,}}+[ ]{{0,4}}(?:{_HISTORY}|"
    rf"{_FORWARD})[ ]{{0,4}}{DASHES}{{4,}}[ ]{{0,4}}(?=\w)",
    re.IGNORECASE,
)
# The same words alone on a line count only above a header block.
HISTORY_WORDS = re.compile(rf"[ \t*]{{0,8}}(?:{_HISTORY})[ \t]{{0,4}}:?[ \t*]{{0,8}}", re.IGNORECASE)
FORWARD_LINE = re.compile(
    r"[ \t*]{0,8}(?:begin (?:van )?(?:het )?doorgestuurd(?:e)? (?:bericht|e-?mail)|begin forwarded message|"
    r"(?:start )?forwarded message|doorgestuurd bericht|anfang der weitergeleiteten (?:nachricht|e-?mail)|"
    r"d[ée]but du message (?:r[ée]exp[ée]di[ée]|transf[ée]r[ée])|inicio del mensaje reenviado|"
    r"inizio messaggio inoltrato)[ \t]{0,4}:[ \t*]{0,8}",
    re.IGNORECASE,
)
ANSWER_ABOVE = re.compile(
    r"[#\-=_* ]{0,12}(?:typ|schrijf|plaats|please type|type|write|bitte (?:geben|antworten|schreiben))\b[^.?!]{0,40}"
    r"(?:boven deze (?:lijn|regel)|above this line|[üo]ber dieser (?:linie|zeile))[#\-=_* ]{0,12}",
    re.IGNORECASE,
)
RULE = re.compile(rf"[ \t>]{{0,8}}{DASHES}{{8,}}[ \t]{{0,8}}")

# GroupWise: ">>> Jan Jansen <jan@…> 3-3-2026 10:12 >>>", with the old mail below it without marks.
GROUPWISE = re.compile(
    r">>> ?[^<>]{0,80}(?:<[^<>\s]{3,200}>|[^\s<>]{1,80}@[^\s<>]{2,120})?[^<>]{0,20}\d[-./]\d[^<>]{0,30}>>>\s?"
)

# ---------------------------------------------------------------- attribution: "Op … schreef …:"

WEEKDAY = (
    r"(?:ma|di|wo|do|vr|za|zo|maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|mon|tues?|wed|thur?s?|fri|"
    r"sat|"
    r"sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday|mo|mi|fr|sa|so|montag|dienstag|mittwoch|donnerstag|"
    r"freitag|samstag|sonnabend|sonntag|lun|mar|mer|jeu|ven|sam|dim|lundi|mardi|mercredi|jeudi|vendredi|samedi|"
    r"dimanche)"
)
MONTH = (
    r"(?:jan|feb|f[ée]v|mrt|maa|mar|m[äa]r|mrz|apr|avr|mei|may|mai|maj|jun|juin|jul|juil|aug|ao[ûu]|ago|sep|okt|oct|"
    r"nov|"
    r"dec|d[ée]c|dez|dic)[a-zéû]{0,7}\.?"
)
YEARED = re.compile(
    r"\b(?:\d{4}年\d{1,2}月\d{1,2}日|\d{1,2}[-./ ]{1,3}\d{1,2}[-./ ]{1,3}\d{4}|\d{1,2}[-./]\d{1,2}[-./]\d{2}|"
    r"\d{4}[-./]\d{1,2}[-./]\d{1,2}|"
    r"\d{1,2}(?:st|nd|rd|th|er)?[-. ]{1,3}(?:de )?[^\W\d_]{3,12}\.?,?[- ]{1,2}(?:de )?\d{4}|"
    r"[^\W\d_]{3,9}\.?[- ]\d{1,2}(?:st|nd|rd|th)?[,-] ?\d{2,4})(?!\d)",
    re.IGNORECASE,
)
DAY = re.compile(rf"\b(?:\d{{1,2}}(?:st|nd|rd|th|er)?\.? {MONTH}(?![a-z])|{MONTH} \d{{1,2}}\b)", re.IGNORECASE)
CLOCK = re.compile(r"(?<![\d.:/-])\d{1,2}(?::\d{2}|[.h]\d{2}(?![\d.:/-]))")
ADDRESS = re.compile(r"[^\s@<>\[\]()\";,]{1,80}@[^\s@<>\[\]()\";,]{2,120}")
BRACKETED = re.compile(
    r"[<\[(]\s?(?:mailto:)?[^\s@<>\[\]()]{1,80}@[^\s@<>\[\]()]{2,120}(?:<mailto:[^<>]{1,200}>)?[>\])]"
)
VERB = re.compile(
    r"\b(?:schreef|geschreven|geantwoord|antwoordde|wrote|writes|sent|schrieb|geschrieben|a [ée]crit|[ée]crit|"
    r"escribi[oó]|"
    r"ha scritto|escreveu|skrev|kirjoitti|napisa[łl]a?|napsala?|[ií]rta|yazd[ıi])(?!\w)|написал|写道",
    re.IGNORECASE,
)
VERB_END = re.compile(
    r"(?:schreef|geschreven|wrote|sent|schrieb|crit|skrev|escribi[oó]|escreveu|kirjoitti|napisa[łl]|volgende)$",
    re.IGNORECASE,
)
# At the end of an attribution: a colon, or the verb itself.
INTRO_END = re.compile(
    r"(?:[:：]|(?:schreef|geschreven|wrote|sent|schrieb|[ée]crit|skrev|escribi[oó]|escreveu|kirjoitti|napisa[łl])|"
    r"<\s?[^\s<>@]{1,80}@[^\s<>]{2,120}>)[\s*_\-]{0,8}$",
    re.IGNORECASE,
)
QUOTING = re.compile(
    r"(?:quoting|citeren|citaat van|zitat von|citando(?: a)?) [^<>:]{1,80}<[^<>\s]{3,200}>:", re.IGNORECASE
)
# Yahoo's plain text goes on behind the colon, after some blanks.
INTRO_AND_MORE = re.compile(r"(.{8,300}?<[^<>\s]{1,80}@[^<>\s]{2,120}> ?:)\s{2,}\S")
# Where an attribution may begin: a preposition and then a date, or the date itself.
INTRO_START = re.compile(
    rf"[\s*_\-\u2010-\u2015]{{0,10}}(?:(?:op|on|am|le|el|den|il|em|p[åa]|dnia|w dniu)\s+)?"
    rf"(?:(?:{WEEKDAY}|pe|ke|ti|to|su|la|lø|lö|ons|tors?|fre|l[öø]r|s[öø]n|m[åa]n|tir|"
    rf"tis)\b[.,]{{0,2}}\s{{0,3}}(?:den )?)?"
    rf"(?=\d|{MONTH}[\s-]\d)",
    re.IGNORECASE,
)
INTRO_INSIDE = re.compile(
    rf"(?:on|op|am|le)\s(?:{WEEKDAY}[.,]{{0,2}}\s)?(?:\d|{MONTH}\s\d)",
    re.IGNORECASE,
)
# Words between date and verb that are nobody's name.
CONNECTING = re.compile(
    r"\b(?:op|on|am|le|om|at|um|à|kl|klo|den|heeft|het volgende|a|schrieb|uhr|[ap]\.?m\.?|cest|cet|gmt|utc|met|edt|"
    r"est|"
    r"pdt|pst|bst|z)\b\.?|[+-]\d{2}:?\d{2}\b",
    re.IGNORECASE,
)
PARTICLES = frozenset(
    "van der den de het ten ter te 't in op bij aan von vom zu zur und and et en of for voor via namens from du la "
    "le des "
    "di da dos del el al bin ben & - | / dhr. mw. mevr. dr. ir. drs. mr. the für im".split()
)
# Words of a sentence; never between date and verb of what a program writes.
HUMAN = frozenset(
    "ik mij me ons mijn m'n onze wij we u uw hij zij ze je jij jou jullie dat die dit deze toen er aan-mij terug "
    "hierover daarover volgens omdat maar als want nog ook wel niet geen is was waren werd wordt heb had hebben kreeg "
    "moeder vader zus broer dochter zoon wethouder gemeente consulent huisarts arts zorgkantoor zorgverzekeraar "
    "mevrouw meneer mijnheer naar een brief uur "
    "i my mine our us you your he she they that this these the those was were has had have him them me "
    "ich mir mich mein meine meiner wir uns unser unsere ihnen ihr sie er dass aber nicht auch ist war hat "
    "je j'ai mon mes nous notre nos vous votre vos elle ils que qui mais pas est était ".split()
)
HUMAN_PHRASE = re.compile(
    r"\b(?:schreef|schreven|wrote|schrieb|[ée]crit)\b.{0,120}\b(?:het volgende|the following|folgendes|ce qui suit)\b|"
    r", (?:le|la|les|mon|ma|mes|notre|votre|l['’])\s?[a-zéèà]{2,30}\b.{0,40}\ba [ée]crit|"
    r"\bheeft\b.{0,60}\b(?:mij|me|ons|u|hem|haar)\b.{0,60}\bgeschreven\b",
    re.IGNORECASE,
)
ARTICLE_START = re.compile(
    r"(?:de|het|een|mijn|onze|uw|haar|zijn|ons|the|a|my|our|his|her|der|die|das|mein|meine|unser|unsere|la|les|mon|ma|"
    r"notre|nos) [a-zéëïöü]",
    re.IGNORECASE,
)

# ---------------------------------------------------------------- header lines: "Van:", "*Van:*", "**Van: **", "De :"

_FROM = (
    "van|from|von|de|da|od|fra|från|afzender|absender|expéditeur|remitente|lähettäjä|kimden|от|от кого|发件人|差出人"
)
_DATE = (
    "verzonden op|verzonden|verstuurd|gestuurd|ontvangen|sent|date sent|gesendet am|gesendet|datum en tijd|datum|date|"
    "envoyé le|envoyé|reçu|fecha|enviado el|enviado|inviato|data|skickat|dato|sendt|wysłano|lähetetty|tarih|дата|"
    "отправлено|日期|发送时间|送信日時"
)
_TO = (
    "aan|to|an|à|pour|para|till|til|do|komu|kime|кому|ontvanger|ontvangers|geadresseerde"
    "|empfänger|destinataire|a|收件人|宛先"
)
_SUBJECT = "onderwerp|subject|betreff|betr|objet|sujet|asunto|oggetto|assunto|temat|ämne|emne|тема|aihe|konu|主题|件名"
_OTHER = (
    "cc|bcc|kopie|kopie aan|copie|copie à|cci|kopia|urgentie|prioriteit|belang|importance|priority|priorität|priorité|"
    "wichtigkeit|bijlage|bijlagen|attachment|attachments|anlage|anlagen|anhänge|pièces jointes|beantwoorden aan|"
    "beantwoorden-aan|antwoord aan|"
    "antwoorden aan|reply-to|reply to|antwort an|répondre à|gevoeligheid|sensitivity|vertraulichkeit|categorieën|"
    "categories|organisatie|organization|organisation|resent-from|resent-date|resent-to"
)
# What stands before the first colon is looked up, which is far faster than trying a hundred names in turn.
HEADER = re.compile(r"[\s*|_>]{0,12}([^\W\d_][^:：*]{0,20}?)[\s*_]{0,4}[:：][\s*_]{0,40}(.*)")
# Several headers on one line, as some HTML and some copies have them.
HEADER_INSIDE = re.compile(
    r"(?<=\s)\*{0,2}(?=(?:Van|Verzonden|Aan|Onderwerp|Datum|Cc|CC|From|Sent|To|Subject|Date|Von|Gesendet|An|Betreff|"
    r"À|Objet|Envoyé|De) ?:\*{0,2} ?\S)"
)
KINDS = {
    **dict.fromkeys(_OTHER.split("|"), "other"),
    **dict.fromkeys(_FROM.split("|"), "from"),
    **dict.fromkeys(_DATE.split("|"), "date"),
    **dict.fromkeys(_TO.split("|"), "to"),
    **dict.fromkeys(_SUBJECT.split("|"), "subject"),
}
# Of these programs write the moment of sending; "Datum:" and "Date:" stand above letters too.
SENT_NAMES = frozenset(
    "verzonden op|verzonden|verstuurd|sent|date sent|gesendet am|gesendet|envoyé le|envoyé|skickat|sendt|wysłano".split(
        "|"
    )
)
WEEKDAY_INSIDE = re.compile(rf"\b{WEEKDAY}\b", re.IGNORECASE)

# ---------------------------------------------------------------- what the new part says

SALUTATION = re.compile(
    r"(?:(?:beste|geachte|hallo|hoi|dag|lieve|hé|goede?(?:n|r)?(?: ?(?:morgen|middag|avond|dag))|goeie(?:morgen|"
    r"middag|"
    r"avond)|l\.?s\.?|dear|hi|hello|hey|good (?:morning|afternoon|evening)|sehr geehrte[rn]?|liebe[rs]?|guten "
    r"(?:tag|morgen|abend)|bonjour|bonsoir|ch[eè]re?s?|madame|monsieur)\b[^.?!:]{0,80}[,.!]?|(?:heer|"
    r"mevrouw)[^.?!:]{0,60},)",
    re.IGNORECASE,
)
# "Mijn antwoorden staan hieronder in rood": the answers stand in the quoted mail, which has no other marks.
ANSWERS_BELOW = re.compile(
    r"\b(?:in (?:het )?(?:rood|blauw|groen|geel|vet|paars)|in (?:red|blue|green|bold)|in (?:rot|blau|grün)|"
    r"en (?:rouge|"
    r"bleu|vert)|in de tekst|in uw (?:mail|e-?mail|bericht|tekst)|tussen de (?:regels|tekst|vragen)|inline|in-?line|"
    r"im text|dans le texte)\b|"
    r"\b(?:antwoord(?:en)?|reacties?|opmerkingen|aanvullingen|answers?|comments|replies|remarks|antwort(?:en)?|"
    r"anmerkungen|kommentare|r[ée]ponses?|remarques)\b[^.?!]{0,40}\b(?:hieronder|onderstaand|below|unten|ci-dessous|"
    r"onder (?:de|uw|elke|iedere) vra(?:ag|gen)|achter (?:de|uw) vra(?:ag|gen))|"
    r"\b(?:zie|see|siehe|voir)\b[^.?!]{0,30}\b(?:antwoord(?:en)?|reacties?|answers?|comments|antworten|r[ée]ponses)\b",
    re.IGNORECASE,
)
LAW_TEXT = re.compile(r"\b(?:artikel|art\.|lid \d|eerste lid|tweede lid|§|wetboek|section \d|absatz)\s?", re.IGNORECASE)
