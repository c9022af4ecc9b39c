"""`knowledge check`: whether the answer blocks can be relied on, with no mail server and no database."""

from __future__ import annotations

from datetime import timedelta

from triage.bootstrap import TEMPLATES, confirmed_zorgkantoren, utc_now
from triage.commands.output import json_line, show
from triage.core.readability import MOST_MEAN_WORDS, MOST_WORDS
from triage.core.workdays import local_date
from triage.services.knowledge_check import KnowledgeReport, check_knowledge
from triage.settings import load_settings


def check(*, as_json: bool) -> int:
    """Prints a line per finding and a summary; 1 when something must be mended."""
    settings = load_settings()
    confirmed_zorgkantoren(settings)
    confirmed = {code: told.confirmed_on for code, told in settings.zorgkantoren.items()}
    longest = timedelta(days=settings.knowledge.check_days)
    report = check_knowledge(TEMPLATES, local_date(utc_now()), longest, confirmed)
    if as_json:
        _as_json(report)
    else:
        _as_text(report)
    return 1 if report.wrong else 0


def _as_json(report: KnowledgeReport) -> None:
    for one in report.findings:
        json_line({"finding": one.kind, "file": one.file, "text": one.text})
    json_line(
        {
            "blocks": report.blocks,
            "verified": report.verified,
            "sentences": report.sentences,
            "longest": report.longest,
            "mean": round(report.mean, 1),
            "wrong": report.wrong,
            "look": len(report.findings) - report.wrong,
        }
    )


def _as_text(report: KnowledgeReport) -> None:
    for one in report.findings:
        show(f"  {'[wrong]' if one.kind == 'wrong' else '[look] '} {one.file}: {one.text}\n")
    share = report.verified / report.blocks if report.blocks else 0.0
    show(
        f"\n{report.blocks} blocks, {share:.0%} with verified sources; {report.sentences} sentences, the longest "
        f"{report.longest} words (at most {MOST_WORDS}), mean {report.mean:.1f} (at most {MOST_MEAN_WORDS:.0f})\n"
    )
    show("Something must be mended; see above.\n" if report.wrong else "Nothing is wrong.\n")
