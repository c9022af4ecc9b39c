"""`python -m tests.protocol`: writes docs/protocol.md, which test shows which case of mail behaviour.

The cases stand in tests/data/protocol.tsv. A test says `@pytest.mark.protocol("A02", "A03")` for what it shows of them
at the mailbox, the SMTP server, the screen or the part that decides. With `--check` nothing is written: the command
fails when a case has no test, or when the page differs from what the tests say.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "protocol.md"
_CASES = ROOT / "tests" / "data" / "protocol.tsv"

SECTIONS = {
    "A": "When a mail may be acknowledged",
    "F": "Form of the acknowledgement and of the approved reply",
    "D": "Delivery reports and other machine mail",
    "H": "Identity, headers, injection",
    "E": "Text, charset, transfer encoding",
    "M": "MIME structure and content",
    "Q": "Quotes and signatures",
    "I": "IMAP intake",
    "O": "Authentication and throttling",
    "S": "SMTP sending",
    "X": "The process killed at each step",
}


@dataclass(frozen=True, slots=True)
class ProtocolCase:
    """One line of the table. `weight`: M a standard's MUST, S its SHOULD, P our choice, R robustness."""

    id: str
    weight: str
    case: str
    expected: str
    source: str


def protocol_cases() -> dict[str, ProtocolCase]:
    with _CASES.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["id"]: ProtocolCase(**row) for row in rows}


class _Marks:
    """A pytest plug-in that keeps which test carries which case id."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = defaultdict(list)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            function = item.nodeid.partition("[")[0]
            for mark in item.iter_markers("protocol"):
                for case in mark.args:
                    if function not in self.tests[case]:
                        self.tests[case].append(function)


def page(tests: Mapping[str, Sequence[str]]) -> str:
    """The whole page as Markdown."""
    cases = protocol_cases()
    shown = sum(1 for case in cases if tests.get(case))
    parts = [
        "# Mail behaviour, case by case",
        "Written by `python -m tests.protocol` from the marks on the tests; do not edit. Weight: **M** a standard says "
        "MUST, **S** SHOULD or common convention, **P** the product's own choice, **R** robustness without a standard. "
        "‘Hold’ means: stored and shown to staff, nothing is sent.",
        f"{len(cases)} cases, {shown} with a test.",
    ]
    for letter, title in SECTIONS.items():
        parts.append(f"## {letter}. {title}")
        lines = ["| Case | | What happens | What the product does | Source | Tests |", "|---|---|---|---|---|---|"]
        for case in (case for case in cases.values() if case.id[0] == letter):
            names = "<br>".join(f"`{_short(test)}`" for test in tests.get(case.id, ()))
            names = names or "**none**"
            cells = (case.id, case.weight, case.case, case.expected, case.source, names)
            lines.append(
                "| " + " | ".join(cell.replace("|", "\\|") if cell != names else cell for cell in cells) + " |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _short(test: str) -> str:
    path, _, name = test.partition("::")
    return f"{path.removeprefix('tests/')}::{name}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when the page is not what it should be"
    )
    options = parser.parse_args()
    marks = _Marks()
    if pytest.main(["--collect-only", "-qq", "--no-summary", str(ROOT / "tests")], plugins=[marks]) != 0:
        return 1
    unknown = sorted(marks.tests.keys() - protocol_cases().keys())
    if unknown:
        print(f"no such case: {', '.join(unknown)}", file=sys.stderr)
        return 1
    missing = sorted(protocol_cases().keys() - marks.tests.keys())
    text = page(marks.tests)
    if missing:
        print(f"{len(missing)} cases without a test: {', '.join(missing)}", file=sys.stderr)
    if options.check:
        if PAGE.read_text(encoding="utf-8") != text:
            print("docs/protocol.md is old: run python -m tests.protocol", file=sys.stderr)
            return 1
        return 1 if missing else 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
