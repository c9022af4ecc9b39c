"""The pipeline's stages, each measured alone on the same mails, with the product's own parts in this process."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.benchmark.rig import Space
from triage.bootstrap import Product, build
from triage.core.assess import assess, judged_text, needs_verdict
from triage.core.assessment import Verdict
from triage.core.automated import screen
from triage.core.language import detect_language
from triage.core.mail import FetchedMail, ParsedMail, Screening, UidRef
from triage.core.parse import parse_mail
from triage.services.intake import TRIAGED
from triage.services.reading import Reading

_BATCH = 50
_FLAG_BATCH = 200


def raw_fetch(space: Space) -> float:
    """Seconds to read all mails from the server with nothing done to them: one command, bytes thrown away."""
    client = imaplib.IMAP4(space.rig.dovecot.host, space.rig.dovecot.port)
    client.login(space.username, space.environment["TRIAGE_MAILBOX__PASSWORD"])
    client.select("INBOX", readonly=True)
    connection: socket.socket = client.socket()
    started = time.perf_counter()
    connection.sendall(b"raw1 UID FETCH 1:* (BODY.PEEK[])\r\n")
    tail = b""
    while b"\r\nraw1 OK" not in tail:
        received = connection.recv(1 << 18)
        if not received:
            raise RuntimeError("the IMAP server ended the connection")
        tail = tail[-100:] + received
    seconds = time.perf_counter() - started
    client.logout()
    return seconds


@dataclass(slots=True)
class StageTime:
    """Seconds on the clock and of CPU (all threads of this process), for all mails."""

    seconds: float = 0.0
    cpu: float = 0.0


def stages(space: Space, expected: int) -> dict[str, StageTime]:
    """Stage → time for all mails of this space, in the order of the pipeline."""
    shutil.rmtree(space.folder / "data", ignore_errors=True)
    with _product(space) as product:
        return _measure(product, expected)


@contextlib.contextmanager
def _product(space: Space) -> Iterator[Product]:
    product = build(space.settings())
    try:
        yield product
    finally:
        product.close()


@contextlib.contextmanager
def _timed(took: dict[str, StageTime], name: str) -> Iterator[None]:
    started, cpu = time.perf_counter(), time.process_time()
    yield
    took[name] = StageTime(time.perf_counter() - started, time.process_time() - cpu)


def _measure(product: Product, expected: int) -> dict[str, StageTime]:
    took: dict[str, StageTime] = {}
    mailbox, store = product.mailbox, product.store
    mailbox.status()  # connected, as the pipeline's clock also starts at the connection

    fetched: list[FetchedMail] = []
    with _timed(took, "fetch"):
        uids = mailbox.uids_above(0)
        for start in range(0, len(uids), _BATCH):
            fetched += mailbox.fetch(uids[start : start + _BATCH])
    if len(fetched) != expected:
        raise RuntimeError(f"{len(fetched)} mails fetched instead of {expected}")

    own = product.settings.own_addresses
    parsed: list[tuple[ParsedMail, Screening]] = []
    with _timed(took, "parse and screen"):
        for item in fetched:
            mail = parse_mail(item.raw)
            parsed.append((mail, screen(mail, own_addresses=own, authserv_id="")))

    readings: list[Reading] = []
    with _timed(took, "assess"):
        for start in range(0, len(parsed), _BATCH):
            readings += _assessed(product, parsed[start : start + _BATCH])

    taking_in = product.intake._taking_in  # the very one that intake uses
    with _timed(took, "store and letters"):
        for start in range(0, len(fetched), _BATCH):
            batch = fetched[start : start + _BATCH]
            with store.begin() as uow:
                uow.note_seen(mailbox.name, [item.ref for item in batch], at=product.clock())
            for item, reading in zip(batch, readings[start : start + _BATCH], strict=True):
                taking_in.take_in(mailbox.name, item, reading)

    asyncio.run(_relay(product, took))

    refs = [item.ref for item in fetched]
    with _timed(took, "flags"):
        for start in range(0, len(refs), _FLAG_BATCH):
            _mark(product, refs[start : start + _FLAG_BATCH])
    return took


async def _relay(product: Product, took: dict[str, StageTime]) -> None:
    try:
        with _timed(took, "relay"):
            report = await product.relay.relay_once()
    finally:
        await product.sender.close()
    if report.unavailable or set(+report.states) - {"sent"}:
        raise RuntimeError(f"sending alone went wrong: {report.unavailable} {dict(report.states)}")


def _assessed(product: Product, parsed: Sequence[tuple[ParsedMail, Screening]]) -> list[Reading]:
    classifier = product.classifier
    to_judge = [i for i, (_, screening) in enumerate(parsed) if needs_verdict(screening)]
    verdicts: dict[int, Verdict] = dict(
        zip(to_judge, classifier.verdicts([judged_text(parsed[i][0]) for i in to_judge]), strict=True)
    )
    return [
        Reading(
            mail,
            screening,
            assess(
                mail,
                screening,
                verdicts.get(i),
                language=detect_language(mail.new_text or mail.text or mail.subject),
                model_languages=classifier.languages,
            ),
        )
        for i, (mail, screening) in enumerate(parsed)
    ]


def _mark(product: Product, refs: Sequence[UidRef]) -> None:
    name, uidvalidity = product.mailbox.name, refs[0].uidvalidity
    with product.store.begin() as uow:
        due = uow.courtesy_due(name, uidvalidity, limit=_FLAG_BATCH)
    product.mailbox.mark([uid for uid, _ in due], keywords=[TRIAGED])
    if urgent := [uid for uid, is_urgent in due if is_urgent]:
        product.mailbox.mark(urgent, flags=["\\Flagged"])
    with product.store.begin() as uow:
        uow.courtesy_done(name, uidvalidity, [uid for uid, _ in due])
