from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from classifiers.card import plots, render_card, write_card
from classifiers.manifest import CARD_FILE, MANIFEST_FILE, Manifest
from classifiers.plots import line_plot
from classifiers.registry import CURRENT

pytestmark = pytest.mark.skipif(not (CURRENT / MANIFEST_FILE).exists(), reason="no trained model")


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return Manifest.read(CURRENT / MANIFEST_FILE)


def test_the_card_in_the_repository_is_the_one_of_its_manifest(manifest: Manifest, tmp_path: Path) -> None:
    write_card(tmp_path, manifest)
    for path in tmp_path.iterdir():
        assert path.read_text(encoding="utf-8") == (CURRENT / path.name).read_text(encoding="utf-8")


def test_the_card_says_what_people_must_know(manifest: Manifest) -> None:
    card = render_card(manifest, "| 2026-01-05 | jl-x | 120 |\n")
    for heading in (
        "Intended use and oversight", "Data", "Urgency and danger", "Laws", "Spread over authors", "Learning curve",
        "Calibration", "Locked test", "Limits",
    ):  # fmt: skip
        assert f"\n## {heading}\n" in card
    assert manifest.model_sha256 in card and "| 2026-01-05 | jl-x | 120 |" in card
    assert all(name in card for name in plots(manifest))
    assert "Not scored yet" in render_card(manifest, "")


def test_plots_are_well_formed_and_escape_their_words() -> None:
    svg = line_plot("a < b & c", "x", "y", [("l<1>", [(0.0, 0.0), (1.0, 1.0)]), ("none", [])], x_range=(0.0, 1.0))
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own text
    assert root.attrib["aria-label"] == "a < b & c"
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 2


def test_card_file_is_markdown_beside_the_model() -> None:
    assert (CURRENT / CARD_FILE).read_text(encoding="utf-8").startswith("# Model card: jl-")
