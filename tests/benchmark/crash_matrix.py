"""The process killed at each step, once per step: what the mailbox, the SMTP server and the store hold afterwards."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmark.report import Bar, bar_table, table
from tests.integration.harness import mail
from tests.integration.site import Site, new_site
from tests.integration.test_command_line import free_port
from tests.servers.dovecot import DovecotServer
from tests.servers.killable import STEPS, Killable

INTAKE = (
    ("X01", "listed"), ("X02", "half_literal"), ("X03", "fetched"), ("X06", "parsed"), ("X07", "judging"),
    ("X15", "drafting"), ("X03", "written"), ("X04", "committed"), ("X13", "marking"), ("X13", "marked"),
)  # fmt: skip
RELAY = (
    ("X08", "connecting"), ("X09", "prepared"), ("X10", "sending"), ("X10", "half_data"), ("X11", "dot"),
    ("X12", "accepted"), ("X12", "sent"),
)  # fmt: skip
POISON = (("X05", "poison"), ("X05", "bomb"), ("X05", "stuck"))


@dataclass(frozen=True, slots=True)
class Row:
    """What one kill led to. `receipts` counts what the SMTP server took for the mail at hand."""

    case: str
    step: str
    how: str
    mails: int
    cases: int
    receipts: int
    state: str
    lost: int
    agrees: bool
    seconds: float = 0.0

    @property
    def wanted(self) -> int:
        """Acknowledgements that must be at the server unless the doubt is shown."""
        return 0 if self.case == "X05" else 1


def section() -> str:
    """Markdown: one row per step, and the bars over all of them."""
    with DovecotServer() as dovecot, Killable() as commands, tempfile.TemporaryDirectory() as folder:
        rows = list(_rows(Path(folder), dovecot, commands))
    killed = [row for row in rows if row.how != "SIGTERM"]
    longest = max(row.seconds for row in rows if row.how == "SIGTERM")
    bars = [
        Bar("", "mails lost", sum(row.lost for row in rows), 0, ""),
        Bar("", "mails taken in twice", sum(max(0, row.cases - row.mails) for row in rows), 0, ""),
        Bar("", "acknowledgements twice at the SMTP server", sum(row.receipts > 1 for row in rows), 0, ""),
        Bar(
            "",
            "acknowledgements missing and not shown as uncertain",
            sum(row.receipts < row.wanted and row.state != "uncertain" for row in rows),
            0,
            "",
        ),
        Bar("", "runs of which `verify` did not agree afterwards", sum(not row.agrees for row in rows), 0, ""),
        Bar("", "longest time from the start of `serve` to its end after SIGTERM", longest, 25, "s"),
    ]
    return "\n\n".join(
        [
            f"{len(killed)} kills with SIGKILL at a named step of `poll` or `relay`, and {len(rows) - len(killed)} "
            "times SIGTERM at the same steps of `serve`. Each time one mail in Dovecot (poisoned ones: three), "
            "the process ended by a real signal, the same commands started again without it, and a count at the "
            "mailbox, at the SMTP server and in the store.",
            bar_table(bars).replace("| Bar |", "| |", 1),
            table(
                ("Case", "Ended", "By", "Cases", "Acknowledgements at the server", "Shown as"),
                [(row.case, STEPS[row.step].words, row.how, row.cases, row.receipts, row.state) for row in rows],
            ),
            "The remaining cases of this section (migration, full disk, locked database, an old backup, two instances) "
            "are tests that need no figures: see [protocol.md](protocol.md).",
        ]
    )


def _rows(folder: Path, dovecot: DovecotServer, commands: Killable) -> Iterator[Row]:
    number = 0
    for group, by in ((INTAKE, "poll"), (RELAY, "relay"), (POISON, "poison")):
        for case, step in group:
            number += 1
            (folder / str(number)).mkdir()
            with new_site(folder / str(number), dovecot, commands) as site:
                yield _killed(site, case, step, by)
    for case, step in (*INTAKE, *RELAY):
        number += 1
        (folder / str(number)).mkdir()
        with new_site(folder / str(number), dovecot, commands, TRIAGE_WEB__PORT=str(free_port())) as site:
            yield _terminated(site, case, step)


def _killed(site: Site, case: str, step: str, by: str) -> Row:
    poisoned = by == "poison"
    site.deliver(mail(1, body="poison-pill") if poisoned else mail(1))
    if poisoned:
        site.deliver(mail(2), mail(3))
    if by == "relay":
        site.poll()
    ended = (site.relay if by == "relay" else site.poll)(step=step)
    expected = 1 if step == "stuck" else -signal.SIGKILL
    if ended.code != expected:
        raise RuntimeError(f"{step}: the process ended with {ended.code}: {ended.told}")
    if poisoned:
        site.poll(step=step)
    site.settle()
    return _row(site, case, step, "the mail" if poisoned else "SIGKILL")


def _terminated(site: Site, case: str, step: str) -> Row:
    site.deliver(mail(1))
    begun = time.monotonic()
    ended = site.run("serve", step=step, number=signal.SIGTERM)
    seconds = time.monotonic() - begun
    if ended.code != 0:
        raise RuntimeError(f"{step}: serve ended with {ended.code}: {ended.told}")
    site.settle()
    return _row(site, case, step, "SIGTERM", seconds)


def _row(site: Site, case: str, step: str, how: str, seconds: float = 0.0) -> Row:
    outcomes = site.outcomes()
    mails = sum(outcomes.values())
    if case == "X05":
        state = ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items(), key=str))
    else:
        state = ", ".join(site.receipt_states())
    return Row(
        case=case,
        step=step,
        how=how,
        mails=mails,
        cases=site.count("cases"),
        receipts=site.receipts()["<vraag-1@mensen.example>"],
        state=state,
        lost=len(site.keywords()) - mails + outcomes[None],
        agrees=site.run("verify").code == 0,
        seconds=seconds,
    )
