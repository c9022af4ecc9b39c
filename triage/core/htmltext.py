"""Readable text from a mail's HTML. Showing HTML to people is another matter and is sanitised elsewhere.

nh3 and inscriptis do the work, but both take quadratic time or unbounded memory over deep nesting (50,000
open `<li>`: 40 s; 20,000 open `<font>`: all memory), and text below 255 levels is lost. So tags are
flattened first: blocks become line breaks, quotes become `> ` lines, and only what cannot nest stays.
"""

from __future__ import annotations

import html as html_entities
import re

import inscriptis
import nh3

MAX_HTML = 1_000_000  # characters turned into text; the whole HTML is kept beside it
MAX_TAGS = 20_000

_BREAK, _QUOTE, _UNQUOTE, _CUT = "\ue000", "\ue001", "\ue002", "\ue003"
_MARKS = re.compile(f"[{_BREAK}{_QUOTE}{_UNQUOTE}{_CUT}]")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>|<([!?/][^<>]*|[a-zA-Z][a-zA-Z0-9]*:[^<>]*)>|<")
_DROPPED = tuple(
    (re.compile(start, re.IGNORECASE), re.compile(end, re.IGNORECASE))
    for start, end in [
        (r"<!--", r"-->"),
        *((rf"<{name}\b", rf"</{name}\s{{0,9}}>") for name in ("script", "style", "title", "template", "object")),
    ]
)
_META_CHARSET = re.compile(rb"<meta[^<>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.+-]{1,40})", re.IGNORECASE)
_HIDDEN = re.compile(
    r"<(div|span|p|td|font)\b[^<>]*(?:display\s*:\s*none|mso-hide\s*:\s*all)[^<>]*>[^<]*</\1\s*>", re.IGNORECASE
)
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\u00ad\u034f]")
_BLOCKS = frozenset(
    "address article aside body center dd details div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 head header "
    "hr html legend main nav ol option section summary ul table tbody tfoot thead tr caption".split()
)
_CELLS = frozenset({"td", "th"})
_CITE = re.compile(r"type\s*=\s*[\"']?cite|gmail_quote|protonmail_quote|yahoo_quoted|border-left", re.IGNORECASE)
# Containers that a client opens above the quoted mail: all that follows is history.
_CUT_HERE = re.compile(
    r"divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|mail-editor-reference-message-container|yahoo_quoted|"
    r"ms-outlook-mobile-reference-message|border-top:\s?solid\s#[0-9a-f]{6}\s1\.0pt;\s?padding:\s?3\.0pt",
    re.IGNORECASE,
)


def meta_charset(data: bytes) -> str:
    """The charset an HTML document names for itself, or ""."""
    found = _META_CHARSET.search(data[:4096])
    return found[1].decode("ascii") if found else ""


def _without(html: str, start: re.Pattern[str], end: re.Pattern[str]) -> str:
    """`html` without everything from `start` up to and with `end`, in one pass; unclosed: to the end."""
    begin = start.search(html)
    if not begin:
        return html
    out, position = [], 0
    while begin:
        out.append(html[position : begin.start()])
        close = end.search(html, begin.end())
        if not close:
            return "".join(out)
        position = close.end()
        begin = start.search(html, position)
    out.append(html[position:])
    return "".join(out)


def _flatten(html: str) -> str:
    depth: list[bool] = []  # open blockquotes: is it a quotation?

    def replace(match: re.Match[str]) -> str:
        closing, name, attributes = match[1], match[2], match[3]
        if name is None:
            return "" if match[4] is not None else "&lt;"
        name = name.lower()
        if name == "br":
            return "<br>"
        if name == "p":
            return "</p>" if closing else "<p>"
        if name == "li":
            return "" if closing else f"{_BREAK}* "
        if name == "blockquote":
            if closing:
                return _UNQUOTE if depth and depth.pop() else _BREAK
            depth.append(bool(_CITE.search(attributes)))
            return _QUOTE if depth[-1] else _BREAK
        if name in _CELLS:
            return " " if closing else ""
        if name in _BLOCKS:
            return _BREAK + (_CUT + _BREAK if not closing and _CUT_HERE.search(attributes) else "")
        return ""

    return _TAG.sub(replace, html)


def _assemble(text: str) -> str:
    """Marks to line breaks and `> ` prefixes."""
    out: list[str] = []
    depth = 0
    at_start = True
    for piece in re.split(f"([{_BREAK}{_QUOTE}{_UNQUOTE}{_CUT}\n])", text):
        if piece in (_BREAK, _QUOTE, _UNQUOTE):
            depth = max(0, depth + (piece == _QUOTE) - (piece == _UNQUOTE))
            if not at_start:
                out.append("\n")
                at_start = True
        elif piece == _CUT:
            out.append(_CUT)
        elif piece == "\n":
            if at_start and depth:
                out.append(">" * min(depth, 20))
            out.append("\n")
            at_start = True
        elif piece.strip(" \t"):
            if at_start:
                out.append(">" * min(depth, 20) + " " if depth else "")
            out.append(piece.lstrip(" ") if at_start else piece)
            at_start = False
    return "".join(out)


def _within_limits(html: str) -> str:
    """The first million characters and 20,000 tags: inscriptis takes 30 µs for each paragraph."""
    html = html[:MAX_HTML]
    if html.count("<") <= MAX_TAGS:
        return html
    position = 0
    for _ in range(MAX_TAGS):
        position = html.find("<", position) + 1
    return html[: position - 1]


def html_to_text(html: str) -> str:
    """Readable text with `> ` before cited lines; scripts, styles, comments and hidden preheaders left out.

    A line with only U+E003 marks where a client opened its block of history; `strip_marks` removes it.
    """
    html = _MARKS.sub("", _within_limits(html))
    for start, end in _DROPPED:
        html = _without(html, start, end)
    flat = _flatten(_HIDDEN.sub("", html))
    clean = nh3.clean(flat, tags={"p", "br"}, attributes={})
    text = inscriptis.get_text(clean) if clean.strip() else ""
    text = _INVISIBLE.sub("", text).replace("\xa0", " ")
    lines = (line.rstrip() for line in _assemble(text).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def strip_marks(text: str) -> str:
    """Text for people: without the marks for history."""
    return text.replace(f"{_CUT}\n", "").replace(_CUT, "") if _CUT in text else text


def links(html: str) -> tuple[str, ...]:
    """The http(s) addresses an HTML text links to, at most 100; to judge, never to fetch."""
    found = re.findall(r"""href\s{0,3}=\s{0,3}["']?(https?://[^\s"'<>]{1,500})""", html[:MAX_HTML], re.IGNORECASE)
    return tuple(html_entities.unescape(item) for item in found[:100])
