"""What a mail says of the person it is about: an indication for the Wlz, a child, a pgb, how far a procedure is.

The right answer turns on such facts, and mails that differ in one of them look alike. A fact is known only when a
sentence says it; a question, a wish or a condition says nothing. What is not known stays unknown: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from triage.errors import ConfigError

Facts = Mapping[str, bool]
"""Name of a fact → whether it holds; what the mail does not say is not in it."""

_READ_CHARACTERS = 6_000  # a longer mail says what it is about in its begin
_CLAUSE = re.compile(r"(?<=[.!?;])\s+|\n+|,\s+(?=(?:en|maar|want|dus|nu|toen|dat|and|but|so)\b)")
_PATTERNS = ("surely", "no", "yes", "asked", "other")
_KEYS = frozenset({"label", "no_label", *_PATTERNS})


@dataclass(frozen=True, slots=True)
class FactRule:
    """How one fact is read from a clause. `no` denies it, `surely` says it, and `yes` says it unless the clause asks,
    wishes or supposes. A clause with `asked` says nothing of it; where `other` stands anywhere in the mail, `yes` means
    something else. `label` and `no_label`: Dutch, for staff."""

    label: str
    no_label: str
    surely: re.Pattern[str] | None
    no: re.Pattern[str] | None
    yes: re.Pattern[str] | None
    asked: re.Pattern[str] | None
    other: re.Pattern[str] | None


class FactRules:
    """The facts that are read, and how. Raises ConfigError that names what is wrong in `table`."""

    def __init__(self, table: Mapping[str, Any], file: str = "facts.toml") -> None:
        self._open = _pattern(table.get("open", ["(?!)"]), f"{file}: open")
        self.rules: Mapping[str, FactRule] = {
            name: _rule(entry, f"{file}: {name}") for name, entry in table.items() if name != "open"
        }

    def read(self, text: str) -> Facts:
        """The facts that a mail states."""
        clauses = [one.lower() for one in _CLAUSE.split(text[:_READ_CHARACTERS]) if one.strip()]
        said = {name: self._said(clauses, rule) for name, rule in self.rules.items()}
        return {name: one for name, one in said.items() if one is not None}

    def words(self, condition: str) -> str:
        """A condition as staff read it: "er is een Wlz-indicatie en het gaat om een kind"."""
        return " en ".join(
            self.rules[name].label if wanted else self.rules[name].no_label
            for name, wanted in terms_of_condition(condition)
        )

    def _said(self, clauses: Sequence[str], rule: FactRule) -> bool | None:
        """What is said for sure counts most; what is both denied and said stays unknown."""
        told = [one for one in clauses if not (rule.asked and rule.asked.search(one))]
        denied = [one for one in told if rule.no and rule.no.search(one)]
        rest = [one for one in told if one not in denied]
        if any(rule.surely and rule.surely.search(one) for one in rest):
            return True
        other = rule.other and any(map(rule.other.search, clauses))
        stated = not other and any(rule.yes and rule.yes.search(one) and not self._open.search(one) for one in rest)
        return stated if stated is not bool(denied) else None


def holds(condition: str, facts: Facts) -> bool:
    """Whether the mail says all of a condition such as "wlz" or "child, no pgb"."""
    return all(facts.get(name) is wanted for name, wanted in terms_of_condition(condition))


def terms_of_condition(condition: str) -> Sequence[tuple[str, bool]]:
    """The facts that a condition names, each with what it must be."""
    parts = [one.strip() for one in condition.split(",")]
    return [(one.removeprefix("no "), not one.startswith("no ")) for one in parts]


def excluded(needs: Collection[str], not_with: Collection[str], facts: Facts) -> str:
    """Why an answer does not fit somebody: the condition of `not_with` that holds, or "needs" when the mail says
    none of `needs`; empty when it fits."""
    for condition in not_with:
        if holds(condition, facts):
            return condition
    return "" if not needs or any(holds(one, facts) for one in needs) else "needs"


def _rule(entry: Mapping[str, Any], where: str) -> FactRule:
    unknown = sorted(set(entry) - _KEYS)
    if unknown or not {"label", "no_label"} <= entry.keys():
        raise ConfigError(f"{where}: {'unknown key ' + unknown[0] if unknown else 'label or no_label is missing'}")
    found = {key: _pattern(entry[key], f"{where}.{key}") if key in entry else None for key in _PATTERNS}
    return FactRule(label=entry["label"], no_label=entry["no_label"], **found)


def _pattern(patterns: Sequence[str], where: str) -> re.Pattern[str]:
    try:
        return re.compile("|".join(f"(?:{one})" for one in patterns))
    except re.error as exc:
        raise ConfigError(f"{where} is no regular expression: {exc}") from None
