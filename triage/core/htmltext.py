"""Readable text from a mail's HTML. Showing HTML to people is another matter and is sanitised elsewhere.

One pass over the tags, in time linear in the text. The libraries for this take quadratic time or unbounded memory
over what anyone can send (nh3: 9 s for a megabyte of "&"; inscriptis: 40 s for 50,000 open `<li>`, and text below 255
levels is lost), and their rendering of tables is not needed here; entities are left to the standard library.
"""

from __future__ import annotations

import html as html_entities
import re

MAX_HTML = 1_000_000  # characters turned into text; the whole HTML is kept beside it
MAX_TAGS = 100_000
_MAX_PREFIX = 20  # quote marks before one line

_CUT = "\ue003"
_MARKS = re.compile("[\ue000-\ue003]")
# A quoted value may hold ">" but not "<": an unclosed quote then ends at the next tag instead of eating the text.
_TAG = re.compile(
    r"<(/?)([a-zA-Z][a-zA-Z0-9]*)(?![^\s<>/])((?:[^<>\"']|\"[^\"<]{0,2000}\"|'[^'<]{0,2000}'|[\"'])*+)>"
    r"|<([!?/][^<>]*|[a-zA-Z][^<>\s]*[^<>]*)>"
)
_UNSEEN = ("script", "style", "title", "template", "object")
_DROPPED = tuple(
    (re.compile(start, re.IGNORECASE), re.compile(end, re.IGNORECASE))
    for start, end in [
        (r"<!--", r"--!?>"),
        *((rf"<{name}(?=[\s>/])", rf"</{name}\s{{0,9}}>") for name in _UNSEEN),
    ]
)
_DATA_URI = re.compile(r"data:[\w/.+-]{0,80};base64,[A-Za-z0-9+/=%\s]{200,}+", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<meta[^<>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.+-]{1,40})", re.IGNORECASE)
_HIDDEN = re.compile(
    r"<(div|span|p|td|font)\b[^<>]*(?:display\s*:\s*none|mso-hide\s*:\s*all)[^<>]*>[^<]*</\1\s*>", re.IGNORECASE
)
_INVISIBLE = str.maketrans(dict.fromkeys("\u200b\u200c\u200d\u2060\u00ad\u034f\ufeff") | {"\xa0": " "})
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_BLOCKS = frozenset(
    "address article aside body center dd details div dl dt fieldset figure footer form head header hr html legend "
    "main nav option section summary table tbody tfoot thead tr caption".split()
)
_PARAGRAPHS = frozenset("p h1 h2 h3 h4 h5 h6 ul ol".split())
_CELLS = frozenset({"td", "th"})
_CITE = re.compile(r"type\s*=\s*[\"']?cite|gmail_quote|protonmail_quote|yahoo_quoted|border-left", re.IGNORECASE)
# Containers and rules that a client puts above the quoted mail; Outlook writes "x_" before the names of others.
# With a header or attribution below it, all that follows is history.
_CUT_HERE = re.compile(
    r"divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|mail-editor-reference-message-container|yahoo_quoted|"
    r"ms-outlook-mobile-reference-message|OutlookMessageHeader|stopSpelling|zwchr|__HEADERS__|"
    r"border-top:[^;\"]{0,40}\b1(?:\.0)?pt|border-style:\s?solid none none|name=\"?quote\b",
    re.IGNORECASE,
)


def meta_charset(data: bytes) -> str:
    """The charset an HTML document names for itself, or ""."""
    found = _META_CHARSET.search(data[:4096])
    return found[1].decode("ascii") if found else ""


def without_data_uris(html: str) -> str:
    """HTML without the pictures that stand in it as text, which are no words and may be megabytes."""
    return _DATA_URI.sub("data:,", html) if "base64," in html else html


def _without(html: str, start: re.Pattern[str], end: re.Pattern[str]) -> str:
    """`html` without everything from `start` up to and with `end`, in one pass.

    An element that is never closed loses its tag alone: a browser hides all the text behind it, staff must read it.
    """
    begin = start.search(html)
    if not begin:
        return html
    out, position = [], 0
    while begin:
        out.append(html[position : begin.start()])
        close = end.search(html, begin.end())
        if not close:
            position = html.find(">", begin.end()) + 1 or begin.end()
            break
        position = close.end()
        begin = start.search(html, position)
    out.append(html[position:])
    return "".join(out)


class _Lines:
    """Text set on lines: blocks begin a new one, paragraphs keep a blank one between, quotes have `> ` before them."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.depth = 0  # of quotations
        self.at_start = True
        self.blank_due = False

    def text(self, text: str) -> None:
        if not text or (self.at_start and text == " "):
            return
        if self.at_start:
            text = text.removeprefix(" ")
            if self.blank_due and self.out:
                self.out.append(self._prefix().rstrip() + "\n")
            self.blank_due = False
            self.out.append(self._prefix())
            self.at_start = False
        self.out.append(text)

    def block(self) -> None:
        if not self.at_start:
            self.out.append("\n")
            self.at_start = True

    def paragraph(self) -> None:
        self.block()
        self.blank_due = True

    def line_break(self) -> None:
        if self.at_start:
            if self.blank_due and self.out:
                self.out.append(self._prefix().rstrip() + "\n")
            self.blank_due = False
            self.out.append(self._prefix().rstrip())
        self.out.append("\n")
        self.at_start = True

    def quote(self, step: int) -> None:
        self.paragraph()
        self.depth = max(0, self.depth + step)

    def cut(self) -> None:
        self.block()
        self.out.append(_CUT)

    def _prefix(self) -> str:
        return ">" * min(self.depth, _MAX_PREFIX) + " " if self.depth else ""


def _plain(text: str) -> str:
    """A run of text between tags: entities decoded, and only then the marks that the run might forge taken out."""
    if "&" in text:
        text = html_entities.unescape(text)
    return _MARKS.sub("", text)


def _set_on_lines(html: str) -> str:
    lines = _Lines()
    quotes: list[bool] = []  # open blockquotes: is it a quotation?
    pre = 0
    position = 0

    def text(run: str) -> None:
        run = _plain(run)
        if not pre:
            lines.text(_BLANKS.sub(" ", run))
            return
        first, *rest = run.replace("\r\n", "\n").split("\n")
        lines.text(first)
        for line in rest:
            lines.line_break()
            lines.text(line)

    for match in _TAG.finditer(html):
        if match.start() > position:
            text(html[position : match.start()])
        position = match.end()
        closing, name, attributes = match[1], match[2], match[3]
        if name is None:
            continue
        name = name.lower()
        if name == "br":
            lines.line_break()
        elif name == "li":
            lines.block()
            if not closing:
                lines.text("* ")
        elif name == "blockquote":
            if closing:
                cited = bool(quotes) and quotes.pop()
            else:
                cited = bool(_CITE.search(attributes))
                quotes.append(cited)
            if cited:
                lines.quote(-1 if closing else 1)
            else:
                lines.paragraph()
        elif name in _CELLS:
            if closing:
                lines.text(" ")
        elif name in _PARAGRAPHS:
            lines.paragraph()
        elif name in _BLOCKS or (name == "span" and not closing and "OLK_SRC" in attributes):
            lines.block()
            if not closing and _CUT_HERE.search(attributes):
                lines.cut()
        elif name == "pre":
            lines.paragraph()
            pre = max(0, pre - 1 if closing else pre + 1)
    text(html[position:])
    return "".join(lines.out)


def _within_limits(html: str) -> str:
    """The first million characters and 100,000 tags."""
    html = html[:MAX_HTML]
    if html.count("<") <= MAX_TAGS:
        return html
    position = 0
    for _ in range(MAX_TAGS):
        position = html.find("<", position) + 1
    return html[: position - 1]


def html_to_text(html: str) -> str:
    """Readable text with `> ` before cited lines; scripts, styles, comments and hidden preheaders left out.

    A U+E003 at the start of a line marks where a client opened its block of history; `strip_marks` removes it.
    """
    html = _within_limits(html)
    for start, end in _DROPPED:
        html = _without(html, start, end)
    text = _set_on_lines(_HIDDEN.sub("", html)).translate(_INVISIBLE)
    lines = (line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def strip_marks(text: str) -> str:
    """Text for people: without the marks for history."""
    return text.replace(f"{_CUT}\n", "").replace(_CUT, "") if _CUT in text else text


def links(html: str) -> tuple[str, ...]:
    """The http(s) addresses an HTML text links to, at most 100; to judge, never to fetch."""
    found = re.findall(r"""href\s{0,3}=\s{0,3}["']?(https?://[^\s"'<>]{1,500})""", html[:MAX_HTML], re.IGNORECASE)
    return tuple(html_entities.unescape(item) for item in found[:100])
