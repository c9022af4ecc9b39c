"""`train` and `evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path

from triage.adapters.model_folder import ModelFolder
from triage.bootstrap import utc_now
from triage.commands.output import json_line, say
from triage.model_choice import classifier_for
from triage.settings import ROOT, load_settings

CORPUS = ROOT / "classifiers" / "corpus" / "train"
MODEL = ROOT / "classifiers" / "models" / "current"


def train(*, corpus: Path | None, out: Path | None, seed: int) -> int:
    """Fits on the corpus and writes model, manifest and card; progress on stderr."""
    from classifiers.train import train as fit

    manifest = fit(corpus or CORPUS, out or MODEL, seed=seed, progress=say)
    say(f"model {manifest.model_id} written to {out or MODEL}")
    return 0


def evaluate(file: Path, *, as_json: bool) -> int:
    """Scores a labelled file with the model in use; one object with `--json`, a short report otherwise."""
    from classifiers.challenger import LOG_FILE
    from classifiers.evaluate import evaluate_file
    from classifiers.labelled import LOG

    settings = load_settings()
    shelf = ModelFolder(settings.data_dir)
    classifier = classifier_for(settings)
    manifest = classifier.manifest
    made_here = manifest is not None and "feedback" in manifest.corpus  # its scores belong in the data folder
    report = evaluate_file(
        file,
        classifier,
        now=utc_now(),
        progress=say,
        log=shelf.path / LOG_FILE if made_here else LOG,
        current=shelf.directory(manifest.model_id) if manifest is not None and made_here else MODEL,
    )
    result = report.as_json()
    if as_json:
        json_line(result)
        return 0
    urgent, alarms, laws = result["urgent_recall"], result["false_alarms"], result["laws"]
    per_law = ", ".join(f"{law} {value['f1']:.3f}" for law, value in laws["per_law"].items())
    sys.stdout.write(
        f"mails               {result['n']}\n"
        f"urgent found        {urgent['k']} of {urgent['n']} (95% lower bound {urgent['lower']:.3f})\n"
        f"false alarms        {alarms['k']} of {alarms['n']}\n"
        f"laws micro-F1       {laws['micro_f1']:.3f}  ({per_law})\n"
        f"laws exactly right  {result['exact']:.3f}\n"
        f"kind right          {result['kind']:.3f}\n"
        f"urgent mails missed {', '.join(result['missed']) or 'none'}\n"
    )
    return 0
