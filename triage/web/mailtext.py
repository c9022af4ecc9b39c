"""Text of mails on the screen: hostile by nature, so cleaned, folded and without a BSN.

Pure functions; the stored raw message is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import nh3
from markupsafe import Markup

from triage.core.assessment import Assessment
from triage.core.gate import mask_bsn

_TAGS = {
    "p", "br", "div", "ul", "ol", "li", "table", "thead", "tbody", "tr", "td", "th", "blockquote", "a",
    "b", "strong", "em", "i", "u", "pre", "h1", "h2", "h3", "h4", "h5", "h6",
}  # fmt: skip
_HEADING = re.compile(r"<(/?)h[1-6]>")
_LONGEST_HTML = 400_000  # characters; above this only the text is shown, so that one mail cannot freeze a browser


def clean_html(html: str) -> Markup | None:
    """The mail's own lay-out without anything that loads, runs or styles; None when there is none or it is too long.

    Headings become paragraphs: those of a mail must not mix with the headings of the page.
    """
    if not html.strip() or len(html) > _LONGEST_HTML:
        return None
    cleaned = nh3.clean(
        html.encode("utf-8", "replace").decode(),  # lone surrogates cannot cross into nh3
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"https", "http", "mailto", "tel"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )
    # nh3 writes tags in one form and escapes every other "<", so this touches tags only
    return Markup(mask_bsn(_HEADING.sub(r"<\1p>", cleaned)))  # noqa: S704 - nh3's output is what is trusted here


@dataclass(frozen=True, slots=True)
class FoldedText:
    """What the sender wrote now, and the rest (quoted history, signature), which the page folds."""

    shown: str
    folded: str


def fold(text: str, new_text: str) -> FoldedText:
    """Splits the whole text after its new part. Nothing is lost: what cannot be placed is all shown folded."""
    whole, new = mask_bsn(text.strip()), mask_bsn(new_text.strip())
    if not new:
        return FoldedText(whole, "")
    if whole == new:
        return FoldedText(whole, "")
    if whole.startswith(new):
        return FoldedText(new, whole[len(new) :].strip())
    return FoldedText(new, whole)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of the judged text with the heads it counted for; no heads: plain text."""

    text: str
    heads: tuple[str, ...]


def pieces(assessment: Assessment) -> tuple[Piece, ...]:
    """The judged text cut at the borders of the evidence. Overlapping evidence gives a piece with several heads."""
    text = assessment.judged_text
    spans = [
        (max(0, item.span.start), min(len(text), item.span.end), item.head)
        for item in assessment.evidence
        if item.weight > 0 and item.source != "sentence"
    ]
    spans = [span for span in spans if span[0] < span[1]]
    shown = mask_bsn(text)
    cuts = sorted({0, len(text), *(start for start, _, _ in spans), *(end for _, end, _ in spans)})
    found: list[Piece] = []
    for start, end in pairwise(cuts):
        heads = tuple(dict.fromkeys(head for a, b, head in spans if a <= start and end <= b))
        if found and found[-1].heads == heads:
            found[-1] = Piece(found[-1].text + shown[start:end], heads)
        else:
            found.append(Piece(shown[start:end], heads))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Cue:
    """One thing that counted, for the legend."""

    head: str
    source: str
    text: str
    rule_id: str
    softened_by: tuple[str, ...]
    against: bool


def cues(assessment: Assessment, *, per_head: int = 4) -> Sequence[Cue]:
    """The weightiest cues of each head, rules first; a cue that counted against says so."""
    text = mask_bsn(assessment.judged_text)
    chosen: list[Cue] = []
    seen: dict[str, int] = {}
    told: set[tuple[str, str, str]] = set()
    for item in sorted(assessment.evidence, key=lambda one: (one.source != "rule", -abs(one.weight))):
        quoted = " ".join(text[item.span.start : item.span.end].split())
        key = (item.head, quoted.casefold(), item.rule_id)
        if not quoted or key in told or seen.get(item.head, 0) >= per_head:
            continue
        told.add(key)
        seen[item.head] = seen.get(item.head, 0) + 1
        shown = quoted if len(quoted) <= 120 else quoted[:117] + "…"
        chosen.append(Cue(item.head, item.source, shown, item.rule_id, item.softened_by, item.weight < 0))
    return chosen
