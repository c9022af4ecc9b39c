"""What a run must have left behind, looked up at the servers and in the store. Faults are counts and words, no text
of a mail."""

from __future__ import annotations

import email
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmark.mails import MadeMail
from tests.benchmark.rig import Space

_ROWS = """SELECT l.uid, l.outcome, l.rule, m.kind, c.id, c.reference, c.state,
  (SELECT count(*) FROM drafts d WHERE d.case_id = c.id),
  (SELECT count(*) FROM assessments s WHERE s.case_id = c.id),
  o.state, a.reasons
FROM ledger l
LEFT JOIN messages m ON m.id = l.message_id
LEFT JOIN cases c ON c.id = l.case_id
LEFT JOIN acknowledgements a ON a.case_id = c.id
LEFT JOIN outbox o ON o.id = a.outbox_id"""


@dataclass(slots=True)
class EndState:
    """Counts of one finished run; `faults` says what must not be."""

    mails: int = 0
    cases: int = 0
    drafts: int = 0
    due: int = 0  # questions that must be acknowledged
    acknowledged: int = 0  # acknowledgements that the SMTP server accepted
    uncertain: int = 0
    lost: int = 0
    cases_twice: int = 0
    acknowledged_twice: int = 0
    unaccounted: int = 0
    quarantined: int = 0
    faults: list[str] = field(default_factory=list)


def end_state(space: Space, mails: Sequence[MadeMail], *, may_be_uncertain: bool = False) -> EndState:
    """Every mail against its ledger entry, case, draft, acknowledgement and flags. The product has ended its work.

    With `may_be_uncertain` an acknowledgement may be missing at the server when it is shown as `uncertain`."""
    state = EndState(mails=len(mails))
    on_server = _mailbox(space)
    accepted = Counter(mail.in_reply_to for mail in space.sink.accepted() if mail.automatic)
    with sqlite3.connect(space.database) as connection:
        rows = connection.execute(_ROWS).fetchall()
        case_count, draft_count = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
            for table in ("cases", "drafts")
        )
        state.quarantined = connection.execute("SELECT count(*) FROM quarantine").fetchone()[0]
    connection.close()
    state.cases, state.drafts = case_count, draft_count
    state.acknowledged = sum(accepted.values())
    state.due = sum(mail.acknowledged for mail in mails)
    state.unaccounted = sum(row[1] is None for row in rows)
    by_message_id: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        message_id, _ = on_server.get(row[0], ("", frozenset()))
        by_message_id.setdefault(message_id, []).append(row)
    faults: Counter[str] = Counter()
    if state.unaccounted:
        faults["UID without an outcome"] += state.unaccounted
    if state.quarantined:
        faults["mail in quarantine"] += state.quarantined
    if strangers := set(accepted) - {mail.message_id for mail in mails}:
        faults["acknowledgement of an unknown mail"] += len(strangers)
    for mail in mails:
        _check_mail(mail, by_message_id.get(mail.message_id, []), accepted[mail.message_id], state, faults)
    if not may_be_uncertain and state.uncertain:
        faults["acknowledgement uncertain"] += state.uncertain
    wanted_cases = sum(mail.kind in ("question", "list_or_bulk") for mail in mails)
    if case_count != wanted_cases:
        faults[f"{case_count} cases instead of {wanted_cases}"] += 1
    if draft_count != state.due:
        faults[f"{draft_count} drafts instead of {state.due}"] += 1
    unmarked = sum("$Triaged" not in flags for _, flags in on_server.values())
    if unmarked:
        faults["mail without the keyword $Triaged"] += unmarked
    if read := sum("\\Seen" in flags for _, flags in on_server.values()):
        faults["mail marked as read"] += read
    state.faults = [f"{what}: {count}" for what, count in sorted(faults.items())]
    return state


def _check_mail(
    mail: MadeMail, rows: list[tuple[Any, ...]], accepted: int, state: EndState, faults: Counter[str]
) -> None:
    finished = [row for row in rows if row[1] is not None]
    if not finished:
        state.lost += 1
        faults["mail lost"] += 1
        return
    if len(finished) > 1:
        state.cases_twice += 1
        faults["mail taken in twice"] += 1
    _, outcome, rule, kind, case_id, _, case_state, drafts, assessments, sent, reasons = finished[0]
    if mail.kind in ("auto_reply", "delivery_report"):
        if outcome != "ignored":
            faults[f"{mail.kind} became {outcome}"] += 1
    elif outcome != "case" or case_id is None or kind != mail.kind:
        faults[f"{mail.kind} became {outcome} {kind or rule}"] += 1
    elif (case_state == "no_reply_needed") != (mail.kind == "list_or_bulk"):
        faults[f"{mail.kind} in state {case_state}"] += 1
    if accepted > 1:
        state.acknowledged_twice += 1
        faults["acknowledgement sent twice"] += 1
    if not mail.acknowledged:
        if accepted:
            faults[f"{mail.kind} was acknowledged"] += 1
        return
    if drafts != 1 or assessments != 1:
        faults[f"case with {drafts} drafts and {assessments} assessments"] += 1
    if sent == "uncertain":
        state.uncertain += 1
    elif sent == "sent":
        if accepted == 0:
            faults["acknowledgement recorded as sent, not at the server"] += 1
    else:
        faults[f"acknowledgement {sent or 'withheld ' + str(reasons)}"] += 1


def _mailbox(space: Space) -> dict[int, tuple[str, frozenset[str]]]:
    """UID → (Message-ID, flags) as the server has them."""
    client = space.rig.dovecot.client(space.username)
    client.select_folder("INBOX", readonly=True)
    wanted = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"
    told = client.fetch(client.search(["ALL"]), ["FLAGS", wanted])
    client.logout()
    found: dict[int, tuple[str, frozenset[str]]] = {}
    for uid, item in told.items():
        header = email.message_from_bytes(item[b"BODY[HEADER.FIELDS (MESSAGE-ID)]"])
        flags = frozenset(flag.decode("ascii", "replace") for flag in item[b"FLAGS"])
        found[uid] = (str(header["Message-ID"]), flags)
    return found
