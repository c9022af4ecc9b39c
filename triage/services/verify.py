"""The proof that nothing was lost: ledger, mail server, stored mails, cases, acknowledgements and outbox compared.

Reads everything, changes nothing, and may run beside `serve`. Each check says in plain words what does not agree and
how to mend it (`product.md` sections 2 and 3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from triage.errors import MailboxUnavailable
from triage.ports import Clock, FolderLedger, FolderStatus, Mailbox, Proof, Queries

_SHOWN = 50  # of a long list of offenders


@dataclass(frozen=True, slots=True)
class Check:
    """`agrees` None: not compared, `words` say why. `found` names offenders: UIDs, references, ids."""

    name: str
    agrees: bool | None
    words: str
    mend: str = ""
    counts: Mapping[str, int | str] = field(default_factory=dict)
    found: Sequence[str] = ()


_CONTRADICTIONS: Mapping[str, tuple[str, str]] = {
    "ledger_without_message": (
        "mails noted as taken in, of which no message is stored",
        "restore a backup of the database; the mails are still in the mailbox",
    ),
    "ledger_without_case": (
        "mails noted as taken in, of which the case is missing",
        "restore a backup of the database; the mails are still in the mailbox",
    ),
    "messages_without_ledger": (
        "stored messages that the ledger does not know",
        "restore a backup of the database; the ledger lost rows",
    ),
    "cases_without_message": ("cases from mail without any message", "restore a backup of the database"),
    "cases_without_first_mail": ("cases from mail that no mail opened", "restore a backup of the database"),
    "cases_of_two_mails": (
        "cases that two mails opened",
        "look at the case: close it and answer each mail from a case of its own",
    ),
    "cases_without_acknowledgement": (
        "cases from mail of which it is not noted whether they were acknowledged",
        "restore a backup of the database, or answer these cases by hand",
    ),
    "cases_acknowledged_twice": (
        "cases with more than one acknowledgement",
        "tell who looks after this program: this must not happen",
    ),
    "acknowledgements_without_mail": (
        "acknowledgements noted as queued, of which there is no mail",
        "restore a backup of the database, or answer these cases by hand",
    ),
    "mails_without_acknowledgement_row": (
        "acknowledgement mails that belong to no case",
        "tell who looks after this program: this must not happen",
    ),
    "corrections_without_promise": (
        "correction mails whose promise is not noted",
        "restore a backup of the database, or look in these mails which day they name",
    ),
    "promises_without_mail": (
        "cases with a promise noted as sent, of which there is no correction mail",
        "restore a backup of the database, or tell these senders by hand which day holds",
    ),
}


class Verify:
    """One run. `mailbox` None: there is none to compare with, or it could not be set up."""

    def __init__(
        self,
        *,
        proof: Proof,
        queries: Queries,
        mailbox: Mailbox | None,
        clock: Clock,
        poll_every: timedelta,
        progress: Callable[[str], None] = lambda words: None,
        pause: Callable[[float], None],
    ) -> None:
        """`pause` waits some seconds; used while a running `serve` takes in what just arrived."""
        self._proof, self._queries, self._mailbox, self._clock = proof, queries, mailbox, clock
        self._poll_every, self._progress, self._pause = poll_every, progress, pause

    def checks(self) -> Iterator[Check]:
        """In the order in which a person wants to know."""
        yield from self._mail_server()
        yield from self._ledger()
        yield from self._stored()
        for name, (count, sample) in self._proof.contradictions().items():
            what, mend = _CONTRADICTIONS[name]
            yield Check(name, count == 0, f"{count} {what}", mend if count else "", {"count": count}, sample)
        yield from self._outbox()
        damage = self._proof.damage()
        yield Check(
            "database",
            not damage,
            "the database is damaged" if damage else "the database's own check finds no damage",
            "stop the program, keep a copy of the database file, restore a backup" if damage else "",
            found=damage,
        )

    # ---------------------------------------------------------------- mail server

    def _mail_server(self) -> Iterator[Check]:
        if self._mailbox is None:
            yield Check("mailbox", None, "not compared with the mail server: no mailbox is configured")
            return
        try:
            status, on_server = self._server_side(self._mailbox)
            status, on_server, known, gone = self._settled(self._mailbox, status, on_server)
        except MailboxUnavailable as exc:
            yield Check("mailbox", None, f"not compared with the mail server: {exc}")
            return
        name = self._mailbox.name
        missing = sorted(on_server - known)
        told_gone = sorted(on_server & gone)
        counts: dict[str, int | str] = {
            "folder": name,
            "uidvalidity": status.uidvalidity,
            "uidnext": status.uidnext,
            "messages": status.messages,
            "known": len(on_server & known),
            "not_in_ledger": len(missing),
            "gone_but_on_server": len(told_gone),
            "left_the_folder": len(known - gone - on_server),
        }
        words = f"{name}, UIDVALIDITY {status.uidvalidity}, UIDNEXT {status.uidnext}: {status.messages} messages"
        if not missing and not told_gone:
            yield Check("mailbox", True, f"{words}, each of them in the ledger", counts=counts)
            return
        faults = []
        if missing:
            faults.append(f"{len(missing)} not in the ledger")
        if told_gone:
            faults.append(f"{len(told_gone)} noted as gone, though they are there")
        yield Check(
            "mailbox",
            False,
            f"{words}, {' and '.join(faults)}",
            "let `serve` run, or run `poll`, until nothing is new; then verify again",
            counts,
            tuple(str(uid) for uid in (*missing, *told_gone)[:_SHOWN]),
        )

    @staticmethod
    def _server_side(mailbox: Mailbox) -> tuple[FolderStatus, frozenset[int]]:
        status = mailbox.status()
        return status, frozenset(mailbox.uids())

    def _settled(
        self, mailbox: Mailbox, status: FolderStatus, on_server: frozenset[int]
    ) -> tuple[FolderStatus, frozenset[int], frozenset[int], frozenset[int]]:
        """Server and ledger side; mail that came this minute gets the time a running `serve` needs for it."""
        until = self._clock() + self._poll_every * 2 + timedelta(seconds=30)
        while True:
            known, gone = self._proof.uids(mailbox.name, status.uidvalidity)
            open_ = set(self._unaccounted(mailbox.name, status.uidvalidity))
            if (on_server <= known and not open_) or not self._is_polled() or self._clock() >= until:
                return status, on_server, known, gone
            self._progress("mail has just arrived; waiting for the next poll")
            self._pause(1.0)

    def _unaccounted(self, folder: str, uidvalidity: int) -> tuple[int, ...]:
        return next(
            (
                one.unaccounted
                for one in self._proof.folders()
                if (one.folder, one.uidvalidity) == (folder, uidvalidity)
            ),
            (),
        )

    def _is_polled(self) -> bool:
        """Whether some `serve` reads the mailbox at this moment."""
        job = next((job for job in self._queries.health() if job.name == "poll"), None)
        if job is None or job.last_succeeded is None:
            return False
        return self._clock() - job.last_succeeded < self._poll_every * 2 + timedelta(seconds=10)

    # ---------------------------------------------------------------- store

    def _ledger(self) -> Iterator[Check]:
        ledgers = self._proof.folders()
        for one in ledgers:
            yield self._folder(one)
        if not ledgers:
            yield Check("ledger", True, "the ledger is empty: no mail was seen yet")

    @staticmethod
    def _folder(one: FolderLedger) -> Check:
        told = ", ".join(f"{outcome} {count}" for outcome, count in one.outcomes.items())
        open_ = len(one.unaccounted)
        counts: dict[str, int | str] = {
            "folder": one.folder,
            "uidvalidity": one.uidvalidity,
            **one.outcomes,
            "unaccounted": open_,
        }
        words = f"{one.folder}, UIDVALIDITY {one.uidvalidity}: {told}; unaccounted {open_}"
        mend = ""
        if open_:
            mend = "let `serve` run, or run `poll` twice: a mail that fails is set aside in quarantine"
        elif one.present != one.noted_present:
            words += f"; {one.present} mails in the folder, but the kept sum says {one.noted_present}"
            mend = "nothing is lost; the next full comparison, within an hour, counts anew"
        found = tuple(str(uid) for uid in one.unaccounted[:_SHOWN])
        return Check("ledger", not open_ and one.present == one.noted_present, words, mend, counts, found)

    def _stored(self) -> Iterator[Check]:
        facts = self._proof.sealed(lambda done, total: self._progress(f"opening and hashing {done} of {total}"))
        bad = len(facts.changed) + len(facts.unreadable)
        counts: dict[str, int | str] = {
            "opened": facts.opened,
            "hashed": facts.hashed,
            "changed": len(facts.changed),
            "unreadable": len(facts.unreadable),
        }
        words = f"{facts.opened} sealed rows opened, {facts.hashed} received mails hashed again"
        if bad:
            words += f"; {len(facts.changed)} are not what arrived, {len(facts.unreadable)} cannot be opened"
        yield Check(
            "hashes",
            bad == 0,
            words,
            "check that seal.key is the right one; restore a backup of these rows" if bad else "",
            counts,
            (*facts.changed, *facts.unreadable)[:_SHOWN],
        )

    def _outbox(self) -> Iterator[Check]:
        facts = self._proof.outbox(now=self._clock())
        stuck = (*facts.sending_without_lease, *facts.sending_lease_over)
        told = ", ".join(f"{state} {count}" for state, count in facts.states.items()) or "empty"
        yield Check(
            "outbox",
            not stuck,
            f"outbox: {told}" + (f"; {len(stuck)} `sending` that nobody sends" if stuck else ""),
            "let `serve` run, or run `relay`: these become uncertain, and staff see them" if stuck else "",
            dict(facts.states),
            stuck[:_SHOWN],
        )
