"""From verdict to assessment: bands, laws, and everything that fails towards urgent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from triage.core.assess import assess, judged_text
from triage.core.assessment import LAWS, Band, Evidence, Span, Urgency, Verdict
from triage.core.mail import MessageKind, ParsedMail, Screening

MAIL = ParsedMail(subject="Vraag", text="Wie betaalt de traplift?", new_text="Wie betaalt de traplift?")
CALM = Verdict(
    probabilities={
        "jeugdwet": 0.05, "wmo": 0.9, "wlz": 0.2, "zvw": 0.1, "palliative": 0.02, "transfer": 0.03, "danger": 0.01,
        "some_law": 0.95,
    },
    law_thresholds=dict.fromkeys(LAWS, 0.5),
    law_gate=0.7,
    urgency_thresholds={"palliative": (0.2, 0.6), "transfer": (0.2, 0.6), "danger": (0.5, 0.5)},
    model="m1",
)  # fmt: skip


def assessed(verdict=CALM, mail=MAIL, kind=MessageKind.QUESTION, language="nl"):
    return assess(mail, Screening(kind), verdict, language=language, model_languages=frozenset({"nl"}))


def with_p(**probabilities: float) -> Verdict:
    return replace(CALM, probabilities={**CALM.probabilities, **probabilities})


def rule(head: str, *softened: str) -> Evidence:
    return Evidence(head, "rule", Span(0, 3), 1.0, "P01", softened)


def support(head: str, *softened: str) -> Evidence:
    return replace(rule(head, *softened), support=True)


def test_a_calm_question_is_normal_with_its_law_and_runner_up() -> None:
    result = assessed()
    assert (result.laws, result.band, result.urgency, result.danger) == (("wmo",), Band.NORMAL, Urgency.REGULAR, False)
    assert result.runner_up == "wlz"
    assert result.margin == pytest.approx(0.7)
    assert not result.laws_unclear


@pytest.mark.parametrize(
    ("verdict", "band", "urgency"),
    [
        (with_p(palliative=0.7), Band.URGENT, Urgency.PALLIATIVE),
        (with_p(transfer=0.7), Band.URGENT, Urgency.TRANSFER),
        (with_p(transfer=0.9, palliative=0.65), Band.URGENT, Urgency.PALLIATIVE),
        (with_p(transfer=0.3), Band.POSSIBLE, Urgency.TRANSFER),
        (replace(CALM, evidence=(rule("palliative"),)), Band.URGENT, Urgency.PALLIATIVE),
        (replace(CALM, evidence=(rule("transfer"),)), Band.URGENT, Urgency.TRANSFER),
        (replace(CALM, evidence=(rule("palliative", "S1"),)), Band.POSSIBLE, Urgency.PALLIATIVE),
        (replace(with_p(palliative=0.7), evidence=(rule("palliative", "S1"),)), Band.URGENT, Urgency.PALLIATIVE),
        (replace(CALM, evidence=(support("transfer"),)), Band.POSSIBLE, Urgency.TRANSFER),
        (replace(with_p(transfer=0.7), evidence=(support("transfer"),)), Band.URGENT, Urgency.TRANSFER),
        (replace(CALM, evidence=(support("transfer"), rule("palliative"))), Band.URGENT, Urgency.PALLIATIVE),
    ],
)
def test_bands(verdict: Verdict, band: Band, urgency: Urgency) -> None:
    result = assessed(verdict)
    assert (result.band, result.urgency) == (band, urgency)


def test_what_cannot_be_judged_gets_the_short_term() -> None:
    assert assessed(None).band is Band.POSSIBLE
    assert assessed(None).laws_unclear
    no_model = replace(CALM, probabilities={}, law_thresholds={}, urgency_thresholds={})
    assert assessed(no_model).band is Band.POSSIBLE
    assert assessed(language="tr").band is Band.POSSIBLE
    assert assessed(with_p(palliative=0.9), language="tr").band is Band.POSSIBLE  # the model does not know Turkish
    assert assessed(replace(CALM, evidence=(rule("palliative"),)), language="tr").band is Band.URGENT
    assert assessed(mail=ParsedMail(subject="")).band is Band.POSSIBLE
    assert assessed(kind=MessageKind.UNREADABLE).band is Band.POSSIBLE


def test_a_secure_mail_notice_is_never_judged_on_its_wrapper() -> None:
    result = assessed(with_p(palliative=0.99), kind=MessageKind.SECURE_MAIL_NOTICE)
    assert (result.band, result.laws, result.laws_unclear) == (Band.POSSIBLE, (), True)


@pytest.mark.parametrize("kind", [MessageKind.AUTO_REPLY, MessageKind.LIST_OR_BULK, MessageKind.UNSOLICITED])
def test_machine_and_mass_mail_has_no_law_and_is_normal(kind: MessageKind) -> None:
    result = assessed(with_p(palliative=0.99), kind=kind)
    assert (result.laws, result.band, result.urgency) == ((), Band.NORMAL, Urgency.REGULAR)


def test_none_of_the_four_laws_and_unclear_are_different_things() -> None:
    none = assessed(with_p(wmo=0.1, some_law=0.05))
    assert (none.laws, none.laws_unclear) == ((), False)
    near = assessed(with_p(wmo=0.4, some_law=0.6))
    assert (near.laws, near.laws_unclear, near.runner_up) == ((), True, "wmo")
    contradicted = assessed(with_p(wmo=0.9, some_law=0.2))
    assert (contradicted.laws, contradicted.laws_unclear, contradicted.runner_up) == ((), True, "wmo")


def test_where_some_law_applies_the_likeliest_is_named_and_marked_unclear() -> None:
    result = assessed(with_p(wmo=0.1))
    assert (result.laws, result.laws_unclear, result.runner_up) == (("wlz",), True, "wmo")


def test_a_runner_up_that_is_almost_level_makes_the_laws_unclear() -> None:
    level = assessed(with_p(wmo=0.52, wlz=0.46))
    assert (level.laws, level.laws_unclear) == (("wmo",), True)
    two = assessed(with_p(wmo=0.8, wlz=0.8))
    assert (two.laws, two.laws_unclear) == (("wmo", "wlz"), False)


def test_danger_by_model_or_by_unsoftened_rule() -> None:
    assert assessed(with_p(danger=0.6)).danger
    assert assessed(replace(CALM, evidence=(rule("danger"),))).danger
    assert not assessed(replace(CALM, evidence=(rule("danger", "S9"),))).danger


def test_what_is_judged() -> None:
    assert judged_text(MAIL) == "Vraag\n\nWie betaalt de traplift?"
    forwarded = replace(MAIL, new_text="Zie onder.", forwarded_text="Mijn vader ligt nog in het ziekenhuis.")
    assert judged_text(forwarded).endswith("ligt nog in het ziekenhuis.")
    long_note = replace(
        forwarded, new_text="Een eigen vraag die lang genoeg is om zonder het doorgestuurde te lezen is."
    )
    assert "ziekenhuis" not in judged_text(long_note)
    assert judged_text(ParsedMail(subject="Alleen een onderwerp")) == "Alleen een onderwerp"


def test_the_reason_tells_a_support_rule_from_a_softened_one() -> None:
    assert assessed(replace(CALM, evidence=(support("palliative"),))).band_reason == "support_rule"
    assert assessed(replace(CALM, evidence=(support("palliative", "S1"),))).band_reason == "softened_rule"


@pytest.mark.parametrize(
    ("rule", "machine_kind", "band"),
    [
        ("mass_mail_text", "newsletter_or_spam", Band.NORMAL),  # both see it
        ("mass_mail_text", "", Band.URGENT),  # the words alone
        ("text_head", "newsletter_or_spam", Band.URGENT),  # the model alone
    ],
)
def test_a_mailing_without_headers_is_unjudged_only_where_rules_and_model_both_see_it(
    rule: str, machine_kind: str, band: Band
) -> None:
    verdict = replace(with_p(palliative=0.9), machine_kind=machine_kind)
    screening = Screening(MessageKind.LIST_OR_BULK, rule=rule, by_words=True)
    result = assess(MAIL, screening, verdict, language="nl", model_languages=frozenset({"nl"}))
    assert result.band is band
    assert bool(result.laws) is (band is Band.URGENT)


def test_a_mailing_that_the_model_failed_on_is_judged_as_a_persons() -> None:
    screening = Screening(MessageKind.LIST_OR_BULK, rule="mass_mail_text", by_words=True)
    assert assess(MAIL, screening, None, language="nl", model_languages=frozenset({"nl"})).band is Band.POSSIBLE
