"""What people say of the machine's assessment: it is right, it is wrong in this field, or it missed what was urgent.

Everything stays beside the prediction, which is never changed: the case follows the person, and the correction is kept
as a training example. A correction whose `before` equals its `after` means that a person confirmed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from triage.core.assessment import BAND_ORDER, LAWS, Band, SenderType, Urgency
from triage.core.case import Case
from triage.core.labels import MISSED_URGENT, MOST_TOPICS, danger_value, urgency_value
from triage.core.sla import SlaRules, with_band
from triage.errors import ConflictError, NotAllowed, NotFound
from triage.ports import CasePage, Clock, Queries, Store, UnitOfWork, User
from triage.services.alerts import Alerts
from triage.services.case_acting import CaseActing
from triage.services.redraft import Redraft


class Corrections(CaseActing):
    """One act per method, one transaction each. The screens check the role (`triage.core.rights`)."""

    def __init__(
        self,
        *,
        store: Store,
        queries: Queries,
        rules: SlaRules,
        clock: Clock,
        redraft: Redraft,
        alerts: Alerts,
    ) -> None:
        super().__init__(store=store, clock=clock)
        self._queries, self._rules, self._redraft, self._alerts = queries, rules, redraft, alerts

    def confirm(self, reference: str, *, user: User, version: int) -> None:
        """Laws and urgency are right as they stand now."""
        page = self._queries.case_page(reference)
        if page.assessment is None:
            raise NotAllowed("nothing was judged here")

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            urgency = urgency_value(case.urgency, case.band)
            self._keep(uow, case, page, user, now, "laws", case.laws, case.laws)
            self._keep(uow, case, page, user, now, "urgency", urgency, urgency)
            return case

        self._act(reference, user, version, "assessment_confirmed", act)

    def correct_laws(self, reference: str, *, user: User, version: int, laws: tuple[str, ...]) -> None:
        """`laws` in any order, empty for none of the four."""
        unknown = set(laws) - set(LAWS)
        if unknown:
            raise NotAllowed("unknown law")
        ordered = tuple(law for law in LAWS if law in laws)
        page = self._queries.case_page(reference)

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            self._keep(uow, case, page, user, now, "laws", case.laws, ordered)
            changed = replace(case, laws=ordered)
            self._redraft.after_correction(uow, changed, now=now)
            return changed

        self._act(reference, user, version, "laws_corrected", act, {"laws": list(ordered)})

    def correct_urgency(
        self, reference: str, *, user: User, version: int, urgency: Urgency, band: Band, reason: str
    ) -> None:
        """Only a person may lower, and says why. Urgency is `regular` exactly when the band is `normal`. A raise of
        what the machine called normal counts as missed."""
        if (urgency is Urgency.REGULAR) != (band is Band.NORMAL):
            raise NotAllowed("urgency and band do not go together")
        page = self._queries.case_page(reference)

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            if BAND_ORDER.index(band) < BAND_ORDER.index(case.band) and not reason.strip():
                raise NotAllowed("lowering the urgency needs a reason")
            if band.short_term and page.machine_said_normal:
                self._keep_missed(uow, case, page, user, now, urgency, band)
            return self._with_urgency(uow, case, page, user, now, urgency, band, reason)

        self._act(reference, user, version, "urgency_corrected", act, {"urgency": str(urgency), "band": str(band)})

    def missed_urgent(self, reference: str, *, user: User, version: int, urgency: Urgency, reason: str) -> None:
        """The machine put an urgent question in band normal: it is urgent from now on, and stays on record as an
        incident. `reason` may be empty. Of a sampled case it may be said as long as nobody looked at it."""
        if urgency is Urgency.REGULAR:
            raise NotAllowed("what was missed must be palliative or transfer")
        page = self._queries.case_page(reference)

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            if not page.machine_said_normal and not page.sampled:
                raise NotAllowed("the machine did not put this case in band normal")
            self._keep_missed(uow, case, page, user, now, urgency, Band.URGENT)
            return self._with_urgency(uow, case, page, user, now, urgency, Band.URGENT, reason)

        details: dict[str, object] = {"urgency": str(urgency), "band": str(Band.URGENT)}
        self._act(reference, user, version, "urgency_corrected", act, details)

    def sample_is_normal(self, reference: str, *, user: User, version: int) -> None:
        """A person looked at a case of the audit sample: it is not urgent. Raises ConflictError when somebody else
        looked already."""
        page = self._queries.case_page(reference)

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            if not uow.look_at_sample(case.id, by=user.id, at=now, found_urgent=False):
                raise ConflictError("nobody has to look at this case any more")
            if page.machine_said_normal:
                urgency = urgency_value(case.urgency, case.band)
                self._keep(uow, case, page, user, now, "urgency", urgency, urgency)
            return case

        self._act(reference, user, version, "sample_looked_at", act, {"band": str(Band.NORMAL)})

    def correct_danger(self, reference: str, *, user: User, version: int, danger: bool, reason: str) -> None:
        """Put on, it alerts at once as at intake. Taking it away needs a reason."""
        if not danger and not reason.strip():
            raise NotAllowed("taking the danger flag away needs a reason")
        page = self._queries.case_page(reference)

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            self._keep(uow, case, page, user, now, "danger", danger_value(case.danger), danger_value(danger))
            if reason.strip():
                uow.add_note(case.id, reason.strip(), by=user.id, at=now)
            changed = replace(case, danger=danger)
            self._redraft.after_correction(uow, changed, now=now)
            if danger and not case.danger:
                self._alerts.raise_danger(uow, case=changed, was_on=False, now=now)
            return changed

        self._act(reference, user, version, "danger_corrected", act, {"danger": danger_value(danger)[0]})

    def correct_sender_type(self, reference: str, *, user: User, version: int, sender_type: SenderType) -> None:
        after = (str(sender_type),)
        page = self._queries.case_page(reference)

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            self._keep(uow, case, page, user, now, "sender_type", (str(page.sender_type),), after)
            self._redraft.after_correction(uow, case, now=now, said={"sender_type": after})
            return case

        self._act(reference, user, version, "sender_type_corrected", act, {"sender_type": after[0]})

    def correct_topics(self, reference: str, *, user: User, version: int, topics: tuple[str, ...]) -> None:
        """One to three codes, the weightiest first, without repeats."""
        if not 1 <= len(topics) <= MOST_TOPICS or len(set(topics)) != len(topics):
            raise NotAllowed("give one to three topics")
        page = self._queries.case_page(reference)

        def act(uow: UnitOfWork, case: Case, now: datetime) -> Case:
            self._keep(uow, case, page, user, now, "topics", page.topics, topics)
            self._redraft.after_correction(uow, case, now=now, said={"topics": topics})
            return case

        self._act(reference, user, version, "topics_corrected", act, {"topics": list(topics)})

    # ---------------------------------------------------------------- parts

    @staticmethod
    def _keep(
        uow: UnitOfWork,
        case: Case,
        page: CasePage,
        user: User,
        now: datetime,
        field: str,
        before: Sequence[str],
        after: Sequence[str],
    ) -> None:
        """Beside the mail that the person saw judged: that of the newest assessment, else the last one received."""
        received = [message.id for message in page.messages if message.direction == "in"]
        message_id = page.judged_message or (received[-1] if received else "")
        if not message_id:
            raise NotFound("this case has no received message")
        uow.add_correction(case.id, message_id, by=user.id, at=now, field=field, before=before, after=after)

    def _keep_missed(
        self, uow: UnitOfWork, case: Case, page: CasePage, user: User, now: datetime, urgency: Urgency, band: Band
    ) -> None:
        before, after = urgency_value(case.urgency, case.band), urgency_value(urgency, band)
        self._keep(uow, case, page, user, now, MISSED_URGENT, before, after)
        uow.look_at_sample(case.id, by=user.id, at=now, found_urgent=True)
        model = page.assessment.model if page.assessment is not None else ""
        details: dict[str, object] = {"band": str(band), "urgency": str(urgency), "model": model}
        uow.audit("missed_urgent", at=now, actor=user.id, case_id=case.id, details=details)

    def _with_urgency(
        self,
        uow: UnitOfWork,
        case: Case,
        page: CasePage,
        user: User,
        now: datetime,
        urgency: Urgency,
        band: Band,
        reason: str,
    ) -> Case:
        before, after = urgency_value(case.urgency, case.band), urgency_value(urgency, band)
        self._keep(uow, case, page, user, now, "urgency", before, after)
        if reason.strip():
            uow.add_note(case.id, reason.strip(), by=user.id, at=now)
        changed = replace(with_band(case, band, now, self._rules), urgency=urgency)
        self._redraft.after_correction(uow, changed, now=now)
        return changed
