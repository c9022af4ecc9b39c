"""The words of delivery reports that are not written to RFC 3464: subjects, senders and sentences of mail systems.

One phrase proves little, since people quote and describe them; `reports.py` counts the kinds of marks that come
together. Patterns run over the first 20,000 characters, with bounded repeats only.
"""

from __future__ import annotations

import re

LOOKED_AT = 20_000
_I = re.IGNORECASE

# ---------------------------------------------------------------- who writes reports

DAEMON_LOCAL = re.compile(
    r"mailer[-_.]?daemon|mail[-_]daemon|mailerdaemon|microsoftexchange[0-9a-f]{32}|mdaemon|mailsubsystem"
    r"|e\d{3}_smtp_mail_service",
    _I,
)
"""Local parts under which nobody but a mail server writes."""
_POSTMASTER_LOCAL = re.compile(
    r"post[-_.]?master|mail[-_.]?(?:admin|administrator|master|system|delivery|server|service|gateway)|smtp|mta"
    r"|e?mail[-_.]?delivery[-_.]?(?:system|subsystem|service)|system|sysadmin|admin(?:istrator)?|bounces?|ndr|dsn"
    r"|no[-_.]?reply|do[-_.]?not[-_.]?reply|systeembeheer(?:der)?",
    _I,
)
_DAEMON_NAME = re.compile(
    r"mail(?:er)? ?deliver(?:y|er)? ?(?:sub)?system|mailer[-_ ]?daemon|mail delivery (?:service|agent|failure)"
    r"|(?:internet |smtp )?mail(?:er)? (?:delivery|system|service|router)|microsoft (?:outlook|exchange)\b"
    r"|system administrator|systeembeheerder|systemadministrator|administrateur syst[eè]me|interscan"
    r"|postmaster|jetmail system|mail ?administrator|e?-?mail delivery",
    _I,
)

# ---------------------------------------------------------------- subjects

BOUNCE_SUBJECT = re.compile(
    # Dutch
    r"\s*(?:\[?onbestelbaar|\[?niet te bezorgen|niet bezorg(?:d|baar)|niet afgeleverd|(?:e-?)?(?:mail)?bezorging "
    r"(?:van uw (?:bericht|e-?mail) )?(?:is )?(?:mislukt|vertraagd)|(?:fout bij (?:de )?)?(?:bezorging|aflevering) "
    r"(?:is )?(?:mislukt|vertraagd)|bericht (?:kon )?niet (?:worden )?(?:bezorgd|afgeleverd)|uw bericht kon niet"
    r"|vertraagd:|afgeleverd:|mislukte bezorging|bezorgingsstatus|bezorgbericht|bezorgingsrapport|retour afzender"
    r"|uw (?:e-?mail|bericht) (?:is|kan|kon) niet (?:worden )?(?:bezorgd|afgeleverd|verzonden)"
    # English
    r"|\**\s?(?:message you sent blocked|undeliver(?:able|ed)|undelivered[- ]mail|non[- ]?deliver(?:y|able))"
    r"|delivery[_ ](?:status|notification|report|has|failed|failure|failing|delay(?:ed)?|error|warning|problem"
    r"|unsuccessful|incomplete)|delivery of .{0,80}fail|failed (?:mail|delivery|to deliver)|failure (?:notice"
    r"|delivery)|(?:permanent |temporary |transient )?(?:mail |message |e-?mail )?delivery (?:failed|fail(?:ure|ed)"
    r"|delay(?:ed)?|warning|error|problem|notification|report|status|system)|e?-?mail (?:not|could not be|cannot be"
    r"|was not) (?:delivered|sent)|mail (?:delivery|system|transport|transfer)? ?(?:error|failure|failed|failing)"
    r"|mail failed|mail could not be deliver|mailbox (?:unavailable|full|does not exist)|message (?:delay(?:ed)?"
    r"|undeliver(?:able|ed)|delivery|not delivered|could not be delivered|status|was not delivered|rejected|blocked"
    r"|from mail delivery|you sent blocked)|your (?:message|e-?mail|mail) (?:could ?n[o']t|was not|cannot"
    r"|has not been|is undeliver|was rejected|was blocked|delivery|has been (?:delayed|rejected|blocked|returned))"
    r"|returned[- ]?(?:mail|message|to sender|e-?mail|by)|rejected (?:mail|message|e-?mail)\b"
    r"|sorry,? your (?:message|mail)|there was an error sending your mail|warning:? (?:message|could not send"
    r"|e?-?mail|undeliver|delayed|unable)|notice: ?mail delivery|relayed:|delivered:|expanded:|delayed:"
    r"|not delivered:|\[bounce\]|bounced? (?:mail|message|e-?mail)|user unknown|unknown (?:user|recipient)"
    r"|unable to deliver|could not deliver|invalid (?:recipient|e-?mail address)|out of mailbox space|mail rejected"
    r"|non[- ]recipient|problem delivering|unsuccessful (?:delivery|e-?mail)|processing error|mail subsystem error"
    r"|nondeliverable mail|error (?:in )?(?:sending|delivering)|.{0,30}delivery failed\b"
    # German, French, Italian, Spanish, Portuguese, Polish, Turkish, Scandinavian, Russian, Chinese, Japanese
    r"|(?:nachricht )?unzustellbar|nicht zustellbar|nicht zugestellt|unzustellbare|(?:e-?mail-?)?zustellung "
    r"(?:fehlgeschlagen|verz[oö]gert|der nachricht|nicht)|zustellungs?(?:fehler|status|bericht|problem)|fehler bei der "
    r"zustellung|verz[oö]gert:|verz[oö]gerte zustellung|ihre (?:e-?mail|nachricht) konnte nicht"
    r"|non[- _]?remis|[ée]chec (?:de )?(?:la )?(?:remise|distribution|livraison|l'envoi)|message non (?:remis|distribu)"
    r"|notification d'[ée]tat de remise|courrier non distribu|retard[ée]? ?:|rapport de non|avis de non"
    r"|non recapitabile|mancat[ao] (?:recapito|consegna)|recapito (?:non riuscito|ritardato)|errore (?:di )?(?:invio"
    r"|recapito|consegna)|no se (?:puede|pudo) entregar|no entregad[oa]|error (?:de|en la) entrega|notificaci[oó]n de "
    r"(?:estado|error)|correo devuelto|devuelto|n[aã]o (?:foi poss[ií]vel entregar|entreg(?:ue|á))|falha na entrega"
    r"|mensagem n[aã]o entregue|niedostarcz|nie dostarczono|nie mo[zż]na dostarczy|zwrot (?:poczty|wiadomo)|b[lł][aą]d "
    r"dor[eę]cz|teslim edileme|iletilemedi|iletileme|kan inte levereras|ej levererat|kunne ikke leveres|ikke levert"
    r"|toimittamaton|недоставлен|не доставлено|сообщение не доставлено|ваше сообщение не|возврат|ошибка доставки"
    r"|系统退信|邮件退回|退信|邮件传送失败|未送达|メールエラー|配信不能|配信エラー|送信エラー|メール配信に失敗|メッセージを配信できません)",
    _I,
)
_ANYWHERE_SUBJECT = re.compile(
    r"non remis|\(?delivery failed\)?\s*$|undeliver(?:able|ed)\b|returned mail\b|mail failure|non[- ]delivery"
    r"|failure notice|onbestelbaar|unzustellbar",
    _I,
)
_AT_END_SUBJECT = re.compile(r"(?:: non remis\b.{0,40}|\(delivery failed\)|: undeliverable)\s*$", _I)
_WEAK_SUBJECT = re.compile(
    r"\s*(?:onbestelbaar|niet bezorg|user unknown|unknown|delivered:|mail ?system|retour|devuelto|relayed:|expanded:"
    r"|afgeleverd:|vertraagd:|retard|error|invalid|mailbox|uw (?:e-?mail|bericht)|your (?:message|e-?mail|mail)"
    r"|processing|rejected|sorry)",
    _I,
)
"""Subjects that a person may well write: they count for half."""

# ---------------------------------------------------------------- sentences

_PHRASES = tuple(
    re.compile(pattern, _I | re.MULTILINE)
    for pattern in (
        # it did not arrive
        r"(?:could ?n[o']t|can ?not|can't|unable to|wasn't able to|not be able to|was not able to|failed to"
        r"|impossible to) (?:be )?deliver|(?:was|has|have|is|were)(?: ?not|n't)(?: yet)? (?:been |be )?deliver"
        r"|not? (?:be )?delivered to|did not reach|undeliverable (?:message|mail|to|address)|undelivered"
        r"|delivery (?:to the following|has (?:failed|been delayed)|of e?mail to|to .{3,100} (?:failed|was not)"
        r"|failed|attempt|error)|deliver(?:y|ing) (?:problem|failure)|fatal errors?|had (?:delivery|transient"
        r"|permanent) |failed recipient|returned (?:mail|message|to)|rejected (?:recipient|by|for)"
        r"|following address(?:es)? (?:had|failed|have)|has been postponed|not accepted|removed from the mail queue"
        r"|message you sent (?:was|to)|unsent message|cannot route mail|address(?:es)? (?:was|is|were) (?:not found"
        r"|rejected|unknown)|invalid final delivery|failure reasons?",
        # the same in Dutch, German, French and others
        r"(?:kon|kan|konden|kunnen) (?:helaas )?niet (?:worden )?(?:bezorgd|afgeleverd|besteld|gevonden|bereikt)"
        r"|niet (?:worden )?(?:bezorgd|afgeleverd)|bezorging (?:van|aan|is)[^.]{0,80}(?:mislukt|vertraagd)"
        r"|kan uw bericht niet|is mislukt voor de volgende|konnte (?:leider )?nicht (?:zugestellt|erreicht"
        r"|ausgeliefert)|nicht (?:zugestellt|zustellbar)|unzustellbar|zustellung[^.]{0,60}(?:fehlgeschlagen"
        r"|nicht m[oö]glich)|n'a (?:pas )?pu [eê]tre (?:d[ée]livr|remis|distribu|livr|envoy)"
        r"|[ée]chec de (?:la )?remise|n'a pas [ée]t[ée] (?:remis|distribu)|non [eè] stato (?:possibile|recapitato"
        r"|consegnato)|no (?:se )?(?:ha podido|pudo|puede) (?:ser )?entreg|n[aã]o (?:p[oô]de|foi) (?:ser )?entreg"
        r"|nie (?:mo[zż]e|mog[lł]a|zosta[lł]a) (?:zosta[cć] )?(?:dostarczon|dor[eę]czon)|teslim edilem"
        r"|не (?:может быть|было|удалось) ?доставлен|не доставлено|無法|できませんでした|配信でき|无法(?:投递|送达)"
        r"|退信",
        # what a server said
        r"(?:^|[\s(<\"'#:;])[45]\d\d[- #]{1,2}#?[45]\.\d{1,3}\.\d{1,3}\b|(?:^|[\s>:('\"\[-])5[05]\d[ -]{1,3}\S"
        r"|[45]\d\d <\S+@\S+>|error code:? ?[45]\d\d|\bsmtp;\s{0,3}[45]\d\d|#[45]\.\d\.\d"
        r"|\bresponded(?: as follows)?:|code d'erreur|remote (?:host|mail server|server|mta"
        r"|smtp)[^.\n]{0,60}(?:said|returned|rejected)",
        r"in reply to (?:RCPT|MAIL|DATA|end of DATA|HELO)|^[<> ]{0,8}(?:RCPT TO|MAIL FROM):|>>> (?:RCPT|MAIL|DATA"
        r"|QUIT)",
        r"^\s{0,4}(?:reporting-mta|final-recipient|diagnostic-code|original-recipient|remote-mta|arrival-date):",
        # why
        r"\b(?:user|recipient|mailbox|account|address|host|domain|gebruiker|ontvanger|benutzer"
        r"|destinataire)s?(?: name| address)?(?: is| was)? ?(?:unknown|not found|does(?: ?not|n't) exist"
        r"|not recogni[sz]ed|inactive|unavailable|invalid|disabled|onbekend|unbekannt|inconnu|bestaat niet"
        r"|not listed|rejected|[^\n]{0,60}did not (?:exactly )?match)|unknown (?:user|recipient|host|address|local"
        r"|destination)|no such (?:user|recipient|mailbox|address|person|domain)|isn't a valid user"
        r"|not a valid (?:user|mailbox)|invalid (?:recipient|user|mailbox|address)|quota|mailbox(?:en)? (?:is "
        r"|was )?(?:full|vol)\b|full mailbox|postvak(?: van de geadresseerde)? (?:is |zit )?vol|name server"
        r"|connection (?:timed out|refused)|relay(?:ing)? (?:denied|not permitted)|too many hops"
        r"|doesn't have a .{0,30}account|not (?:currently )?accepting",
        # the original comes back
        r"^[-=_*# ]{2,40}[^\n]{0,60}(?:original|returned|header|copy|below this line|transcript|failed recip|unsent"
        r"|bounced|undeliver)[^\n]{0,90}[-=_*#: ]{1,40}$|(?:copy of (?:your|the) (?:message|mail)"
        r"|original message (?:follows|headers?|as received|is (?:attached|included))"
        r"|headers of the (?:original )?message|returned message|your original message)|original mail as follows"
        r"|(?:oorspronkelijk|oorspronkelijke) (?:bericht|berichtkop|koppen)[^\n]{0,30}(?:bijgevoegd|:)"
        r"|attachment contains the original mail",
        # made by a mail server
        r"(?:this is|hi\. this is|hi! this is|message from) the [^\n]{0,60}(?:program|mail(?:er)?\b|server|daemon"
        r"|agent)|created automatically by[^.\n]{0,30}(?:mail|facebook|software)|mail delivery (?:software"
        r"|sub-?system|system|agent|service)|mailer-daemon|diagnos(?:tic|tische|ti)[^\n]{0,30}(?:administrat"
        r"|beheerders|information)|generating server|genererende server|server die het rapport"
        r"|serveur de g[ée]n[ée]ration|generierender server|mail server|postmaster"
        r"|automatically by (?:the )?[^\n]{0,30}(?:mail|delivery)",
        r"(?:will (?:continue|keep|be (?:re)?tr)|still (?:be )?tr|retr(?:y|ied) |delivery attempts"
        r"|you do not need to resend|no action is required|wordt nog geprobeerd|wird weiterhin versucht"
        r"|nouvelles tentatives)|try to resend|resend (?:your|the) (?:message|e-?mail)",
    )
)  # fmt: skip

RETURNED = re.compile(
    r"^(?:[-=_*# >]{2,40}[^\n]{0,60}(?:original (?:message|mail)|returned (?:mail|message)|unsent message"
    r"|copy of (?:your|the) (?:message|mail)|header of the (?:source|original)|body of message"
    r"|transcript of message|oorspronkelijk bericht|original-?nachricht|message (?:header|contents)"
    r"|below this line is|undelivered message|bounced message|this is a copy of"
    r"|includes? (?:the )?headers)[^\n]{0,90}|original (?:message|mail)(?: headers?| as)? ?(?:follows)?:[ \t]*"
    r"|(?:oorspronkelijke )?berichtkoppen:[ \t]*|oorspronkelijke (?:berichtkoppen|koppen)[^\n]{0,20}:[ \t]*"
    r"|en-t[eê]tes de message d'origine[ ]?:[ \t]*|urspr[uü]ngliche nachrichtenkopfzeilen:[ \t]*"
    r"|your original message[^\n]{0,40}:[ \t]*|original message follows\.?[ \t]*"
    r"|returned message[^\n]{0,40}:?[ \t]*|return-path:[ \t]*<[^\n]*|received: from [^\n]*|received: by [^\n]*"
    r"|received: \(qmail [^\n]*)$",
    _I | re.MULTILINE,
)
"""Where the report ends and the returned mail begins."""

DELAYED = re.compile(
    r"delay(?:ed)?\b|vertraagd|verz[oö]gert|retard[ée]|postponed|will (?:continue|keep|be (?:re)?tr)[^.\n]{0,40}"
    r"|still (?:be |being )?tr(?:y|ied)|not yet been delivered|has not been collected|you do not need to resend"
    r"|could not send (?:message )?for (?:the )?(?:past|last)|warning: (?:message|could not send)"
    r"|wird weiterhin versucht|weitere zustellversuche|wordt nog geprobeerd|blijft (?:het )?proberen"
    r"|no action is required|transient non-fatal",
    _I,
)
NOT_ONLY_DELAYED = re.compile(
    r"gave up|giving up|permanent(?:ly)? (?:fail|error)|permanent fatal|has been (?:removed|returned)"
    r"|will not be retr|no longer (?:be )?tr|i've given up|not be delivered within|could not be delivered (?:for"
    r"|after)|timed? ?out\b[^\n]{0,40}permanent|delivery has failed|was not delivered within",
    _I,
)
SUCCEEDED = re.compile(
    r"\s*(?:delivered:|relayed:|expanded:|afgeleverd:|bezorgd:|zugestellt:|remis ?:"
    r"|delivery status notification \(success\)|delivery status notification \(relay\)"
    r"|delivery notification: delivery has succeeded|successful mail delivery report|delivery (?:report"
    r"|receipt) \(success|delivery confirmation|delivery status notification: success)",
    _I,
)

_FORWARD_LINE = re.compile(
    r"^[-_>* ]{0,40}(?:forwarded message|doorgestuurd(?:e)? bericht|begin (?:doorgestuurd bericht|forwarded message)"
    r"|weitergeleitete nachricht|message transf[eé]r[eé])\b",
    _I | re.MULTILINE,
)
_HUMAN = re.compile(
    r"\b(?:ik|mijn|mij|wij|ons|onze|beste|geachte|goede(?:morgen|middag|navond|ndag)|hallo|hoi|groet(?:en|jes)?"
    r"|hoogachtend|alvast|bedankt|dear|kind regards|best regards|my (?:mother|father|husband|wife|son|daughter"
    r"|question|mail|message)|liebe|sehr geehrte|freundlichen gr|bonjour|cordialement)\b",
    _I,
)


def _head(text: str) -> str:
    return text[:LOOKED_AT]


def own_part(text: str) -> str:
    """A report without the mail that it returns."""
    head = _head(text)
    end = RETURNED.search(head)
    return head[: end.start()] if end and end.start() > 20 else head


def passed_on(text: str) -> bool:
    """Does a line say that a person forwards what follows?"""
    return bool(_FORWARD_LINE.search(_head(text)[:3_000]))


def phrase_marks(text: str) -> int:
    """How many different kinds of sentences of delivery reports stand in the text."""
    head = _head(text)
    return sum(1 for phrase in _PHRASES if phrase.search(head))


def subject_weight(subject: str) -> int:
    """2 for a subject that mail servers write, 1 for one that a person could write too, 0 for any other."""
    if BOUNCE_SUBJECT.match(subject):
        return 1 if _WEAK_SUBJECT.match(subject) else 2
    if _AT_END_SUBJECT.search(subject[:500]):
        return 2
    return 1 if _ANYWHERE_SUBJECT.search(subject[:300]) else 0


def sender_weight(local_part: str, display_name: str) -> int:
    """3 for a sender that only mail servers have, 1 for an administrator's address, 0 for anybody else."""
    if DAEMON_LOCAL.fullmatch(local_part[:100]) or re.fullmatch(r"mailer[-_ ]?daemon", display_name.strip(), _I):
        return 3
    named = bool(_DAEMON_NAME.search(display_name[:100]))
    office = bool(_POSTMASTER_LOCAL.fullmatch(local_part[:100]))
    return 2 if named and office else 1 if named or office else 0


def speaks_a_person(text: str) -> bool:
    """A greeting, a first person or a farewell before the returned mail begins: nothing a mail server writes."""
    part = own_part(text)
    return bool(_HUMAN.search(part[:1_500]) or _HUMAN.search(part[-400:]))
