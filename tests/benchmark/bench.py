"""`make bench`: the whole pipeline beside its own stages, idle cost, hard mails. Writes docs/benchmarks.md.

Everything is measured in this run; a run that leaves something out prints its report and writes nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmark import report
from tests.benchmark.hard import HardFigures, hard
from tests.benchmark.idle import IdleFigures, idle
from tests.benchmark.mails import MadeMail, make_mails
from tests.benchmark.pipeline import PipelineRun, flushes, pipeline
from tests.benchmark.report import Bar, bar_table, table
from tests.benchmark.rig import Rig, require_servers, say
from tests.benchmark.stages import StageTime, raw_fetch, stages
from triage import logs
from triage.model_choice import classifier_for

_MB = 1_000_000
_MAILBOXES = (1_000, 20_000)


@dataclass(slots=True)
class Figures:
    mails: Sequence[MadeMail]
    model: str = ""
    connections_allowed: int = 0
    runs: list[PipelineRun] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    stages: list[dict[str, StageTime]] = field(default_factory=list)
    flushes: float | None = None
    idle: list[IdleFigures] = field(default_factory=list)
    hard: list[HardFigures] = field(default_factory=list)

    def median(self, value: Callable[[PipelineRun], float]) -> float:
        return statistics.median(map(value, self.runs))

    @property
    def share_of_stages(self) -> float:
        """Pipeline speed as a percentage of the speed of its stages one after the other, per round; the median."""
        pairs = zip(self.stages, self.runs, strict=True)
        return 100 * statistics.median(_sum(alone).seconds / run.seconds for alone, run in pairs)


def measure(count: int, rounds: int, *, quick: bool) -> Figures:
    mails = make_mails(count)
    figures = Figures(mails)
    with Rig() as rig:
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}: the pipeline, then its stages alone")
            with rig.space() as space:
                space.deliver(mail.raw for mail in mails)
                figures.runs.append(pipeline(space, mails))
                settings = space.settings()
                figures.connections_allowed = settings.smtp.connections
                figures.model = classifier_for(settings).model_id
            with rig.space() as space:
                space.deliver(mail.raw for mail in mails)
                figures.raw.append(raw_fetch(space))
                figures.stages.append(stages(space, count))
            alone = _sum(figures.stages[-1]).seconds
            say(f"  {count / figures.runs[-1].seconds:.0f} mails/s; its stages alone {count / alone:.0f}")
        say("flushes to disk, in a run of its own")
        with rig.space() as space:
            space.deliver(mail.raw for mail in mails)
            figures.flushes = flushes(space, mails)
        if quick:
            return figures
        say("hard mails")
        figures.hard = hard(rig)
        say("a minute of idleness")
        figures.idle = idle(rig, _MAILBOXES)
    return figures


def bars(figures: Figures) -> list[Bar]:
    count = len(figures.mails)
    faults = sum(len(run.end.faults) for run in figures.runs)
    found = [
        Bar("1", "faults in the end state of all rounds", faults, 0, ""),
        Bar("1", "pipeline against the sum of its own stages", figures.share_of_stages, 60, "%", at_least=True),
        Bar("3", "CPU of the IMAP server a mail", figures.median(lambda run: run.imap_cpu) / count * 1000, 0.5, "ms"),
    ]
    if figures.flushes is None:
        found.append(Bar("5", "flushes to disk a mail", None, 6, "strace is not installed"))
    else:
        found.append(Bar("5", "flushes to disk a mail", figures.flushes, 6, ""))
    connections = max(run.smtp_connections for run in figures.runs)
    found.append(Bar("5", "SMTP connections in all", connections, figures.connections_allowed, ""))
    for item in figures.idle:
        where = f"{item.mailbox:,} mails in the mailbox"
        found += [
            Bar("6", f"idle product, CPU in {item.product_seconds:.0f} s, {where}", item.product_cpu, 0.6, "s"),
            Bar("6", f"idle poll, bytes, {where}", item.poll_bytes, 2000, "bytes"),
            Bar("6", f"idle poll, CPU, {where}", item.poll_cpu * 1000, 5, "ms"),
        ]
    for mail in figures.hard:
        found += [
            Bar("10", f"{mail.name}: handled within", mail.seconds, 5, "s"),
            Bar("10", f"{mail.name}: extra memory", mail.extra_memory / _MB, (10 * mail.size) / _MB + 100, "MB"),
            Bar("10", f"{mail.name}: the next mail a case within", _next_seconds(mail), 10, "s"),
        ]
    return found


def _next_seconds(mail: HardFigures) -> float:
    return mail.next_seconds if mail.next_outcome == "case" else float("inf")


def page(figures: Figures, found: Sequence[Bar]) -> str:
    count = len(figures.mails)
    median = figures.median
    size = sum(len(mail.raw) for mail in figures.mails)
    middle = statistics.median(len(mail.raw) for mail in figures.mails)
    missed = [bar for bar in found if bar.passed is False]
    sections = [
        "# Benchmarks",
        "Written by `make bench`; run it to renew this page. " + report.measured_on(),
        f"{count:,} different Dutch mails ({size / _MB:.0f} MB, median {middle / 1000:.1f} kB; the mix stands in "
        f"`tests/benchmark/mails.py`), model `{figures.model}`, SQLite, Dovecot, an SMTP server in a process of its "
        f"own. {len(figures.runs)} rounds, each the pipeline and then its stages alone; medians.",
        "## Bars",
        f"{len(found) - len(missed)} of {len(found)} passed." if missed else f"All {len(found)} passed.",
        bar_table(found),
        "Not measured here: the comparison with other systems (bars 1 and 2), 5,000 mails and 100,000 cases (3), "
        "a distance of 20 ms (4), and bars 7, 8, 9 and 11.",
        "## The whole pipeline",
        "`run.py serve` as a process, from its first poll until all mails are cases, all acknowledgements are accepted "
        "and all flags are set.",
        table(
            ("Figure", "Median", "Rounds"),
            [
                (name, value(median(pick)), ", ".join(value(pick(run)) for run in figures.runs))
                for name, pick, value in _rows(count)
            ],
        ),
        f"End state of the last round: {_end_words(figures.runs[-1])}.",
        *(f"Round {i}: {'; '.join(run.end.faults)}." for i, run in enumerate(figures.runs, 1) if run.end.faults),
        "## Its stages alone",
        "The same mails and the same parts, one after the other in one process, ms a mail.",
        _stage_table(figures),
    ]
    if figures.hard:
        sections += ["## Hard mails", _hard_words(), _hard_table(figures.hard)]
    if figures.idle:
        sections += ["## Idle", _idle_table(figures.idle)]
    return "\n\n".join(sections)


def _rows(count: int) -> list[tuple[str, Callable[[PipelineRun], float], Callable[[float], str]]]:
    one = report.number
    return [
        ("mails/s", lambda run: count / run.seconds, one),
        ("CPU of all its processes, ms a mail", lambda run: run.cpu / count * 1000, one),
        ("largest memory of all its processes, MB", lambda run: run.peak_rss / _MB, one),
        ("CPU of the IMAP server, ms a mail", lambda run: run.imap_cpu / count * 1000, one),
        ("SMTP connections in all", lambda run: run.smtp_connections, one),
        ("start of the process to its first poll, s", lambda run: run.start_seconds, one),
        ("CPU of that start, s", lambda run: run.start_cpu, one),
    ]


def _end_words(run: PipelineRun) -> str:
    end = run.end
    return (
        f"{end.mails} mails, {end.cases} cases, {end.drafts} drafts, {end.acknowledged} of {end.due} acknowledgements "
        f"accepted, {end.acknowledged_twice} twice, {end.lost} lost, {end.unaccounted} unaccounted, "
        f"{end.quarantined} in quarantine"
    )


def _sum(alone: Mapping[str, StageTime]) -> StageTime:
    return StageTime(sum(stage.seconds for stage in alone.values()), sum(stage.cpu for stage in alone.values()))


def _stage_table(figures: Figures) -> str:
    count = len(figures.mails)

    def row(name: str, seconds: Sequence[float], cpu: Sequence[float] = ()) -> tuple[object, ...]:
        per_mail = [value / count * 1000 for value in seconds]
        cpu_per_mail = report.number(statistics.median(cpu) / count * 1000) if cpu else ""
        rounds = ", ".join(report.number(value) for value in per_mail)
        return (name, float(statistics.median(per_mail)), rounds, cpu_per_mail)

    rows = [row("raw IMAP fetch, nothing done (not in the sum)", figures.raw)]
    for name in figures.stages[0]:
        alone = [item[name] for item in figures.stages]
        rows.append(row(name, [stage.seconds for stage in alone], [stage.cpu for stage in alone]))
    sums = [_sum(alone) for alone in figures.stages]
    rows.append(row("**sum of the stages**", [item.seconds for item in sums], [item.cpu for item in sums]))
    rows.append(row("**pipeline**", [run.seconds for run in figures.runs], [run.cpu for run in figures.runs]))
    return table(("Stage", "Median", "Rounds", "CPU, median"), rows)


def _hard_words() -> str:
    return (
        "Each comes to a freshly started product that has handled one ordinary mail, with a poll every second; an "
        "ordinary mail follows it. Times count from the moment the mail lay in the mailbox."
    )


def _hard_table(hard_figures: Sequence[HardFigures]) -> str:
    return table(
        ("Mail", "Size, MB", "Became", "After, s", "Extra memory, MB", "Next mail", "After, s"),
        (
            (
                mail.name,
                mail.size / _MB,
                mail.outcome or "nothing",
                mail.seconds,
                mail.extra_memory / _MB,
                mail.next_outcome or "nothing",
                mail.next_seconds,
            )
            for mail in hard_figures
        ),
    )


def _idle_table(idle_figures: Sequence[IdleFigures]) -> str:
    return table(
        ("Mails in the mailbox", "Product idle: CPU, s", "in, s", "Idle poll: bytes", "CPU, ms"),
        (
            (f"{item.mailbox:,}", item.product_cpu, item.product_seconds, item.poll_bytes, item.poll_cpu * 1000)
            for item in idle_figures
        ),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the pipeline only, without hard mails and idleness")
    parser.add_argument("--mails", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    require_servers()
    logs.configure("warning", "lines")
    try:
        figures = measure(options.mails, options.rounds, quick=options.quick)
    except RuntimeError as exc:  # the product did not get there: its last lines tell why
        say(f"not measured: {exc}")
        return 1
    found = bars(figures)
    text = page(figures, found)
    sys.stdout.write(text + "\n")
    if not options.quick and (options.mails, options.rounds) == (1000, 3):
        say(f"written: {report.write('benchmarks.md', text).name}")
    missed = [bar for bar in found if bar.passed is False]
    for bar in missed:
        say(f"missed: bar {bar.number}, {bar.what}: {report.number(bar.measured or 0)} {bar.unit}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
