"""A small model of corpus mails, fitted once: real words, half a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifiers import pipeline
from classifiers.features import FeatureSpace, normalise
from classifiers.labelled import TRAIN, LabelledMail, judged, load_file

RULES = r"""
version = 1

[[rule]]
id = "P1"
head = "palliative"
pattern = '''\blaatste dagen\b'''
hit = ["Het zijn haar laatste dagen.", "de laatste dagen thuis"]
miss = ["De laatste keer was prettig.", "dagen zijn lang"]
why = "the last days of life"

[[softener]]
id = "S1"
axis = "past"
scope = "sentence"
pattern = '''\bis overleden\b'''
hit = ["Zij is overleden.", "vader is overleden in mei"]
miss = ["Zij is ziek.", "het overlijden"]
why = "the person has died"
"""


@pytest.fixture(scope="session")
def few_rows() -> list[LabelledMail]:
    return [row for name in ("a1", "a3") for row in load_file(TRAIN / f"{name}.jsonl")[::2]]


@pytest.fixture(scope="session")
def few_docs(few_rows: list[LabelledMail]) -> list[str]:
    return [normalise(judged(row)) for row in few_rows]


@pytest.fixture(scope="session")
def small_model(few_rows: list[LabelledMail], few_docs: list[str]) -> pipeline.Model:
    return pipeline.fit(few_docs, few_rows, pipeline.Settings(), seed=1)


@pytest.fixture(scope="session")
def space(small_model: pipeline.Model) -> FeatureSpace:
    return FeatureSpace.of(small_model.word, small_model.char)


@pytest.fixture(scope="session")
def rules_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "rules.toml"
    path.write_text(RULES, encoding="utf-8")
    return path
