"""Choosing a model: by a person, recorded, only when it compares well, and taken by a running program."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from classifiers.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from classifiers.registry import CURRENT
from tests.integration.harness import Harness, mail
from triage.adapters.model_folder import CHOICE_FILE, COMPARISON_FILE, ModelFolder
from triage.bootstrap import Product, build
from triage.errors import ConflictError, ModelUnavailable, NotAllowed, NotFound
from triage.model_choice import classifier_for
from triage.ports import ModelChoice, RunningModel
from triage.services.models import Models
from triage.settings import Settings, load_settings

A, B = "jl-aaaaaaaaaaaa", "jl-bbbbbbbbbbbb"
SHIPPED = "shipped+rules"


def lay(shelf: ModelFolder, model_id: str, *, verdict: str = "better", champion: str = SHIPPED, age: int = 0) -> Path:
    """A challenger as `train --with-feedback` leaves it, without the model."""
    directory = shelf.path / model_id
    directory.mkdir(parents=True)
    (directory / MANIFEST_FILE).write_text("{}", encoding="utf-8")
    made = datetime(2026, 11, 24, tzinfo=UTC).timestamp() - 3600 * age
    os.utime(directory / MANIFEST_FILE, (made, made))
    share = {"k": 9, "n": 10}
    found = {name: share for name in ("recall", "alarms", "danger_recall", "exact")}
    (directory / COMPARISON_FILE).write_text(
        json.dumps(
            {
                "champion": champion, "at": "2026-11-24T09:00:00+00:00", "verdict": verdict,
                "reasons": ["regression_missed"] if verdict == "refused" else [],
                "locked": {"champion": found, "challenger": found},
            }
        ),
        encoding="utf-8",
    )  # fmt: skip
    return directory


@pytest.fixture
def shelf(desk: Harness) -> ModelFolder:
    return ModelFolder(desk.folder)


@pytest.fixture
def models(desk: Harness, shelf: ModelFolder) -> Models:
    return models_of(desk, shelf)


def models_of(desk: Harness, shelf: ModelFolder, try_model: Any = lambda model_id: None) -> Models:
    return Models(
        shelf=shelf, store=desk.store, clock=desk.clock, try_model=try_model, running=lambda: RunningModel(SHIPPED)
    )


def told(desk: Harness) -> list[tuple[str, str, dict[str, Any]]]:
    with desk.store.engine.connect() as db:
        rows = db.execute(text("SELECT action, actor, details FROM audit WHERE action LIKE 'model%' ORDER BY at, id"))
        return [(row.action, row.actor, json.loads(row.details)) for row in rows]


# ---------------------------------------------------------------- choosing


def test_a_promotion_is_kept_and_recorded(desk: Harness, shelf: ModelFolder, models: Models) -> None:
    lay(shelf, A)
    boss = desk.user("beheerder")
    assert models.overview().promotable == {A}
    models.promote(A, user=boss)
    assert shelf.choice() == ModelChoice(A, None, boss.id, desk.now)
    assert told(desk) == [("model_promoted", boss.id, {"model": A, "verdict": "better"})]
    with pytest.raises(ConflictError):
        models.promote(A, user=boss)
    assert [path.name for path in shelf.path.iterdir() if path.is_file()] == [CHOICE_FILE]


def test_the_way_back_and_forth(desk: Harness, shelf: ModelFolder, models: Models) -> None:
    boss = desk.user("beheerder")
    with pytest.raises(ConflictError):
        models.roll_back(user=boss)
    lay(shelf, A)
    lay(shelf, B)
    models.promote(A, user=boss)
    desk.later(days=1)
    models.promote(B, user=boss)
    assert models.roll_back(user=boss) == A
    assert shelf.choice() == ModelChoice(A, B, boss.id, desk.now)
    assert models.roll_back(user=boss) == B
    assert [row[0] for row in told(desk)] == ["model_promoted"] * 2 + ["model_rolled_back"] * 2


def test_back_to_the_products_own(desk: Harness, shelf: ModelFolder, models: Models) -> None:
    lay(shelf, A)
    models.promote(A, user=None)
    assert models.roll_back(user=None) is None
    choice = shelf.choice()
    assert choice is not None and (choice.id, choice.previous, choice.by) == (None, A, "command")
    assert told(desk)[-1] == ("model_rolled_back", "system", {"model": "shipped"})


@pytest.mark.parametrize(
    "changes", [{"verdict": "refused"}, {"champion": "another+rules"}], ids=["refused", "compared with another"]
)
def test_what_compares_badly_goes_in_by_the_command_alone_and_with_a_reason(
    desk: Harness, shelf: ModelFolder, models: Models, changes: dict[str, str]
) -> None:
    lay(shelf, A, **changes)
    boss = desk.user("beheerder")
    for how in ({"user": boss}, {"user": None}, {"user": boss, "anyway": True, "reason": "x"}):
        with pytest.raises(NotAllowed):
            models.promote(A, **how)  # type: ignore[arg-type]
    with pytest.raises(NotAllowed):
        models.promote(A, user=None, anyway=True, reason="  ")
    assert shelf.choice() is None and told(desk) == [] and models.overview().promotable == frozenset()
    models.promote(A, user=None, anyway=True, reason="oefening")
    choice = shelf.choice()
    assert choice is not None and (choice.id, choice.reason) == (A, "oefening")
    ((_, _, details),) = told(desk)
    assert details["against"] == "comparison" and "oefening" not in str(details)  # free text is no code


@pytest.mark.parametrize("content", [None, "{", '{"verdict": "better"}', "[]"])
def test_a_model_without_a_readable_comparison_is_not_put_in_use(
    desk: Harness, shelf: ModelFolder, models: Models, content: str | None
) -> None:
    path = lay(shelf, A) / COMPARISON_FILE
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(NotAllowed, match="model compare"):
        models.promote(A, user=None)


def test_other_roles_and_unknown_models(desk: Harness, shelf: ModelFolder, models: Models) -> None:
    lay(shelf, A)
    for role in ("medewerker", "toezichthouder"):
        with pytest.raises(NotAllowed):
            models.promote(A, user=desk.user(role, role))
        with pytest.raises(NotAllowed):
            models.roll_back(user=desk.user(role, f"{role}-2"))
    for name in (B, "../etc", "jl-../aaaaaaaaa", ""):
        with pytest.raises(NotFound):
            models.promote(name, user=None)
        with pytest.raises(ModelUnavailable):
            shelf.directory(name)


def test_a_damaged_model_is_tried_before_it_is_chosen(desk: Harness, shelf: ModelFolder) -> None:
    lay(shelf, A)

    def broken(model_id: str | None) -> None:
        raise ModelUnavailable("wrong hash")

    with pytest.raises(ModelUnavailable):
        models_of(desk, shelf, broken).promote(A, user=None)
    assert shelf.choice() is None and told(desk) == []


def test_when_the_record_cannot_be_written_the_choice_stays(
    desk: Harness, shelf: ModelFolder, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(shelf, A)
    lay(shelf, B)
    models.promote(A, user=None)
    real = shelf.choose

    def full(choice: ModelChoice | None) -> None:
        real(choice)
        if choice is not None and choice.id == B:
            raise OSError("the commit fails just after")

    monkeypatch.setattr(shelf, "choose", full)
    with pytest.raises(OSError, match="commit"):
        models.promote(B, user=None)
    choice = shelf.choice()
    assert choice is not None and choice.id == A and len(told(desk)) == 1


def test_five_challengers_are_kept_and_never_less_than_what_is_used(
    desk: Harness, shelf: ModelFolder, models: Models
) -> None:
    names = [f"jl-{number:012x}" for number in range(9)]
    for age, name in enumerate(names):
        lay(shelf, name, age=age)
    models.promote(names[8], user=None)  # the oldest two
    models.promote(names[7], user=None)
    assert list(shelf.prune()) == names[5:7]
    assert [one.id for one in shelf.challengers()] == [*names[:5], names[7], names[8]]
    (shelf.path / CHOICE_FILE).write_text("damaged")
    lay(shelf, "jl-ffffffffffff")
    assert shelf.prune() == ()  # nobody knows what is in use: nothing is removed
    assert models.overview().choice is None and "current.json" in models.overview().running.fault


# ---------------------------------------------------------------- a running program


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("TRIAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRIAGE_CONFIG_DIR", str(tmp_path))
    for name, value in {
        "DATA_DIR": str(tmp_path / "data"), "MAILBOX__HOST": "127.0.0.1", "MAILBOX__USERNAME": "x",
        "SMTP__HOST": "127.0.0.1", "SMTP__FROM": "loket@juisteloket.example", "MODEL__ENCODER": "off",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"TRIAGE_{name}", value)
    return load_settings()


@pytest.fixture
def product(settings: Settings) -> Iterator[Product]:
    made = build(settings)
    yield made
    made.close()


def copy_of_shipped(settings: Settings, champion: str) -> Path:
    """The product's own model under another id, as if it came from feedback."""
    shelf = ModelFolder(settings.data_dir)
    directory = lay(shelf, A, champion=champion)
    shutil.copy(CURRENT / MODEL_FILE, directory / MODEL_FILE)
    data = json.loads((CURRENT / MANIFEST_FILE).read_text(encoding="utf-8")) | {"model_id": A}
    (directory / MANIFEST_FILE).write_text(json.dumps(data), encoding="utf-8")
    return directory


def test_a_running_program_takes_the_chosen_model_and_rescreening_follows(settings: Settings, product: Product) -> None:
    shipped = product.classifier.model_id
    assert shipped.startswith(Manifest.read(CURRENT / MANIFEST_FILE).model_id)
    (reading,) = product.reader.read([mail(1)])
    assert reading.assessment.model == shipped  # type: ignore[union-attr]
    copy_of_shipped(settings, shipped)
    assert product.take_chosen_model() is False
    product.models.promote(A, user=None)
    assert product.take_chosen_model() is True
    assert product.take_chosen_model() is False
    assert product.reader.classifier.model_id == product.classifier.model_id == shipped.replace(shipped[:15], A)
    (reading,) = product.reader.read([mail(1)])
    assert reading.assessment.model.startswith(A)  # type: ignore[union-attr]
    assert product.rescreen._reader is product.reader  # what it compares assessments with is the new id
    assert product.models.overview().running.figures["recall"][1] > 100
    assert classifier_for(settings).model_id == product.classifier.model_id  # a new process, or the child that reads
    product.models.roll_back(user=None)
    assert product.take_chosen_model() is True
    assert product.classifier.model_id == shipped


def test_the_child_that_reads_one_mail_follows(settings: Settings, product: Product) -> None:
    before = product.lone_reader.read_alone(mail(1))
    copy_of_shipped(settings, product.classifier.model_id)
    product.models.promote(A, user=None)
    product.take_chosen_model()
    after = product.lone_reader.read_alone(mail(1))
    assert not before.assessment.model.startswith(A)  # type: ignore[union-attr]
    assert after.assessment.model.startswith(A)  # type: ignore[union-attr]


@pytest.mark.parametrize("damage", ["bytes", "gone", "choice"])
def test_a_model_that_cannot_be_loaded_leaves_the_old_one_and_shows_the_fault(
    settings: Settings, product: Product, damage: str
) -> None:
    shipped = product.classifier.model_id
    directory = copy_of_shipped(settings, shipped)
    product.models.promote(A, user=None)
    if damage == "bytes":
        (directory / MODEL_FILE).write_bytes(b"x")
    elif damage == "gone":
        shutil.rmtree(directory)
    else:
        (directory.parent / CHOICE_FILE).write_text('{"id": "../../etc", "previous": null}')
    assert product.take_chosen_model() is False
    assert product.classifier.model_id == shipped
    assert product.models.overview().running.fault
    assert classifier_for(settings).model_id == shipped  # a start falls back to the product's own


def test_without_a_choice_nothing_changes(settings: Settings) -> None:
    assert not (settings.data_dir / "models").exists()
    assert classifier_for(settings).model_id.startswith(Manifest.read(CURRENT / MANIFEST_FILE).model_id)
    assert not (settings.data_dir / "models").exists()
