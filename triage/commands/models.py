"""`train --with-feedback` and `model list|compare|promote|rollback`: models made from what staff said of mails."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime

from triage import logs
from triage.adapters.model_folder import ModelFolder
from triage.bootstrap import open_product_store, utc_now
from triage.commands.output import say, show
from triage.core.workdays import AMSTERDAM
from triage.model_choice import classifier_for, models_for, running_model
from triage.ports import Challenger, FeedbackRow
from triage.settings import ROOT, Settings, load_settings

CORPUS = ROOT / "classifiers" / "corpus"


def _settings() -> Settings:
    settings = load_settings()
    logs.configure(settings.log.level, settings.log.format)
    return settings


def _feedback(settings: Settings) -> Sequence[FeedbackRow]:
    """The texts in it stay in memory."""
    store, _ = open_product_store(settings)
    with closing(store):
        return store.queries.feedback()


def train_with_feedback(*, seed: int) -> int:
    """Makes a challenger in the data folder and compares it with the model in use. Raises TriageError when there is too
    little feedback."""
    from classifiers.challenger import COMPARISON_PAGE, Yardsticks, make_challenger

    settings = _settings()
    shelf = ModelFolder(settings.data_dir)
    directory, comparison = make_challenger(
        _feedback(settings),
        classifier_for(settings),
        Yardsticks(shelf.path, CORPUS / "test", CORPUS / "challenge"),
        now=utc_now(),
        corpus=CORPUS / "train",
        seed=seed,
        progress=say,
        use_encoder=settings.model.encoder == "auto",
    )
    for model_id in shelf.prune():
        say(f"the oldest model {model_id} was removed: five are kept")
    show((directory / COMPARISON_PAGE).read_text(encoding="utf-8"))
    show(f"\nmodel {directory.name} written to {directory}: {comparison.verdict.replace('_', ' ')}\n")
    return 0


def compare(model_id: str) -> int:
    """Compares a challenger anew with the model in use; exit code 0 whatever the verdict."""
    from classifiers.challenger import COMPARISON_PAGE, Yardsticks, compare_with

    settings = _settings()
    shelf = ModelFolder(settings.data_dir)
    directory = shelf.directory(model_id)
    compare_with(
        directory,
        _feedback(settings),
        classifier_for(settings),
        Yardsticks(shelf.path, CORPUS / "test", CORPUS / "challenge"),
        now=utc_now(),
        progress=say,
        use_encoder=settings.model.encoder == "auto",
    )
    show((directory / COMPARISON_PAGE).read_text(encoding="utf-8"))
    return 0


def list_models() -> int:
    settings = _settings()
    shelf = ModelFolder(settings.data_dir)
    choice = shelf.choice()
    chosen = choice.id if choice else None
    show(f"in use        {chosen or 'the model of the product'}  ({classifier_for(settings).model_id})\n")
    if choice is not None:
        show(f"since         {_day(choice.at)}, by {choice.by}\n")
        show(f"before        {choice.previous or 'the model of the product'}\n")
    for one in shelf.challengers():
        mark = "*" if one.id == chosen else " "
        show(f"{mark} {one.id}  made {_day(one.made)}  {_told(one)}\n")
    return 0


def _told(one: Challenger) -> str:
    if one.comparison is None:
        return "never compared"
    why = f" ({', '.join(one.comparison.reasons)})" if one.comparison.reasons else ""
    return f"{one.comparison.verdict.replace('_', ' ')}{why}, beside {one.comparison.champion}"


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(AMSTERDAM):%Y-%m-%d %H:%M}"


def promote(model_id: str, *, anyway: bool, reason: str) -> int:
    settings = _settings()
    store, _ = open_product_store(settings)
    with closing(store):
        classifier = classifier_for(settings)
        models_for(settings, store, lambda: running_model(classifier), utc_now).promote(
            model_id, user=None, anyway=anyway, reason=reason
        )
    show(f"model {model_id} is in use; a running serve takes it within a minute and judges the open cases again\n")
    return 0


def rollback() -> int:
    settings = _settings()
    store, _ = open_product_store(settings)
    with closing(store):
        classifier = classifier_for(settings)
        back = models_for(settings, store, lambda: running_model(classifier), utc_now).roll_back(user=None)
    show(f"{back or 'the model of the product'} is in use again; a running serve takes it within a minute\n")
    return 0
