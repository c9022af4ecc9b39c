"""Imports point inwards: run → bootstrap → commands, web, services, adapters → ports → core (style: shape)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE_LIBRARIES = {"holidays", "nh3", "quotequail", "py3langid", "authres", "stdnum", "lxml", "scipy"}
IMPURE_STANDARD = {
    "asyncio", "socket", "sqlite3", "subprocess", "threading", "os", "pathlib", "logging", "random", "secrets",
    "smtplib", "imaplib", "ssl", "shutil", "tempfile", "time",
}  # fmt: skip
# layer → layers of our own it may import
ALLOWED = {
    "core": {"core", "errors"},
    "ports": {"core", "ports", "errors"},
    "services": {"core", "ports", "services", "errors", "logs", "row_ids", "settings"},
    "adapters": {
        "core",
        "ports",
        "adapters",
        "errors",
        "logs",
        "row_ids",
        "settings",
        "services.reading",
        "migrations",
    },
    "web": {"core", "ports", "web", "errors", "logs", "settings", "row_ids"},
    "settings": {"core", "errors", "settings"},
    "logs": {"logs"},
    "errors": {"errors"},
    "row_ids": {"row_ids"},
    "demo": {"demo", "errors", "logs"},
}


def modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if "versions" not in path.parts]


def imported(path: Path) -> set[str]:
    """Full dotted names of what a module imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
    return found


def layer_of(path: Path) -> str:
    inside = path.relative_to(ROOT / "triage").parts
    return inside[0].removesuffix(".py")


def wrong_arrows(layer: str, names: set[str]) -> list[str]:
    allowed = ALLOWED.get(layer)
    if allowed is None:  # bootstrap, host, cli, commands: the outermost ring may import all
        return []
    wrong = []
    for name in sorted(names):
        if name == "triage":
            continue
        if name.startswith("classifiers"):
            wrong.append(name)
        if name.startswith("triage."):
            inner = name.removeprefix("triage.")
            if inner.split(".")[0] not in allowed and inner not in allowed:
                wrong.append(name)
    return wrong


@pytest.mark.parametrize("path", modules(ROOT / "triage"), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_points_outwards(path: Path) -> None:
    assert wrong_arrows(layer_of(path), imported(path)) == []


@pytest.mark.parametrize("path", modules(ROOT / "triage" / "core"), ids=lambda path: path.name)
def test_the_core_is_pure(path: Path) -> None:
    import sys

    roots = {name.split(".")[0] for name in imported(path)} - {"triage"}
    assert not roots & IMPURE_STANDARD
    outside = {root for root in roots if root not in sys.stdlib_module_names}
    assert outside <= PURE_LIBRARIES


def test_a_wrong_arrow_is_found_wherever_it_stands_in_a_file(tmp_path: Path) -> None:
    """The check itself can fail: an adapter imported inside a function of a core module is named."""
    probe = tmp_path / "probe.py"
    probe.write_text("from triage.core.mail import ParsedMail\n\ndef f():\n    import triage.adapters.store\n")
    assert wrong_arrows("core", imported(probe)) == ["triage.adapters.store"]
    assert wrong_arrows("adapters", imported(probe)) == []


def test_the_demo_servers_are_only_reached_from_the_demo_command() -> None:
    users = [
        str(path.relative_to(ROOT))
        for path in modules(ROOT / "triage")
        if any(name.startswith("triage.demo") for name in imported(path)) and layer_of(path) != "demo"
    ]
    assert users == ["triage/commands/demo.py"]
