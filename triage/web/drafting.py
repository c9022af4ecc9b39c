"""The reply on the Zaak screen as values: what stands in the editor, and how far an approved reply has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import SequenceMatcher

from triage.core.gate import SIGNATURE, Finding
from triage.core.names import poses_as_other
from triage.ports import CasePage, DraftContent, DraftRevision
from triage.web.forms import Form, addresses
from triage.web.words import word

# the gate stops a letter that still holds an open place, so a letter nobody wrote cannot leave
EMPTY_LETTER = f"Geachte {{name}},\n\n[[schrijf hier uw antwoord]]\n\nMet vriendelijke groet,\n\n{SIGNATURE}\n"
UNDOABLE = frozenset({"due", "deferred"})  # certainly not sent, and nobody knows better than the store when asked
OVER = frozenset({"sent", "refused"})


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`kind`: "same", "mine" (only in your text) or "theirs" (only in the newer text)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Editor:
    """The fields as they are to be shown. `theirs` is the newer revision when yours was saved too late."""

    base_revision: int
    to: str
    cc: str
    subject: str
    body: str
    kept: bool = False  # holds text that is not stored: shown whatever the state of the reply
    theirs: DraftRevision | None = None
    diff: tuple[DiffLine, ...] = ()
    ticked: frozenset[Finding] = frozenset()  # what the gate asks of this very revision and the person ticked

    def holds(self, draft: DraftRevision) -> bool:
        """The fields show this revision, without a change."""
        return self.base_revision == draft.revision and self == replace(
            _editor(draft.revision, draft.content), kept=self.kept, ticked=self.ticked
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """An approved reply. `state` is that of its outbox item; `undo` when the approval can still be taken back."""

    state: str
    approved_by: str
    approved_at: datetime
    leaves_at: datetime | None
    sent_at: datetime | None
    reply_code: int | None
    outbox_id: str
    undo: bool
    ticked: str = ""  # what the gate asked and the approver ticked, in words

    @property
    def over(self) -> bool:
        """It left or was refused: a next letter may be written."""
        return self.state in OVER


def editor_of(page: CasePage, reply: Reply | None) -> Editor:
    """The newest revision; an empty letter when there is none yet or the newest one was sent."""
    posing = poses_as_other(page.contact_name, page.contact_address)
    name = ("" if posing else " ".join(page.contact_name.split())) or "heer of mevrouw"
    letter = EMPTY_LETTER.format(name=name.translate({91: None, 93: None}))
    if not page.drafts:
        received = [message for message in page.messages if message.direction == "in"]
        to = received[-1].reply_to if received and received[-1].reply_to else (page.contact_address,)
        return Editor(0, ", ".join(one for one in to if one), "", f"Uw vraag {page.case.subject_token}", letter)
    newest = page.drafts[0]
    if reply is not None and reply.state == "sent":
        return _editor(newest.revision, replace(newest.content, body=letter))
    return _editor(newest.revision, newest.content)


def _editor(base: int, content: DraftContent, *, kept: bool = False) -> Editor:
    return Editor(base, ", ".join(content.to), ", ".join(content.cc), content.subject, _lines(content.body), kept)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def content_of(form: Form, base: DraftRevision | None) -> tuple[DraftContent, bool]:
    """(what the form holds, are all addresses well-formed). Attachments stay those of the revision it began from."""
    to, to_fine = addresses(form.text("aan", longest=5000))
    cc, cc_fine = addresses(form.text("cc", longest=5000))
    attachments = base.content.attachments if base else ()
    content = DraftContent(to, cc, form.line("onderwerp", longest=900), form.text("tekst"), attachments)
    return content, to_fine and cc_fine


def same(one: DraftContent, other: DraftContent) -> bool:
    """Equal but for the kind of line ends, which a browser changes."""
    return (one.to, one.cc, one.subject, _lines(one.body)) == (other.to, other.cc, other.subject, _lines(other.body))


def typed_editor(base: int, content: DraftContent, ticked: frozenset[Finding] = frozenset()) -> Editor:
    """What the person typed and ticked, kept on the page."""
    return replace(_editor(base, content, kept=True), ticked=ticked)


def overtaken_editor(mine: DraftContent, theirs: DraftRevision) -> Editor:
    """Both texts after somebody saved first: yours in the fields (saving again is then meant), theirs beside it."""
    editor = _editor(theirs.revision, mine, kept=True)
    return Editor(
        editor.base_revision,
        editor.to,
        editor.cc,
        editor.subject,
        editor.body,
        kept=True,
        theirs=theirs,
        diff=tuple(diff(_whole(mine), _whole(theirs.content))),
    )


def _whole(content: DraftContent) -> list[str]:
    head = [f"Aan: {', '.join(content.to)}", f"Onderwerp: {content.subject}", ""]
    if content.cc:
        head.insert(1, f"Cc: {', '.join(content.cc)}")
    return head + _lines(content.body).split("\n")


def diff(mine: Sequence[str], theirs: Sequence[str]) -> list[DiffLine]:
    """Line by line, in reading order; every line of both texts is in it."""
    found: list[DiffLine] = []
    for kind, a, b, c, d in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        if kind == "equal":
            found.extend(DiffLine("same", line) for line in mine[a:b])
        else:
            found.extend(DiffLine("mine", line) for line in mine[a:b])
            found.extend(DiffLine("theirs", line) for line in theirs[c:d])
    return found


def reply_of(page: CasePage, names: Mapping[str, str]) -> Reply | None:
    """The approval of the newest revision and what became of it; None while nothing is approved."""
    newest = page.drafts[0] if page.drafts else None
    if newest is None or newest.approved_at is None or newest.outbox_id is None:
        return None
    item = next((row for row in page.outbox if row.id == newest.outbox_id), None)
    state = item.state if item else "due"
    return Reply(
        state=state,
        approved_by=names.get(newest.approved_by or "", "een collega"),
        approved_at=newest.approved_at,
        leaves_at=item.due_at if item else None,
        sent_at=item.sent_at if item else None,
        reply_code=item.reply_code if item else None,
        outbox_id=newest.outbox_id,
        undo=state in UNDOABLE,
        ticked=next(
            (
                ticked_words(row.details.get("ticked"))
                for row in reversed(page.timeline)
                if row.action == "draft_approved" and row.details.get("revision") == newest.revision
            ),
            "",
        ),
    )


def ticked_words(counted: object) -> str:
    """What an approval's audit row says of ticks, in words: code → how often it was found."""
    if not isinstance(counted, Mapping):
        return ""
    return ", ".join(
        f"{word(code, 'ticked')}{f' ({count} keer)' if count > 1 else ''}" for code, count in counted.items()
    )
