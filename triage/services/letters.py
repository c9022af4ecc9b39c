"""Every mail this product writes: acknowledgement, correction of a promised day, drafted reply, approved reply, alert.

Templates are compiled once, in Jinja2's sandbox with StrictUndefined. Nothing of an incoming mail enters a text but
the sender's name in the salutation of a draft; acknowledgement and correction hold nothing of it at all.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from triage.core.actions import Acknowledge
from triage.core.assessment import Assessment
from triage.core.case import Case
from triage.core.compose import (
    compose,
    header_address,
    is_writable,
    reply_addresses,
    reply_subject,
    stable_message_id,
    threading_of,
)
from triage.core.day_list import DayList
from triage.core.draft_copy import HEADER, mark_value
from triage.core.gate import SIGNATURE
from triage.core.mail import EmailAddress, ParsedMail, without_plus
from triage.core.promises import Compared
from triage.core.sla import dutch_date
from triage.core.workdays import AMSTERDAM, WorkCalendar, local_date
from triage.errors import ConfigError
from triage.ports import DraftContent, Envelope, OutboxItem
from triage.services.acknowledgement import AcknowledgementTexts
from triage.services.correction_texts import CorrectionTexts
from triage.services.draft_text import DraftTexts, Zorgkantoor, language_of
from triage.services.knowledge import Block, knowledge_in
from triage.services.wording import (
    as_plain,
    noon,
    telephone_hours,
)
from triage.settings import Organisation, TelephoneSettings

DRAFT_SUBJECT = {"nl": "Uw vraag aan het Juiste Loket", "en": "Your question to the Juiste Loket"}
_PLACEHOLDER = re.compile(r"\[\[[^\[\]\n]{0,300}\]\]")
_MOST_REFERENCES_NAMED = 40


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail ready to send: complete bytes with fixed Message-ID and Date.

    `also_to` are further recipients of the same bytes; each gets an outbox item of its own (`as_items`), so that one
    refused address does not stop the others. `copies` are those of them that stand in Cc.
    """

    raw: bytes
    message_id: str
    envelope: Envelope
    reverse_path_fallback: str
    kind: str = "acknowledgement"
    also_to: tuple[str, ...] = ()
    copies: frozenset[str] = frozenset()

    def as_item(self, outbox_id: str, case_id: str | None, now: datetime) -> OutboxItem:
        """The outbox row of a letter to one address. Raises ValueError when it has more: use `as_items`."""
        if self.also_to:
            raise ValueError("this letter goes to several addresses: it needs an outbox item for each")
        return self._item(outbox_id, self.envelope, case_id, now)

    def as_items(self, outbox_ids: Sequence[str], case_id: str | None, now: datetime) -> tuple[OutboxItem, ...]:
        """One outbox row per recipient, in order; `outbox_ids` are as many new row ids, the letter's own first."""
        envelopes = [self.envelope, *(Envelope(self.envelope.reverse_path, address) for address in self.also_to)]
        return tuple(
            self._item(outbox_id, envelope, case_id, now)
            for outbox_id, envelope in zip(outbox_ids, envelopes, strict=True)
        )

    def _item(self, outbox_id: str, envelope: Envelope, case_id: str | None, now: datetime) -> OutboxItem:
        return OutboxItem(
            id=outbox_id,
            kind=self.kind,
            case_id=case_id,
            envelope=envelope,
            raw=self.raw,
            attempts=0,
            created_at=now,
            null_reverse_path_fallback=self.reverse_path_fallback,
            copy=envelope.forward_path in self.copies,
        )


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction mail before it is sent: what a person reads is what leaves."""

    to: str
    subject: str
    text: str
    html: str


class Letters:
    """Writes all letters of one organisation. Raises ConfigError at the start when a template or block is faulty."""

    def __init__(
        self,
        *,
        templates: Path,
        own_texts: Path | None = None,
        organisation: Organisation,
        telephone: TelephoneSettings,
        smtp_from: str,
        reverse_path_fallback: str,
        calendar: WorkCalendar,
        own_addresses: Sequence[str],
        zorgkantoren: Mapping[str, Zorgkantoor] | None = None,
    ) -> None:
        """`own_texts` is the folder with texts of the organisation that replace those in `templates`."""
        self._organisation, self._telephone = organisation, telephone
        self._from, self._fallback = smtp_from, reverse_path_fallback
        self._own = frozenset(without_plus(address) for address in (*own_addresses, smtp_from) if address)
        self.knowledge = knowledge_in(templates / "knowledge")
        loader = FileSystemLoader(templates)
        plain = ImmutableSandboxedEnvironment(loader=loader, undefined=StrictUndefined, autoescape=False)
        self.acknowledgements = AcknowledgementTexts(
            templates=templates, own=own_texts, organisation=organisation, telephone=telephone, calendar=calendar
        )
        self.acknowledgements.require_sound()
        self._corrections = CorrectionTexts(self.acknowledgements)
        self._corrections.require_sound()
        self.drafts = DraftTexts(templates, plain, self.knowledge, zorgkantoren or {})
        self._alert = plain.get_template("alerts/alert.txt.j2")
        self._digest = plain.get_template("alerts/digest.txt.j2")
        self._alerts = _toml(templates / "alerts" / "alerts.toml")
        self._hours = {"nl": telephone_hours(telephone.hours, "nl"), "en": telephone_hours(telephone.hours, "en")}

    # ---------------------------------------------------------------- acknowledgement

    def acknowledgement(
        self, mail: ParsedMail, case: Case, action: Acknowledge, *, identity_key: str, now: datetime
    ) -> Letter:
        """The one acknowledgement of a case, to the single From address (RFC 3834). Same words whatever was asked.

        Raises ValueError (without the address) when there is no From address a mail can be sent to.
        """
        if mail.from_address is None:
            raise ValueError("an acknowledgement needs one From address")
        to = header_address(mail.from_address.address)
        message_id = stable_message_id("acknowledgement", identity_key, self._domain)
        in_reply_to, references = threading_of(mail)
        raw = self._acknowledgement(to, case, action, now, message_id, in_reply_to, references)
        return Letter(raw, message_id, Envelope("", to), self._fallback)

    def acknowledgement_anew(self, item: OutboxItem, case: Case, action: Acknowledge, *, now: datetime) -> bytes:
        """The bytes of an acknowledgement that waited: the terms in `action`, today's words and Date, and everything by
        which mail programs know it as it was."""
        written = BytesHeaderParser().parsebytes(item.raw)
        to = item.envelope.forward_path
        references = written.get("References", "").split()
        return self._acknowledgement(to, case, action, now, written["Message-ID"], written["In-Reply-To"], references)

    def _acknowledgement(
        self,
        to: str,
        case: Case,
        action: Acknowledge,
        now: datetime,
        message_id: str,
        in_reply_to: str | None,
        references: Sequence[str],
    ) -> bytes:
        words = self.acknowledgements.write(action, reference=case.reference, subject_token=case.subject_token, now=now)
        return compose(
            sender=self._sender,
            to=[to],
            subject=words.subject,
            date=now,
            message_id=message_id,
            text=words.text,
            html=words.html,
            in_reply_to=in_reply_to,
            references=references,
            headers={"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"},
        )

    # ---------------------------------------------------------------- correction

    def correction(self, case: Case, compared: Compared, *, to: str, language: str) -> Correction:
        """The mail that names the day that holds now, and why it is another one than was promised; in the languages in
        which a mail in `language` is acknowledged. Raises ValueError, without the address, when none can go there."""
        words = self._corrections.write(
            compared, reference=case.reference, subject_token=case.subject_token, due=case.answer_due, language=language
        )
        return Correction(to=header_address(to), subject=words.subject, text=words.text, html=words.html)

    def correction_mail(
        self,
        correction: Correction,
        *,
        in_reply_to: str | None,
        references: Sequence[str],
        outbox_id: str,
        now: datetime,
    ) -> Letter:
        """The correction as a mail of a person: our own reverse path, so that a bounce comes back."""
        message_id = stable_message_id("correction", outbox_id, self._domain)
        raw = compose(
            sender=self._sender,
            to=[correction.to],
            subject=correction.subject,
            date=now,
            message_id=message_id,
            text=correction.text,
            html=correction.html,
            in_reply_to=in_reply_to,
            references=references,
        )
        return Letter(raw, message_id, Envelope(self._from_path, correction.to), "", "correction")

    # ---------------------------------------------------------------- reply

    def draft(
        self,
        mail: ParsedMail,
        assessment: Assessment,
        case: Case,
        *,
        blocks: Sequence[Block] | None = None,
        statements: Collection[str] = (),
    ) -> DraftContent:
        """A reply to edit and approve; never quotes the mail. `to` may be empty. `blocks` None: those that the machine
        chooses; `statements` are the unchecked ones that a person ticked."""
        lang = language_of(assessment)
        if blocks is None:
            blocks = [choice.block for choice in self.drafts.choose(mail, assessment)]
        body = self.drafts.write(mail, assessment, blocks, statements=statements, ourselves=self._common(lang))
        return DraftContent(
            to=reply_addresses(mail, self._own),
            cc=(),
            subject=f"{DRAFT_SUBJECT[lang]} {case.subject_token}",
            body=body,
            blocks=tuple(block.id for block in blocks),
        )

    def reply(
        self,
        content: DraftContent,
        *,
        case: Case,
        in_reply_to: str | None,
        references: Sequence[str],
        outbox_id: str,
        signature: str,
        now: datetime,
    ) -> Letter:
        """The approved revision as a mail of a person: our own reverse path, so that a bounce comes back.

        Raises ValueError that names a place-holder which is still open, or says that nobody is addressed.
        """
        unfilled = [found for found in _PLACEHOLDER.findall(content.body) if found != SIGNATURE]
        if unfilled:
            raise ValueError(f"the text still holds the place-holder {unfilled[0]}")
        if not content.to:
            raise ValueError("the reply has no recipient")
        each = {EmailAddress(address).normalised: header_address(address) for address in (*content.cc, *content.to)}
        recipients = tuple(dict.fromkeys(each[EmailAddress(name).normalised] for name in (*content.to, *content.cc)))
        addressed = {EmailAddress(name).normalised for name in content.to}
        copies = frozenset(address for name, address in each.items() if name not in addressed)
        message_id = stable_message_id("reply", outbox_id, self._domain)
        raw = compose(
            sender=self._sender,
            to=content.to,
            cc=content.cc,
            subject=reply_subject(content.subject, case.subject_token),
            date=now,
            message_id=message_id,
            text=content.body.replace(SIGNATURE, signature.strip()),
            in_reply_to=in_reply_to,
            references=references,
        )
        envelope = Envelope(self._from_path, recipients[0])
        return Letter(raw, message_id, envelope, "", "reply", recipients[1:], copies)

    def draft_copy(
        self, content: DraftContent, *, case: Case, revision: int, thread: Sequence[str], now: datetime
    ) -> tuple[bytes, str]:
        """(bytes, Message-ID) of a revision as it stands in the Drafts folder: place-holders stay, for a person sends
        it. `thread` are the sender's Message-IDs, the last one is answered; addresses no header can hold are left out.
        The same revision has the same Message-ID, so that a copy can be found again."""
        message_id = stable_message_id("draft", f"{case.id}:{revision}", self._domain)
        raw = compose(
            sender=self._sender,
            to=[address for address in content.to if is_writable(address)],
            cc=[address for address in content.cc if is_writable(address)],
            subject=reply_subject(content.subject, case.subject_token),
            date=now,
            message_id=message_id,
            text=content.body,
            in_reply_to=thread[-1] if thread else None,
            references=thread,
            headers={HEADER: mark_value(case, revision)},
        )
        return raw, message_id

    # ---------------------------------------------------------------- alert

    def alert(
        self, kind: str, *, references: Sequence[str], to: str, link: str, outbox_id: str, now: datetime
    ) -> Letter:
        """A warning to staff that names case references and nothing else. Raises ValueError for an unknown kind."""
        if kind not in self._alerts:
            raise ValueError(f"no text for an alert of kind {kind}; templates/alerts/alerts.toml has them")
        words = self._alerts[kind]
        named = references[:_MOST_REFERENCES_NAMED]
        text = self._alert.render(
            text=words["text"],
            references=named,
            more=len(references) - len(named),
            link=link,
            organisation=self._organisation.name,
        )
        subject = words["subject"] if len(references) != 1 else f"{words['subject']}: {references[0]}"
        return self._to_staff(subject, text, to=to, outbox_id=outbox_id, now=now)

    def digest(self, day: DayList, *, to: str, link: str, outbox_id: str, now: datetime) -> Letter:
        """The list of the day of `now`: case references and counts, in short lines."""
        words, today, next_day = self._alerts["digest"], dutch_date(now), day.clocks.next_day
        read_at = day.mailbox_read_at
        read = f"{read_at.astimezone(AMSTERDAM):%H:%M}" if read_at else ""
        if read_at and (day.mailbox_silent or local_date(read_at) != local_date(now)):
            read = f"{dutch_date(read_at)} {read}"
        tomorrow = next_day == local_date(now) + timedelta(days=1)
        text = self._digest.render(
            text=words["text"],
            day=day,
            most=_MOST_REFERENCES_NAMED,
            today=today,
            next_day="Morgen" if tomorrow else dutch_date(noon(next_day)).capitalize(),
            read_at=read,
            closed=[(_weekday(closed_day), reason) for closed_day, reason in day.closed_ahead],
            link=link,
            organisation=self._organisation.name,
        )
        return self._to_staff(f"{words['subject']} {today}", as_plain(text), to=to, outbox_id=outbox_id, now=now)

    def _to_staff(self, subject: str, text: str, *, to: str, outbox_id: str, now: datetime) -> Letter:
        message_id = stable_message_id("alert", outbox_id, self._domain)
        raw = compose(
            sender=self._sender,
            to=[to],
            subject=f"Triage: {subject}",
            date=now,
            message_id=message_id,
            text=text,
            headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
        )
        return Letter(raw, message_id, Envelope("", header_address(to)), self._fallback, "alert")

    # ---------------------------------------------------------------- ourselves

    def _common(self, lang: str) -> dict[str, str]:
        return {
            "organisation": self._organisation.name,
            "website": self._organisation.website,
            "privacy_url": self._organisation.privacy_url,
            "telephone": self._telephone.number,
            "hours": self._hours[lang],
        }

    @property
    def _from_path(self) -> str:
        if not self._from:
            raise ConfigError('smtp.from is empty: set the address that mail leaves from (TRIAGE_SMTP__FROM or "from")')
        try:
            return header_address(self._from)
        except ValueError:
            raise ConfigError("smtp.from is not a mail address") from None

    @property
    def _sender(self) -> EmailAddress:
        return EmailAddress(self._from_path, self._organisation.name)

    @property
    def _domain(self) -> str:
        return self._from_path.rpartition("@")[2]


def _toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{path.name} cannot be read: {type(exc).__name__}") from None


def _weekday(day: date) -> str:
    return dutch_date(noon(day)).partition(" ")[0].capitalize()
