"""Screening on the repository's own cases: who is answered by a machine, and what kind each mail is.

`python -m tests.benchmark.screening` prints the section; `make reliability` puts it in docs/reliability.md.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from tests.benchmark.report import Bar, bar_table, table
from tests.screening_cases import AUTHSERV_ID, OWN, Case, every_case
from triage.core.automated import screen
from triage.core.mail import MessageKind
from triage.core.parse import parse_mail
from triage.core.reports import Delivery, delivery_report
from triage.demo.samples import load, sample_paths

CORPUS = Path(__file__).resolve().parents[2] / "classifiers" / "corpus" / "train"
_CORPUS_KINDS = {
    "question": {MessageKind.QUESTION},
    "follow_up": {MessageKind.QUESTION},
    "auto_reply": {MessageKind.AUTO_REPLY, MessageKind.QUESTION},  # by its words alone a case is the safe reading
    "bounce": {MessageKind.DELIVERY_REPORT},
    "newsletter_or_spam": {MessageKind.LIST_OR_BULK, MessageKind.UNSOLICITED},
}


def corpus_cases() -> Iterator[tuple[Case, set[MessageKind]]]:
    """The labelled texts of the training corpus as plain mails of a person: no header helps."""
    for path in sorted(CORPUS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            message = EmailMessage(policy=SMTP)
            message["From"] = "Vrager <vrager@mensen.example>"
            message["To"] = OWN[0]
            message["Subject"] = " ".join(item["subject"].split())
            message.set_content(item["body"])
            kinds = _CORPUS_KINDS[item["kind"]]
            may = item["kind"] in ("question", "follow_up")
            yield Case(str(item["id"]), message.as_bytes(), None, may=may), kinds


def section() -> str:
    """Counts of wrong answers in both directions, over every case in the repository."""
    started = time.perf_counter()
    own = [(case, {case.kind} if case.kind else set(MessageKind)) for case in every_case()]
    corpus = list(corpus_cases())
    wrong: dict[str, Counter[str]] = {}
    names: list[str] = []
    reports: Counter[str] = Counter()
    for source, cases in (("own cases", own), ("texts of the training corpus, without any header", corpus)):
        counts = wrong.setdefault(source, Counter(may=0, must_not=0, kind=0))
        for case, kinds in cases:
            mail = parse_mail(case.raw)
            result = screen(mail, own_addresses=OWN, authserv_id=AUTHSERV_ID)
            counts["mails"] += 1
            counts["people"] += case.may
            if result.may_acknowledge and not case.may:
                counts["may"] += 1
                names.append(f"answered: {case.name}")
            if case.may and not result.may_acknowledge:
                counts["must_not"] += 1
                names.append(f"not answered: {case.name}")
            counts["kind"] += result.kind not in kinds
            if result.kind is MessageKind.DELIVERY_REPORT:
                reports.update(str(item.delivery) for item in delivery_report(mail).recipients)
    demo = [screen(parse_mail(load(path)), own_addresses=(), authserv_id="") for path in sample_paths()]
    seconds = time.perf_counter() - started
    total = sum((Counter(counts) for counts in wrong.values()), Counter())
    bars = (
        Bar("", "own cases: machines that were answered (false “may acknowledge”)", wrong["own cases"]["may"], 0, ""),
        Bar("", "own cases: people that were not answered (false “must not”)", wrong["own cases"]["must_not"], 0, ""),
        Bar("", "own cases: kind wrong", wrong["own cases"]["kind"], 0, ""),
    )
    rows = [
        (source, counts["mails"], counts["people"], counts["may"], counts["must_not"], counts["kind"])
        for source, counts in wrong.items()
    ]
    parts = [
        "One rule (`triage/core/automated.py`) judges every mail and returns all its reasons. The cases stand in "
        "`tests/screening_cases.py`; each mail of `tests/data/mail` is among them. The texts of the corpus come as "
        "plain mails of a person, so that only their words can tell a machine: there a machine that is answered is "
        "shown here and stopped by the budgets.",
        bar_table(bars),
        table(("Source", "Mails", "Of people", "False “may”", "False “must not”", "Kind wrong"), rows),
        f"In all {total['mails']} mails, judged in {seconds:.1f} s with their parsing. Of the sample mails of `demo`, "
        f"{sum(item.may_acknowledge for item in demo)} of {len(demo)} may be acknowledged. Results per recipient in "
        "the delivery reports: " + ", ".join(f"{reports[item]} {item.replace('_', ' ')}" for item in Delivery) + ".",
    ]
    if names:
        parts.append("Wrong: " + "; ".join(f"`{name}`" for name in names[:20]) + ".")
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(section())
