"""`make judgement`: how well the product judges, on text it has never seen; writes docs/judgement.md.

Locked test, challenge set, fresh mails and agreement of labellers, each scored through the whole product path, with
and without the sentence encoder; and the speed of judging. Every scoring of the locked test is noted in its log.
The chapter on misses and what was tried is written by hand and kept.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.evaluate import evaluate_file, read_rows
from classifiers.judgement import challenge_figures, figures, kappa, load_challenge, rules_alone
from classifiers.labelled import CORPUS, LOCK, TRAIN, LabelledMail, judged, load_corpus, load_file
from classifiers.manifest import Manifest
from classifiers.registry import CURRENT, RULES, HybridClassifier, LoadedModel, load_classifier, load_rules
from tests.benchmark import report
from triage.bootstrap import utc_now
from triage.core.assessment import LAWS

CHALLENGE = CORPUS / "challenge"
FRESH = CORPUS / "fresh"
SECOND_LABELS = CORPUS / "second_labels.jsonl"
FIRST_SCORES = FRESH / "SCORES.json"
_HAND = "<!-- by hand -->"
_TIMED = 300
Json = Mapping[str, Any]

ROWS = (
    ("urgent mail that gets the short term", ("recall",), "≥ 0.98, from ≥ 0.95"),
    ("the same, level (c): no cue word", ("recall_by_level", "c"), "≥ 0.95"),
    ("the same, palliative", ("recall_by_head", "palliative"), ""),
    ("the same, transfer", ("recall_by_head", "transfer"), ""),
    ("false alarms, ordinary mail", ("alarms_ordinary",), "≤ 0.10"),
    ("false alarms, look-alikes", ("alarms_hard",), "≤ 0.25"),
    ("false alarms, all normal mail", ("alarms",), ""),
    ("false alarms in the band urgent", ("urgent_band_alarms",), "≤ 0.03"),
    ("urgent mail in the band urgent", ("urgent_band_recall",), ""),
    ("palliative and transfer told apart", ("told_apart",), "≥ 0.90"),
    ("danger found", ("danger_recall",), "1.0"),
    ("danger, false", ("danger_alarms",), "≤ 0.02"),
    ("set of laws exactly right", ("exact",), "≥ 0.75"),
    ("a law named where none applies", ("false_law_on_none",), "≤ 0.10"),
)


def main() -> int:
    fused, plain = load_classifier(CURRENT), load_classifier(CURRENT, use_encoder=False)
    pages = [
        "# Judgement",
        "Written by `make judgement`; only the last chapter is written by hand. What the model is and how it was made: "
        "[its card](../classifiers/models/current/CARD.md), with its figures on unseen authors of the training corpus.",
        report.measured_on(),
        locked(fused, plain),
        fresh(fused),
        challenge(fused, plain),
        agreement(),
        speed(fused, plain),
    ]
    path = report.DOCS / "judgement.md"
    by_hand = path.read_text(encoding="utf-8").partition(_HAND)[2] if path.exists() else ""
    print("written:", report.write(path.name, "\n\n".join([page for page in pages if page] + [_HAND + by_hand])))
    return 0


# ---------------------------------------------------------------- sets


def locked(fused: HybridClassifier, plain: HybridClassifier) -> str:
    files = sorted(LOCK.parent.glob("*.jsonl"))
    rows = [row for path in files for row in load_file(path)]
    for path in files:
        evaluate_file(path, fused, now=utc_now())
    with_it, without = read_rows(rows, fused), read_rows(rows, plain)
    model_only = HybridClassifier(_model_of(CURRENT), load_rules(_no_rules()))
    columns = {
        "with encoder, and rules": figures(rows, with_it),
        "n-grams and rules": figures(rows, without),
        "n-grams alone": figures(rows, read_rows(rows, model_only)),
        "rules alone": figures(rows, rules_alone(without, load_rules(RULES))),
    }
    best = columns["with encoder, and rules"]
    parts = [
        "## Locked test",
        f"{len(rows)} mails by {len(files)} authors who wrote none of the training text and saw neither it nor the "
        "rules; never used for a choice. Every scoring: [the log](../classifiers/corpus/test/LOG.md). Intervals are "
        "Clopper-Pearson, two-sided 95%.",
        table(columns),
        f"Law micro-F1 {best['law_micro_f1']:.3f} (bar 0.90); "
        + ", ".join(f"{law} {best['law_f1'][law]:.3f}" for law in LAWS)
        + f" (bar 0.85 each). Without encoder {columns['n-grams and rules']['law_micro_f1']:.3f}.",
        "Urgent mails missed, in full:\n\n" + in_full(rows, best["missed_urgent"]),
        "Danger mails missed, in full:\n\n" + in_full(rows, best["missed_danger"]),
    ]
    return "\n\n".join(parts)


def fresh(classifier: HybridClassifier) -> str:
    """Each file of fresh mails; the first score of a file is kept and is the one that is reported."""
    kept: dict[str, Json] = json.loads(FIRST_SCORES.read_text(encoding="utf-8")) if FIRST_SCORES.exists() else {}
    parts = [
        "## Fresh mails",
        "Written one after the other by authors without sight of corpus and rules. The first score of each file is "
        "kept; later ones are not, since the file has been seen then. The last file was scored after the last change.",
    ]
    for path in sorted(FRESH.glob("*.jsonl")):
        rows = load_file(path)
        if path.stem not in kept:
            found = figures(rows, read_rows(rows, classifier))
            kept[path.stem] = {"model": classifier.model_id, "date": utc_now().date().isoformat(), "figures": found}
        one = kept[path.stem]
        best = one["figures"]
        parts += [
            f"### {path.stem}: {len(rows)} mails, {one['date']}, model `{one['model']}`",
            table({"first score": best}),
            f"Law micro-F1 {best['law_micro_f1']:.3f}; "
            + ", ".join(f"{law} {best['law_f1'][law]:.3f}" for law in LAWS)
            + f". Urgent missed: {', '.join(best['missed_urgent']) or 'none'}; danger missed: "
            f"{', '.join(best['missed_danger']) or 'none'}.",
        ]
    FIRST_SCORES.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return "\n\n".join(parts)


def challenge(fused: HybridClassifier, plain: HybridClassifier) -> str:
    mails = load_challenge(CHALLENGE)
    with_it, without = challenge_figures(mails, fused), challenge_figures(mails, plain)
    lines = ["| check | with encoder | n-grams | wrong, with encoder |", "|---|---|---|---|"]
    for name, one in with_it.items():
        wrong = ", ".join(one["wrong"][:12]) + (" …" if len(one["wrong"]) > 12 else "")
        lines.append(f"| {name} | {one['k']}/{one['n']} | {without[name]['k']}/{without[name]['n']} | {wrong} |")
    return "\n\n".join(
        [
            "## Challenge set",
            f"{len(mails)} mails: MFT, one fact and one label; INV, a change that must change nothing; DIR, a change "
            "that must change a label.",
            "\n".join(lines),
        ]
    )


def agreement() -> str:
    if not SECOND_LABELS.exists():
        return ""
    rows = {row.id: row for row in [*load_corpus(TRAIN), *load_corpus(LOCK.parent)]}
    second = [json.loads(line) for line in SECOND_LABELS.read_text(encoding="utf-8").splitlines() if line.strip()]
    pairs = [(rows[one["id"]], one) for one in second if one["id"] in rows]
    heads = {
        **{law: [(law in row.laws, law in one["laws"]) for row, one in pairs] for law in LAWS},
        "palliative": [(row.urgency == "palliative", one["urgency"] == "palliative") for row, one in pairs],
        "transfer": [(row.urgency == "transfer", one["urgency"] == "transfer") for row, one in pairs],
        "danger": [(row.danger, one["danger"]) for row, one in pairs],
    }
    lines = ["| label | kappa | first yes | second yes | differ |", "|---|---|---|---|---|"]
    for name, answers in heads.items():
        first, other = [a for a, _ in answers], [b for _, b in answers]
        differ = sum(a != b for a, b in answers)
        lines.append(f"| {name} | {kappa(first, other)} | {sum(first)} | {sum(other)} | {differ} |")
    same = sum(set(row.laws) == set(one["laws"]) for row, one in pairs)
    return "\n\n".join(
        [
            "## Two labellers",
            f"{len(pairs)} mails of training and test were labelled again from the text alone, by a labeller who saw "
            "the label guide and no label. Sets of laws the same: "
            f"{same}/{len(pairs)} = {same / max(len(pairs), 1):.3f}. Writer and labeller are the same language model: "
            "this shows that the labels follow the guide, not how far people would agree.",
            "\n".join(lines),
        ]
    )


# ---------------------------------------------------------------- speed


def speed(fused: HybridClassifier, plain: HybridClassifier) -> str:
    texts = [judged(row) for row in load_corpus(LOCK.parent)][:_TIMED]
    lines = ["| bar 8 | n-grams | with encoder | bar |", "|---|---|---|---|"]
    one = {name: _single(judge, texts) for name, judge in (("plain", plain), ("fused", fused))}
    many = {name: _batch(judge, texts) for name, judge in (("plain", plain), ("fused", fused))}
    load = {name: _load(use_encoder=name == "fused") for name in ("plain", "fused")}
    lines += [
        f"| one mail, p95 | {one['plain']:.1f} ms | {one['fused']:.1f} ms | 10 and 30 ms |",
        f"| in batches of 50, a mail | {many['plain']:.2f} ms | {many['fused']:.2f} ms | 1.5 and 15 ms |",
        f"| model load | {load['plain']:.2f} s | {load['fused']:.2f} s | 3 s |",
        f"| memory of a process that judges | {_memory(use_encoder=False):.0f} MB | {_memory(use_encoder=True):.0f} MB "
        "| 450 MB |",
    ]
    return "\n\n".join(["## Speed", "One thread, evidence and neighbours included.", "\n".join(lines)])


def _single(classifier: HybridClassifier, texts: Sequence[str]) -> float:
    classifier.verdicts(texts[:20])
    taken = []
    for text in texts:
        started = time.perf_counter()
        classifier.verdicts([text])
        taken.append(time.perf_counter() - started)
    return float(np.quantile(taken, 0.95) * 1000)


def _batch(classifier: HybridClassifier, texts: Sequence[str]) -> float:
    started = time.perf_counter()
    for start in range(0, len(texts), 50):
        classifier.verdicts(texts[start : start + 50])
    return (time.perf_counter() - started) / len(texts) * 1000


def _memory(*, use_encoder: bool) -> float:
    """Megabytes of a process of its own that loads the model and judges fifty mails."""
    program = (
        "import psutil; from classifiers.registry import load_classifier; "
        f"load_classifier(use_encoder={use_encoder}).verdicts(['Vraag\\n\\nMijn moeder mag morgen naar huis.'] * 50); "
        "print(psutil.Process().memory_info().rss / 1e6)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _load(*, use_encoder: bool) -> float:
    from classifiers import encoder

    encoder.load_encoder.cache_clear()
    started = time.perf_counter()
    load_classifier(CURRENT, use_encoder=use_encoder)
    return time.perf_counter() - started


# ---------------------------------------------------------------- pieces


def table(columns: Mapping[str, Json]) -> str:
    lines = ["| | " + " | ".join(columns) + " | bar |", "|---|" + "---|" * (len(columns) + 1)]
    for label, path, bar in ROWS:
        cells = []
        for value in columns.values():
            one: Any = value
            for key in path:
                one = one[key]
            cells.append(
                f"{one['k']}/{one['n']} = {one['share']:.3f} ({one['lower']:.3f}-{one['upper']:.3f})"
                if one["n"]
                else "-"
            )
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {bar} |")
    return "\n".join(lines)


def in_full(rows: Sequence[LabelledMail], ids: Sequence[str]) -> str:
    known = {row.id: row for row in rows}
    if not ids:
        return "None."
    return "\n\n".join(
        f"**{name}** ({known[name].urgency}, level {known[name].explicitness}): {known[name].subject}\n\n"
        + "\n".join(f"> {line}" for line in re.sub(r"\n{2,}", "\n", known[name].body).splitlines())
        for name in ids
    )


def _model_of(directory: Path) -> LoadedModel:
    from classifiers import pipeline
    from classifiers.manifest import MANIFEST_FILE, MODEL_FILE

    manifest = Manifest.read(directory / MANIFEST_FILE)
    return LoadedModel(pipeline.load((directory / MODEL_FILE).read_bytes()), manifest)


def _no_rules() -> Path:
    """A rules file without rules."""
    import tempfile

    path = Path(tempfile.mkdtemp(prefix="rules-")) / "rules.toml"
    path.write_text("version = 1\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    raise SystemExit(main())
