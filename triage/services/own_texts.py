"""Texts that the organisation may replace with its own, without code (`config/letters/README.md`).

A text is a Jinja2 template of a few constructs only: variables, `if` and `for` over what is given. So it can reach
nothing else, ends always, and can be judged whole before the first mail.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from triage.errors import ConfigError, TriageError
from triage.settings import ROOT

REPLACEABLE = (
    "acknowledgement/nl.txt.j2",
    "acknowledgement/en.txt.j2",
    "acknowledgement/letter.html.j2",
    "acknowledgement/languages.toml",
    "correction/nl.txt.j2",
    "correction/en.txt.j2",
)
"""Files under templates/ that the organisation may replace."""
_NO_TEXTS = frozenset({"README.md"})
_LONGEST = 100_000  # characters of a rendered text; ours have 2,000, and 8,000 as HTML
_DEEPEST = 3  # loops in each other: letters, blocks, lines
_FILTERS = frozenset({"capitalize", "first", "last", "length", "lower", "trim", "upper"})
_CONSTRUCTS = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.CondExpr, nodes.Name, nodes.Const,
    nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Not, nodes.And, nodes.Or, nodes.Compare,
    nodes.Operand,
)  # fmt: skip
_MEND = "a text holds variables, if and for; config/letters/README.md has the list"


@dataclass(frozen=True, slots=True)
class Fault:
    """What must be mended in a text: where, what, and how."""

    file: str
    problem: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.problem}"


class TextError(TriageError):
    """A text cannot be used; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class OwnTexts:
    """The product's texts with those of the organisation in their place."""

    def __init__(self, templates: Path, directory: Path | None) -> None:
        """`directory` None: the product's own alone. Raises ConfigError when there is no such folder."""
        self._templates, self._directory = templates, directory
        found: list[str] = []
        if directory is not None:
            if not directory.is_dir():
                raise ConfigError(
                    f"letters.directory {_shown(directory)} is no folder: make it, or set the folder of your texts"
                )
            inside = (path.relative_to(directory) for path in _files_in(directory))
            found = [str(path) for path in inside if not any(part.startswith(".") for part in path.parts)]
        self.files = tuple(name for name in found if name in REPLACEABLE)
        """Which of the replaceable files the organisation replaced."""
        self.strangers = tuple(
            Fault(self._name(directory, name), _replaces_nothing(name))
            for name in found
            if directory and name not in REPLACEABLE and name not in _NO_TEXTS
        )
        """Files that replace nothing: most likely a mistyped name."""
        folders = [folder for folder in (directory, templates) if folder is not None]
        loader = ChoiceLoader([FileSystemLoader(folder) for folder in folders])
        self._plain = ImmutableSandboxedEnvironment(loader=loader, undefined=StrictUndefined, autoescape=False)
        self._marked = ImmutableSandboxedEnvironment(
            loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True
        )

    def shown(self, name: str) -> str:
        """The file that a name stands for, as an administrator finds it."""
        return self._name(self._directory if name in self.files else self._templates, name)

    def read(self, name: str) -> str:
        """The file's text. Raises TextError when it is no UTF-8 or cannot be read."""
        folder = self._directory if self._directory and name in self.files else self._templates
        try:
            return (folder / name).read_text("utf-8")
        except UnicodeDecodeError:
            raise TextError(Fault(self.shown(name), "is no UTF-8: save it with that encoding")) from None
        except OSError as exc:
            raise TextError(Fault(self.shown(name), f"cannot be read: {exc.strerror}")) from None

    def template(self, name: str, variables: Collection[str], *, html: bool = False) -> Template:
        """The compiled text, which uses no other variables. Raises TextError."""
        environment = self._marked if html else self._plain
        try:
            tree = environment.parse(self.read(name), name)
            self._judge(tree, name, variables)
            return environment.get_template(name)
        except TemplateSyntaxError as exc:
            raise TextError(Fault(self.shown(name), f"{exc.message}; {_MEND}", exc.lineno)) from None

    def _judge(self, tree: nodes.Template, name: str, variables: Collection[str]) -> None:
        for node in tree.find_all(nodes.Node):
            problem = _refused(node)
            if problem:
                raise TextError(Fault(self.shown(name), f"{problem}; {_MEND}", node.lineno))
        unknown = find_undeclared_variables(tree) - set(variables)
        for node in tree.find_all(nodes.Name):
            if node.name in unknown:
                near = difflib.get_close_matches(node.name, variables, n=1)
                hint = f"did you mean {near[0]}?" if near else _MEND
                raise TextError(Fault(self.shown(name), f"there is no variable {node.name}; {hint}", node.lineno))
        if _depth(tree) > _DEEPEST:
            raise TextError(Fault(self.shown(name), f"more than {_DEEPEST} loops in each other; {_MEND}"))

    def render(self, template: Template, values: Mapping[str, Any]) -> str:
        """The finished text. Raises TextError when it grows without reason or meets a value it cannot use."""
        parts: list[str] = []
        length = 0
        name = template.name or ""
        try:
            for part in template.generate(values):
                parts.append(part)
                length += len(part)
                if length > _LONGEST:
                    raise TextError(Fault(self.shown(name), f"gives more than {_LONGEST:,} characters; shorten it"))
        except (TemplateError, TypeError, ValueError, LookupError) as exc:
            raise TextError(Fault(self.shown(name), f"{exc}; {_MEND}", _line_of(exc, template))) from None
        return "".join(parts)

    @staticmethod
    def _name(folder: Path | None, name: str) -> str:
        return _shown(folder / name) if folder else name


def _files_in(folder: Path) -> list[Path]:
    """Every file below, sorted. Unlike `rglob` it does not pass over what it may not read."""

    def stop(exc: OSError) -> None:
        raise ConfigError(f"letters.directory {exc.filename} cannot be read ({exc.strerror}): set its rights") from None

    return sorted(Path(place) / name for place, _, names in os.walk(folder, onerror=stop) for name in names)


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _replaces_nothing(name: str) -> str:
    alike = [one for one in REPLACEABLE if one.endswith(f"/{name}")]
    near = alike or difflib.get_close_matches(name, REPLACEABLE, n=1, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it may hold {', '.join(REPLACEABLE)}"
    return f"replaces no text of the product; {hint}"


def _refused(node: nodes.Node) -> str:
    """Why this piece of a template cannot stand in a text; "" when it can."""
    if not isinstance(node, _CONSTRUCTS):
        return f"“{type(node).__name__.lower()}” cannot be used here"
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        return f"the filter {node.name} cannot be used here"
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        return f"{node.attr} cannot be reached from here"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return f"{node.arg.value} cannot be reached from here"
    return ""


def _depth(node: nodes.Node) -> int:
    inside = max((_depth(child) for child in node.iter_child_nodes()), default=0)
    return inside + isinstance(node, nodes.For)


def _line_of(exc: Exception, template: Template) -> int | None:
    """The line of the template where rendering stopped: Jinja2 puts it in the traceback."""
    line, trace = None, exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == template.filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
