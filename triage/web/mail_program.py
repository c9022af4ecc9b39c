"""What people did to a case in their own mail program, for the Zaak screen."""

from __future__ import annotations

from dataclasses import dataclass

from triage.core.draft_copy import MAIL_CLIENT
from triage.ports import AuditRow, CasePage, DraftCopyView


@dataclass(frozen=True, slots=True)
class MailProgram:
    """`copy`: where the draft stands in the mailbox, None when it does not belong there now. `wrote_draft`: the draft
    comes from there, with this many `files` that only the mail program has. `edited_twice`: it was changed in both
    places. `answered_twice`: an answer left from there and one from here; `overtaken`: the one approved here did not
    leave, since one left from there. Both until somebody asks again."""

    copy: DraftCopyView | None
    wrote_draft: bool
    files: int
    edited_twice: bool
    answered_twice: bool
    overtaken: bool


def mail_program(page: CasePage) -> MailProgram:
    newest = page.drafts[0] if page.drafts else None
    edit = _last(page, "draft_edited_in_client")
    parted = _last(page, "draft_edited_twice")
    return MailProgram(
        copy=page.draft_copy if newest is not None and newest.approved_at is None else None,
        wrote_draft=newest is not None and newest.created_by == MAIL_CLIENT,
        files=_number(edit, "attachments") if newest and _number(edit, "revision") == newest.revision else 0,
        edited_twice=newest is not None and parted is not None and _number(parted, "holds") == newest.revision,
        answered_twice=_holds_yet(page, "answered_twice"),
        overtaken=_holds_yet(page, "reply_overtaken"),
    )


def _holds_yet(page: CasePage, action: str) -> bool:
    row = _last(page, action)
    return row is not None and all(one.arrived_at <= row.at for one in page.messages if one.direction == "in")


def _last(page: CasePage, action: str) -> AuditRow | None:
    return next((row for row in reversed(page.timeline) if row.action == action), None)


def _number(row: AuditRow | None, key: str) -> int:
    value = (row.details or {}).get(key) if row is not None else None
    return value if isinstance(value, int) else 0
