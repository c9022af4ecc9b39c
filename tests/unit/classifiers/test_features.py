from __future__ import annotations

import numpy as np
import pytest

from classifiers import pipeline
from classifiers.features import FeatureSpace, normalise, tokenise
from classifiers.labelled import LabelledMail, judged


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Mijn MOEDER", "mijn moeder"),
        ("bel 06-12345678 of 010 123 45 67", "bel xtelefoon of xtelefoon"),
        ("mail jan.de.vries@voorbeeld.example!", "mail xadres"),
        ("zie https://www.loket.example/pagina?x=1 en www.ciz.example", "zie xweb en xweb"),
        ("1234 AB Utrecht", "xpostcode utrecht"),
        ("op 3 maart 2026, 3-3-2026 en 12/5/26", "op xdatum xdatum en xdatum"),
        ("24 uur voor € 1.234,50", "xgetal uur voor xgetal"),
        ("zorgprofiel VG05 en 6VV", "zorgprofiel vg05 en 6vv"),
        ("cliënt en cli\u0065\u0308nt", "cliënt en cliënt"),
        ("پدر من", "پدر من"),
        ("", ""),
    ],
)
def test_what_identifies_is_masked_and_the_rest_is_lower_case_nfc(text: str, tokens: str) -> None:
    assert normalise(text) == tokens


def test_tokens_keep_their_place_in_the_text() -> None:
    text = "Oe\u0301n bel 0612345678, a@b.example"
    assert [(token.form, text[token.start : token.end]) for token in tokenise(text)] == [
        ("oén", "Oe\u0301n"),
        ("bel", "bel"),
        ("xtelefoon", "0612345678"),
        ("xadres", "a@b.example"),
    ]


def test_of_a_huge_text_begin_and_end_are_judged() -> None:
    text = "begin " + "midden " * 50_000 + "slot"
    tokens = tokenise(text)
    assert (tokens[0].form, tokens[-1].form) == ("begin", "slot")
    assert len(tokens) < 7_000
    assert text[tokens[-1].start : tokens[-1].end] == "slot"


def test_values_are_those_of_the_fitted_vectorizers(
    small_model: pipeline.Model, space: FeatureSpace, few_rows: list[LabelledMail]
) -> None:
    texts = [judged(row) for row in few_rows[:40]] + ["", "?", "a", "é", "onbekendwoordje"]
    expected = small_model.features.transform([normalise(text) for text in texts])
    for i, text in enumerate(texts):
        counted = space.count(tokenise(text))
        ours = np.zeros(len(space))
        ours[counted.ids] = counted.values
        assert np.abs(ours - expected[i].toarray().ravel()).max() < 1e-9


def test_memory_of_words_holds_only_words_of_the_corpus(small_model: pipeline.Model) -> None:
    fresh = FeatureSpace.of(small_model.word, small_model.char)
    fresh.count(tokenise("mijn moeder heet Xylofonia Zwartjesdochter"))
    assert set(fresh._known) == {"mijn", "moeder"} | ({"heet"} & set(small_model.word.vocabulary_))
