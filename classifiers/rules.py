"""The rule net: urgency cues in plain patterns, beside the trained model.

A rule only ever raises urgency: its hit makes a head (`palliative`, `transfer`, `danger`) fire. A softener (negation,
past, hypothetical, other person) found in the scope of a hit turns it into the band *possible*, never into normal.

The rules live in `rules.toml`. Patterns are Python regular expressions with IGNORECASE, UNICODE and DOTALL, and
one addition: a blank outside square brackets stands for one to four white space characters, so wrapped lines match too.
Every repeat must have an upper bound, so that a hostile text cannot make the matching slow. Matching is quick because
each pattern yields the pieces of text one of which must occur; only where such a piece stands the pattern is tried.

The caller passes NFC text (subject and new text). All offsets count characters of that text.
"""

import hashlib
import importlib
import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["AXES", "HEADS", "Rule", "RuleHit", "RuleNet", "Softener", "sentences"]

HEADS = ("palliative", "transfer", "danger")
AXES = ("negation", "past", "hypothetical", "other_person")
SCOPES = ("sentence", "mail")
DANGER_AXES = ("past", "hypothetical")
"""The axes that may soften a danger rule: "no, I will not kill myself" and "my neighbour" stay danger."""

STRONG_SHARE = 0.25
"""Of the border under which the model rules a support rule out, the share under which it rules out any rule: far below
every urgent mail with a hit that a model was seen to judge (`thresholds.rule_border`)."""

MAX_TEXT = 100_000
MAX_SENTENCE = 1_000
MAX_HITS_PER_RULE = 25
MAX_PIECES = 96
FLAGS = re.IGNORECASE | re.UNICODE | re.DOTALL

_USUAL = frozenset(
    "aan als bij dat deze die dit door een geen gaan gaat had hebben heeft heb het hij hun ik in is kan komen "
    "komt krijg krijgt kunnen laat maar meer met mij mijn moet moeten naar niet nog nu omdat onze ons over te "
    "toch tot uit van voor wat weer werd wij wil willen word worden wordt zal ze zegt zich zij zijn zit zo zou "
    "was zoon dochter moeder vader zorg thuis mag haar".split()
)
"""Words too usual to look for first; this touches speed only."""
_BLANK = r"(?:\s{1,4})"
_WORD = re.compile(r"\w+")
_KEY = 3
"""Rules are looked up by the first three letters of a word."""
_WORD_REST = re.compile(r"\w{0,40}")
_BREAK = re.compile(r"[.!?…]{1,6}(?=\s|$)|\n")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[a-z]|dhr|mw|mevr|hr|dr|drs|mr|ing|ir|prof|fam|bijv|bv|evt|incl|excl|nl|o\.?a|m\.?b\.?t|i\.?v\.?m|"
    r"n\.?a\.?v|t\.?a\.?v|i\.?o\.?m|i\.?p\.?v|d\.?m\.?v|t\.?g\.?v|z\.?s\.?m|a\.?s|ca|pt|pat|cl|tel|nr|art|max|min|ong|"
    r"resp|vgl|zgn|mantelz)$",
    re.IGNORECASE,
)
_BULLET = re.compile(r"[ \t]{0,8}(?:[-*•–>]|\d{1,2}[.)])[ \t]")
_SHORT_LINE = 45


@dataclass(frozen=True, slots=True)
class _Prefilter:
    """Pieces of folded text one of which each match contains, and how far before such a piece a match can start.

    `at_word`: the pieces can only stand at the start of a word.
    """

    pieces: tuple[str, ...]
    before: int
    at_word: bool


class _Text:
    """A text made ready for matching: folded, and its words by their place."""

    __slots__ = ("folded", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.folded = _fold(text)
        self.words = {match.start(): match.group() for match in _WORD.finditer(self.folded)}


@dataclass(frozen=True, slots=True)
class _Finder:
    """A compiled pattern with its prefilter; without one the pattern is tried everywhere.

    `from_word`: each match starts at the start of a word.
    """

    regex: re.Pattern[str]
    prefilter: _Prefilter | None
    from_word: bool

    def places(self, ready: _Text, start: int, end: int) -> list[int]:
        """Where the pieces of the prefilter stand inside `text[start:end]`, in order."""
        places: list[int] = []
        for piece in self.prefilter.pieces if self.prefilter else ():
            place = ready.folded.find(piece, start, end)
            while place >= 0:
                places.append(place)
                place = ready.folded.find(piece, place + 1, end)
        places.sort()
        return places

    def finditer(self, ready: _Text, start: int, end: int, places: list[int] | None = None) -> Iterator[re.Match[str]]:
        """Non-overlapping matches inside `text[start:end]`, left to right; `places` spares the search for pieces."""
        if self.prefilter is None:
            yield from self.regex.finditer(ready.text, start, end)
            return
        match_at = self.regex.match
        text, words, before, from_word = ready.text, ready.words, self.prefilter.before, self.from_word
        at = start
        for place in self.places(ready, start, end) if places is None else places:
            at = max(at, place - before)
            while at <= place:
                match = None if from_word and at not in words else match_at(text, at, end)
                if match is None:
                    at += 1
                else:
                    yield match
                    at = max(match.end(), at + 1)

    def occurs(self, ready: _Text, start: int, end: int) -> bool:
        """Whether the pattern matches somewhere inside `text[start:end]`."""
        return next(self.finditer(ready, start, end), None) is not None


@dataclass(frozen=True, slots=True)
class Rule:
    """One cue. `needs` is a second pattern that must occur too, within `window` characters when that is given.
    `support`: many other mails hold it too, so a hit counts only where the model does not rule the head out."""

    id: str
    head: str
    pattern: str
    needs: str | None
    window: int | None
    hit: tuple[str, ...]
    miss: tuple[str, ...]
    why: str
    support: bool
    finder: _Finder = field(repr=False, compare=False)
    needs_finder: _Finder | None = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Softener:
    """A phrase that makes a hit uncertain, for the heads in `heads`, when it stands in the same sentence or mail."""

    id: str
    axis: str
    scope: str
    pattern: str
    heads: tuple[str, ...]
    hit: tuple[str, ...]
    miss: tuple[str, ...]
    finder: _Finder = field(repr=False, compare=False)

    def found_in(self, text: str) -> bool:
        """Whether the softener's phrase occurs in the text; scope and heads are not looked at."""
        ready = _Text(text[:MAX_TEXT])
        return self.finder.occurs(ready, 0, len(ready.text))


@dataclass(frozen=True, slots=True)
class RuleHit:
    """One hit: `text[start:end]` is the cue, up to the end of its last word; `softened_by` names the softeners;
    `support` is the rule's."""

    rule_id: str
    head: str
    start: int
    end: int
    softened_by: tuple[str, ...]
    support: bool = False


class RuleNet:
    """The rules and softeners of one file."""

    def __init__(self, rules: tuple[Rule, ...], softeners: tuple[Softener, ...], sha256: str, version: int = 1) -> None:
        self._rules = rules
        self._softeners = softeners
        self._sha256 = sha256
        self._version = version
        self._by_word, self._elsewhere = _word_table(rules)

    @classmethod
    def load(cls, path: Path) -> "RuleNet":
        """Read and check a rules file; a ValueError names the rule and what is wrong with it."""
        raw = path.read_bytes()
        data = tomllib.loads(raw.decode("utf-8"))
        version = data.get("version")
        if version != 1:
            raise ValueError(f"{path.name}: version must be 1, found {version!r}")
        rules = tuple(_rule(table, number) for number, table in enumerate(_tables(data, "rule"), start=1))
        softeners = tuple(_softener(table, number) for number, table in enumerate(_tables(data, "softener"), start=1))
        seen: set[str] = set()
        for identifier in [rule.id for rule in rules] + [softener.id for softener in softeners]:
            if identifier in seen:
                raise ValueError(f"rule {identifier}: the id occurs twice")
            seen.add(identifier)
        return cls(rules, softeners, hashlib.sha256(raw).hexdigest(), version)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in the order of the file."""
        return self._rules

    @property
    def softeners(self) -> tuple[Softener, ...]:
        """The softeners, in the order of the file."""
        return self._softeners

    @property
    def sha256(self) -> str:
        """Checksum of the file's bytes, for the manifest of a model and for each stored assessment."""
        return self._sha256

    @property
    def version(self) -> int:
        """Format number of the file."""
        return self._version

    def hits(self, text: str) -> tuple[RuleHit, ...]:
        """All hits in the first 100,000 characters, ordered by place; at most 25 for each rule."""
        text = text[:MAX_TEXT]
        ready = _Text(text)
        found: list[tuple[int, int, Rule]] = []
        needs: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        for number, places in self._candidates(ready):
            rule = self._rules[number]
            count = 0
            for match in rule.finder.finditer(ready, 0, len(text), places):
                if not _needs_met(rule, match, ready, needs):
                    continue
                rest = _WORD_REST.match(text, match.end())
                found.append((match.start(), rest.end() if rest else match.end(), rule))
                count += 1
                if count == MAX_HITS_PER_RULE:
                    break
        if not found:
            return ()
        found.sort(key=lambda item: (item[0], item[1], item[2].id))
        spans = sentences(text)
        seen: dict[tuple[str, int, int], bool] = {}
        return tuple(
            RuleHit(
                rule.id, rule.head, start, end, self._softened_by(rule, start, end, ready, spans, seen), rule.support
            )
            for start, end, rule in found
        )

    def _candidates(self, ready: _Text) -> list[tuple[int, list[int] | None]]:
        """The numbers of the rules that may match, with the places of their pieces."""
        places: dict[int, list[int]] = {}
        by_word = self._by_word
        for place, word in ready.words.items():
            for key, numbers in by_word.get(word[:_KEY], ()):
                if word.startswith(key):
                    for number in numbers:
                        places.setdefault(number, []).append(place)
        candidates: list[tuple[int, list[int] | None]] = list(places.items())
        for number in self._elsewhere:
            found = self._rules[number].finder.places(ready, 0, len(ready.text))
            if found or self._rules[number].finder.prefilter is None:
                candidates.append((number, found))
        return candidates

    def _softened_by(
        self,
        rule: Rule,
        start: int,
        end: int,
        ready: _Text,
        spans: tuple[tuple[int, int], ...],
        seen: dict[tuple[str, int, int], bool],
    ) -> tuple[str, ...]:
        """The ids of the softeners in scope of a hit; `seen` keeps answers for other hits in the same scope."""
        length = len(ready.text)
        first, last = _around(spans, start, end, length)
        names: list[str] = []
        for softener in self._softeners:
            if rule.head not in softener.heads:
                continue
            low, high = (0, length) if softener.scope == "mail" else (first, last)
            key = (softener.id, low, high)
            if key not in seen:
                seen[key] = softener.finder.occurs(ready, low, high)
            if seen[key]:
                names.append(softener.id)
        return tuple(names)


def sentences(text: str) -> tuple[tuple[int, int], ...]:
    """Split a text into sentence spans that together cover it.

    A sentence ends at a full stop, question or exclamation mark before white space (not after an abbreviation), at a
    blank line, before a list item, and after a short line such as a subject. It has at most 1,000 characters.
    """
    ends: list[int] = []
    begin = 0
    for match in _BREAK.finditer(text):
        stop = match.end()
        if text[match.start()] == "\n":
            line_start = text.rfind("\n", max(begin, match.start() - _SHORT_LINE - 1), match.start()) + 1
            short = match.start() - max(line_start, begin) < _SHORT_LINE
            blank = text.startswith(("\n", " \n", "\r\n"), stop)
            if not (short or blank or _BULLET.match(text, stop)):
                continue
        elif match.group() == "." and _ABBREVIATION.search(text, max(begin, match.start() - 12), match.start()):
            continue
        ends.append(stop)
        begin = stop
    if text and (not ends or ends[-1] < len(text)):
        ends.append(len(text))
    spans: list[tuple[int, int]] = []
    begin = 0
    for stop in ends:
        while stop - begin > MAX_SENTENCE:
            spans.append((begin, begin + MAX_SENTENCE))
            begin += MAX_SENTENCE
        spans.append((begin, stop))
        begin = stop
    return tuple(spans)


def _around(spans: tuple[tuple[int, int], ...], start: int, end: int, length: int) -> tuple[int, int]:
    """From the start of the sentence that holds `start` to the end of the sentence that holds `end`."""
    first = max((low for low, _ in spans if low <= start), default=0)
    last = min((high for _, high in spans if high >= end), default=length)
    return first, last


def _needs_met(
    rule: Rule, match: re.Match[str], ready: _Text, seen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
) -> bool:
    """Whether a rule's second pattern occurs, anywhere or near the match; `seen` keeps where each pattern occurs."""
    if rule.needs_finder is None or rule.needs is None:
        return True
    if rule.needs not in seen:
        spans = [found.span() for found in rule.needs_finder.finditer(ready, 0, len(ready.text))]
        seen[rule.needs] = (tuple(start for start, _ in spans), tuple(end for _, end in spans))
    starts, ends = seen[rule.needs]
    if rule.window is None:
        return bool(starts)
    first = bisect_left(starts, match.start() - rule.window)
    return first < len(ends) and ends[first] <= match.end() + rule.window


def _word_table(rules: tuple[Rule, ...]) -> tuple[dict[str, tuple[tuple[str, tuple[int, ...]], ...]], tuple[int, ...]]:
    """Rules by the start of a word that must occur, under its first letters; and the rules that have no such word."""
    keys: dict[str, list[int]] = {}
    elsewhere: list[int] = []
    for number, rule in enumerate(rules):
        prefilter = rule.finder.prefilter
        starts = {_leading_word(piece) for piece in prefilter.pieces} if prefilter and prefilter.at_word else {""}
        if min(len(start) for start in starts) < _KEY:
            elsewhere.append(number)
            continue
        for start in starts:
            keys.setdefault(start, []).append(number)
    table: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for key, numbers in sorted(keys.items()):
        table.setdefault(key[:_KEY], []).append((key, tuple(numbers)))
    return {start: tuple(rows) for start, rows in table.items()}, tuple(elsewhere)


def _leading_word(piece: str) -> str:
    match = _WORD.match(piece)
    return match.group() if match else ""


def _fold(text: str) -> str:
    """Lower case of the same length, in the sense of IGNORECASE: dotted and dotless i and long s count as i and s."""
    return text.replace("\u0130", "i").lower().replace("\u0131", "i").replace("\u017f", "s")


# Reading the file


def _tables(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    tables = data.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"[[{name}]] must be an array of tables")
    return tables


def _rule(table: dict[str, Any], number: int) -> Rule:
    name = f"rule {table.get('id', f'number {number}')}"
    _only(name, table, {"id", "head", "pattern", "needs", "window", "support", "hit", "miss", "why"})
    support = table.get("support", False)
    if not isinstance(support, bool):
        raise ValueError(f"{name}: support must be true or false")
    needs = _text(name, table, "needs") if "needs" in table else None
    window = table.get("window")
    if window is not None and (isinstance(window, bool) or not isinstance(window, int) or window < 1):
        raise ValueError(f"{name}: window must be a positive whole number")
    if window is not None and needs is None:
        raise ValueError(f"{name}: window without needs")
    pattern = _text(name, table, "pattern")
    return Rule(
        id=_text(name, table, "id"),
        head=_choice(name, table, "head", HEADS),
        pattern=pattern,
        needs=needs,
        window=window,
        hit=_examples(name, table, "hit"),
        miss=_examples(name, table, "miss"),
        why=_text(name, table, "why"),
        support=support,
        finder=_finder(name, "pattern", pattern),
        needs_finder=None if needs is None else _finder(name, "needs", needs),
    )


def _softener(table: dict[str, Any], number: int) -> Softener:
    name = f"softener {table.get('id', f'number {number}')}"
    _only(name, table, {"id", "axis", "scope", "pattern", "heads", "hit", "miss", "why"})
    axis = _choice(name, table, "axis", AXES)
    heads = tuple(table.get("heads", HEADS))
    if not heads or any(head not in HEADS for head in heads):
        raise ValueError(f"{name}: heads must be some of {', '.join(HEADS)}")
    if axis not in DANGER_AXES:
        heads = tuple(head for head in heads if head != "danger")
    pattern = _text(name, table, "pattern")
    return Softener(
        id=_text(name, table, "id"),
        axis=axis,
        scope=_choice(name, table, "scope", SCOPES),
        pattern=pattern,
        heads=heads,
        hit=_examples(name, table, "hit"),
        miss=_examples(name, table, "miss"),
        finder=_finder(name, "pattern", pattern),
    )


def _only(name: str, table: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"{name}: unknown field {unknown[0]}")


def _text(name: str, table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name}: field {key} is missing or empty")
    return value


def _choice(name: str, table: dict[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = _text(name, table, key)
    if value not in allowed:
        raise ValueError(f"{name}: {key} must be one of {', '.join(allowed)}, found {value}")
    return value


def _examples(name: str, table: dict[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key)
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"{name}: {key} needs at least two example sentences")
    return tuple(value)


def _finder(name: str, key: str, pattern: str) -> _Finder:
    expanded = _expand_blanks(pattern)
    try:
        regex = re.compile(expanded, FLAGS)
    except (re.error, OverflowError) as error:
        raise ValueError(f"{name}: {key} is not a valid pattern: {error}") from error
    if regex.match(""):
        raise ValueError(f"{name}: {key} matches the empty text")
    try:
        prefilter, from_word = _prefilter(expanded)
    except _UnboundedRepeatError as error:
        raise ValueError(f"{name}: {key} has a repeat without an upper bound") from error
    return _Finder(regex, prefilter, from_word)


def _expand_blanks(pattern: str) -> str:
    """Replace each blank outside square brackets by one to four white space characters."""
    out: list[str] = []
    in_class = escaped = False
    for char in pattern:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == " ":
            out.append(_BLANK)
            continue
        out.append(char)
    return "".join(out)


# The prefilter: which pieces of text must occur in a match


class _UnboundedRepeatError(Exception):
    """A pattern can match without limit."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of a part of a pattern: all texts it matches, when few; its width; the best pieces inside.

    `edge`: the part ends at a place where only a word can start, given that it began there if `edge` was passed in.
    """

    exact: frozenset[str] | None
    width: int
    pieces: _Prefilter | None
    edge: bool


def _prefilter(pattern: str) -> tuple[_Prefilter | None, bool]:
    """The pieces for a pattern, and whether it starts at a word; nothing when Python's parser cannot be reached."""
    try:
        parser: Any = importlib.import_module("re._parser")
        tree: Any = parser.parse(pattern, FLAGS)
    except (ImportError, AttributeError):
        return None, False
    part = _sequence(tree, False)
    return _better(part.pieces, _as_pieces(part.exact, 0, False)), _from_word(tree)


def _from_word(tree: Any) -> bool:
    """Whether each match starts with a word boundary followed by a letter or digit."""
    boundary = False
    for op, argument in tree:
        match str(op):
            case "ASSERT" | "ASSERT_NOT":
                continue
            case "AT":
                boundary = boundary or str(argument) == "AT_BOUNDARY"
            case "LITERAL":
                return boundary and _is_word(chr(argument))
            case "IN":
                letters = _characters(argument)
                return boundary and letters is not None and all(_is_word(letter) for letter in letters)
            case "SUBPATTERN":
                return (boundary and _starts_with_word(argument[-1])) or _from_word(argument[-1])
            case "BRANCH":
                return all((boundary and _starts_with_word(branch)) or _from_word(branch) for branch in argument[1])
            case "MAX_REPEAT" | "MIN_REPEAT":
                if not (boundary and _starts_with_word(argument[2])):
                    return False
                if argument[0] > 0:
                    return True
            case _:
                return False
    return False


def _starts_with_word(tree: Any) -> bool:
    """Whether each text that a part can match starts with a letter or digit."""
    for op, argument in tree:
        match str(op):
            case "ASSERT" | "ASSERT_NOT" | "AT":
                continue
            case "LITERAL":
                return _is_word(chr(argument))
            case "IN":
                letters = _characters(argument)
                word_class = len(argument) == 1 and str(argument[0][1]) in {"CATEGORY_WORD", "CATEGORY_DIGIT"}
                return word_class or (letters is not None and all(_is_word(letter) for letter in letters))
            case "SUBPATTERN":
                return _starts_with_word(argument[-1])
            case "BRANCH":
                return all(_starts_with_word(branch) for branch in argument[1])
            case "MAX_REPEAT" | "MIN_REPEAT":
                if not _starts_with_word(argument[2]) or argument[0] > 0:
                    return argument[0] > 0 and _starts_with_word(argument[2])
            case _:
                return False
    return False


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _sequence(tree: Any, edge: bool) -> _Part:
    """Analyse parts that follow each other: join what is exact, remember the best run."""
    run: frozenset[str] = frozenset({""})
    run_start = width = 0
    run_edge = edge
    all_exact = True
    best: _Prefilter | None = None
    for op, argument in tree:
        part = _part(str(op), argument, edge)
        joined: frozenset[str] | None = None
        if part.exact is not None and len(run) * len(part.exact) <= MAX_PIECES:
            joined = frozenset(left + right for left in run for right in part.exact)
        if joined is None:
            best = _better(best, _as_pieces(run, run_start, run_edge))
            all_exact = False
            run = part.exact if part.exact is not None else frozenset({""})
            run_start = width if part.exact is not None else width + part.width
            run_edge = edge if part.exact is not None else part.edge
        else:
            if run == {""}:
                run_edge = part.edge if part.width == 0 else edge
            run = joined
        if part.pieces is not None:
            inner = part.pieces
            best = _better(best, _Prefilter(inner.pieces, inner.before + width, inner.at_word))
        width += part.width
        edge = part.edge
    best = _better(best, _as_pieces(run, run_start, run_edge))
    return _Part(run if all_exact else None, width, best, edge)


def _part(op: str, argument: Any, edge: bool) -> _Part:
    """Analyse one node of the parsed pattern."""
    match op:
        case "LITERAL":
            return _Part(frozenset({_fold(chr(argument))}), 1, None, False)
        case "IN":
            space = len(argument) == 1 and str(argument[0][1]) == "CATEGORY_SPACE"
            return _Part(_characters(argument), 1, None, space)
        case "AT":
            return _Part(frozenset({""}), 0, None, edge or str(argument) == "AT_BOUNDARY")
        case "ASSERT" | "ASSERT_NOT":
            return _Part(frozenset({""}), 0, None, edge)
        case "SUBPATTERN":
            return _sequence(argument[-1], edge)
        case "ATOMIC_GROUP":
            return _sequence(argument, edge)
        case "BRANCH":
            return _branch([_sequence(branch, edge) for branch in argument[1]], edge)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            low, high, item = argument
            if int(high) > MAX_SENTENCE:
                raise _UnboundedRepeatError
            part = _sequence(item, edge)
            if int(high) > 1 and not part.edge:
                part = _sequence(item, False)
            if (low, high) == (1, 1):
                return part
            exact = part.exact | {""} if part.exact is not None and (low, high) == (0, 1) else None
            pieces = _better(part.pieces, _as_pieces(part.exact, 0, edge and part.edge)) if low > 0 else None
            return _Part(exact, part.width * int(high), pieces, part.edge and (edge or low > 0))
        case "ANY" | "NOT_LITERAL":
            return _Part(None, 1, None, False)
        case _:  # back references and conditions: not used in the rules
            raise _UnboundedRepeatError


def _characters(items: Any) -> frozenset[str] | None:
    """The characters of a small class such as [ck]; None for negated, large or named classes."""
    found: set[str] = set()
    for op, argument in items:
        if str(op) == "LITERAL":
            found.add(_fold(chr(argument)))
        elif str(op) == "RANGE" and argument[1] - argument[0] < 10:
            found.update(_fold(chr(code)) for code in range(argument[0], argument[1] + 1))
        else:
            return None
    return frozenset(found)


def _branch(parts: list[_Part], edge: bool) -> _Part:
    """Join alternatives: each must yield pieces, else the whole yields none."""
    width = max(part.width for part in parts)
    exact: frozenset[str] | None = frozenset()
    pieces: set[str] = set()
    before = 0
    usable = at_word = True
    for part in parts:
        exact = None if exact is None or part.exact is None else exact | part.exact
        best = _better(part.pieces, _as_pieces(part.exact, 0, edge))
        if best is None:
            usable = False
        else:
            pieces.update(best.pieces)
            before = max(before, best.before)
            at_word = at_word and best.at_word
    if exact is not None and len(exact) > MAX_PIECES:
        exact = None
    joined = _Prefilter(_shortest(pieces), before, at_word) if usable else None
    return _Part(exact, width, joined, all(part.edge for part in parts))


def _as_pieces(exact: frozenset[str] | None, before: int, edge: bool) -> _Prefilter | None:
    if not exact or "" in exact:
        return None
    pieces = _shortest(exact)
    return _Prefilter(pieces, before, edge and all(_is_word(piece[0]) for piece in pieces))


def _shortest(pieces: set[str] | frozenset[str]) -> tuple[str, ...]:
    """Drop pieces that contain another piece with the same start, and sort."""
    kept: list[str] = []
    for piece in sorted(pieces, key=lambda item: (len(item), item)):
        if not any(piece.startswith(other) for other in kept):
            kept.append(piece)
    return tuple(sorted(kept))


def _better(left: _Prefilter | None, right: _Prefilter | None) -> _Prefilter | None:
    """The more selective of two: at words, long enough, few usual words, near the start of the match, then fewer."""
    if left is None or right is None:
        return left or right

    def rank(item: _Prefilter) -> tuple[bool, int, int, int, int]:
        usual = sum(piece in _USUAL for piece in item.pieces)
        return item.at_word, min(3, *(len(piece) for piece in item.pieces)), -usual, -item.before, -len(item.pieces)

    return left if rank(left) >= rank(right) else right
