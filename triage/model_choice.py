"""Which model judges: the one a person chose, or the product's own; wired here for `bootstrap` and the commands."""

from __future__ import annotations

import functools
from collections.abc import Callable

from classifiers.registry import HybridClassifier, load_classifier, rules_only
from triage.adapters.model_folder import ModelFolder
from triage.adapters.store import SqlStore
from triage.adapters.switchable import SwitchableClassifier
from triage.errors import ModelUnavailable
from triage.logs import get_logger
from triage.ports import Clock, RunningModel
from triage.services.models import Models
from triage.settings import ROOT, Settings

RULES = ROOT / "classifiers" / "rules.toml"


def classifier_for(settings: Settings) -> HybridClassifier:
    """The model in use: the one that a person chose when it is sound, else the one of the product."""
    return switchable_classifier(settings).model


def switchable_classifier(settings: Settings) -> SwitchableClassifier[HybridClassifier]:
    """The model in use, for a process that goes on when another one is chosen."""
    return SwitchableClassifier(
        load=functools.partial(chosen_classifier, settings),
        fall_back=functools.partial(shipped_classifier, settings),
        stamp=ModelFolder(settings.data_dir).stamp,
    )


def chosen_classifier(settings: Settings) -> HybridClassifier:
    """The model that a person chose; the product's own when nobody did. Raises ModelUnavailable."""
    choice = ModelFolder(settings.data_dir).choice()
    classifier = classifier_of(settings, choice.id if choice else None)
    if choice is not None:
        get_logger().info("model_chosen", model=classifier.model_id, state="feedback" if choice.id else "shipped")
    return classifier


def classifier_of(settings: Settings, model_id: str | None) -> HybridClassifier:
    """The model of this id, made from feedback; None: the product's own. Raises ModelUnavailable."""
    if model_id is None:
        return shipped_classifier(settings)
    directory = ModelFolder(settings.data_dir).directory(model_id)
    return load_classifier(directory, rules_path=RULES, use_encoder=settings.model.encoder == "auto")


def shipped_classifier(settings: Settings) -> HybridClassifier:
    """The trained model of the product, or the rules alone when there is none: every mail is then `possible`."""
    directory = settings.model.directory
    directory = directory if directory.is_absolute() else ROOT / directory
    try:
        return load_classifier(directory, rules_path=RULES, use_encoder=settings.model.encoder == "auto")
    except ModelUnavailable as exc:
        get_logger().error("model_unavailable", hint="every mail gets the short term", exc_info=exc)
        return rules_only(RULES)


def models_for(settings: Settings, store: SqlStore, running: Callable[[], RunningModel], clock: Clock) -> Models:
    """The choice of the model, for the screens and for the commands."""
    return Models(
        shelf=ModelFolder(settings.data_dir),
        store=store,
        clock=clock,
        try_model=functools.partial(classifier_of, settings),
        running=running,
    )


def running_model(classifier: HybridClassifier, fault: str = "") -> RunningModel:
    return RunningModel(
        classifier.model_id, classifier.manifest.key_figures() if classifier.manifest is not None else {}, fault
    )
