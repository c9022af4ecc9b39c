"""The text of a drafted reply: the skeleton of `templates/replies`, filled from answer blocks.

Nothing of the sender's text comes in but a name in the salutation and the gemeente that they name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment

from triage.core.assessment import Assessment
from triage.core.compose import person_name
from triage.core.facts import Facts
from triage.core.mail import ParsedMail
from triage.core.sla import dutch_date
from triage.errors import ConfigError
from triage.services.block_choice import PROFESSIONALS, Choice, is_urgent_in_words
from triage.services.knowledge import Block, Footnote, Knowledge
from triage.services.places import Found, Gemeente, find_place, same_name
from triage.services.wording import ENGLISH_MONTHS, noon, spell_out_laws

_MOST_STEPS = 6
_BY_GEMEENTE = frozenset({"wmo", "jeugdwet"})
_TOPIC_OF_TWO_PLACES = "T22"  # moving, or parents who live apart
_ASKED_FOR = frozenset({"child", "wlz"})  # facts that a sender is asked for when the mail does not say them
_FIND_ZORGKANTOOR = "https://www.regelhulp.nl/ik-heb-hulp-nodig/zorgkantoor"

_Part = tuple[Block, Mapping[str, tuple[str, ...]]]  # a block and its sections in the language of the letter


@dataclass(frozen=True, slots=True)
class Zorgkantoor:
    """Who executes the Wlz in a region, as the organisation confirmed it."""

    name: str
    telephone: str


class DraftTexts:
    """Writes drafts from one knowledge base. Raises ConfigError when a file of texts cannot be read."""

    def __init__(
        self,
        templates: Path,
        environment: Environment,
        knowledge: Knowledge,
        zorgkantoren: Mapping[str, Zorgkantoor],
    ) -> None:
        """`environment` compiles the skeletons; `zorgkantoren` maps region codes to what was confirmed."""
        self._knowledge, self._zorgkantoren = knowledge, zorgkantoren
        self._skeletons = {
            "nl": environment.get_template("replies/reply.txt.j2"),
            "en": environment.get_template("replies/reply_en.txt.j2"),
        }
        self._understood = _toml(templates / "replies" / "understood.toml")["topics"]
        self._words: list[dict[str, str]] = _toml(templates / "replies" / "words.toml")["word"]

    def write(
        self,
        mail: ParsedMail,
        assessment: Assessment,
        blocks: Sequence[Block],
        *,
        statements: Collection[str] = (),
        ourselves: Mapping[str, str],
    ) -> str:
        """The reply that these blocks give; `statements` are those of their unchecked statements that a person ticked.
        Without blocks it asks the sender what is not known yet."""
        lang = language_of(assessment)
        professional = assessment.sender_type in PROFESSIONALS
        facts = self._knowledge.facts_of(assessment, _asked(mail, assessment))
        parts = [(block, block.text(lang, professional=professional, facts=facts)) for block in blocks]
        answered = [(block, part) for block, part in parts if part]
        of_block = {block.id: [one for one in block.footnotes if one.goes_with(facts)] for block, _ in answered}
        notes = list(dict.fromkeys(note for found in of_block.values() for note in found))
        why: list[str] = []
        for block, part in answered:
            marks = _marks([notes.index(note) + 1 for note in of_block[block.id]])
            reasons = part.get("waarom", ("",))
            ticked = [one for one in block.to_check if one in statements]
            why += [*reasons[:-1], f"{reasons[-1]} {marks}".strip(), *ticked]
        disagree: list[str] = []
        for remedy in self._remedies([block for block, _ in answered], assessment, facts):
            said = remedy.text(lang, professional=professional, facts=facts)
            if remedy.footnotes[0] not in notes:
                notes.append(remedy.footnotes[0])
            mark = f"[{notes.index(remedy.footnotes[0]) + 1}]"
            disagree += [f"{text} {mark}" for text in said.get("oneens", ())]
        found = find_place(f"{mail.subject}\n{mail.new_text or mail.forwarded_text}")
        answer = " ".join(text for _, part in answered for texts in part.values() for text in texts)
        body = self._skeletons[lang].render(
            **ourselves,
            salutation=_salutation(mail, lang),
            understood=self._understanding(answered, assessment, lang),
            danger=assessment.danger,
            thanks_only=assessment.topics[:1] == ("T99",) and not assessment.laws and not assessment.danger,
            about_laws=any(block.laws for block, _ in answered),
            words=[word for word in self._words if word["name"] in answer] if lang == "nl" else [],
            first=_first_steps(answered, assessment, facts),
            short=_gather(answered, "kort"),
            why=why,
            who=[*_gather(answered, "wie"), *self._who_by_place(found, answered, assessment, facts, lang)],
            steps=_gather(answered, "stappen")[:_MOST_STEPS],
            ask=not answered or assessment.laws_unclear,
            open=_open_questions(answered, facts, knows_place=found.gemeente is not None),
            ask_place=" / ".join(found.doubtful) if _needs_place(answered) else "",
            disagree=disagree,
            footnotes=[_footnote(note, lang) for note in notes],
        )
        return spell_out_laws(body, lang)

    def suggest(self, mail: ParsedMail, assessment: Assessment) -> tuple[Choice, ...]:
        """The blocks that fit best, best first."""
        return self._knowledge.suggest(assessment, _asked(mail, assessment))

    def choose(self, mail: ParsedMail, assessment: Assessment) -> tuple[Choice, ...]:
        """The blocks that the machine builds a draft from."""
        return self._knowledge.choose(assessment, _asked(mail, assessment))

    def stated_facts(self, mail: ParsedMail, assessment: Assessment) -> Sequence[str]:
        """What the mail says of the person it is about, in Dutch."""
        rules, stated = self._knowledge.facts, self._knowledge.facts_of(assessment, _asked(mail, assessment))
        return [rules.words(name if holds else f"no {name}") for name, holds in stated.items()]

    def _understanding(self, answered: Sequence[_Part], assessment: Assessment, lang: str) -> str:
        """What the question was about, by the block that answers it: a topic that only the model saw may be wrong."""
        for block, _ in answered[:1]:
            topic = next((one for one in assessment.topics if one in block.topics), next(iter(block.topics), ""))
            if topic in self._understood:
                return str(self._understood[topic][lang])
        return ""

    def _remedies(self, blocks: Sequence[Block], assessment: Assessment, facts: Facts) -> Sequence[Block]:
        """The blocks on objection that go with these, unless one of them says it all itself: of a block on several acts
        only those for the acts of the question, without the Wlz for who has no indication and without the Zvw for who
        has one. The first footnote of such a block is the rule its text rests on."""
        if any(block.remedy for block in blocks):
            return ()
        asked, remedies = set(assessment.laws), self._knowledge.remedies
        names: dict[str, None] = {}
        for block in blocks:
            fitting = [name for name in block.remedies if asked.intersection(remedies[name].laws)]
            names |= dict.fromkeys(fitting or block.remedies)
        unlikely = {True: "zvw", False: "wlz", None: ""}[facts.get("wlz")]
        if len(names) > 1:
            names.pop(unlikely, None)
        return [remedies[name] for name in names]

    def _who_by_place(
        self, found: Found, answered: Sequence[_Part], assessment: Assessment, facts: Facts, lang: str
    ) -> list[str]:
        """Which gemeente and which zorgkantoor region go with the place that the sender names; none when the question
        is which of two it is. With an indication for the Wlz an answer under both acts says itself who decides."""
        if found.gemeente is None or any(_TOPIC_OF_TWO_PLACES in block.topics for block, _ in answered):
            return []
        laws = {law for block, _ in answered for law in block.laws}
        lines = []
        decides = [law for law in ("wmo", "jeugdwet") if law in laws and _may_be_for(law, facts)]
        decides = [law for law in decides if law in assessment.laws] or decides
        if decides and not (facts.get("wlz") and "wlz" in laws):
            over = _AND[lang].join(_DECIDES_OVER[lang][law] for law in decides)
            named = _SAME_LINE if same_name(found.place, found.gemeente) else _WITHIN_LINE
            line = f"{named[lang]} {_GEMEENTE_LINE[lang]}"
            lines.append(line.format(place=found.place, gemeente=found.gemeente.name, over=over))
        if facts.get("wlz") or (laws == {"wlz"} and "wlz" not in facts):
            lines.append(self._zorgkantoor_line(found.gemeente, lang))
        return lines

    def _zorgkantoor_line(self, gemeente: Gemeente, lang: str) -> str:
        line = _REGION_LINE[lang].format(gemeente=gemeente.name, region=gemeente.region)
        known = self._zorgkantoren.get(gemeente.region_code)
        if known is None:
            return f"{line} {_LOOK_UP_LINE[lang].format(url=_FIND_ZORGKANTOOR)}"
        return f"{line} {_KNOWN_LINE[lang].format(name=known.name, telephone=known.telephone)}"


_SAME_LINE = {
    "nl": "U noemt de gemeente {gemeente}.",
    "en": "You mention the municipality of {gemeente}.",
}
_WITHIN_LINE = {
    "nl": "U noemt {place}. Dat hoort bij de gemeente {gemeente}.",
    "en": "You mention {place}. That is part of the municipality of {gemeente}.",
}
_GEMEENTE_LINE = {
    "nl": "Woont degene om wie het gaat daar? Dan beslist deze gemeente over {over}.",
    "en": "If the person concerned lives there, this municipality decides about {over}.",
}
_DECIDES_OVER = {
    "nl": {"wmo": "hulp uit de Wmo 2015", "jeugdwet": "jeugdhulp"},
    "en": {"wmo": "help under the Social Support Act (Wmo 2015)", "jeugdwet": "youth help (Jeugdwet)"},
}
_AND = {"nl": " en over ", "en": " and about "}
_REGION_LINE = {
    "nl": "Bij de gemeente {gemeente} hoort het zorgkantoor van de regio {region}.",
    "en": "The municipality of {gemeente} belongs to the care office (zorgkantoor) of the region {region}.",
}
_LOOK_UP_LINE = {
    "nl": "Hoe u dat bereikt, leest u hier: {url}",
    "en": "How to reach it (in Dutch): {url}",
}
_KNOWN_LINE = {
    "nl": "Dat is {name}. Het telefoonnummer is {telephone}.",
    "en": "That is {name}, telephone {telephone}.",
}


def language_of(assessment: Assessment) -> str:
    """The language of a drafted reply."""
    return "en" if assessment.language == "en" else "nl"


def _asked(mail: ParsedMail, assessment: Assessment) -> str:
    return assessment.judged_text or f"{mail.subject}\n\n{mail.new_text or mail.forwarded_text}"


def _needs_place(answered: Sequence[_Part]) -> bool:
    """Whether the answer turns on a gemeente or a region."""
    return any(set(block.laws) & (_BY_GEMEENTE | {"wlz"}) for block, _ in answered)


def _open_questions(answered: Sequence[_Part], facts: Facts, *, knows_place: bool) -> frozenset[str]:
    """What the sender is asked: what the mail does not say, and beside an answer only what that answer turns on."""
    turns_on = {name for block, _ in answered for name in block.facts_named} if answered else _ASKED_FOR
    asked = (_ASKED_FOR & turns_on) - facts.keys()
    return frozenset(asked if answered or knows_place else {*asked, "place"})


def _may_be_for(law: str, facts: Facts) -> bool:
    """Whether this act of the gemeente can be that of the person concerned: the Jeugdwet for children."""
    return "child" not in facts or facts["child"] is (law == "jeugdwet")


def _first_steps(answered: Sequence[_Part], assessment: Assessment, facts: Facts) -> Sequence[str]:
    """For an urgent question: what to do now, from the first block that says so."""
    if not is_urgent_in_words(assessment, facts):
        return ()
    for block, part in answered:
        if assessment.urgency in block.urgency and "eerst" in part:
            return part["eerst"]
    return ()


def _salutation(mail: ParsedMail, lang: str) -> str:
    sender = mail.from_addresses[0] if len(mail.from_addresses) == 1 else None
    # a reply that goes to someone else must not greet the sender
    elsewhere = sender is not None and any(other.normalised != sender.normalised for other in mail.reply_to)
    name = person_name(sender.display_name) if sender and not elsewhere else ""
    if lang == "en":
        return f"Dear {name or 'Sir or Madam'}"
    return f"Geachte {name or 'heer/mevrouw'}"


def _gather(answered: Sequence[_Part], section: str) -> list[str]:
    return list(dict.fromkeys(text for _, part in answered for text in part.get(section, ())))


def _marks(numbers: Sequence[int]) -> str:
    """ "[1][2]", and "[1-4]" for more than two in a row."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return "".join(f"[{run[0]}-{run[-1]}]" if len(run) > 2 else "".join(f"[{one}]" for one in run) for run in runs)


def _footnote(note: Footnote, lang: str) -> str:
    if note.version_read is None:
        return f"{note.name}: {note.url}"
    if lang == "en":
        read = note.version_read
        return f"{note.name} (version of {read.day} {ENGLISH_MONTHS[read.month - 1]} {read.year}): {note.url}"
    version = dutch_date(noon(note.version_read), year=True).partition(" ")[2]
    return f"{note.name} (versie van {version}): {note.url}"


def _toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{path.name} cannot be read: {type(exc).__name__}") from None
