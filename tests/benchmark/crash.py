"""`make crash`: kill -9 at random moments, then every mail is looked up at the servers. Writes docs/crash.md.

Each round has 200 mails in Dovecot and kills `serve` several times, in every phase: while it starts, while it
fetches, between the commits of its mails, while acknowledgements leave. Then it runs to its end and nothing may be
lost, done twice, or left without a state that people see.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.benchmark import report
from tests.benchmark.endstate import EndState, end_state
from tests.benchmark.mails import make_mails
from tests.benchmark.pipeline import all_done
from tests.benchmark.report import Bar, bar_table, table
from tests.benchmark.rig import ProductProcess, Rig, Space, require_servers, say
from triage.services.relay import LEASE_TTL

MAILS = 200
PHASES = ("startup", "fetch", "commit", "relay", "anywhere")
_KILLS = (2, 4)  # per round
_BATCH = 50  # mailbox.batch_size
_LONGEST_START = 60.0
_END_SECONDS = 120.0
_LOOK_SECONDS = 0.002


@dataclass(slots=True)
class Round:
    """One mailbox from its first kill to its end. `kills` names where the product was when it died."""

    seed: int
    kills: list[str] = field(default_factory=list)
    seconds: float = 0.0
    end: EndState = field(default_factory=EndState)

    @property
    def missing(self) -> int:
        """Acknowledgements that the server never saw; each must be shown as uncertain."""
        return self.end.due - (self.end.acknowledged - self.end.acknowledged_twice)


def crash_round(rig: Rig, seed: int, *, mails: int = MAILS) -> Round:
    """Kills, restarts, and looks. The same seed gives the same mails and the same plan of kills."""
    chance = random.Random(seed)
    made = make_mails(mails, seed=seed)
    result = Round(seed)
    started = time.monotonic()
    with rig.space() as space:
        space.deliver(mail.raw for mail in made)
        for _ in range(chance.randint(*_KILLS)):
            with space.product() as product:
                _wait_for(chance, space, product, mails)
                result.kills.append(_where(space, mails))
                product.kill()
        with space.product() as product:
            product.wait_until(
                lambda: all_done(space, mails), seconds=_END_SECONDS, what="all mail is done after the last kill"
            )
            product.end()
        result.end = end_state(space, made, may_be_uncertain=True)
    result.seconds = time.monotonic() - started
    return result


def _wait_for(chance: random.Random, space: Space, product: ProductProcess, mails: int) -> None:
    """Until the moment of the kill: an event chosen at random, and a random time after it."""
    phase = chance.choice(PHASES)
    finished, accepted = space.progress().finished, len(space.sink.accepted())
    if phase == "startup":
        time.sleep(chance.uniform(0.2, 3.0))
        return
    _until(product, space.is_connected)
    if phase == "fetch":
        time.sleep(chance.uniform(0.0, 0.3))
    elif phase == "commit":
        goal = finished + chance.randint(1, max(1, mails - finished))
        _until(product, lambda: space.progress().finished >= min(goal, mails))
        time.sleep(chance.uniform(0.0, 0.02))
    elif phase == "relay":
        goal = accepted + chance.randint(1, max(1, mails // 2))
        _until(product, lambda: len(space.sink.accepted()) >= goal or all_done(space, mails))
        time.sleep(chance.uniform(0.0, 0.005))
    else:
        time.sleep(chance.uniform(0.2, 3.0))


def _until(product: ProductProcess, event: object) -> None:
    assert callable(event)
    until = time.monotonic() + _LONGEST_START
    while not event() and product.runs() and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)


def _where(space: Space, mails: int) -> str:
    """What the product was doing, as its database and its connections show."""
    progress = space.progress()
    if not space.is_connected():
        return "startup"
    if all_done(space, mails):
        return "idle"
    if progress.finished < mails:
        # none of the batch is committed: it is being fetched and read
        return "fetch" if progress.finished in (progress.seen, progress.seen - _BATCH) else "commit"
    return "relay" if progress.to_send else "flags"


def bars(rounds: Sequence[Round]) -> list[Bar]:
    def total(name: str) -> int:
        return sum(getattr(item.end, name) for item in rounds)

    unexplained = sum(max(0, item.missing - item.end.uncertain) for item in rounds)
    return [
        Bar("", "mails lost", total("lost"), 0, ""),
        Bar("", "mails taken in twice", total("cases_twice"), 0, ""),
        Bar("", "acknowledgements twice at the SMTP server", total("acknowledged_twice"), 0, ""),
        Bar("", "acknowledgements missing and not shown as uncertain", unexplained, 0, ""),
        Bar("", "UIDs unaccounted", total("unaccounted"), 0, ""),
        Bar("", "mails in quarantine", total("quarantined"), 0, ""),
        Bar("", "drafts more or fewer than questions", sum(abs(r.end.drafts - r.end.due) for r in rounds), 0, ""),
        Bar("", "all faults found", sum(len(item.end.faults) for item in rounds), 0, ""),
    ]


def page(rounds: Sequence[Round], found: Sequence[Bar]) -> str:
    where = Counter(kill for item in rounds for kill in item.kills)
    rows = [
        (
            item.seed,
            ", ".join(item.kills),
            item.end.cases,
            item.end.drafts,
            f"{item.end.acknowledged} of {item.end.due}",
            item.end.uncertain,
            item.missing,
            "; ".join(item.end.faults) or "none",
            f"{item.seconds:.0f}",
        )
        for item in rounds
    ]
    questions = sum(item.end.due for item in rounds)
    text = [
        "# Killed at random",
        "Written by `make crash`; run it to renew this page. " + report.measured_on(),
        f"{len(rounds)} rounds, each with {rounds[0].end.mails} mails in Dovecot. `serve` is killed with SIGKILL "
        f"{_KILLS[0]} to {_KILLS[1]} times a round, at seeded random moments, and started again each time; in all "
        f"{sum(where.values())} kills. What it was doing then: "
        f"{', '.join(f'{name} {count}' for name, count in where.most_common())}. Afterwards every mail is looked up in "
        "the mailbox, at the SMTP server and in the store.",
        bar_table(found).replace("| Bar |", "| |", 1),
        f"{questions:,} questions got {sum(item.end.acknowledged for item in rounds):,} acknowledgements; "
        f"{sum(item.end.uncertain for item in rounds)} are shown as `uncertain`, because the product died after DATA "
        f"and before it had noted the answer; {sum(item.missing for item in rounds)} of those never reached the "
        "server.",
        table(
            ("Seed", "Killed during", "Cases", "Drafts", "Acknowledged", "Uncertain", "Missing", "Faults", "Seconds"),
            rows,
        ),
        f"An item that another node was sending becomes `uncertain` when its lease of "
        f"{LEASE_TTL.total_seconds() / 60:.0f} minutes ends; a restart of the same node does not wait for that.",
    ]
    return "\n\n".join(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first round")
    options = parser.parse_args()
    require_servers()
    rounds = []
    with Rig() as rig:
        for seed in range(options.seed, options.seed + options.rounds):
            try:
                rounds.append(crash_round(rig, seed))
            except RuntimeError as exc:  # it did not get to the end: the product's last lines tell why
                say(f"round with seed {seed} failed: {exc}")
                return 1
            last = rounds[-1]
            kills, faults = ", ".join(last.kills), "; ".join(last.end.faults) or "no faults"
            say(f"round {len(rounds)} of {options.rounds}: killed during {kills}; {faults} ({last.seconds:.0f} s)")
    found = bars(rounds)
    text = page(rounds, found)
    sys.stdout.write(text + "\n")
    if options.rounds >= 20:
        say(f"written: {report.write('crash.md', text).name}")
    return 1 if any(bar.passed is False for bar in found) else 0


if __name__ == "__main__":
    sys.exit(main())
