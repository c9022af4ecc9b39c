"""What the Zaak screen tells of other cases: merged with, proposed to, or about the same person; and its acts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triage.core.case import OPEN_STATES, LinkKind, LinkState
from triage.core.names import poses_as_other
from triage.core.workdays import AMSTERDAM
from triage.errors import ConflictError
from triage.ports import CaseLink, CasePage, NoticeRow, SameClient
from triage.web.desk import Visit
from triage.web.forms import BadForm
from triage.web.present import day_and_time, when
from triage.web.words import word

_REFERENCE = re.compile(r"JL-\d{4}-\d{5,}")


@dataclass(frozen=True, slots=True)
class Related:
    """The links of a case by what the page says of them."""

    merged_into: CaseLink | None  # its messages stand there now
    joined: tuple[CaseLink, ...]  # whose messages stand here now
    proposed: tuple[CaseLink, ...]  # the sender named them, from an address that is not known there
    same_client: tuple[CaseLink, ...]  # a person said so
    maybe_same_client: tuple[SameClient, ...]  # the machine asks


@dataclass(frozen=True, slots=True)
class ShownNotice:
    """A notice of secure mail in words."""

    row: NoticeRow
    provider: str
    before: str
    gone: bool
    opened: str


def related(visit: Visit, page: CasePage) -> Related:
    """Same-client proposals only while the case is open: they are compared anew at each view."""
    conversation = [link for link in page.links if link.kind is LinkKind.CONVERSATION]
    accepted = [link for link in conversation if link.state is LinkState.ACCEPTED]
    proposed = [link for link in conversation if link.names_it and link.state is LinkState.PROPOSED]
    clients = [link for link in page.links if link.kind is LinkKind.SAME_CLIENT and link.state is LinkState.ACCEPTED]
    is_open = page.case.state in OPEN_STATES
    return Related(
        merged_into=next((link for link in accepted if link.names_it), None),
        joined=tuple(link for link in accepted if not link.names_it),
        proposed=tuple(proposed),
        same_client=tuple(clients),
        maybe_same_client=tuple(visit.desk.queries.same_client(page.case.reference)) if is_open else (),
    )


def shown_notices(notices: Sequence[NoticeRow], now: datetime) -> list[ShownNotice]:
    return [
        ShownNotice(
            row=row,
            provider=word(row.provider, "secure_mail"),
            before=before_words(row.open_before, now),
            gone=row.open_before <= now,
            opened=f"{when(row.opened_at, now)} door {row.opened_by or 'een collega'}" if row.opened_at else "",
        )
        for row in notices
    ]


def before_words(moment: datetime, now: datetime) -> str:
    """'vr 4 dec', or 'vr 4 dec 17:00' when an hour is meant: midnight is only the beginning of a day. Always with its
    date, so that nobody counts weeks wrongly."""
    local = moment.astimezone(AMSTERDAM)
    words = day_and_time(moment) if abs((moment - now).days) >= 2 else when(moment, now)
    words = words.replace(f" {now.astimezone(AMSTERDAM).year}", "", 1)
    return words.removesuffix(" 00:00") if (local.hour, local.minute) == (0, 0) else words


def sender_words(name: str, address: str) -> str:
    """Who wrote, as the page may say it: the real address first when the name poses as another one."""
    if not name:
        return address or "(onbekende afzender)"
    if poses_as_other(name, address):
        return f"{address or '(geen adres)'}, noemt zich ‘{name}’"
    return name


# ---------------------------------------------------------------- acts


def _other(visit: Visit) -> str:
    other = visit.form.line("andere", longest=20)
    if not _REFERENCE.fullmatch(other):
        raise BadForm("andere")
    return other


def _version(visit: Visit) -> int:
    return visit.form.number("versie")


def accept_link(visit: Visit, reference: str) -> None:
    visit.desk.acts.accept_link(reference, user=visit.user, version=_version(visit), other=_other(visit))


def refuse_link(visit: Visit, reference: str) -> None:
    visit.desk.acts.refuse_link(reference, user=visit.user, version=_version(visit), other=_other(visit))


def link_clients(visit: Visit, reference: str) -> None:
    visit.desk.acts.link_clients(reference, user=visit.user, version=_version(visit), other=_other(visit))


def part_clients(visit: Visit, reference: str) -> None:
    visit.desk.acts.part_clients(reference, user=visit.user, version=_version(visit), other=_other(visit))


def open_notice(visit: Visit, reference: str) -> None:
    """Only a notice of this very case: the id in the form is checked against the case."""
    message_id = visit.form.line("bericht", longest=100)
    notices = {notice.message_id: notice for notice in visit.desk.queries.case_page(reference).notices}
    if message_id not in notices:
        raise BadForm("bericht")
    text = visit.form.text("tekst").strip()
    if notices[message_id].opened_at is not None and not text:
        raise ConflictError("somebody else opened it")
    visit.desk.acts.open_notice(reference, user=visit.user, version=_version(visit), message_id=message_id, text=text)
