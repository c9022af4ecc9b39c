"""How well new text is told from quotes: our own reply samples, and the time of texts made to be slow."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping

from tests.benchmark.report import Bar, bar_table, table
from tests.reply_cases import ReplyCase, expected_text, lines_of, reply_cases
from triage.core.body import read_body
from triage.core.quotes import split

_SIZE = 1_000_000  # characters of a hostile text


def hostile_texts(size: int = _SIZE) -> Mapping[str, str]:
    """Texts of `size` characters that patterns for quotes are slow on when they are written carelessly."""

    def fill(line: str) -> str:
        return (line * (size // len(line) + 1))[:size]

    return {
        "attribution that never ends": fill("Op di 3 mrt. 2026 om 10:12 schreef Jan schreef Jan <j@x.example> "),
        "attributions without end, one a line": fill("Op di 3 mrt. 2026 om 10:12 schreef Jan <\n"),
        "header lines": fill("Van: a@b.example\nAan: c@d.example\n"),
        "headers in the wrong order": fill("Datum: 3 maart 2026 10:12\nAan: x\nOnderwerp: y\n"),
        "one From and sixty receivers": fill("Van: a\n" + "Aan: b;\n" * 59),
        "rules": fill("-" * 70 + "\n"),
        "one line of dashes": "-" * size,
        "almost rules": fill("-" * 998 + "x\n"),
        "rules with a word": fill("-" * 480 + " bericht " + "-" * 480 + "\n"),
        "quote marks": ">" * size,
        "quoted lines": fill("> > > x\n"),
        "quotes and answers in turn": fill("> vraag\nantwoord\n"),
        "forward rules in quotes": fill("> ---------- Forwarded message ---------\n> \n"),
        "closings": fill("Met vriendelijke groet,\n"),
        "closings on one line": fill("met vriendelijke groet "),
        "device lines": fill("Verstuurd vanaf mijn iPhone mijn iPhone mijn iPhone mijn iPhone mijn\n"),
        "addresses": fill("a@b.example <a@b.example> schreef: "),
        "blank lines": "x" + "\n" * (size - 2) + "y",
        "blanks": fill(" \t"),
        "no-break spaces": "\u00a0" * size,
        "stars": fill("*"),
        "colons": fill("Van: "),
        "disclaimers": fill("vertrouwelijk geadresseerde bestemd voor uitsluitend\n\n"),
        "PGP heads": fill("-----BEGIN PGP SIGNED MESSAGE-----\n"),
    }


def slowest(size: int) -> tuple[str, float]:
    """Name and processor seconds of the hostile text that takes longest, as a first mail or as an answer."""
    worst = ("", 0.0)
    for name, text in hostile_texts(size).items():
        for is_reply in (True, False):
            started = time.process_time()
            split(text, is_reply=is_reply, is_forward=False)
            took = time.process_time() - started
            worst = max(worst, (name, took), key=lambda item: item[1])
    return worst


def judge(case: ReplyCase) -> tuple[bool, bool]:
    """Is the new text exactly as expected, blank lines apart; and does it hold every expected line?"""
    clean = whole = True
    for subject in case.subjects():
        found = lines_of(read_body([case.block], subject=subject, answers=False).new_text)
        wanted = lines_of(expected_text(case))
        clean = clean and found == wanted
        whole = whole and all(line in found for line in wanted)
    return clean, whole


def section(size: int = _SIZE) -> str:
    """The quote section of docs/reliability.md; `size` in characters of each hostile text."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for case in reply_cases():
        clean, whole = judge(case)
        for key in ((case.language, case.kind), ("all", case.kind)):
            counts[key][0] += 1
            counts[key][1] += clean
            counts[key][2] += whole
    texts = sum(one[0] for key, one in counts.items() if key[0] == "all")
    clean_share = sum(one[1] for key, one in counts.items() if key[0] == "all") / texts * 100
    whole_share = sum(one[2] for key, one in counts.items() if key[0] == "all") / texts * 100
    name, seconds = slowest(size)
    bars = bar_table(
        [
            Bar("Q-lost", "every line of the sender is kept", whole_share, 100, "%", at_least=True),
            Bar("Q-clean", "new text exactly as expected", clean_share, 90, "%", at_least=True),
            Bar("Q12", f"slowest hostile text of {size:,} characters ({name})", seconds, 2, "s"),
        ]
    )
    per_kind = table(
        ("Language", "Kind", "Samples", "Exactly right", "Nothing lost"),
        ((*key, one[0], one[1], one[2]) for key, one in sorted(counts.items(), key=lambda item: item[0])),
    )
    return (
        "The reply samples of `tests/data/replies`, each read as an answer and as a first mail where both must hold. "
        "`cut`: history of a mail program below the new text; `keep`: a person's text that looks like a program's, or "
        f"answers in and below a quote.\n\n{bars}\n\n{per_kind}\n"
    )


if __name__ == "__main__":
    print(section())
