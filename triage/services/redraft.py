"""A new draft after a person corrected the assessment, as long as nobody has touched the machine's text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from triage.core.assessment import Assessment, SenderType
from triage.core.case import Case
from triage.core.mail import EmailAddress, ParsedMail
from triage.ports import CasePage, Queries, UnitOfWork
from triage.services.letters import Letters


class Redraft:
    """Writes from what the store kept of the newest received mail."""

    def __init__(self, *, queries: Queries, letters: Letters) -> None:
        self._queries, self._letters = queries, letters

    def after_correction(
        self,
        uow: UnitOfWork,
        case: Case,
        *,
        now: datetime,
        assessment: Assessment | None = None,
        said: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """`case` holds the corrected laws and urgency, `said` what a person said of topics and sender type in this very
        transaction, `assessment` a reading newer than the stored ones. A text that a person wrote or approved stays as
        it is."""
        latest = uow.latest_draft(case.id)
        if latest is None or latest.created_by != "system" or latest.outbox_id is not None:
            return
        asked = self._question(self._queries.case_page(case.reference), case, assessment=assessment, said=said or {})
        if asked is None:
            return
        content = self._letters.draft(*asked, case)
        if content != latest.content:
            uow.add_draft(case.id, content, by="system", at=now)

    def question_of(self, page: CasePage) -> tuple[ParsedMail, Assessment] | None:
        """The newest received mail and its reading as it holds now, with what people said; None without a reading."""
        return self._question(page, page.case)

    @staticmethod
    def _question(
        page: CasePage,
        case: Case,
        *,
        assessment: Assessment | None = None,
        said: Mapping[str, tuple[str, ...]] | None = None,
    ) -> tuple[ParsedMail, Assessment] | None:
        received = [message for message in page.messages if message.direction == "in"]
        newest = assessment or page.assessment
        if newest is None or not received:
            return None
        asked = received[-1]
        sender = (EmailAddress(asked.from_address, asked.from_name),) if asked.from_address else ()
        mail = ParsedMail(
            subject=asked.subject,
            from_addresses=sender,
            reply_to=tuple(EmailAddress(address) for address in asked.reply_to),
            text=asked.text,
            new_text=asked.new_text,
        )
        of_people = {row.field: row.after for row in page.corrections if row.message_id == page.judged_message}
        of_people |= said or {}
        judged = replace(
            newest,
            topics=of_people.get("topics", newest.topics),
            topics_given="topics" in of_people,
            sender_type=SenderType(of_people.get("sender_type", (newest.sender_type,))[0]),
            laws=case.laws,
            laws_unclear=False if assessment is None else newest.laws_unclear,
            urgency=case.urgency,
            band=case.band,
            danger=case.danger,
        )
        return mail, judged
