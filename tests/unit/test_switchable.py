"""A running program takes another model without a restart, and keeps the one it has when the other is damaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from triage.adapters.switchable import SwitchableClassifier
from triage.core.assessment import Verdict
from triage.errors import ModelUnavailable


@dataclass
class Model:
    model_id: str
    languages: frozenset[str] = frozenset({"nl"})

    def verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        return [Verdict({}, {}, {}, model=self.model_id) for _ in texts]


@dataclass
class Shelf:
    now: Model | Exception
    stamp: int = 1
    loads: int = 0
    stamps: int = 0
    shipped: Model = field(default_factory=lambda: Model("shipped"))

    def load(self) -> Model:
        self.loads += 1
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def look(self) -> int:
        self.stamps += 1
        return self.stamp

    def classifier(self) -> SwitchableClassifier[Model]:
        return SwitchableClassifier(load=self.load, fall_back=lambda: self.shipped, stamp=self.look)


def said(one: SwitchableClassifier[Model]) -> tuple[str, str]:
    return one.model_id, one.verdicts(["Wie betaalt?"])[0].model


def test_nothing_is_read_while_nobody_chooses() -> None:
    shelf = Shelf(Model("one"))
    judge = shelf.classifier()
    assert not any(judge.look_once() for _ in range(5))
    assert (shelf.loads, shelf.stamps) == (1, 6)  # one stat a look
    assert said(judge) == ("one", "one")


def test_another_choice_is_taken_once() -> None:
    shelf = Shelf(Model("one"))
    judge = shelf.classifier()
    shelf.now, shelf.stamp = Model("two", frozenset({"nl", "en"})), 2
    assert judge.look_once() is True
    assert judge.look_once() is False
    assert (said(judge), judge.languages, shelf.loads) == (("two", "two"), {"nl", "en"}, 2)


def test_the_same_model_chosen_again_is_no_switch() -> None:
    shelf = Shelf(Model("one"))
    judge = shelf.classifier()
    shelf.stamp = 2
    assert judge.look_once() is False


def test_a_damaged_model_leaves_the_old_one_at_work_and_is_told() -> None:
    shelf = Shelf(Model("one"))
    judge = shelf.classifier()
    for number, fault in enumerate((ModelUnavailable("wrong hash"), ValueError("text of a mail")), start=2):
        shelf.now, shelf.stamp = fault, number
        assert judge.look_once() is False
        assert said(judge) == ("one", "one")
        assert judge.fault == ("wrong hash" if number == 2 else "ValueError")
    shelf.now, shelf.stamp = Model("three"), 9
    assert judge.look_once() is True
    assert (judge.fault, said(judge)) == ("", ("three", "three"))


def test_a_damaged_model_at_the_start_gives_the_products_own() -> None:
    judge = Shelf(ModelUnavailable("gone")).classifier()
    assert (said(judge), judge.fault) == (("shipped", "shipped"), "gone")
