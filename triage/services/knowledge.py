"""The knowledge base: answer blocks with their sources, and which of them fit a question, with reasons.

Blocks are files in `templates/knowledge/`, read once. Choosing is a pure function of assessment and text. It never
invents: when nothing fits well enough the choice is empty and the draft asks the sender instead.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from triage.core.assessment import Assessment, Band, Urgency
from triage.core.facts import FactRules, Facts, holds, terms_of_condition
from triage.errors import ConfigError
from triage.services.block_choice import BlockIndex, Choice, Example, is_urgent_in_words

SECTIONS = ("eerst", "kort", "waarom", "wie", "stappen", "oneens")
TO_CHECK = "controleren"
"""Statements that nobody has checked: none reaches a draft unless a person ticks it."""
_FOR_PROFESSIONALS = " voor professionals"
_MOST_BLOCKS = 2
_CONSIDERED = 10
_LIKE_ENOUGH = 6  # of the blocks that fit best
_LEAST, _LEAST_SECOND = 0.25, 0.5  # chance that the reply needs the block
_SURELY_WMO, _HARDLY_JEUGDWET = 0.9, 0.05  # of 121 children read, these left out two of five read wrongly and one child
_STATUSES = frozenset({"verified", "unverified"})
_OPTIONAL_KEYS = frozenset(
    {"regulation", "source", "remedies", "remedy", "words", "needs", "not_with", "only_with", "text_en", "recheck"}
)
_KEYS = frozenset({"id", "title", "topics", "laws", "urgency", "audience", "responsible_body", "checked_on", "status"})

_CONDITION = re.compile(r"\[(if|unless) ([a-z_, ]+): ([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Footnote:
    """A rule or page that a block rests on. `version_read` is the version of a law text that was read, if known. With
    `only_if` or `not_if`, conditions on facts, it goes with sentences that stand there under the same condition."""

    name: str  # "Wet langdurige zorg (Wlz), artikel 3.2.1", or the publisher of a page
    url: str
    version_read: date | None = None
    only_if: str = field(default="", compare=False)
    not_if: str = field(default="", compare=False)

    def goes_with(self, facts: Facts) -> bool:
        """Whether what rests on it is said to somebody of whom these facts are known."""
        return (not self.only_if or holds(self.only_if, facts)) and not (self.not_if and holds(self.not_if, facts))


@dataclass(frozen=True, slots=True)
class Block:
    """One answer. `marked` maps "nl", "en" and "professional" (instead of those of the same name in "nl") to sections:
    a name of SECTIONS and its paragraphs or list items as they stand in the file, conditions and all."""

    id: str
    title: str
    topics: tuple[str, ...]
    laws: tuple[str, ...]
    urgency: tuple[str, ...]
    audience: tuple[str, ...]
    responsible_body: str
    checked_on: date
    status: str  # verified; unverified: it reaches a draft only when a person ticks it
    remedies: tuple[str, ...]
    remedy: str
    words: tuple[str, ...]
    needs: tuple[str, ...]  # conditions on facts: the mail must say one of these
    not_with: tuple[str, ...]  # the mail may say none of these: the block would be about another person
    only_with: tuple[str, ...]  # one of these words must stand in the mail
    footnotes: tuple[Footnote, ...]
    marked: Mapping[str, Mapping[str, tuple[str, ...]]]
    to_check: tuple[str, ...] = ()
    recheck: str = ""  # Dutch, for staff: what must be looked up anew
    amounts: Mapping[str, int] = field(default_factory=dict)  # each amount in the text → the newest year that is known

    def text(self, lang: str, *, professional: bool, facts: Facts | None = None) -> Mapping[str, tuple[str, ...]]:
        """The sections of a letter in this language to this kind of reader, without what does not hold for somebody of
        whom these facts are known; empty when the block is not in the language. `facts` None: all that stands there."""
        if lang == "en":
            read = self.marked["en"]
        else:
            read = {**self.marked["nl"], **(self.marked["professional"] if professional else {})}
        resolved = {name: tuple(filter(None, (resolve(one, facts) for one in items))) for name, items in read.items()}
        return {name: items for name, items in resolved.items() if items}

    @property
    def sections(self) -> Mapping[str, tuple[str, ...]]:
        """The Dutch sections, with all that stands there under a condition."""
        return _whole(self.marked["nl"])

    @property
    def sections_en(self) -> Mapping[str, tuple[str, ...]]:
        """The English sections, likewise."""
        return _whole(self.marked["en"])

    @property
    def for_professionals(self) -> Mapping[str, tuple[str, ...]]:
        """The Dutch sections that professionals read instead, likewise."""
        return _whole(self.marked["professional"])

    @property
    def facts_named(self) -> frozenset[str]:
        """The facts that its conditions name."""
        texts = [item for read in self.marked.values() for items in read.values() for item in items]
        conditions = [*self.needs, *self.not_with, *(found[2] for one in texts for found in _CONDITION.finditer(one))]
        conditions += [one for note in self.footnotes for one in (note.only_if, note.not_if) if one]
        return frozenset(name for one in conditions for name, _ in terms_of_condition(one))

    def stale(self, today: date, longest: timedelta) -> tuple[str, ...]:
        """Why its text must be looked at anew: `recheck`, `checked_long_ago`, `amount_of_an_earlier_year`."""
        found = ["recheck"] if self.recheck else []
        if today - self.checked_on > longest:
            found.append("checked_long_ago")
        if any(year < today.year for year in self.amounts.values()):
            found.append("amount_of_an_earlier_year")
        return tuple(found)


def _whole(read: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(resolve(one, None) for one in items) for name, items in read.items()}


def resolve(text: str, facts: Facts | None) -> str:
    """The text that somebody reads: `[if wlz: …]` stands there only when the mail says so, `[unless wlz: …]` unless it
    does. `facts` None: everything, without the marks."""

    def shown(match: re.Match[str]) -> str:
        keep = facts is None or holds(match[2], facts) is (match[1] == "if")
        return match[3] if keep else ""

    return " ".join(_CONDITION.sub(shown, text).split())


class Knowledge:
    """All blocks, ready to be chosen from. Raises ConfigError that names file and fault when one cannot be used."""

    def __init__(self, folder: Path) -> None:
        data = DatedData.read(folder)
        self.facts = FactRules(read_toml(folder / "facts.toml"))
        self.blocks: tuple[Block, ...] = tuple(read_block(path, data) for path in sorted(folder.glob("*.md")))
        if not self.blocks:
            raise ConfigError(f"no answer blocks in {folder.name}")
        for block in self.blocks:
            unknown = sorted(block.facts_named - set(self.facts.rules))
            if unknown:
                raise ConfigError(f"{block.id}.md names the fact {unknown[0]}, which facts.toml has not")
        self.remedies: Mapping[str, Block] = {block.remedy: block for block in self.blocks if block.remedy}
        for block in self.blocks:
            missing = [name for name in block.remedies if name not in self.remedies]
            if missing:
                raise ConfigError(f"{block.id}.md names the remedy {missing[0]}, which no block has")
        self.questions: Mapping[str, Sequence[str]] = {
            name: entry["questions"] for name, entry in read_toml(folder / "questions.toml").items()
        }
        unknown = sorted(set(self.questions) - {block.id for block in self.blocks})
        if unknown:
            raise ConfigError(f"questions.toml has questions for {unknown[0]}, which is no block")
        self.mails: Sequence[Mapping[str, Any]] = read_mails(
            folder / "mails.jsonl", {block.id for block in self.blocks}
        )

    @cached_property
    def index(self) -> BlockIndex:
        """What the blocks are chosen by; made when it is first asked for, since it takes more than a second."""
        examples = [Example(f"{row['subject']}\n\n{row['body']}", tuple(row["blocks"])) for row in self.mails]
        return BlockIndex(self.blocks, self.questions, examples, self.facts)

    def outdated(self, ids: Collection[str], today: date, longest: timedelta) -> tuple[str, ...]:
        """Titles of those blocks whose text may no longer hold: checked too long ago, or with an amount of an earlier
        year. What `recheck` says of a source is for who keeps the blocks, not a question at every release."""
        return tuple(
            block.title for block in self.blocks if block.id in ids and set(block.stale(today, longest)) - {"recheck"}
        )

    def facts_of(self, assessment: Assessment, text: str) -> Facts:
        """What the mail says of the person it is about. A child is not taken for said when the question is surely on
        the Wmo 2015 and hardly on the Jeugdwet: then the child is mostly another one in the house."""
        facts = self.facts.read(text)
        probability = assessment.law_probabilities
        adult = probability.get("wmo", 0.0) > _SURELY_WMO and probability.get("jeugdwet", 1.0) < _HARDLY_JEUGDWET
        return {name: said for name, said in facts.items() if not (adult and name == "child" and said)}

    def suggest(self, assessment: Assessment, text: str) -> tuple[Choice, ...]:
        """The blocks that fit best, best first, with the reasons."""
        return self.index.suggest(assessment, text, self.facts_of(assessment, text))

    def choose(self, assessment: Assessment, text: str) -> tuple[Choice, ...]:
        """At most two blocks that fit, best first; empty when nothing does: then the draft asks the sender instead.

        Blocks that nobody verified are left to people, and so are those that share neither act nor topic with the
        question; where a person gave the topics, the likeliest block of those leads. Words for the last phase of life
        reach nobody whose question is not urgent, and stand beside another answer only where the mail says that
        somebody is dying; one in the band urgent gets a block that says what to do first."""
        facts = self.facts_of(assessment, text)
        urgent = is_urgent_in_words(assessment, facts)
        considered = len(self.blocks) if assessment.topics_given else _CONSIDERED
        found = [
            one
            for one in self.index.suggest(assessment, text, facts, most=considered)
            if _may_be_chosen(one) and (urgent or "regular" in one.block.urgency)
        ]
        given = [one for one in found if _shares(one, "topic:")] if assessment.topics_given else []
        least = 0.0 if given else _LEAST
        chosen = [
            one
            for place, one in enumerate((given or found)[:_MOST_BLOCKS])
            if one.score >= (_LEAST_SECOND if place else least)
        ]
        surely = assessment.band is Band.URGENT
        if surely and not any(assessment.urgency in one.block.urgency for one in chosen):
            chosen = [*chosen[: _MOST_BLOCKS - 1], *self._first_step(assessment, text, facts, needs_topic=bool(chosen))]
        return tuple(chosen)

    def _first_step(self, assessment: Assessment, text: str, facts: Facts, *, needs_topic: bool) -> list[Choice]:
        """The likeliest block for this urgency; one of the same topic, and for this urgency alone, goes first."""
        # beside a clear answer, words for the last phase of life must be like the mail and rest on what it says: a
        # false alarm would be cruel
        cruel = needs_topic and assessment.urgency is Urgency.PALLIATIVE
        most = _LIKE_ENOUGH if cruel else len(self.blocks)
        able = [
            one
            for one in self.index.suggest(assessment, text, facts, most=most)
            if one.block.status == "verified" and one.fits and assessment.urgency in one.block.urgency
            if not cruel or facts.get("dying") or Urgency.TRANSFER in one.block.urgency
        ]
        of_topic = [one for one in able if _shares(one, "topic:")]
        usable = of_topic or ([] if needs_topic else able)
        return sorted(usable, key=lambda one: "regular" in one.block.urgency)[:1]


@lru_cache(maxsize=2)
def knowledge_in(folder: Path) -> Knowledge:
    """The knowledge base of a folder, read once a process: a changed file is used after a restart."""
    return Knowledge(folder)


def _shares(choice: Choice, kind: str) -> bool:
    return any(reason.startswith(kind) for reason in choice.reasons)


def _may_be_chosen(choice: Choice) -> bool:
    shares = not choice.block.laws or _shares(choice, "topic:") or _shares(choice, "laws:")
    return choice.block.status == "verified" and choice.fits and shares


# ---------------------------------------------------------------- reading the files


@dataclass(frozen=True, slots=True)
class DatedData:
    """Terms and amounts that blocks name instead of writing them: what changes has one place."""

    terms: Mapping[str, Mapping[str, Any]]
    amounts: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> DatedData:
        """Those of this folder. Raises ConfigError when a file cannot be read."""
        return cls(read_toml(folder / "terms.toml"), read_toml(folder / "amounts.toml"))

    def newest(self, amount: str) -> int:
        """The newest year that the amount is known for."""
        return max(int(key) for key in self.amounts[amount] if key.isdigit())


def read_toml(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """A file of tables. Raises ConfigError that names it."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{path.name} cannot be read: {type(exc).__name__}") from None


def read_mails(path: Path, names: Collection[str]) -> Sequence[Mapping[str, Any]]:
    """Invented mails, one a line, each with the blocks that answer it. Raises ConfigError that names file and line,
    also when two have the same text."""
    rows: list[Mapping[str, Any]] = []
    seen: dict[str, int] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as exc:
        raise ConfigError(f"{path.name} cannot be read: {type(exc).__name__}") from None
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            raise ConfigError(f"{path.name}, line {number}, is no JSON") from None
        if not {"subject", "body", "blocks", "author"} <= row.keys():
            raise ConfigError(f"{path.name}, line {number}, needs subject, body, blocks and author")
        unknown = sorted(set(row["blocks"]) - set(names))
        if unknown:
            raise ConfigError(f"{path.name}, line {number}, names {unknown[0]}, which is no block")
        first = seen.setdefault(" ".join(row["body"].lower().split()), number)
        if first != number:
            raise ConfigError(f"{path.name}, line {number}, has the text of line {first}")
        rows.append(row)
    return rows


def read_block(path: Path, data: DatedData) -> Block:
    """One block. Raises ConfigError that names file and fault."""
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^\+\+\+\s*$", text, maxsplit=2, flags=re.MULTILINE)
    if len(parts) != 3 or parts[0].strip():
        raise ConfigError(f"{path.name} must begin with front matter between two +++ lines")
    try:
        front = tomllib.loads(parts[1])
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path.name}: the front matter is not valid TOML: {exc}") from None
    _check_keys(path.name, front)
    try:
        text, amounts = _filled(parts[2], data, "nl")
        sections = dict(_sections(text))
        text_en, amounts_en = _filled(front.get("text_en", ""), data, "en")
        sections_en = _sections(text_en)
    except Exception as exc:  # Jinja2 raises many kinds; each means the same to who edits the file
        raise ConfigError(f"{path.name}: {exc}") from exc
    marked = {
        "nl": {name: items for name, items in sections.items() if name in SECTIONS},
        "en": sections_en,
        "professional": {
            name.removesuffix(_FOR_PROFESSIONALS): items
            for name, items in sections.items()
            if name.endswith(_FOR_PROFESSIONALS)
        },
    }
    if not {"kort", "waarom", "wie"} <= sections.keys():
        raise ConfigError(f"{path.name} needs the sections kort, waarom and wie")
    footnotes = tuple(
        Footnote(_name_of(rule), rule["url"], rule.get("version_read"), rule.get("only_if", ""), rule.get("not_if", ""))
        for rule in (*front.get("regulation", ()), *front.get("source", ()))
    )
    if not footnotes:
        raise ConfigError(f"{path.name} names no source: give [[regulation]] or [[source]]")
    return Block(
        id=front["id"],
        title=front["title"],
        topics=tuple(front["topics"]),
        laws=tuple(front["laws"]),
        urgency=tuple(front["urgency"]),
        audience=tuple(front["audience"]),
        responsible_body=front["responsible_body"],
        checked_on=front["checked_on"],
        status=front["status"],
        remedies=tuple(front.get("remedies", ())),
        remedy=front.get("remedy", ""),
        words=tuple(front.get("words", ())),
        needs=tuple(front.get("needs", ())),
        not_with=tuple(front.get("not_with", ())),
        only_with=tuple(front.get("only_with", ())),
        footnotes=footnotes,
        marked=marked,
        to_check=sections.get(TO_CHECK, ()),
        recheck=front.get("recheck", ""),
        amounts={**amounts, **amounts_en},
    )


def _name_of(rule: Mapping[str, Any]) -> str:
    if "law" not in rule:
        return str(rule["name"])
    article = str(rule["article"])
    return f"{rule['law']}, {'' if article.startswith('hoofdstuk') else 'artikel '}{article}"


def _check_keys(name: str, front: Mapping[str, Any]) -> None:
    missing = sorted(_KEYS - front.keys())
    unknown = sorted(front.keys() - _KEYS - _OPTIONAL_KEYS)
    if missing or unknown:
        raise ConfigError(f"{name}: " + "; ".join([*(f"{key} is missing" for key in missing), *unknown]))
    if front["id"] != Path(name).stem:
        raise ConfigError(f"{name}: id must be the file name")
    if front["status"] not in _STATUSES:
        raise ConfigError(f"{name}: status must be verified or unverified")
    if not isinstance(front["checked_on"], date):
        raise ConfigError(f"{name}: checked_on must be a date such as 2026-11-22")


def _filled(text: str, data: DatedData, language: str) -> tuple[str, Mapping[str, int]]:
    """The text with {{ term('key') }} and {{ amount('key') }} filled in, an amount with the year it holds for; and the
    amounts that it names with that year."""
    named: dict[str, int] = {}
    value = "value_en" if language == "en" else "value"

    def term(key: str) -> str:
        if key not in data.terms:
            raise ConfigError(f"terms.toml has no {key}")
        return str(data.terms[key][value])

    def amount(key: str) -> str:
        if key not in data.amounts:
            raise ConfigError(f"amounts.toml has no {key}")
        named[key] = data.newest(key)
        said = data.amounts[key][str(named[key])][value]
        return f"{said} ({named[key]})" if language == "en" else f"{said} (bedrag {named[key]})"

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    return environment.from_string(text).render(term=term, amount=amount), named


def _sections(text: str) -> Mapping[str, tuple[str, ...]]:
    """`## name` lines part the text; list lines become items, everything else one paragraph per empty line."""
    found: dict[str, tuple[str, ...]] = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("\n")
        if name.strip().removesuffix(_FOR_PROFESSIONALS) not in (*SECTIONS, TO_CHECK):
            raise ConfigError(f"unknown section {name.strip()}; known are {', '.join((*SECTIONS, TO_CHECK))}")
        lines = [line.strip() for line in body.strip().splitlines()]
        if lines and lines[0].startswith("- "):
            found[name.strip()] = tuple(line.removeprefix("- ") for line in lines if line)
        else:
            paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
            found[name.strip()] = tuple(" ".join(one.split()) for one in paragraphs if one.strip())
    return found
