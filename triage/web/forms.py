"""Form fields as typed values. What a browser sends is never trusted: bounded, without control characters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from email.errors import HeaderParseError
from email.headerregistry import Address
from enum import StrEnum
from typing import TypeVar

from starlette.datastructures import FormData

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
LONGEST_TEXT = 100_000
LONGEST_BODY = 1_000_000  # bytes of one request
E = TypeVar("E", bound=StrEnum)


class BadForm(ValueError):
    """The form is not one of ours: a field is missing or holds what no page offers. Names the field only."""


class Incomplete(ValueError):
    """A reason that must be given is missing."""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of one request: name → values in order."""

    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, data: FormData) -> Form:
        fields: dict[str, list[str]] = {}
        for name, value in data.multi_items():
            if isinstance(value, str):  # no page of ours uploads files
                fields.setdefault(name, []).append(value)
        return cls(fields)

    def text(self, name: str, *, longest: int = LONGEST_TEXT) -> str:
        """The field with line ends as \\n and without control characters; "" when absent. Not stripped."""
        value = (self.fields.get(name) or [""])[0]
        if len(value) > longest:
            raise BadForm(name)
        return _CONTROL.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))

    def list(self, name: str, *, longest: int = 1000) -> tuple[str, ...]:
        """Every value of a field that may stand several times, each as `text` gives it."""
        return tuple(Form({name: [value]}).text(name, longest=longest) for value in self.fields.get(name, ()))

    def line(self, name: str, *, longest: int = 1000) -> str:
        """One stripped line: line breaks become spaces."""
        return " ".join(self.text(name, longest=longest).split("\n")).strip()

    def number(self, name: str) -> int:
        value = self.text(name, longest=12)
        if not value.isascii() or not value.isdigit():
            raise BadForm(name)
        return int(value)

    def day(self, name: str) -> date:
        """A day as `2026-11-26`."""
        try:
            return date.fromisoformat(self.text(name, longest=10))
        except ValueError:
            raise BadForm(name) from None

    def choice(self, name: str, kind: type[E]) -> E:
        try:
            return kind(self.text(name, longest=50))
        except ValueError:
            raise BadForm(name) from None

    def choices(self, name: str, kind: type[E]) -> frozenset[E]:
        """What was ticked of the boxes with this name."""
        try:
            return frozenset(kind(one) for one in self.fields.get(name, ()))
        except ValueError:
            raise BadForm(name) from None


def addresses(value: str) -> tuple[tuple[str, ...], bool]:
    """(addresses in order without repeats, all well-formed) of a field with commas, semicolons or line ends."""
    found: list[str] = []
    fine = True
    for part in re.split(r"[,;\n]", value):
        address = part.strip()
        if not address:
            continue
        try:
            parsed = Address(addr_spec=address)
            fine = fine and bool(parsed.username and "." in parsed.domain)
        except (HeaderParseError, ValueError, IndexError):
            fine = False
        if address not in found:
            found.append(address)
    return tuple(found), fine
