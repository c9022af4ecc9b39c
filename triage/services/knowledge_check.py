"""What is wrong in the knowledge base, and what a person should look at: format, sources, dates, language, coverage."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from triage.core.assessment import LAWS, Urgency
from triage.core.facts import FactRules, excluded
from triage.core.readability import MOST_MEAN_WORDS, readability, sentences, words_in
from triage.errors import ConfigError
from triage.services.knowledge import SECTIONS, Block, DatedData, read_block, read_mails, read_toml, resolve

LEAST_QUESTIONS = 10
"""Invented questions that a block needs: with fewer a mail is hardly ever like it."""
NOT_COVERED: Mapping[tuple[str, str], str] = {
    ("T32", "wlz"): "the sources tell of care at school without a Wlz decision only",
    ("T99", ""): "thanks and spam need no answer",
}
"""Pairs of topic and act ("" for a topic of no act) without a block, and why."""

_AUDIENCES = frozenset({"citizen", "professional"})
_UNDATED = ("Algemene wet bestuursrecht", "Algemene termijnenwet")  # read in a copy without a date
_FULL = {
    "Wlz": "Wet langdurige zorg (Wlz)",
    "Zvw": "Zorgverzekeringswet (Zvw)",
    "Wmo": "Wet maatschappelijke ondersteuning 2015 (Wmo 2015)",
    "Blz": "Besluit langdurige zorg (Blz)",
    "Bzv": "Besluit zorgverzekering (Bzv)",
    "Rlz": "Regeling langdurige zorg (Rlz)",
    "Awb": "Algemene wet bestuursrecht (Awb)",
}
_WORDS = ("CIZ", "zorgkantoor", "pgb", "mpt", "vpt")
_AMOUNT = re.compile(r"€\s*\d|\bEUR\b|\d\s*euro\b", re.IGNORECASE)
_NUMBER = (
    r"(?:\d[\d.,]*|een|één|twee|drie|vier|vijf|zes|zeven|acht|negen|tien|elf|twaalf|dertien|veertien|achttien|negentig|"
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|eighteen|ninety)"
)
_UNIT = (
    r"(?:werkdag(?:en)?|dag(?:en)?|we(?:ek|ken)|maand(?:en)?|etmalen|procent|kilometer|"
    r"working days?|days?|weeks?|months?|per ?cent|kilometres?)"
)
_TERM = re.compile(rf"\b{_NUMBER} {_UNIT}\b", re.IGNORECASE)

Kind = Literal["wrong", "look"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`wrong` must be mended; `look` wants a person's eye and stops nothing."""

    kind: Kind
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class KnowledgeReport:
    """`verified` of the `blocks` rest on checked sources; the figures are of the Dutch sentences for citizens."""

    findings: tuple[Finding, ...]
    blocks: int
    verified: int
    sentences: int
    longest: int
    mean: float

    @property
    def wrong(self) -> int:
        """How many findings must be mended."""
        return sum(one.kind == "wrong" for one in self.findings)


def check_knowledge(
    templates: Path, today: date, longest: timedelta, zorgkantoren: Mapping[str, date] | None = None
) -> KnowledgeReport:
    """Judges `templates`/knowledge as it stands on a day; what was checked longer ago than `longest` is stale, and so
    is a zorgkantoor (region code → day) that was confirmed longer ago."""
    folder, found, blocks = templates / "knowledge", list[Finding](), list[Block]()
    try:
        data = DatedData.read(folder)
        questions, topics = read_toml(folder / "questions.toml"), read_toml(folder / "topics.toml")
        facts = FactRules(read_toml(folder / "facts.toml"))
        explained = set(_listed_words(templates / "replies" / "words.toml"))
    except ConfigError as exc:
        return _report([Finding("wrong", str(exc).partition(" ")[0].rstrip(":"), str(exc))], ())
    for path in sorted(folder.glob("*.md")):
        try:
            blocks.append(read_block(path, data))
        except ConfigError as exc:
            found.append(Finding("wrong", path.name, str(exc).removeprefix(f"{path.name}: ")))
    remedies = {block.remedy for block in blocks if block.remedy}
    for block in blocks:
        told = [
            *_format(block, topics, remedies),
            *_conditions(block, facts),
            *_sources(block, today),
            *_dates(block, today, longest),
            *_typed(block, folder, data),
            *_reading(block),
            *_terms_explained(block, explained),
        ]
        found += [Finding(kind, f"{block.id}.md", text) for kind, text in told]
    found += _dated_data(data, blocks, today, longest)
    found += _questions(questions, [path.stem for path in sorted(folder.glob("*.md"))])
    found += _mails(folder / "mails.jsonl", [path.stem for path in sorted(folder.glob("*.md"))])
    found += _coverage(topics, blocks)
    found += _confirmed(zorgkantoren or {}, today, longest)
    return _report(found, blocks)


def _listed_words(path: Path) -> Iterator[str]:
    for word in read_toml(path).get("word", ()):
        yield word["name"]  # type: ignore[index]  # a list of tables, one a word


def _report(found: Sequence[Finding], blocks: Sequence[Block]) -> KnowledgeReport:
    figures = readability([one for block in blocks for one in _sentences(block.sections)])
    return KnowledgeReport(
        findings=tuple(sorted(found, key=lambda one: one.kind != "wrong")),
        blocks=len(blocks),
        verified=sum(block.status == "verified" for block in blocks),
        sentences=figures.sentences,
        longest=figures.longest,
        mean=figures.mean,
    )


_Told = Iterator[tuple[Kind, str]]


def _format(block: Block, topics: Mapping[str, Any], remedies: Collection[str]) -> _Told:
    for name, values, known in (
        ("topic", block.topics, topics),
        ("act", block.laws, LAWS),
        ("urgency", block.urgency, [str(one) for one in Urgency]),
        ("audience", block.audience, _AUDIENCES),
        ("remedy", block.remedies, remedies),
    ):
        for value in values:
            if value not in known:
                yield "wrong", f"unknown {name} {value}; known are {', '.join(sorted(known))}"
    if not block.topics or not block.urgency or not block.audience or not block.responsible_body:
        yield "wrong", "topics, urgency, audience and responsible_body may not be empty"
    if block.urgency != (str(Urgency.REGULAR),) and "eerst" not in block.sections:
        yield "wrong", "it is for urgent questions: add a section eerst that says what to do now"
    if block.remedy and "oneens" not in block.sections:
        yield "wrong", "it has the key remedy: add a section oneens with the short text for other letters"
    if not block.sections_en:
        yield "look", "it has no text_en: an English question gets no answer from it"
    if block.status != "verified":
        yield "look", "nobody verified it: it reaches a draft only when a person chooses it"


def _conditions(block: Block, facts: FactRules) -> _Told:
    for name in sorted(block.facts_named - set(facts.rules)):
        yield "wrong", f"unknown fact {name}; known are {', '.join(facts.rules)}"
    for read in block.marked.values():
        for text in (item for items in read.values() for item in items):
            left = resolve(text, None)
            if re.search(r"\[(?!\[)|\[?(?:if|unless) [a-z_, ]+: ", left):
                yield (
                    "wrong",
                    f"a condition must be [if fact: text] or [unless fact: text], without brackets in it: {left}",
                )
    for facts_known in (
        {},
        *({name: said} for name in sorted(block.facts_named & set(facts.rules)) for said in (True, False)),
    ):
        if excluded(block.needs, block.not_with, facts_known):
            continue
        told = ", ".join(f"{'' if said else 'no '}{name}" for name, said in facts_known.items()) or "no fact known"
        if not any(note.goes_with(facts_known) for note in block.footnotes):
            yield "wrong", f"with {told} no source would be named: leave one without only_if and not_if"
        for professional in (False, True):
            if not {"kort", "waarom", "wie"} <= block.text("nl", professional=professional, facts=facts_known).keys():
                yield "wrong", f"with {told} kort, waarom or wie would be empty: leave a sentence without condition"


def _sources(block: Block, today: date) -> _Told:
    for note in block.footnotes:
        if not note.url.startswith("https://"):
            yield "wrong", f"the address {note.url} must begin with https://"
        if note.version_read is None:
            if "wetten.overheid.nl" in note.url and not note.name.startswith(_UNDATED):
                yield "wrong", f"{note.name} names no version: add version_read, the date of the text that was read"
        elif note.version_read > today:
            yield "wrong", f"version_read of {note.name} lies in the future: {note.version_read}"


def _dates(block: Block, today: date, longest: timedelta) -> _Told:
    if block.checked_on > today:
        yield "wrong", f"checked_on lies in the future: {block.checked_on}"
    stale = block.stale(today, longest)
    if "checked_long_ago" in stale:
        yield "look", f"checked on {block.checked_on}, more than {longest.days} days ago: check it and set checked_on"
    if "recheck" in stale:
        yield "look", f"recheck: {block.recheck}"


def _typed(block: Block, folder: Path, data: DatedData) -> _Told:
    """Amounts and terms that stand in the text itself instead of in amounts.toml and terms.toml."""
    raw = re.sub(r"\{\{.*?\}\}", "", (folder / f"{block.id}.md").read_text("utf-8"))
    for match in _AMOUNT.finditer(raw):
        yield (
            "wrong",
            f"an amount is typed ({match.group()}…): put it in amounts.toml and write {{{{ amount('key') }}}}",
        )
    front, _, dutch = raw.removeprefix("+++").partition("\n+++")
    english = re.search(r"text_en = \'\'\'(.*?)\'\'\'", front, re.DOTALL)
    # unchecked statements stand as somebody told them: most have no source that a term could name
    text = f"{dutch.partition('## controleren')[0]} {english.group(1) if english else ''}"
    values = {str(term[key]) for term in data.terms.values() for key in ("value", "value_en") if key in term}
    there = [value for value in sorted(values) if value.lower() in text.lower() and not value.startswith("24 ")]
    named = [rf"\b{re.escape(value)}\b" for value in there]
    found = {
        match.group() for pattern in (_TERM.pattern, *named) for match in re.finditer(pattern, text, re.IGNORECASE)
    }
    for term in sorted(found):
        yield "wrong", f"a term is typed ({term}): put it in terms.toml and write {{{{ term('key') }}}}"


def _reading(block: Block) -> _Told:
    groups = {
        "": block.sections,
        " voor professionals": block.for_professionals,
        " (English)": block.sections_en,
        "controleren": {"": block.to_check},
    }
    for ending, sections in groups.items():
        for name, items in sections.items():
            for one in readability([part for item in items for part in sentences(item)]).too_long:
                yield "wrong", f"{name}{ending}: {words_in(one)} words, make it two sentences: {one}"
    readers: dict[str, Mapping[str, Sequence[str]]] = {
        "citizens": block.sections,
        "professionals": block.text("nl", professional=True),
        "English readers": block.sections_en,
    }
    for reader, whole in readers.items():
        mean = readability(list(_sentences(whole))).mean
        if mean > MOST_MEAN_WORDS:
            yield "wrong", f"the text for {reader} has {mean:.1f} words a sentence (at most {MOST_MEAN_WORDS:.0f})"


def _sentences(sections: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for items in sections.values():
        for item in items:
            yield from sentences(item)


def _terms_explained(block: Block, explained: Collection[str]) -> _Told:
    """Each act in full where a reader first meets it, with `eerst` (urgent letters) and without; each word of the
    trade in the list below letters or explained in the text."""
    told: dict[str, None] = {}
    for sections in (block.sections, block.text("nl", professional=True)):
        for names in (SECTIONS, SECTIONS[1:]):
            text = " ".join(item for name in names for item in sections.get(name, ()))
            for short, full in _FULL.items():
                first = re.search(rf"\b{short}\b", text)
                if first and not 0 <= text.find(full) < first.start():
                    told[f"write {full} where it is first named"] = None
            for word in _WORDS:
                if word not in explained and re.search(rf"\b{word}\b", text) and f"({word})" not in text:
                    told[f"explain {word}, or put it in replies/words.toml"] = None
    for text in told:
        yield "wrong", text


def _dated_data(data: DatedData, blocks: Sequence[Block], today: date, longest: timedelta) -> Iterator[Finding]:
    for key, term in data.terms.items():
        for told in _one_term(term, today, longest):
            yield Finding(told[0], "terms.toml", f"{key}: {told[1]}")
    for key, amount in data.amounts.items():
        years = [int(year) for year in amount if year.isdigit()]
        if not str(amount.get("source", "")).startswith("https://"):
            yield Finding("wrong", "amounts.toml", f"{key}: source must be an address that begins with https://")
        if not years:
            yield Finding("wrong", "amounts.toml", f"{key}: give a value for a year")
        elif today.year not in years:
            using = ", ".join(block.id for block in blocks if key in block.amounts) or "no block"
            text = f"{key} has no value for {today.year} (newest: {max(years)}); used by {using}"
            yield Finding("look", "amounts.toml", text)


def _one_term(term: Mapping[str, Any], today: date, longest: timedelta) -> _Told:
    missing = [key for key in ("value", "value_en", "url", "checked_on") if key not in term]
    if missing:
        yield "wrong", f"{', '.join(missing)} is missing"
        return
    if not str(term["url"]).startswith("https://"):
        yield "wrong", f"the address {term['url']} must begin with https://"
    if not isinstance(term["checked_on"], date):
        yield "wrong", "checked_on must be a date such as 2026-11-22"
    elif term["checked_on"] > today:
        yield "wrong", f"checked_on lies in the future: {term['checked_on']}"
    elif today - term["checked_on"] > longest:
        yield "look", f"checked on {term['checked_on']}, more than {longest.days} days ago"


def _confirmed(zorgkantoren: Mapping[str, date], today: date, longest: timedelta) -> Iterator[Finding]:
    for code, day in zorgkantoren.items():
        if day > today:
            yield Finding("wrong", "settings", f"zorgkantoren.{code}.confirmed_on lies in the future: {day}")
        elif today - day > longest:
            yield Finding("look", "settings", f"zorgkantoren.{code} was confirmed on {day}: ask again")


def _questions(questions: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> Iterator[Finding]:
    file, seen = "questions.toml", dict[str, str]()
    for name in questions:
        if name not in names:
            yield Finding("wrong", file, f"{name} is no block")
    for name in names:
        mine = [str(one) for one in questions.get(name, {}).get("questions", ())]
        if len(mine) < LEAST_QUESTIONS:
            yield Finding("wrong", file, f"{name} has {len(mine)} questions, at least {LEAST_QUESTIONS} are needed")
        for question in mine:
            key = " ".join(re.findall(r"\w+", question.lower()))
            if key in seen:
                yield Finding("wrong", file, f"{name} and {seen[key]} have the same question: {question}")
            seen.setdefault(key, name)


def _mails(path: Path, names: Sequence[str]) -> Iterator[Finding]:
    try:
        read_mails(path, names)
    except ConfigError as exc:
        yield Finding("wrong", path.name, str(exc).removeprefix(f"{path.name}, "))


def _coverage(topics: Mapping[str, Mapping[str, Any]], blocks: Iterable[Block]) -> Iterator[Finding]:
    covered = {(topic, law) for block in blocks for topic in block.topics for law in (*block.laws, "")}
    for code, topic in topics.items():
        for pair in [(code, law) for law in topic["laws"]] or [(code, "")]:
            what = f"{code} ({topic['label']})" + (f" with act {pair[1]}" if pair[1] else "")
            if pair in covered:
                if pair in NOT_COVERED:
                    yield Finding("wrong", "topics.toml", f"{what} has a block now: take it out of NOT_COVERED")
            elif pair in NOT_COVERED:
                yield Finding("look", "topics.toml", f"{what} has no block: {NOT_COVERED[pair]}")
            else:
                yield Finding(
                    "wrong", "topics.toml", f"{what} has no block: write one, or add it to one that answers it"
                )
