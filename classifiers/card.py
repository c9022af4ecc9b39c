"""The model card: CARD.md and its plots, written from the manifest and the log of the locked test alone.

Nothing in it is typed by hand except what the figures mean and where the model must not be used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from classifiers.labelled import LOG
from classifiers.manifest import CARD_FILE, Manifest
from classifiers.pipeline import CASES_PER_TERM, MIN_TOPIC_ROWS
from classifiers.plots import grid_plot, line_plot
from classifiers.thresholds import (
    DANGER_ALARMS,
    FALSE_LAW,
    LOW_ALARMS,
    LOW_ALARMS_CAP,
    LOW_RECALL,
    MISSED_LAW,
    URGENT_ALARMS,
)
from triage.core.assessment import LAWS

Json = Mapping[str, Any]


def write_card(directory: Path, manifest: Manifest, *, log: Path = LOG) -> None:
    """Writes CARD.md and the plots into the model's folder."""
    for name, svg in plots(manifest).items():
        (directory / name).write_text(svg, encoding="utf-8")
    scored = log.read_text(encoding="utf-8") if log.exists() else ""
    (directory / CARD_FILE).write_text(render_card(manifest, scored), encoding="utf-8")


def render_card(manifest: Manifest, locked_log: str) -> str:
    """The card as Markdown. `locked_log` is the text of the locked test's log, "" when never scored."""
    sections = [
        _head(manifest),
        _use(),
        _data(manifest.corpus),
        _feedback(manifest.corpus.get("feedback")),
        _method(manifest),
        _urgency(manifest),
        _laws(manifest.scores),
        _others(manifest),
        _authors(shipped(manifest.scores)["authors"]),
        _learning(manifest.scores),
        _calibration(shipped(manifest.scores)["calibration"]),
        _locked(locked_log),
        _limits(from_feedback="feedback" in manifest.corpus),
    ]
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def shipped(scores: Json) -> Json:
    """The figures of the variant that runs where everything is installed: with the encoder when there is one."""
    chosen: Json = scores.get("fused") or scores["plain"]
    return chosen


def plots(manifest: Manifest) -> dict[str, str]:
    """File name → SVG."""
    scores = manifest.scores
    best = shipped(scores)
    variants = [(name, scores[key]) for key, name in (("plain", "n-grams"), ("fused", "with encoder")) if key in scores]
    held = list(best["authors"].values())
    made = {
        "trade-off.svg": line_plot(
            "Alarms needed for each recall (unseen authors, model alone)",
            "share of urgent mail found",
            "share of normal mail above the cut",
            [(name, [(at["recall"], at["alarms"]) for at in one["trade_off"]]) for name, one in variants],
            x_range=(0.5, 1.0),
        ),
        "precision-recall.svg": line_plot(
            "Precision for each recall (unseen authors, model alone)",
            "recall",
            "precision",
            [
                (head, [(at["recall"], at["precision"]) for at in points])
                for head, points in best["precision_recall"].items()
            ],
            x_range=(0.0, 1.0),
        ),
        "authors.svg": line_plot(
            "Each held-out part (rules and model)",
            "part, ordered by law micro-F1",
            "score or share",
            [
                (label, list(enumerate(values, start=1)))
                for label, values in zip(
                    ("law micro-F1", "urgent recall", "false alarms"),
                    zip(
                        *sorted(
                            (one["law_micro_f1"], one["recall"]["share"] or 0.0, one["alarms"]["share"] or 0.0)
                            for one in held
                        ),
                        strict=True,
                    ),
                    strict=True,
                )
            ],
            x_range=(1.0, float(max(len(held), 2))),
        ),
        "law-confusion.svg": grid_plot(
            "Laws named wrongly (row) where the column's law was right",
            list(LAWS),
            list(LAWS),
            [[0 if a == b else best["laws"]["confusion"][a][b] for b in LAWS] for a in LAWS],
        ),
        "calibration.svg": line_plot(
            "Probability said and seen (unseen authors)",
            "mean probability of the bin",
            "share that was so",
            [("ideal", [(0.0, 0.0), (1.0, 1.0)])]
            + [
                (
                    name,
                    [
                        (row["predicted"], row["observed"])
                        for row in best["calibration"][name]
                        if row["predicted"] is not None
                    ],
                )
                for name in ("urgency", "laws")
            ],
            x_range=(0.0, 1.0),
        ),
    }
    curve = scores.get("learning_curve")
    if curve:
        made["learning-curve.svg"] = line_plot(
            "More mails (unseen authors, n-grams)",
            "training mails a fold",
            "score or share",
            [
                (label, [(point["mails"], point[key]) for point in curve])
                for label, key in (
                    ("urgent AUC", "urgent_auc"),
                    ("law micro-F1", "law_micro_f1"),
                    ("alarms at 98% recall", "alarms_at_98"),
                )
            ],
            x_range=(0.0, float(max(point["mails"] for point in curve))),
        )
    return made


# ---------------------------------------------------------------- pieces


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _share(value: Json) -> str:
    """`k/n = x (95%: from-to)`"""
    if not value["n"]:
        return "0/0"
    return f"{value['k']}/{value['n']} = {value['share']:.3f} ({value['lower']:.3f}-{value['upper']:.3f})"


def _lines(*lines: str) -> str:
    """Paragraph text: lines of the source are lines of the card."""
    return "\n".join(lines)


def _head(manifest: Manifest) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(manifest.versions.items()))
    return _lines(
        f"# Model card: {manifest.model_id}",
        "",
        f"Written by the training command on {manifest.created}; the figures stand in `manifest.json` too.",
        "Intervals are Clopper-Pearson, two-sided 95%.",
        f"File: {manifest.model_bytes / 1e6:.2f} MB, SHA-256 `{manifest.model_sha256}`.",
        f"Made with {versions}; seed {manifest.seed}; rules file `{manifest.rules_sha256[:12] or 'none'}`.",
    )


def _use() -> str:
    return """## Intended use and oversight

For the Juiste Loket helpdesk only: it puts incoming Dutch mail in order and proposes laws, topics and sender type
to staff. It reads subject and new text of one mail; it takes no decision about a person's care, and nothing it says
reaches the sender.

- A mail over the lower border gets the short term; only a person may lower it. A rule net beside the model only raises.
- What cannot be judged (no model, an error, empty text, a language with few training mails) gets the short term.
- Staff see the words that counted and correct with one click. No model replaces another by itself.
- Not for: medical triage, emergency calls, decisions on entitlement, other mailboxes, profiles of people."""


def _data(corpus: Json) -> str:
    def listed(name: str) -> str:
        return ", ".join(f"{key} {count}" for key, count in corpus[name].items())

    few = sorted(code for code, count in corpus["topics"].items() if count < MIN_TOPIC_ROWS)
    return _lines(
        "## Data",
        "",
        f"{corpus['rows']} mails ({corpus['judged']} of a kind that is judged) in {len(corpus['authors'])} independent",
        "parts, written for this purpose by a language model; no real person's mail (`classifiers/corpus/README.md`).",
        f"SHA-256 of all rows `{corpus['sha256']}`.",
        "",
        f"- Parts: {listed('authors')}",
        f"- Urgency: {listed('urgency')}; explicitness of the urgent ones: {listed('explicitness_of_urgent')}",
        f"- Danger {corpus['danger']}; look-alikes {corpus['hard']}",
        f"- Laws: {listed('laws')}; several {corpus['several_laws']}; none {corpus['no_law']}",
        f"- Languages: {listed('languages')}",
        f"- Sender types: {listed('sender_types')}",
        f"- Kinds: {listed('kinds')}",
        f"- Topics with too few mails to be proposed: {', '.join(few) or 'none'}",
    )


def _feedback(told: Json | None) -> str:
    """What a model made from feedback learned beside the corpus."""
    if not told:
        return ""
    fields = ", ".join(f"{field} {count}" for field, count in told["fields"].items()) or "none"
    return _lines(
        "## Feedback of this helpdesk",
        "",
        f"Beside the corpus it learned from {told['rows']} real mails of {told['cases']} cases, with the labels that",
        f"staff gave them and no others (mails per field: {fields}; urgent {told['urgent']}; set aside as spam or",
        f"machine mail {told['spam_or_machine']}). No text of them is kept. Their words are features only when they",
        f"stand in mails of at least {CASES_PER_TERM} different cases or in the corpus. Staff corrected some mails and",
        "not others, so these are no sample of the mailbox. All figures below are measured on corpus mails.",
        "Keep this model in the data folder: it is made from health data.",
    )


def _method(manifest: Manifest) -> str:
    settings = manifest.settings
    lines = [
        "## Method",
        "",
        "Normalised text (NFC, lower case; numbers, dates, addresses, telephones and postcodes masked) → TF-IDF of",
        f"words 1-2 and of characters 2-5 inside words ({settings['features']} features) → eight independent balanced",
        f"linear heads ({settings['loss']} loss, C = {settings['C']:g}): four laws, whether any law applies,",
        "palliative, transfer, danger. Sender type, topics (one against the rest) and kind (multinomial) on the",
        "same features.",
    ]
    if manifest.encoder:
        lines += [
            f"Beside it `{manifest.encoder}`: mean and maximum of the sentences' vectors, a logistic head each. Both",
            "scores of a head meet in one sigmoid (late fusion). Without the encoder the n-grams judge alone, with",
            "their own borders; both stand below.",
        ]
    lines += [
        "",
        "Probabilities: Platt's sigmoid on scores of unseen authors. Unseen means: scored by a model without that",
        "author's mails and without any mail of the same scenario (ten folds of authors). The shipped cuts come from",
        "all unseen scores; the figures below use, for each author, the cuts that the *other* authors' scores gave.",
        "",
    ]
    cuts = []
    for name, one in (("n-grams alone", manifest.plain), ("with encoder", manifest.fused)):
        if one is None:
            continue
        low, high = one.urgency_thresholds["palliative"]
        laws = ", ".join(f"{one.law_thresholds[law]:.3f}" for law in LAWS)
        rules = one.rule_borders
        cuts.append(
            [name, f"{low:.3f}", f"{high:.3f}", f"{one.urgency_thresholds['danger'][0]:.3f}", laws,
             f"{one.law_gate:.3f}", f"{rules['urgency']:.3f}, {rules['danger']:.3f}"]
        )  # fmt: skip
    head = ["borders", "t_lo", "t_hi", "danger", ", ".join(LAWS), "gate", "rules: urgency, danger"]
    lines += [_table(head, cuts), ""]
    lines += [
        "t_lo and t_hi stand on the likelier of both urgency heads. Gate: under this probability of any law none is",
        "named; over it the likeliest law is, also when none is over its cut. Under the probability in the last column",
        "the model rules a cue out: a support rule (a cue that many other mails hold) then counts for nothing, another",
        "rule makes the mail possible instead of urgent, and counts for nothing under a quarter of it.",
    ]
    return _lines(*lines)


def _urgency(manifest: Manifest) -> str:
    scores = manifest.scores
    columns: list[tuple[str, Json]] = [("rules alone", scores["plain"]["urgency"]["rules"])]
    for key, name in (("plain", "n-grams"), ("fused", "with encoder")):
        if key in scores:
            columns += [
                (f"{name}, model alone", scores[key]["urgency"]["model"]),
                (f"{name} and rules", scores[key]["urgency"]["both"]),
            ]
    rows: list[list[object]] = []

    def add(label: str, *path: str) -> None:
        cells = []
        for _, value in columns:
            one: Any = value
            for key in path:
                one = one[key]
            cells.append(_share(one))
        rows.append([label, *cells])

    add("urgent mail that gets the short term (recall)", "short_term_recall")
    add("normal mail that gets the short term (alarms)", "short_term_alarms")
    for name in ("look-alike", "ordinary"):
        add(f"of these among {name} mails", "short_term_alarms_by_kind", name)
    add("urgent mail in band urgent", "urgent_band_recall")
    add("normal mail in band urgent", "urgent_band_alarms")
    for head in ("palliative", "transfer"):
        add(f"recall, {head}", "by_head", head)
    for level in ("a", "b", "c"):
        add(f"recall, explicitness {level}", "by_explicitness", level)
    add("palliative and transfer told apart", "told_apart")
    add("danger, recall", "danger", "recall")
    add("danger, alarms", "danger", "alarms")
    curve = "; ".join(
        f"{point['recall']:.0%}: {point['alarms']:.1%}"
        for point in shipped(scores)["trade_off"]
        if point["recall"] >= 0.9
    )
    return _lines(
        "## Urgency and danger",
        "",
        _table(["unseen authors", *(name for name, _ in columns)], rows),
        "",
        f"Share of normal mail above the cut that the model alone needs for a recall of {curve}.",
        f"t_lo: rules and model together find at least {LOW_RECALL:.0%}, and more as long as alarms stay within",
        f"{LOW_ALARMS:.0%} of ordinary normal mail; recall wins over alarms up to {LOW_ALARMS_CAP:.0%}.",
        f"t_hi has at most {URGENT_ALARMS:.0%} of normal mail above it.",
        f"Danger takes at most {DANGER_ALARMS:.0%} alarms whatever its recall, because it alerts at once.",
        "Look-alikes are four in ten of the normal mails here, far more than in a mailbox.",
        "",
        "![alarms for each recall](trade-off.svg)",
        "",
        "![precision for each recall](precision-recall.svg)",
    )


def _laws(scores: Json) -> str:
    parts = ["## Laws", ""]
    for key, name in (("plain", "N-grams alone"), ("fused", "With encoder")):
        if key not in scores:
            continue
        laws = scores[key]["laws"]
        keys = ("n", "precision", "recall", "f1", "average_precision")
        rows = [[law, *(laws["per_law"][law][item] for item in keys)] for law in LAWS]
        parts += [
            _table([name, "mails", "precision", "recall", "F1", "average precision"], rows),
            "",
            f"Micro-F1 {laws['micro_f1']:.3f}. Set exactly right: {_share(laws['exact'])}.",
            f"A law named where none applies: {_share(laws['false_law_on_none'])}; none named where one applies:",
            f"{_share(laws['law_missed_at_gate'])}.",
            "",
        ]
    best = shipped(scores)["laws"]
    confusion = [[wrong, *("-" if law == wrong else best["confusion"][wrong][law] for law in LAWS)] for wrong in LAWS]
    return _lines(
        *parts,
        f"Cuts: the best F1. The gate lets a law through on {FALSE_LAW:.0%} of the",
        f"mails without one, unless more than {MISSED_LAW:.0%} of the others would lose theirs.",
        "",
        "Wrongly named law (row) on mails whose right laws hold the column's:",
        "",
        _table(["named wrongly", *LAWS], confusion),
        "",
        "![laws named wrongly](law-confusion.svg)",
    )


def _others(manifest: Manifest) -> str:
    topics, sender, kinds = (manifest.scores[name] for name in ("topics", "sender", "kinds"))
    types = ", ".join(f"{name} {value['recall']:.2f} (n {value['n']})" for name, value in sender["per_type"].items())
    return _lines(
        "## Topics and sender type",
        "",
        f"Topics ({len(topics['codes'])} codes): main topic right {_share(topics['main_topic_right'])}; the first one",
        f"named is one of the mail's topics {_share(topics['named_first_is_one_of'])}; micro-F1 of the set",
        f"{topics['micro_f1']:.3f}. Few mails a code: a proposal for staff, no basis for counts without their check.",
        "",
        f"Sender type: right {_share(sender['accuracy'])}. Recall: {types}.",
        "",
        "## Machine and mass mail by text",
        "",
        "Only where headers are silent, and only for the acknowledgement: the mail stays a case. Of machine and mass",
        f"mails {_share(kinds['machines_found'])} are found; of persons' mails {_share(kinds['persons_held'])} are",
        "taken for one (before the rule that a mail which asks for care is a person's).",
    )


def _authors(authors: Json) -> str:
    rows = [
        [name, value["n"], value["auc"], _share(value["recall"]), _share(value["alarms"]), value["law_micro_f1"]]
        for name, value in authors.items()
    ]
    head = ["held out", "mails", "urgent AUC", "recall (short term)", "alarms (short term)", "law micro-F1"]
    return _lines("## Spread over authors", "", _table(head, rows), "", "![each held-out part](authors.svg)")


def _learning(scores: Json) -> str:
    keys = ("urgent_auc", "alarms_at_95", "alarms_at_98", "alarms_at_99", "law_micro_f1", "law_exact", "danger_ap")
    head = ["urgent AUC", "alarms at 95%", "at 98%", "at 99% recall", "law micro-F1", "exact laws", "danger AP"]
    lines: list[str] = []
    if scores.get("learning_curve"):
        rows = [[point["mails"], *(point[key] for key in keys)] for point in scores["learning_curve"]]
        lines += ["## Learning curve", "", _table(["training mails a fold", *head], rows), ""]
        lines += ["![learning curve](learning-curve.svg)", ""]
    if scores.get("bake_off"):
        rows = [[name, *(value[key] for key in keys)] for name, value in scores["bake_off"].items()]
        lines += ["## Bake-off", "", "Same folds, one change at a time; the model alone.", ""]
        lines += [_table(["variant", *head], rows)]
    return _lines(*lines)


def _calibration(calibration: Json) -> str:
    rows = [
        [f"{u['from']:g}-{u['to']:g}", u["n"], u["predicted"], u["observed"], v["n"], v["predicted"], v["observed"]]
        for u, v in zip(calibration["urgency"], calibration["laws"], strict=True)
    ]
    brier = ", ".join(f"{head} {value:.3f}" for head, value in calibration["brier"].items())
    return _lines(
        "## Calibration",
        "",
        _table(["probability", "urgency n", "said", "seen", "laws n", "said", "seen"], rows),
        "",
        f"Brier score: {brier}. Urgency is the likelier of two heads, so it says less than is so in the middle.",
        "The corpus holds far more urgent mail than a mailbox does, so the probabilities are too high for real mail:",
        "screens show words.",
        "",
        "![calibration](calibration.svg)",
    )


def _locked(log: str) -> str:
    table = "\n".join(line for line in log.splitlines() if line.startswith("|"))
    return _lines(
        "## Locked test",
        "",
        "Mails by other authors, scored through the whole product path (rules included) at the shipped cuts; never",
        "used for any choice. Every scoring since the lock stands here; the first line of a model is its score.",
        "",
        table or "Not scored yet.",
    )


def _limits(*, from_feedback: bool) -> str:
    first = "Measured on synthetic mails only" if from_feedback else "Synthetic mails only"
    return f"""## Limits

- {first}. Real mail is messier; expect lower scores until real, masked mails are in the test.
- All parts were written by one language model: these authors differ less than people do.
- Carefully worded situations without any cue are the likeliest misses: see recall at explicitness c.
- In languages with fewer than 20 training mails every mail is `possible`, and the laws named are a guess.
- Frisian, dialect and very short mails are rare here. Whether mistakes fall more on some senders is not measured.
- Danger was learned from few mails: the flag is a help, its absence says nothing.
- Words of evidence are not a reason: they show what the model weighed, not what is true."""
