"""What a delivery report means for our own mail: whose case it is, and what its people must know.

A reply that did not arrive takes its case back to who approved it; an acknowledgement or a correction that did not
arrive is marked, and what it promised is void; a report of a mail that we never sent is backscatter and touches no
case. Nobody is answered.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from triage.core.actions import ReturnToStaff
from triage.core.case import Case, CaseState, move
from triage.core.reports import Delivery, DeliveryReport
from triage.core.sla import on_terms
from triage.core.workdays import local_date
from triage.ports import SentMail, UnitOfWork
from triage.services.alerts import Alerts
from triage.services.threads import current_case

BACKSCATTER = "backscatter"
_RETURNED_FROM = (CaseState.ANSWERED, CaseState.CLOSED, CaseState.WAITING)
_MOST_IDS = 50
_TOLD_KINDS = ("reply", "correction", "acknowledgement")


@dataclass(frozen=True, slots=True)
class Returned:
    """A delivery report and the mail of ours it speaks of. `sent` None: no such mail is known; `case_id` may be known
    all the same, from a valid subject token."""

    report: DeliveryReport
    sent: SentMail | None = None
    case_id: str | None = None

    @property
    def reply_failed(self) -> bool:
        return self.report.failed and self.sent is not None and self.sent.kind == "reply"

    @property
    def ignored_as(self) -> str:
        """The rule under which a report without a case stands in the ledger."""
        return "alert_bounced" if self.sent is not None else BACKSCATTER


def find_returned(uow: UnitOfWork, report: DeliveryReport) -> Returned:
    """The mail of ours that a delivery report speaks of."""
    sent = next(iter(uow.sent_mails(report.about[:_MOST_IDS])), None)
    if sent is not None:
        return Returned(report, sent, current_case(uow, sent.case_id))
    for token in report.tokens:  # a relay that gives mails an id of its own leaves only the subject
        if not uow.token_is_valid(token.reference, token.check_code):
            continue
        case_id = current_case(uow, uow.case_by_reference(token.reference))
        if case_id is None:
            continue
        named = [item.address for item in report.recipients if item.address]
        known = not named or any(uow.is_participant(case_id, address) for address in named)
        return Returned(report, uow.last_sent(case_id) if known else None, case_id)
    return Returned(report)


def note_report(uow: UnitOfWork, case: Case, returned: Returned, now: datetime) -> None:
    """The line in the timeline: which of our mails, and each recipient's result, as codes without addresses."""
    kind = returned.sent.kind if returned.sent else ""
    counts = Counter(item.delivery for item in returned.report.recipients)
    if returned.report.failed:
        what = "bounced"
    elif counts[Delivery.DELAYED]:
        what = "delayed"
    else:
        what = "arrived"
    action = f"{kind}_{what}" if kind in _TOLD_KINDS else "report_attached"
    recipients = [f"{item.delivery} {item.status}".strip() for item in returned.report.recipients[:20]]
    uow.audit(action, at=now, actor="system", case_id=case.id, details={"recipients": recipients})
    if returned.report.failed and returned.sent is not None:
        uow.promise_bounced(returned.sent.outbox_id, at=now)


def return_to_staff(
    uow: UnitOfWork, alerts: Alerts, case: Case, returned: Returned, action: ReturnToStaff, *,
    arrived: datetime, now: datetime,
) -> Case:  # fmt: skip
    """The reply did not arrive: the case goes back to who approved it, with a term from the report on."""
    if case.state in _RETURNED_FROM:
        changed = replace(
            on_terms(case, action.terms),
            state=move(case.state, CaseState.IN_PROGRESS),
            waiting_for=None,
            paused_ends_left=None,
            arrived_at=arrived,
            answered_at=None,
            ended_at=None,
        )
        uow.save_case(changed)
    if returned.sent is not None and returned.sent.approved_by:
        uow.set_assignee(case.id, returned.sent.approved_by)
    case = uow.case(case.id)
    alerts.raise_alert(uow, "refused", case=case, now=now)
    return case


def tell_of_complaint(uow: UnitOfWork, alerts: Alerts, now: datetime) -> None:
    """A complaint about our mail (RFC 5965) is for the administrator; one alert a day, whatever comes in."""
    if alerts.raise_alarm(uow, "complaint", term=local_date(now).isoformat(), now=now):
        uow.audit("complaint_received", at=now, actor="system")
