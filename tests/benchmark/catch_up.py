"""Large mailboxes: catching up with a backlog in bounded memory, what waiting costs, and how soon new mail is seen.

Run alone: `python -m tests.benchmark.reliability catch_up`.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.benchmark.endstate import EndState, end_state
from tests.benchmark.idle import CountingProxy, IdleFigures, idle
from tests.benchmark.mails import ADDRESS, make_mails, ordinary
from tests.benchmark.pipeline import all_done
from tests.benchmark.report import Bar, bar_table, table
from tests.benchmark.rig import ProductProcess, Rig, Space, require_servers, say

_BACKLOGS = (1_000, 10_000)
_OLD_MAILS = 50_000
_ARRIVALS = 50
_LARGE_BYTES = 26_000_000
_START_SECONDS, _WORK_SECONDS, _ONE_SECONDS = 120.0, 1_200.0, 60.0
_QUIET_SECONDS, _QUIET_POLL_SECONDS = 30.0, 5.0
_LOOK_SECONDS, _SAMPLE_SECONDS = 0.004, 0.2
_MB = 1e6


@dataclass(frozen=True, slots=True)
class CatchUp:
    """One backlog, from the first poll until every mail has its outcome, its flags and its acknowledgement."""

    mails: int
    seconds: float
    peak_memory: int  # bytes of all its processes, without mapped files
    end: EndState


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Seconds from the APPEND of one new mail until its case, and until its acknowledgement at the SMTP server."""

    to_case: list[float]
    from_word: list[float]  # from the moment the server said EXISTS until the case
    to_acknowledgement: list[float]
    quiet_bytes: float  # per poll, IDLE included, both directions
    quiet_polls: int
    connections: int


@dataclass(frozen=True, slots=True)
class LargeMail:
    """What one mail of 26 MB took; the limit is `mailbox.max_mail_bytes`."""

    limit: int
    size: int
    seconds: float
    extra_memory: int
    outcome: str


def catch_up(rig: Rig, count: int) -> CatchUp:
    """The mails lie in the mailbox before the product starts."""
    mails = make_mails(count)
    with rig.space() as space:
        space.deliver(mail.raw for mail in mails)
        with space.product() as product:
            began = product.wait_until(space.is_connected, seconds=_START_SECONDS, what="the first poll")
            most, looked_at = 0, 0.0

            def done() -> bool:
                nonlocal most, looked_at
                if time.monotonic() - looked_at > _SAMPLE_SECONDS:
                    most, looked_at = max(most, product.own_memory()), time.monotonic()
                return all_done(space, count)

            ended = product.wait_until(done, seconds=_WORK_SECONDS, what="the backlog is done")
            product.end()
        return CatchUp(count, ended - began, most, end_state(space, mails))


def arrivals(rig: Rig) -> Arrivals:
    """New mail, one by one, into an idle product that would not poll for a minute."""
    told: list[float] = []

    def listen(data: bytes) -> None:
        if b" EXISTS\r\n" in data:
            told.append(time.monotonic())

    with (
        CountingProxy(rig.dovecot.host, rig.dovecot.port, on_data=listen) as proxy,
        rig.space(poll_seconds=60.0, imap_port=proxy.port) as space,
        space.product() as product,
    ):
        _wait_for(product, space.is_connected, "the first poll", _START_SECONDS)
        client = rig.dovecot.client(space.username)
        client.append("INBOX", ordinary(0).raw)  # the first one pays for what is loaded late
        _wait_for(product, functools.partial(_has_accepted, space, 1), "the first acknowledgement left")
        product_told = Arrivals([], [], [], *_quiet(rig), 0)
        for number in range(1, _ARRIVALS + 1):
            time.sleep(0.2)  # what follows a case (flags, IDLE anew) is over: the product is idle again
            told.clear()
            put = time.monotonic()
            client.append("INBOX", ordinary(number).raw)
            seen = _seconds_until(space, product, number + 1)
            _wait_for(product, functools.partial(_has_accepted, space, number + 1), "its acknowledgement left")
            product_told.to_case.append(seen - put)
            product_told.from_word.append(seen - told[0] if told else 0.0)
            product_told.to_acknowledgement.append(max(mail.at for mail in space.sink.accepted()) - put)
        client.logout()
        product.end()
        return replace(product_told, connections=proxy.connections)


def _quiet(rig: Rig) -> tuple[float, int]:
    """(bytes per poll, polls) of an idle product that waits in IDLE between its polls."""
    with (
        CountingProxy(rig.dovecot.host, rig.dovecot.port) as proxy,
        rig.space(poll_seconds=_QUIET_POLL_SECONDS, imap_port=proxy.port) as space,
        space.product() as product,
    ):
        _wait_for(product, space.is_connected, "the first poll", _START_SECONDS)
        time.sleep(3 * _QUIET_POLL_SECONDS)  # the first poll compares everything
        before = proxy.passed
        time.sleep(_QUIET_SECONDS)
        passed = proxy.passed - before
        product.end()
    polls = int(_QUIET_SECONDS / _QUIET_POLL_SECONDS)
    return passed / polls, polls


def large_mail(rig: Rig, limit: int) -> LargeMail:
    """One mail of 26 MB into an idle product that has handled an ordinary one."""
    raw = _large()
    with rig.space() as made:
        space = replace(made, environment={**made.environment, "TRIAGE_MAILBOX__MAX_MAIL_BYTES": str(limit)})
        with space.product() as product:
            space.deliver([ordinary(1).raw])
            _wait_for(product, lambda: space.progress().finished == 1, "an ordinary mail is done", _START_SECONDS)
            time.sleep(2)
            product.forget_peak()
            before = product.rss()
            space.deliver([raw])
            put = time.monotonic()
            ended = _seconds_until(space, product, 2)
            extra = product.peak_rss() - before
            product.end()
        outcome = "quarantined" if space.progress().quarantined else "case"
    return LargeMail(limit, len(raw), ended - put, max(0, extra), outcome)


def _large() -> bytes:
    head = (
        "Message-ID: <groot@kpn.example>\r\nFrom: Ria <ria@kpn.example>\r\n"
        f"To: {ADDRESS}\r\nSubject: Brief van de gemeente\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=grens\r\n\r\n--grens\r\nContent-Type: text/plain\r\n\r\n"
        "Goedemiddag, in de bijlage staat de brief over de huishoudelijke hulp. Wie kan mij helpen?\r\n"
        '--grens\r\nContent-Type: application/pdf; name="brief.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    ).encode()
    line = b"JVBERi0xLjQKJeLjz9MKMyAwIG9iago8PC9UeXBlL1BhZ2UvUGFyZW50IDIgMCBSL1Jlc291cmNl\r\n"
    return head + line * ((_LARGE_BYTES - len(head)) // len(line)) + b"--grens--\r\n"


def _seconds_until(space: Space, product: ProductProcess, finished: int) -> float:
    """`time.monotonic()` of the moment that so many mails have their outcome."""
    return _wait_for(product, lambda: space.progress().finished >= finished, f"mail {finished} is a case")


def _has_accepted(space: Space, count: int) -> bool:
    return len(space.sink.accepted()) >= count


def _wait_for(product: ProductProcess, done: object, what: str, seconds: float = _ONE_SECONDS) -> float:
    until = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        if not product.runs() or time.monotonic() > until:
            raise RuntimeError(f"not reached: {what}\n{product.last_lines()}")
        time.sleep(_LOOK_SECONDS)
    return time.monotonic()


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def bars(runs: Mapping[int, CatchUp], quiet: IdleFigures, soon: Arrivals, large: list[LargeMail]) -> list[Bar]:
    small, big = (runs[count] for count in _BACKLOGS)
    wrong = sum(run.end.lost + run.end.cases_twice + run.end.acknowledged_twice for run in runs.values())
    return [
        Bar(
            "3",
            f"peak memory at {_BACKLOGS[1]:,} mails against {_BACKLOGS[0]:,}",
            big.peak_memory / small.peak_memory,
            1.3,
            "×",
        ),
        Bar(
            "3",
            f"time per mail at {_BACKLOGS[1]:,} against {_BACKLOGS[0]:,}",
            (big.seconds / big.mails) / (small.seconds / small.mails),
            1.25,
            "×",
        ),
        Bar("-", "mails lost, cases twice, acknowledgements twice", float(wrong), 0, ""),
        Bar("-", "mails unaccounted for", float(sum(run.end.unaccounted for run in runs.values())), 0, ""),
        Bar("6", f"CPU of an idle poll, {_OLD_MAILS:,} old mails", quiet.poll_cpu * 1_000, 5, "ms"),
        Bar("6", f"bytes of an idle poll, {_OLD_MAILS:,} old mails", quiet.poll_bytes, 2_000, "bytes"),
        Bar("6", "bytes of an idle poll, IDLE between the polls", soon.quiet_bytes, 2_000, "bytes"),
        Bar("6", "CPU of the whole product, idle for 60 s", quiet.product_cpu / quiet.product_seconds * 60, 0.6, "s"),
        Bar("7", f"new mail to case with IDLE, p95 of {_ARRIVALS}", p95(soon.to_case), 0.5, "s"),
        Bar("7", "of that, from the server's word to the case, p95", p95(soon.from_word), 0.5, "s"),
        Bar("7", f"new mail to acknowledgement with IDLE, p95 of {_ARRIVALS}", p95(soon.to_acknowledgement), 1.0, "s"),
        *(
            Bar(
                "10",
                f"extra memory for a mail of {one.size / _MB:.0f} MB, limit {one.limit / _MB:.0f} MB",
                one.extra_memory / _MB,
                10 * one.size / _MB + 100,
                "MB",
            )
            for one in large
        ),
    ]


def section() -> str:
    """Measures all of it, once each; some minutes."""
    require_servers()
    with Rig() as rig:
        runs = {}
        for count in _BACKLOGS:
            say(f"catch-up of {count:,} mails")
            runs[count] = catch_up(rig, count)
        say("new mail into an idle product")
        soon = arrivals(rig)
        say("a mail of 26 MB")
        large = [large_mail(rig, limit) for limit in (10_000_000, 40_000_000)]
        say(f"idle beside {_OLD_MAILS:,} old mails")
        (quiet,) = idle(rig, [_OLD_MAILS])
    return page(runs, quiet, soon, large)


def page(runs: Mapping[int, CatchUp], quiet: IdleFigures, soon: Arrivals, large: list[LargeMail]) -> str:
    backlog = table(
        ("Backlog", "Seconds", "Mails/s", "Peak memory, MB", "Cases", "Acknowledged", "Lost or twice"),
        (
            (
                run.mails,
                run.seconds,
                run.mails / run.seconds,
                run.peak_memory / _MB,
                run.end.cases,
                run.end.acknowledged,
                run.end.lost + run.end.cases_twice + run.end.acknowledged_twice,
            )
            for run in runs.values()
        ),
    )
    latency = table(
        ("One new mail, IDLE, next poll a minute away", "Median, s", "p95, s", "Most, s"),
        (
            (name, statistics.median(values), p95(values), max(values))
            for name, values in (
                ("to its case", soon.to_case),
                ("from the server's EXISTS to its case", soon.from_word),
                ("to its acknowledgement", soon.to_acknowledgement),
            )
        ),
    )
    sizes = table(
        ("A mail of, MB", "`max_mail_bytes`, MB", "Taken in", "Seconds", "Extra memory, MB"),
        (
            (
                one.size / _MB,
                one.limit / _MB,
                ("whole" if one.size <= one.limit else "headers and text") + f", {one.outcome}",
                one.seconds,
                one.extra_memory / _MB,
            )
            for one in large
        ),
    )
    idle_words = (
        f"Idle beside {_OLD_MAILS:,} known mails: {quiet.poll_bytes:.0f} bytes and {quiet.poll_cpu * 1_000:.2f} ms of "
        f"CPU a poll; the whole product {quiet.product_cpu:.2f} s of CPU in {quiet.product_seconds:.0f} s. With IDLE "
        f"between the polls: {soon.quiet_bytes:.0f} bytes a poll. All {_ARRIVALS + 1} new mails came over "
        f"{soon.connections} connection{'s' if soon.connections != 1 else ''}. Dovecot waits half a second before "
        "it tells of a change in IDLE, to gather more of them; the second row of the table leaves that out."
    )
    return "\n\n".join([bar_table(bars(runs, quiet, soon, large)), backlog, latency, idle_words, sizes])
