"""`make promises`: are the promises about time kept? Writes docs/promises.md.

The terms beside an oracle for every hour of thirty years; a simulated year of the helpdesk with real services; and on
the real thing, with servers and processes, the time from the arrival of a mail to its acknowledgement. The chapter on
what falls short is written by hand and kept.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from datetime import time as hour

from tests.benchmark import report
from tests.benchmark.mails import ordinary
from tests.benchmark.report import Bar, bar_table, table
from tests.benchmark.rig import Rig, require_servers, say
from tests.oracle import OracleCalendar
from tests.terms import differences, hours_of_years
from tests.year.plans import WHOLE_YEAR
from tests.year.world import Lived, live
from triage import logs
from triage.core.sla import SlaRules
from triage.core.workdays import WorkCalendar
from triage.settings import load_settings

_HAND = "<!-- by hand -->"
_SHOWN = 10
_MAILS = 50
_START_SECONDS, _LAST_SECONDS = 60.0, 60.0
_CLOSED = frozenset({date(2026, 11, 24), date(2027, 5, 7), date(2027, 12, 24), date(2027, 12, 27), date(2028, 4, 26)})


@dataclass(frozen=True)
class Compared:
    """One calendar for every hour of thirty years."""

    calendar: str
    checked: int
    differences: list[str]
    seconds: float


@dataclass(frozen=True)
class Arrival:
    """Seconds from the APPEND of a mail to its acknowledgement at the SMTP server."""

    what: str
    poll_seconds: float
    seconds: list[float]

    def quantile(self, share: float) -> float:
        return statistics.quantiles(self.seconds, n=100)[round(share * 100) - 1]


def main() -> int:
    require_servers()
    logs.configure("critical")  # what breaks down in the simulated year is meant to
    say("terms beside the oracle, every hour of thirty years")
    terms = compare_terms()
    say("a simulated year")
    year = live(WHOLE_YEAR)
    say("from arrival to acknowledgement")
    with Rig() as rig:
        default = load_settings().mailbox.poll_seconds
        arrivals = [
            arrive(rig, "IDLE, poll as by default", default, idle=True),
            arrive(rig, "no IDLE", 5.0, idle=False),
        ]
    path = report.DOCS / "promises.md"
    by_hand = path.read_text(encoding="utf-8").partition(_HAND)[2] if path.exists() else ""
    print("written:", report.write(path.name, page(terms, year, arrivals) + f"\n\n{_HAND}{by_hand}"))
    return 0


def page(terms: Sequence[Compared], year: Lived, arrivals: Sequence[Arrival]) -> str:
    return "\n\n".join(
        [
            "# Promises",
            "Written by `make promises`; only the last chapter is written by hand. Days, terms and clocks are worked "
            "out twice: by the product, and by `tests/oracle.py`, which shares no code with it and walks from day to "
            f"day. {report.measured_on()}",
            "## Bars\n\n" + bar_table(bars(terms, year, arrivals)),
            terms_chapter(terms),
            year_chapter(year),
            alerts_chapter(year),
            arrivals_chapter(arrivals),
        ]
    )


def bars(terms: Sequence[Compared], year: Lived, arrivals: Sequence[Arrival]) -> list[Bar]:
    alerts = year.alerts
    counted = (
        ("terms that differ from the oracle", sum(len(one.differences) for one in terms)),
        ("cases whose stored clocks differ from the oracle, in the year", len(year.clock_differences)),
        ("acknowledgements that name another day", len(year.promise_differences)),
        ("cases without one acknowledgement or a reason", len(year.acknowledgement_differences)),
        ("mails and acts that went otherwise", len(year.other_differences)),
        ("alerts missing", len(alerts.missing)),
        ("alerts told twice", len(alerts.twice)),
        ("alerts nobody should get", len(alerts.unexpected)),
        ("alerts written outside the service hours", len(alerts.outside_hours)),
    )
    return [
        *(Bar("", what, float(count), 0, "") for what, count in counted),
        *(
            Bar("", f"arrival to acknowledgement, p95, {one.what}", one.quantile(0.95), one.poll_seconds + 1, "s")
            for one in arrivals
        ),
    ]


# ---------------------------------------------------------------- terms


def compare_terms() -> list[Compared]:
    closing = dict.fromkeys(_CLOSED, "gesloten")
    calendars = (
        ("default", WorkCalendar(), OracleCalendar()),
        (
            "Good Friday and every 5 May free",
            WorkCalendar(good_friday_free=True, liberation_day="always"),
            OracleCalendar(good_friday_free=True, fifth_of_may="always"),
        ),
        (
            "5 May never free, closing days, the day ends 12:30",
            WorkCalendar(hour(12, 30), liberation_day="never", closing_days=closing),
            OracleCalendar(hour(12, 30), fifth_of_may="never", closing_days=_CLOSED),
        ),
        (
            "Good Friday free, closing days, the day ends 23:59",
            WorkCalendar(hour(23, 59), good_friday_free=True, closing_days=closing),
            OracleCalendar(hour(23, 59), good_friday_free=True, closing_days=_CLOSED),
        ),
    )
    compared = []
    for name, calendar, oracle in calendars:
        began, moments = time.monotonic(), list(hours_of_years(2020, 2050))
        found = differences(moments, SlaRules(calendar), oracle)
        compared.append(Compared(name, len(moments), found, time.monotonic() - began))
    return compared


def terms_chapter(terms: Sequence[Compared]) -> str:
    rows = ((one.calendar, one.checked, len(one.differences), one.seconds) for one in terms)
    return "\n\n".join(
        [
            "## Thirty years",
            "Every hour of 2020 to 2049 as the arrival of an urgent and of an ordinary mail: both due moments, and the "
            "moment at which the answer comes at risk.",
            table(("Calendar", "Arrivals", "Differences", "Seconds"), rows),
            *(_lines(f"Differences, {one.calendar}", one.differences) for one in terms),
        ]
    ).strip()


# ---------------------------------------------------------------- the year


def year_chapter(year: Lived) -> str:
    plan = WHOLE_YEAR
    outages = ", ".join(f"{one.what} {one.begins:%d %b %H:%M} to {one.ends:%d %b %H:%M}" for one in plan.outages)
    return "\n\n".join(
        part
        for part in (
            "## A simulated year",
            f"{plan.first:%d %B %Y} to {plan.last:%d %B %Y}, seed {plan.seed}, in {year.seconds:.0f} seconds: intake, "
            "relay, watch, casework and approval on a real SQLite store; clock, mailbox, mail server and people in "
            f"memory (`tests/year`). {len(plan.closing_days)} closing days; down: {outages}.",
            table(("Event", "Number"), sorted(year.events.items(), key=lambda item: -item[1])),
            f"{year.mails:,} mails, {year.cases:,} cases. Stored clocks compared after an event of their case: "
            f"{year.compared:,} times. {year.promises:,} acknowledgements were read as they reached the mail server: "
            "the day in words, and for urgent questions alone the day of taking up. "
            f"{year.acknowledged:,} cases were acknowledged, {year.withheld:,} have a reason why not.",
            _lines("Clocks that differ", year.clock_differences),
            _lines("Acknowledgements that name another day", year.promise_differences),
            _lines("Cases without one acknowledgement or a reason", year.acknowledgement_differences),
            _lines("What went otherwise", year.other_differences),
        )
        if part
    )


def alerts_chapter(year: Lived) -> str:
    alerts = year.alerts
    lists = (alerts.missing, alerts.twice, alerts.unexpected, alerts.outside_hours)
    kinds = sorted(set(alerts.due) | set(alerts.told))
    rows = [
        (kind, alerts.due[kind], alerts.told[kind], *(sum(line.split()[0] == kind for line in one) for one in lists))
        for kind in kinds
    ]
    return "\n\n".join(
        part
        for part in (
            "## Alerts of that year",
            "Counted per case and clock, by the Date of the mail. Danger and mailbox alarms may come at any hour; the "
            "rest must come at the first look inside the service hours at which it still holds, once.",
            table(("Kind", "Due", "Told", "Missing", "Twice", "Not due", "Outside the hours"), rows),
            *(
                _lines(f"{name}, {kind}", [line for line in lines if line.split()[0] == kind])
                for name, lines in zip(("Missing", "Twice", "Not due", "Outside the hours"), lists, strict=True)
                for kind in kinds
            ),
        )
        if part
    )


def _lines(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    more = [f"- and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
    return "\n".join([f"{title}:\n", *(f"- {line}" for line in lines[:_SHOWN]), *more])


# ---------------------------------------------------------------- arrival to acknowledgement


def arrive(rig: Rig, what: str, poll_seconds: float, *, idle: bool) -> Arrival:
    """Mails one by one, at moments that do not keep step with the polls."""
    draw, put = random.Random(_MAILS), {}
    with rig.space(poll_seconds=poll_seconds) as fresh:
        space = replace(fresh, environment={**fresh.environment, "TRIAGE_MAILBOX__IDLE": str(idle).lower()})
        with space.product() as product:
            product.wait_until(space.is_connected, seconds=_START_SECONDS, what="the first poll")
            client = rig.dovecot.client(space.username)
            for number in range(_MAILS + 1):
                mail = ordinary(number)
                put[mail.message_id] = time.monotonic()
                client.append("INBOX", mail.raw)
                if number == 0:  # the first one pays for what is loaded late
                    product.wait_until(space.sink.accepted, seconds=_START_SECONDS, what="the first acknowledgement")
                    del put[mail.message_id]
                time.sleep(draw.uniform(0.5, 3.0))
            product.wait_until(
                lambda: len(space.sink.accepted()) > _MAILS, seconds=_LAST_SECONDS, what="all are acknowledged"
            )
            client.logout()
            product.end()
        accepted = {mail.in_reply_to: mail.at for mail in space.sink.accepted()}
    return Arrival(what, poll_seconds, [accepted[message_id] - at for message_id, at in put.items()])


def arrivals_chapter(arrivals: Sequence[Arrival]) -> str:
    rows = (
        (one.what, one.poll_seconds, len(one.seconds), one.quantile(0.5), one.quantile(0.95), max(one.seconds))
        for one in arrivals
    )
    return "\n\n".join(
        [
            "## From arrival to acknowledgement",
            "`serve` as a process against Dovecot and an SMTP server; from the APPEND of a mail until the SMTP server "
            "accepted its acknowledgement. Seconds.",
            table(("Setting", "Poll, s", "Mails", "p50", "p95", "Longest"), rows),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
