"""`inspect`: what the product makes of mail files, with no database and no network."""

from __future__ import annotations

import mailbox
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from triage.bootstrap import reader_for
from triage.commands.output import json_line, say, show
from triage.core.assess import judged_text
from triage.services.reading import Reader, Reading, Unread
from triage.settings import load_settings

_BATCH = 50
_BATCH_BYTES = 200_000  # large mails are read one by one: fifty of them would fill the memory
_MAX_BYTES = 100_000_000
_CUT = "not_read_whole"
Found = tuple[str, int, bytes | OSError]


def find_messages(paths: Sequence[str]) -> Iterator[Found]:
    """(path, index, bytes or the error) of every message, folders recursively and sorted."""
    for argument in paths:
        if argument == "-":
            yield "-", 0, _limited(sys.stdin.buffer)
            continue
        path = Path(argument)
        if not path.is_dir():
            yield from _file(path)
            continue
        try:
            inside = sorted(item for item in path.rglob("*") if item.is_file())
        except OSError as exc:
            yield str(path), 0, exc
            continue
        for item in inside:
            if item.suffix.lower() in (".eml", ".mbox") or item.parent.name in ("cur", "new"):
                yield from _file(item)


def _file(path: Path) -> Iterator[Found]:
    try:
        if path.suffix.lower() == ".mbox":
            box = mailbox.mbox(path, create=False)
            try:
                for index, key in enumerate(box.keys()):
                    yield str(path), index, box.get_bytes(key)[: _MAX_BYTES + 1]
            finally:
                box.close()
        else:
            with path.open("rb") as file:
                yield str(path), 0, _limited(file)
    except (OSError, mailbox.Error) as exc:
        yield str(path), 0, exc if isinstance(exc, OSError) else OSError(0, "not found or not a mailbox")


def _limited(file: BinaryIO) -> bytes:
    """The first 100 MB and a byte, which tells that there was more; nothing larger gets through a mail server."""
    return file.read(_MAX_BYTES + 1)


def describe(path: str, index: int, reading: Reading) -> dict[str, Any]:
    """The JSON object of one message (`product.md` section 9)."""
    mail, screening, assessment = reading.mail, reading.screening, reading.assessment
    text = assessment.judged_text or judged_text(mail)
    return {
        "path": path,
        "index": index,
        "message_id": mail.message_id,
        "subject": mail.subject,
        "from_address": mail.from_addresses[0].address if mail.from_addresses else None,
        "reply_to": [item.address for item in mail.reply_to],
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "new_text": mail.new_text,
        "attachments": [
            {"filename": item.filename, "content_type": item.content_type, "size": item.size}
            for item in mail.attachments
        ],
        "defects": list(mail.defects),
        "kind": screening.kind,
        "acknowledge": screening.may_acknowledge,
        "no_reply_reasons": list(screening.reasons),
        "laws": list(assessment.laws),
        "laws_unclear": assessment.laws_unclear,
        "law_probabilities": {law: round(p, 6) for law, p in assessment.law_probabilities.items()},
        "urgency": assessment.urgency,
        "urgency_band": assessment.band,
        "urgency_probabilities": {head: round(p, 6) for head, p in assessment.urgency_probabilities.items()},
        "danger": assessment.danger,
        "sender_type": assessment.sender_type,
        "topics": list(assessment.topics),
        "language": assessment.language,
        "evidence": [
            {
                "head": item.head,
                "source": item.source,
                "start": item.span.start,
                "end": item.span.end,
                "text": text[item.span.start : item.span.end],
                "weight": round(item.weight, 6),
                "rule_id": item.rule_id,
                "softened_by": list(item.softened_by),
                "support": item.support,
            }
            for item in assessment.evidence
        ],
        "model": assessment.model,
    }


def inspect(paths: Sequence[str], *, as_json: bool) -> int:
    """Prints one object or short block per message; exit 1 at the end when a file could not be read."""
    reader = reader_for(load_settings())
    failed = False
    batch: list[Found] = []
    size = 0
    for found in find_messages(paths):
        batch.append(found)
        size += len(found[2]) if isinstance(found[2], bytes) else 0
        if len(batch) == _BATCH or size > _BATCH_BYTES:
            failed = _show(reader, batch, as_json) or failed
            batch, size = [], 0
        del found  # not held while the next is read
    return 1 if _show(reader, batch, as_json) or failed else 0


def _show(reader: Reader, batch: Sequence[Found], as_json: bool) -> bool:
    failed = False
    readings = iter(reader.read([raw for _, _, raw in batch if isinstance(raw, bytes)]))
    for path, index, raw in batch:
        if isinstance(raw, OSError):
            result: dict[str, Any] = {"path": path, "error": f"cannot be read: {raw.strerror or type(raw).__name__}"}
        else:
            reading = next(readings)
            if isinstance(reading, Unread):
                result = {"path": path, "index": index, "error": f"cannot be assessed: {reading.error}"}
            else:
                result = describe(path, index, reading)
                if len(raw) > _MAX_BYTES:
                    result["defects"].append(_CUT)
        failed = failed or "error" in result
        if as_json:
            json_line(result)
        elif "error" in result:
            say(f"error: {path}: {result['error']}")
        else:
            show(_in_words(result))
    return failed


def _in_words(result: dict[str, Any]) -> str:
    words = "; ".join(
        f"{item['rule_id'] or item['source']} {item['head']}: “{item['text']}”" for item in result["evidence"][:6]
    )
    return (
        f"{result['path']}[{result['index']}]\n"
        f"  kind      {result['kind']}\n"
        f"  laws      {', '.join(result['laws']) or 'none'}{' (unclear)' if result['laws_unclear'] else ''}\n"
        f"  urgency   {result['urgency_band']} ({result['urgency']}){', DANGER' if result['danger'] else ''}\n"
        f"  answer    {'may be acknowledged' if result['acknowledge'] else 'no machine answer: '}"
        f"{', '.join(result['no_reply_reasons'])}\n"
        f"  topics    {', '.join(result['topics']) or '-'}\n"
        f"  sender    {result['sender_type']}; language {result['language']}\n"
        f"  defects   {', '.join(result['defects']) or '-'}\n"
        f"  evidence  {words or '-'}\n"
    )
