"""Reading mails of an open folder by UID: sizes first, then bodies in batches, large ones in part.

Every body is read with PEEK: nothing here sets \\Seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from triage.adapters.imap_connection import Folder, is_refusal
from triage.adapters.imap_login import TEMPORARY
from triage.adapters.imap_oversized import TEXT_LIMIT, find_text_part, is_report, join_text_part, without_text
from triage.adapters.mail_server import response_code
from triage.core.mail import TRIAGED, FetchedMail, UidRef
from triage.logs import get_logger

UIDS_PER_COMMAND = 500  # keeps a command line below 8 kB (RFC 9051 §4)
_BATCH_BYTES, _BATCH_MAILS = 8_000_000, 50
_UNREADABLE_STRUCTURE = (IMAPClientError, RecursionError, TypeError, ValueError, LookupError, AttributeError)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Facts:
    size: int
    internal_date: datetime
    answered: bool
    triaged: bool


class MailReader:
    """Reads from the folder that `opened(doing)` opens: (client, folder), under the UIDVALIDITY the caller means."""

    def __init__(
        self, opened: Callable[[str], AbstractContextManager[tuple[Any, Folder]]], *, max_mail_bytes: int
    ) -> None:
        self._opened, self._max_mail_bytes = opened, max_mail_bytes

    def fetch(self, uids: Sequence[int]) -> Iterator[FetchedMail]:
        """The mails that still exist, by ascending UID. Sizes come first, then bodies in batches of at most
        50 mails and 8 MB (one mail may be larger, up to the configured limit)."""
        delivered = 0
        for block in blocks(sorted(set(uids)), UIDS_PER_COMMAND):
            facts = self._facts(block)
            for batch in self._batches(facts):
                for mail in self._mails(batch, facts, store_answers=delivered > 0):
                    delivered += 1
                    yield mail

    def _facts(self, uids: Sequence[int]) -> dict[int, _Facts]:
        with self._opened("asking the sizes") as (client, _):
            told = client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE", "FLAGS"])
        facts: dict[int, _Facts] = {}
        for uid in uids:
            item = told.get(uid, {})
            if b"RFC822.SIZE" not in item:
                continue  # expunged since, or an unasked FETCH for another mail
            flags = {flag.lower() for flag in item.get(b"FLAGS") or () if isinstance(flag, bytes)}
            facts[uid] = _Facts(
                int(item[b"RFC822.SIZE"] or 0),
                _aware(item.get(b"INTERNALDATE"), uid),
                answered=b"\\answered" in flags,
                triaged=TRIAGED.lower().encode() in flags,
            )
        return facts

    def _batches(self, facts: Mapping[int, _Facts]) -> Iterator[list[int]]:
        batch: list[int] = []
        total = 0
        for uid, fact in facts.items():
            oversized = fact.size > self._max_mail_bytes
            if batch and (oversized or total + fact.size > _BATCH_BYTES or len(batch) == _BATCH_MAILS):
                yield batch
                batch, total = [], 0
            if oversized:
                yield [uid]
                continue
            batch.append(uid)
            total += fact.size
        if batch:
            yield batch

    def _mails(self, uids: Sequence[int], facts: Mapping[int, _Facts], *, store_answers: bool) -> list[FetchedMail]:
        """Whole mails of one batch, or one mail above the limit."""
        if facts[uids[0]].size > self._max_mail_bytes:
            mail = self._in_part(uids[0], facts[uids[0]])
            return [mail] if mail else []
        mails, refused = self._whole(uids, facts)
        if len(uids) > 1:  # one bad mail must not stop the others: ask again one by one
            alone, refused = refused, []
            for uid in alone:
                found, missing = self._whole([uid], facts)
                mails.update(found)
                refused.extend(missing)
        for uid in refused:
            mail = self._in_part(uid, facts[uid], refused=True, store_answers=store_answers or bool(mails))
            if mail:
                mails[uid] = mail
        return [mails[uid] for uid in sorted(mails)]

    def _whole(self, uids: Sequence[int], facts: Mapping[int, _Facts]) -> tuple[dict[int, FetchedMail], list[int]]:
        """(mails by UID, UIDs that exist but were not given)."""
        with self._opened("fetching mails") as (client, folder):
            try:
                told = client.fetch(uids, ["BODY.PEEK[]"])
            except IMAPClientError as exc:
                if not is_refusal(exc) or response_code(str(exc)) in TEMPORARY:
                    raise
                told = {}
            bodies = {uid: told.get(uid, {}).get(b"BODY[]") for uid in uids}
            missing = [uid for uid, raw in bodies.items() if not isinstance(raw, bytes)]
            if missing:  # expunged meanwhile (RFC 9051 §7.5.1), or the server cannot read one of them
                missing = sorted(client.search(["UID", ",".join(map(str, missing))]))
        return {
            uid: FetchedMail(
                UidRef(folder.uidvalidity, uid),
                facts[uid].internal_date,
                facts[uid].size,
                raw,
                answered=facts[uid].answered,
                triaged=facts[uid].triaged,
            )
            for uid, raw in bodies.items()
            if isinstance(raw, bytes)
        }, missing

    def _in_part(
        self, uid: int, fact: _Facts, *, refused: bool = False, store_answers: bool = False
    ) -> FetchedMail | None:
        """A mail by its headers and text part; None when it is gone.

        With `refused` the server would not give it whole. When it gives nothing of it, the mail is handed over
        empty, so that people see it and the next ones go on; but only if the server does give other mails
        (`store_answers`), since otherwise the trouble is not this mail's."""
        with self._opened("fetching a large mail") as (client, folder):
            try:
                raw = self._header_and_text(client, uid)
            except IMAPClientError as exc:
                if not is_refusal(exc):
                    raise
                if not client.search(["UID", str(uid)]):
                    return None
                if not (refused and store_answers):
                    raise
                get_logger().error("mail_not_given_by_server", uid=uid, size=fact.size)
                raw = b""
            if raw is None:
                return None
            ref = UidRef(folder.uidvalidity, uid)
            return FetchedMail(ref, fact.internal_date, fact.size, raw, False, fact.answered, fact.triaged)

    @staticmethod
    def _header_and_text(client: Any, uid: int) -> bytes | None:
        try:
            told = client.fetch([uid], ["BODY.PEEK[HEADER]", "BODYSTRUCTURE"]).get(uid, {})
            structure = told.get(b"BODYSTRUCTURE")
            part = find_text_part(structure) if structure is not None else None
            report = structure is not None and is_report(structure)
        except _UNREADABLE_STRUCTURE as exc:
            if is_refusal(exc) or isinstance(exc, IMAPClientAbortError):
                raise
            structure = None  # the answer was read to its end, only its sense is lost
        if structure is None:
            told = client.fetch([uid], ["BODY.PEEK[HEADER]"]).get(uid, {})
        header = told.get(b"BODY[HEADER]")
        if not isinstance(header, bytes):
            return None
        if structure is None or report:
            body = client.fetch([uid], [f"BODY.PEEK[TEXT]<0.{TEXT_LIMIT}>"]).get(uid, {})
            return join_text_part(header, b"", body.get(b"BODY[TEXT]<0>") or b"")
        if part is None:
            return without_text(header)
        if not part.section:
            body = client.fetch([uid], [f"BODY.PEEK[TEXT]<0.{TEXT_LIMIT}>"]).get(uid, {})
            return join_text_part(header, b"", body.get(b"BODY[TEXT]<0>") or b"")
        wanted = [f"BODY.PEEK[{part.section}.MIME]", f"BODY.PEEK[{part.section}]<0.{TEXT_LIMIT}>"]
        body = client.fetch([uid], wanted).get(uid, {})
        part_header = body.get(f"BODY[{part.section}.MIME]".encode()) or f"Content-Type: text/{part.subtype}".encode()
        return join_text_part(header, part_header, body.get(f"BODY[{part.section}]<0>".encode()) or b"")


def _aware(moment: object, uid: int) -> datetime:
    """The arrival as aware UTC. A server that gives no usable INTERNALDATE breaks RFC 9051 §2.3.3: then the term
    counts from now, the latest moment it can have been."""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        return moment.astimezone(UTC)
    get_logger().warning("internal_date_missing", uid=uid)
    return datetime.now(UTC)


def blocks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
