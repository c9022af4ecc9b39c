"""`make reliability`: what the product does with hostile mail, servers and senders; writes docs/reliability.md.

Each part is a module with `section()`, so that one can be run alone: `python -m tests.benchmark.reliability screening`.
The parts that were not asked for keep the text they have in the page.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys

from tests.benchmark import report

PARTS = {
    "hostile": "Any bytes as a mail",
    "screening": "Who is answered by a machine",
    "quoting": "New text, quotes and signatures",
    "crash_matrix": "The process killed at each step",
    "catch_up": "Large mailboxes",
}
_ATTACKS = "Attacks and bad luck, tried"
_MARK = "<!-- {} -->"


def page(kept: dict[str, str], attacks: str) -> str:
    """The whole page; `kept` maps each part to its Markdown."""
    parts = [
        "# Reliability",
        "Written by `make reliability`; only the last chapter, on attacks, is written by hand. Cases of mail "
        "behaviour, each with its test: [protocol.md](protocol.md). Killed at random moments: [crash.md](crash.md).",
    ]
    for name, title in PARTS.items():
        if name in kept:
            parts.append(f"{_MARK.format(name)}\n\n## {title}\n\n{kept[name]}")
    parts.append(f"{_MARK.format('attacks')}\n\n## {_ATTACKS}\n\n{attacks}")
    return "\n\n".join(parts) + "\n"


def kept_parts() -> dict[str, str]:
    """What the page holds now, by part."""
    path = report.DOCS / "reliability.md"
    if not path.exists():
        return {}
    pieces = re.split(r"<!-- (\w+) -->", path.read_text(encoding="utf-8"))
    return {
        name: text.strip().partition("\n")[2].strip() for name, text in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when none is named")
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - PARTS.keys()):
        parser.error(f"no such part: {', '.join(unknown)}")
    kept = kept_parts()
    attacks = kept.pop("attacks", "")
    for name in options.parts or PARTS:
        print(f"measuring: {PARTS[name]} …", file=sys.stderr, flush=True)
        text = importlib.import_module(f"tests.benchmark.{name}").section()
        kept[name] = f"{report.measured_on()}\n\n{text.strip()}"
        report.write("reliability.md", page(kept, attacks))
    return 0


if __name__ == "__main__":
    sys.exit(main())
