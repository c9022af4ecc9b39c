"""What stands below a mail: lines of devices, closings, contact details, disclaimers. Patterns only."""

from __future__ import annotations

import re

# One line that a device or program adds: a verb of sending, a preposition, and a thing; nothing a person would say.
_THING = r"(?:[\w.&+’'®™/-]{1,40}[ ]){0,9}?[\w.&+’'®™/-]{1,40}"
DEVICE = re.compile(
    r"[ \t*(<_]{0,8}(?:"
    r"(?:(?:dit (?:bericht|e-?mail(?:bericht)?) is |this (?:message|e-?mail) was |ce (?:message|"
    r"courriel) a [ée]t[ée] )?"
    r"(?:verstuurd|verzonden|gestuurd|verstuurt|sent|gesendet|versendet|envoy[ée]|enviado|wys[łl]an[eo]|inviato|"
    r"skickat|"
    r"sendt)(?: wirelessly| sans fil| mobiel| via mobile)?"
    rf" (?:vanaf|vanuit|vanop|via|met|from|with|using|by|von|mit|aus|depuis|de|[àa] partir de|desde|con|z|da|från|fra|"
    rf"par)[ ]{_THING})|"
    rf"(?:von (?:meinem|meiner|unterwegs)[ ]{_THING} (?:gesendet|versendet)|"
    rf"diese (?:nachricht|e-?mail) wurde (?:von|mit)[ ]{_THING} (?:gesendet|versendet))|"
    r"(?:outlook (?:voor|for|für|pour)[ ](?:ios|android|mac|windows)(?: downloaden| beziehen| herunterladen)?|"
    r"(?:download|get|t[ée]l[ée]charger|holen sie sich|laden sie)[ ](?:outlook|bluemail|gmail)[ ]"
    r"(?:voor|for|für|pour)[ ](?:ios|android|mac|windows|iphone)(?: herunter)?)|"
    r"mobiel verzonden|verzonden per mobiel|sent (?:via|by|from) (?:mobile|phone)|"
    r"(?:virusvrij|virus-free)\b[^?!]{0,60}|yahoo mail: [^?!]{0,60}"
    r")[ \t.!)>*_]{0,4}(?:[ \t]{0,4}[<\[(]?(?:https?://[^\s<>\])]{1,200}|\d)[>\])]?)?"
    r"(?:[.,!]? ?(?:excuseer|excuses|sorry|please (?:excuse|forgive)|excuse|bitte entschuldigen|veuillez excuser)\b"
    r"[^?]{0,80})?[ \t.!)>*_]{0,6}",
    re.IGNORECASE,
)
DEVICE_OPENING = re.compile(
    r"^[ \t*]{0,8}(?:dit (?:bericht|e-?mail(?:bericht)?) is|this (?:message|e-?mail) was|diese (?:nachricht|"
    r"e-?mail) wurde|"
    r"ce (?:message|courriel) a [ée]t[ée])\b|https?://\S{1,300}",
    re.IGNORECASE,
)
DOWNLOAD = re.compile(r"[ \t*]{0,8}(?:download|get|t[ée]l[ée]charger|holen sie sich|laden sie)\b", re.IGNORECASE)
DEVICE_WORD = re.compile(
    r"iphone|ipad|ipod|ios\b|android|samsung|galaxy|huawei|xiaomi|nokia|oneplus|smartphone|telefoon|mobiel|mobile|"
    r"mobil|"
    r"\bphone|handy|tablet|\bmail(?:box)?\b|e-mailapp|outlook|yahoo|proton|gmail|ziggo|kpn|windows|mac\b|macbook|"
    r"blackberry|htc|device|apparaat|gerät|webmail|mailbird|spark|airmail|k-9|fairphone|pixel|motorola|sony|xperia|"
    r"computer|laptop|app\b|virus|hotmail|\bcell\b",
    re.IGNORECASE,
)
# A device line holds no verb of the sender and nobody spoken to; "mijn" belongs to the device.
NOT_DEVICE = re.compile(
    r"\b(?:ik|wij|we|heb|hebben|heeft|had|u|uw|jullie|is het|was het|al|nog|niet|naar|gisteren|vandaag|i|you|your|"
    r"is|are|"
    r"much|we|ich|habe|haben|wir|sie|je|nous|vous)\b",
    re.IGNORECASE,
)

_GREETING = (
    r"(?:(?:nogmaals |alvast )?(?:hartelijk |heel erg )?(?:bedankt|dank)(?: (?:en|voor uw (?:hulp|tijd|reactie|"
    r"moeite)))?"
    r",? )?(?:met )?(?:de )?(?:vriendelijke|hartelijke|warme|lieve|vr\.?|beste|hartelijk|vriendelijk|zonnige|"
    r"collegiale|"
    r"hele|sportieve)?[ ]?(?:groet(?:en|jes)?|gr\.?|m\.?v\.?g\.?|groetend|vrgr)(?: (?:namens|van|en dank|alvast|"
    r"uit \w+))?|"
    r"hoogachtend|met (?:de )?meeste hoogachting|alvast (?:hartelijk )?(?:bedankt|dank)|(?:with )?(?:kind|best|warm|"
    r"many)?"
    r" ?regards|kindest regards|sincerely|yours (?:sincerely|faithfully|truly)|best wishes|cheers|all the best|"
    r"mit freundlichen gr[uü](?:ß|ss)en|(?:viele|liebe|beste|herzliche|freundliche|sch[öo]ne) gr[uü](?:ß|ss)e|mfg|"
    r"gru(?:ß|ss)|"
    r"hochachtungsvoll|cordialement|bien (?:cordialement|[àa] vous)|(?:sinc[èe]res |meilleures )?salutations|"
    r"saygılarımla|pozdrawiam|med venlig hilsen|saludos|cordiali saluti"
)
CLOSING = re.compile(rf"[ \t*]{{0,8}}(?:{_GREETING})[ \t]{{0,4}}[,.!:;*]{{0,3}}[ \t]{{0,8}}", re.IGNORECASE)
# "Groetjes, Anja de Vries": closing and name on one line.
CLOSING_NAMED = re.compile(
    rf"[ \t*]{{0,8}}(?i:{_GREETING})[ \t]{{0,4}}[,.!:]{{0,2}}[ \t]{{1,4}}"
    r"(?:(?:[A-Z][\w.’'-]{0,30}|van|der|den|de|het|ter|ten|te|en|von|du|la|le|\+|&|/)[ \t,]{0,3}){1,7}"
)
POSTSCRIPT = re.compile(
    r"[ \t*]{0,8}(?:p\.?\s?s\.?|naschrift|post scriptum|nb|n\.b\.|let op|belangrijk|nog iets)(?![\w])[ \t.:,)-]?",
    re.IGNORECASE,
)
# What a client gives about the case itself, also below the greeting.
CASE_FACT = re.compile(
    r"[ \t*-]{0,8}(?:cli[ëe]ntnummer|klantnummer|polisnummer|relatienummer|zaaknummer|dossier(?:nummer)?|kenmerk|"
    r"geboren|"
    r"geboortedatum|bsn|bijlagen?|betreft|leeftijd|diagnose|indicatie|mijn gegevens|gegevens)\b",
    re.IGNORECASE,
)
ORGANISATION = re.compile(
    r"team|zorg|palliat|terminal|hospice|netwerk|afdeling|ziekenhuis|transfer|gemeente|stichting|kantoor|centrum|"
    r"medewerker|verpleeg|consulent|adviseur|manager|coördinator|coordinator|arts|praktijk|b\.?v\.?$|telefoon|dienst|"
    r"department|developer|engineer|officer|director|abteilung|leitung|service|responsable",
    re.IGNORECASE,
)
# Words that a sentence has and a line of a signature has not: persons and verbs, no articles.
OWN_VOICE = re.compile(
    r"\b(?:ik|wij|we|mij|mijn|me|ons|u|uw|jullie|kunt|kan|kunnen|wil|wilt|moet|moeten|mag|graag|heb|heeft|hebben|"
    r"had|zijn|"
    r"is|was|wordt|werd|worden|zal|zou|krijg|krijgt|kreeg|gaat|ga|komt|staat|ligt|woont|wonen|hij|zij|ze|nog|niet|"
    r"geen|"
    r"wel|i|my|your|you|can|please|are|were|will|would|have|has|do|does|he|she|they|"
    r"ich|wir|sie|mein|meine|bitte|haben|habe|hat|ist|war|wird|kann|soll|"
    r"je|nous|vous|mon|ma|votre|est|sont|suis|avons|avez|peut|il|elle)\b",
    re.IGNORECASE,
)
CONTACT = re.compile(
    r"\b(?:tel|telefoon|t|m|e|mob|mobiel|mobile|phone|direct|fax|e-?mail|mail|www|kvk|postbus|postadres|bezoekadres|"
    r"adres|"
    r"website|agb|big|werkdagen|aanwezig|bereikbaar|w|i|telefon)\b\.?[ \t]{0,3}[:.|]|"
    r"www\.|https?://|@|\b0\d[\d \-]{7,}|\+\d{2}[\d \-()]{6,}|\b\d{4} ?[A-Z]{2}\b",
    re.IGNORECASE,
)
WEBLIST = re.compile(r"mailing ?list|mailinglijst|listinfo|unsubscribe|lists?\.", re.IGNORECASE)

# Nobody wrote this for this mail: the paragraph opens as such texts do, and holds one strong phrase or two weak ones.
DISCLAIMER_OPENING = re.compile(
    r"[\s*_(]{0,8}(?:disclaimer\b|(?:de |alle )?(?:informatie|inhoud)\b|(?:dit|deze)\b.{0,20}(?:bericht|mail|bestand)|"
    r"(?:aan|op) (?:dit|deze|de inhoud|al onze|onze)\b|indien u\b|als u niet\b|bent u niet\b|denk (?:aan|om)\b|"
    r"(?:the|this|any)\b.{0,20}(?:information|message|e-?mail|content)|if you are not\b|(?:please )?consider\b|"
    r"diese\b|der inhalt\b|wenn sie nicht\b|ce (?:message|courriel)\b|si vous n|(?:strikt |strictly )?(?:vertrouwelijk|"
    r"confidential)\b)",
    re.IGNORECASE,
)
DISCLAIMER_STRONG = re.compile(
    r"geen rechten (?:worden|kunnen|ontlenen)|rechten worden ontleend|denk (?:aan|om) (?:het|ons) milieu|"
    r"(?:please )?consider the environment|if you are not the intended|indien u niet de (?:geadresseerde|beoogde)|"
    r"(?:als|bent) u niet de (?:geadresseerde|beoogde)|wenn sie nicht der (?:richtige|beabsichtigte)|"
    r"si vous n['’][êe]tes pas (?:le|la) destinataire|uitsluitend (?:bestemd|bedoeld) voor de (?:geadresseerde|"
    r"ontvanger)|intended (?:solely|only) for the|^[\s*_]{0,6}disclaimer[\s*_:]{0,4}$|disclaimer: ?https?://|"
    r"op al onze (?:diensten|overeenkomsten|dienstverlening)",
    re.IGNORECASE,
)
DISCLAIMER_WEAK = re.compile(
    r"\bdisclaimer\b|vertrouwelijk|geadresseerde|uitsluitend|onbedoeld|abusievelijk|ten onrechte|openbaarmaking|"
    r"vermenigvuldig|verspreiding|aansprakelijk|te verwijderen|te vernietigen|bestemd voor|bedoeld voor|virussen|"
    r"confidential|privileged|recipient|unauthori[sz]ed|dissemination|delete (?:it|this)|disclosure|vertraulich|"
    r"empf[äa]nger|irrt[üu]mlich|vernichten|confidentiel|destinataire|divulgation",
    re.IGNORECASE,
)
FIRST_PERSON = re.compile(
    r"\b(?:ik|mij|mijn|m'n|moeder|vader|i|my|me|ich|mein|meine|mir|mon|ma|mes)\b|\bj['’]", re.IGNORECASE
)
