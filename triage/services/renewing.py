"""A mail with a day in it that waited over midnight: it must not name a day that has gone. An acknowledgement is
written anew before it leaves; a correction, whose words a person approved, leaves as it is or not at all.

The relay asks just before the send, while the item is certainly unsent and leased to it, so it stays one mail.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime

from triage.core.case import OPEN_STATES, Case
from triage.core.mail import NoReplyReason
from triage.core.promises import promised_by
from triage.core.workdays import local_date
from triage.errors import DeliveryDeferred, DeliveryRefused
from triage.logs import get_logger
from triage.ports import OutboxItem, UnitOfWork
from triage.services.letters import Letters

_ON_ITS_WAY = frozenset({"due", "sending", "deferred"})


class Renewing:
    """What an acknowledgement or a correction says when it leaves on a later day than it was written."""

    def __init__(self, *, letters: Letters, owner: str) -> None:
        self._letters, self._owner = letters, owner

    @staticmethod
    def is_due(item: OutboxItem, now: datetime) -> bool:
        """Whether its words are of an earlier day. Its Date tells, which a renewal sets."""
        if item.kind not in ("acknowledgement", "correction"):
            return False
        head = BytesHeaderParser().parsebytes(item.raw.partition(b"\r\n\r\n")[0])
        return local_date(parsedate_to_datetime(head["Date"])) < local_date(now)

    def renew(self, uow: UnitOfWork, item: OutboxItem, now: datetime) -> OutboxItem | None:
        """The item with the case's present terms, under the same Message-ID; the store has it so too. None when it was
        withheld, because the case has ended meanwhile. Raises DeliveryDeferred while a reply is on its way: then it
        may end any moment; DeliveryRefused for a correction that holds no more."""
        assert item.case_id is not None, "such a mail belongs to a case"
        case = uow.case(item.case_id, for_update=True)
        if item.kind == "correction":
            return self._true_still(uow, item, case, now)
        if case.state not in OPEN_STATES:
            if local_date(item.created_at) == local_date(now):
                return item  # a person had it sent once more today
            reason = NoReplyReason.ALREADY_ANSWERED
            return None if uow.withhold_acknowledgement(item.id, reason, owner=self._owner, now=now) else item
        latest = uow.latest_draft(case.id)
        if latest and latest.outbox_id and uow.outbox_state(latest.outbox_id) in _ON_ITS_WAY:
            raise DeliveryDeferred("the reply of this case leaves first")
        decided = uow.decided_acknowledgement(item)
        promises_take_up = decided.promised_take_up is not None and case.band.short_term
        action = replace(
            decided,
            promised_answer=case.answer_due,
            promised_take_up=case.take_up_due if promises_take_up else None,
        )
        raw = self._letters.acknowledgement_anew(item, case, action, now=now)
        promised_for, promised_take_up = promised_by(action, now)
        if not uow.renew_acknowledgement(
            item.id,
            raw=raw,
            promised_for=promised_for,
            promised_take_up=promised_take_up,
            began_at=case.arrived_at,
            owner=self._owner,
            now=now,
        ):
            return item  # the lease is lost: the relay sees so when it marks it as sending
        get_logger().info("acknowledgement_renewed", outbox_id=item.id)
        return replace(item, raw=raw)

    @staticmethod
    def _true_still(uow: UnitOfWork, item: OutboxItem, case: Case, now: datetime) -> OutboxItem:
        """A person approved these words: they leave as they are, or not at all."""
        told = uow.promise_of(item.id)
        day = local_date(told[1]) if told is not None else None
        if day is None or day < local_date(now) or day != local_date(case.answer_due) or case.state not in OPEN_STATES:
            raise DeliveryRefused("the day that this mail names holds no more")
        return item
