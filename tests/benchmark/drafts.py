"""`make drafts`: the right answer block in the draft, and how drafts read; writes docs/drafts.md.

The labelled questions in `tests/data/drafts` were written apart from the blocks. The first score of a file is kept and
is the one that is reported; a file that was looked at afterwards proves nothing any more. The chapter on what was
judged cold and what falls short is written by hand and kept.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmark import report
from tests.letter_cases import TEMPLATES, a_case, make_letters
from triage.bootstrap import reader_for, utc_now
from triage.core.readability import readability, sentences
from triage.services.block_choice import BlockIndex, Example
from triage.services.knowledge import Knowledge
from triage.services.letters import Letters
from triage.services.places import find_place
from triage.services.reading import Reading
from triage.settings import load_settings

DATA = Path(__file__).resolve().parents[1] / "data" / "drafts"
FIRST_SCORES = DATA / "SCORES.json"
JUDGED = DATA / "JUDGED.json"
"""What readers who saw neither blocks nor code nor labels found in the drafts of a file at its first score."""
LAST = "last"
"""The file whose drafts are printed: written and scored after the last change of blocks and rules."""
LABELLED = ("blind", "twenty", "eighty", LAST)
"""Files whose authors labelled the facts that a mail states."""
_HAND = "<!-- by hand -->"
_WHAT = {
    "questions": "167 mails; the weights of an earlier choice were set on half of them",
    "fresh": "80 mails by an author who saw neither blocks nor other mails",
    "earlier last": "20 mails by another such author",
    "round": "44 mails by another such author, after facts were read by rule; blocks were mended for what was found",
    "blind": "162 mails by three such authors, each with the facts that the mail states",
    "twenty": "20 mails by one more such author; blocks were mended for what was found in both",
    "eighty": "80 mails by two more such authors, after that; blocks were mended for what was found",
    LAST: "50 mails by one more such author, after that; nothing was changed after their score",
}
"""Each file and how it came about. The first four are taught to the choice since (`mails.jsonl`)."""
_PRINTED = 20
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A labelled question as the product reads it."""

    row: Json
    reading: Reading


def main() -> int:
    if sys.argv[1:] == ["--weights"]:
        return _fit()
    letters, reader = make_letters(), reader_for(load_settings())
    files = {path.stem: _read(path, reader) for path in sorted(DATA.glob("*.jsonl"))}
    kept: dict[str, Any] = json.loads(FIRST_SCORES.read_text(encoding="utf-8")) if FIRST_SCORES.exists() else {}
    scores = {name: score(asked, letters) for name, asked in files.items()}
    for name, found in scores.items():
        kept.setdefault(name, {"date": utc_now().date().isoformat(), **found})
    FIRST_SCORES.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    everything = [one for asked in files.values() for one in asked]
    pages = [
        "# Drafts",
        "Written by `make drafts`; only the last chapter is written by hand. How blocks are kept: "
        "[operate](operate.md#the-knowledge-base).",
        report.measured_on(),
        _choice(kept, scores),
        _judged(),
        _facts(everything, letters),
        _places(everything),
        _speed(everything, letters),
        _blocks(letters),
        _printed(files.get(LAST, ())[-_PRINTED:], letters),
    ]
    path = report.DOCS / "drafts.md"
    by_hand = path.read_text(encoding="utf-8").partition(_HAND)[2] if path.exists() else ""
    print("written:", report.write(path.name, "\n\n".join([*(page for page in pages if page), _HAND + by_hand])))
    return 0


def _read(path: Path, reader: Any) -> list[Asked]:
    return _as_asked([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()], reader)


def _as_asked(rows: Sequence[Json], reader: Any) -> list[Asked]:
    raws = []
    for row in rows:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = (
            "vrager@mensen.example",
            "meldpunt@juisteloket.example",
            row["subject"],
        )
        mail["Message-ID"] = f"<{row['id']}@mensen.example>"
        mail.set_content(row["body"])
        raws.append(mail.as_bytes())
    found = reader.read(raws)
    return [Asked(row, reading) for row, reading in zip(rows, found, strict=True)]


def score(asked: Sequence[Asked], letters: Letters) -> Json:
    """Counts over questions that a block answers, and over those whose best reply asks back."""
    answered = [one for one in asked if one.row["blocks"]]
    chosen = {one.row["id"]: _chosen(one, letters) for one in asked}
    first = {one.row["id"]: _suggested(one, letters)[:3] for one in answered}
    main_in = [one for one in answered if one.row["blocks"][0] in chosen[one.row["id"]]]
    wanted = {one.row["id"]: {*one.row["blocks"], *one.row["also_good"]} for one in answered}
    return {
        "n": len(answered),
        "in_draft": len(main_in),
        "in_first_three": sum(one.row["blocks"][0] in first[one.row["id"]] for one in answered),
        "all_needed": sum(set(one.row["blocks"]) <= set(chosen[one.row["id"]]) for one in answered),
        "not_wanted": sum(len(set(chosen[name]) - good) for name, good in wanted.items()),
        "vague": len(asked) - len(answered),
        "vague_asked_back": sum(not one.row["blocks"] and not chosen[one.row["id"]] for one in asked),
        "missed": {
            one.row["id"]: {"needs": one.row["blocks"], "got": list(chosen[one.row["id"]])}
            for one in answered
            if one not in main_in
        },
    }


def _chosen(one: Asked, letters: Letters) -> tuple[str, ...]:
    return tuple(choice.block.id for choice in letters.drafts.choose(one.reading.mail, one.reading.assessment))


def _suggested(one: Asked, letters: Letters) -> tuple[str, ...]:
    return tuple(choice.block.id for choice in letters.drafts.suggest(one.reading.mail, one.reading.assessment))


def _fit() -> int:
    """Prints the weights of the choice of blocks, and what each pair of thresholds gives: each author's mails are
    scored by an index that was taught by the others only."""
    from sklearn.linear_model import LogisticRegression

    knowledge, reader = make_letters().knowledge, reader_for(load_settings())
    authors = sorted({row["author"] for row in knowledge.mails})
    names = [block.id for block in knowledge.blocks]
    of_author: dict[str, list[tuple[Json, Any, Any]]] = {}
    for author in authors:
        others = [
            Example(f"{row['subject']}\n\n{row['body']}", tuple(row["blocks"]))
            for row in knowledge.mails
            if row["author"] != author
        ]
        index = BlockIndex(knowledge.blocks, knowledge.questions, others, knowledge.facts)
        mine = [row for row in knowledge.mails if row["author"] == author]
        of_author[author] = []
        for one in _as_asked(mine, reader):
            asked = one.reading.assessment.judged_text
            facts = knowledge.facts_of(one.reading.assessment, asked)
            features = index.features(one.reading.assessment, asked, facts)
            suggested = index.suggest(one.reading.assessment, asked, facts, most=len(names))
            fits = {choice.block.id for choice in suggested if choice.fits}
            of_author[author].append((one.row, features, np.array([name in fits for name in names])))

    def fitted(without: str) -> Any:
        x, y = [], []
        for author, rows in of_author.items():
            for row, features, fits in rows if author != without else ():
                best = np.flatnonzero(fits)[np.argsort(-features[fits, :2].sum(axis=1))][:15]
                x.append(features[best])
                y += [names[place] in row["blocks"] for place in best]
        return LogisticRegression(max_iter=2000).fit(np.concatenate(x), y)

    chances = [
        (row, np.where(fits, fitted(author).predict_proba(features)[:, 1], 0.0))
        for author, rows in of_author.items()
        for row, features, fits in rows
    ]
    for least in (0.15, 0.2, 0.25, 0.3, 0.4):
        for second in (0.4, 0.5, 0.6):
            print(f"least {least}, second {second}:", _judge(chances, names, least, second))
    model = fitted("")
    print("WEIGHTS", [round(float(one), 2) for one in (*model.coef_[0], model.intercept_[0])])
    return 0


def _judge(chances: Sequence[tuple[Json, Any]], names: Sequence[str], least: float, second: float) -> str:
    answered = main_in = needed = wrong = vague = asks = 0
    for row, chance in chances:
        order = np.argsort(-chance)[:2]
        chosen = [names[place] for at, place in enumerate(order) if chance[place] >= (second if at else least)]
        if not row["blocks"]:
            vague += 1
            asks += not chosen
            continue
        answered += 1
        main_in += row["blocks"][0] in chosen
        needed += set(row["blocks"]) <= set(chosen)
        wrong += bool(set(chosen) - {*row["blocks"], *row["also_good"]})
    return (
        f"right {main_in / answered:.3f}, all needed {needed / answered:.3f}, drafts with one not wanted "
        f"{wrong / answered:.3f}, vague asked back {asks}/{vague}"
    )


def _choice(kept: Json, now: Json) -> str:
    def share(k: int, n: int) -> str:
        return f"{k}/{n} = {k / n:.3f}" if n else "–"

    rows = []
    for name, first in kept.items():
        for when, found in (("first score", first), *([("today", now[name])] if name in now else [])):
            rows.append(
                (
                    name,
                    f"{when}, {first['date']}" if when == "first score" else when,
                    share(found["in_draft"], found["n"]),
                    share(found["in_first_three"], found["n"]),
                    share(found["all_needed"], found["n"]),
                    "not counted" if found["not_wanted"] is None else found["not_wanted"],
                    f"{found['vague_asked_back']}/{found['vague']}",
                )
            )
    head = (
        "Questions", "Score", "Right block in the draft (≥ 0.85)", "Among the first three (≥ 0.95)",
        "All blocks needed", "Blocks not wanted", "Vague: asks back",
    )  # fmt: skip
    missed = [
        f"- {name} {row_id}: needs {', '.join(one['needs'])}; the draft has {', '.join(one['got']) or 'none'}"
        for name, found in now.items()
        for row_id, one in found["missed"].items()
    ]
    told = "\n".join(f"- `{name}`: {words}." for name, words in _WHAT.items() if name in kept)
    return "\n\n".join(["## Choice of blocks", told, report.table(head, rows), "Missed today:", "\n".join(missed)])


def _judged() -> str:
    """Of each file that was read cold: the verdicts, and each wrong legal statement for the question."""
    if not JUDGED.exists():
        return ""
    judged: Mapping[str, Sequence[Json]] = json.loads(JUDGED.read_text(encoding="utf-8"))
    rows, told = [], []
    for name, drafts in judged.items():
        law = [(one["id"], wrong) for one in drafts for wrong in one["wrong"] if wrong["sort"] == "law"]
        of_law = len({draft for draft, _ in law})
        verdict = {key: sum(one["verdict"] == key for one in drafts) for key in ("right", "nearly", "weak", "wrong")}
        rows.append(
            (
                name,
                len(drafts),
                sum(one["sentences"] for one in drafts),
                sum(len(one["wrong"]) for one in drafts),
                sum(one["empty"] for one in drafts),
                *verdict.values(),
                f"{of_law}/{len(drafts)} = {of_law / len(drafts):.3f}",
            )
        )
        told += [f"- {draft}: \u201c{wrong['quote']}\u201d {wrong['why']}" for draft, wrong in law]
    head = (
        "File", "Drafts", "Sentences", "Wrong", "Empty", "Right", "Nearly", "Weak", "Wrong",
        "With a wrong legal statement (\u2264 0.02)",
    )  # fmt: skip
    return "\n\n".join(
        [
            "## Judged cold",
            "A reader with care law who saw no block, no code and no label judged every sentence of each draft, once, "
            "at the first score of the file. *Wrong* sentences are untrue by law, or true of another case and so "
            "misleading for this sender; *empty* ones are true and say nothing to this sender. Drafts: *right* could "
            "be sent as they are, *nearly* after small mends, *weak* miss the main question, *wrong* hold a "
            "wrong legal statement for the question. Readers and authors are one language model: expect less of "
            "people, and check the law.",
            report.table(head, rows),
            "Each wrong legal statement, with what the reader said of it:",
            "\n".join(told) or "None.",
        ]
    )


_GOLD = {
    "wlz": ("wlz", {"yes": True, "no": False}),
    "child": ("child", {"yes": True, "no": False}),
    "pgb": ("pgb", {"yes": True, "no": False}),
    "refused": ("decision", {"received": True}),
    "waiting": ("decision", {"waiting": True, "received": False, "none": False}),
    "institution": ("stay", {"institution": True, "home": False}),
    "hospital": ("stay", {"hospital": True}),
    "dying": ("dying", {"yes": True, "no": False}),
}
"""Of each fact that the product reads: the author's label, and what its values say."""


def _facts(asked: Sequence[Asked], letters: Letters) -> str:
    labelled = [one for one in asked if "facts" in one.row]
    rows = []
    for name, (label, values) in _GOLD.items():
        pairs = [
            (
                values.get(one.row["facts"][label]),
                letters.knowledge.facts_of(one.reading.assessment, one.reading.assessment.judged_text).get(name),
            )
            for one in labelled
        ]
        for wanted in (True, False):
            gold = sum(truth is wanted for truth, _ in pairs)
            read = [truth for truth, said in pairs if said is wanted]
            right = sum(truth is wanted for truth in read)
            against = sum(truth is (not wanted) for truth in read)
            if gold or read:
                rows.append((f"{'' if wanted else 'no '}{name}", gold, right, against, len(read) - right - against))
    head = ("Fact", "By the authors", "Read, and right", "Read, and the contrary is true", "Read, and not labelled")
    return "\n\n".join(
        [
            "## Facts",
            f"What {len(labelled)} mails of {', '.join(f'`{name}`' for name in LABELLED)} state of the person they "
            "are about, by their authors' labels. What is not read stays unknown: sentences then carry their own "
            "condition.",
            report.table(head, rows),
        ]
    )


def _places(asked: Sequence[Asked]) -> str:
    right = wrong = named = 0
    for one in asked:
        found = find_place(f"{one.row['subject']}\n{one.row['body']}").gemeente
        named += bool(one.row["place"])
        right += bool(found and one.row["place"])
        wrong += bool(found and not one.row["place"])
    return (
        f"## Place\n\nOf {named} senders who name their gemeente or place {right} are understood; the rest is asked or "
        f"left out. A gemeente where the sender named none as theirs: {wrong}."
    )


def _speed(asked: Sequence[Asked], letters: Letters) -> str:
    took = []
    for one in asked:
        begun = time.perf_counter()
        letters.draft(one.reading.mail, one.reading.assessment, a_case())
        took.append((time.perf_counter() - begun) * 1000)
    begun = time.perf_counter()
    knowledge = Knowledge(TEMPLATES / "knowledge")  # anew: letters share the one that was read before
    read = time.perf_counter() - begun
    _ = knowledge.index
    made = time.perf_counter() - begun - read
    return (
        f"## Speed\n\nFrom assessed mail to draft, one thread, {len(took)} mails: p50 "
        f"{np.percentile(took, 50):.1f} ms, p95 {np.percentile(took, 95):.1f} ms. Once a process: all blocks read in "
        f"{read:.1f} s, and with the first draft the index of the choice made in {made:.1f} s."
    )


def _blocks(letters: Letters) -> str:
    blocks = letters.knowledge.blocks
    verified = sum(block.status == "verified" for block in blocks)
    rows = []
    for block in blocks:
        texts = [text for items in block.sections.values() for text in items]
        figures = readability([one for text in texts for one in sentences(text)])
        laws = sum(note.version_read is not None for note in block.footnotes)
        rows.append(
            (
                block.id,
                figures.sentences,
                figures.longest,
                f"{figures.mean:.1f}",
                laws,
                len(block.footnotes) - laws,
                len(block.to_check),
                "yes" if block.recheck else "",
            )
        )
    head = ("Block", "Sentences", "Longest", "Mean", "Law texts", "Other sources", "Not checked", "Look up anew")
    return "\n\n".join(
        [
            "## Blocks",
            f"{len(blocks)} blocks, {verified} with verified sources ({verified / len(blocks):.0%}); words per "
            "sentence, of which 25 is the most and 12 the most on average. *Not checked* are statements that only a "
            "person's tick brings into a draft; *look up anew*: the law may have a newer text than the version that "
            "the footnote names.",
            report.table(head, rows),
        ]
    )


def _printed(asked: Sequence[Asked], letters: Letters) -> str:
    if not asked:
        return ""
    parts = ["## The last twenty", "Invented mails, and the drafts as a staff member finds them."]
    for one in asked:
        body = letters.draft(one.reading.mail, one.reading.assessment, a_case()).body
        quoted = "\n".join(f"> {line}".rstrip() for line in one.row["body"].splitlines())
        parts += [f"### {one.row['id']}: {one.row['subject']}", quoted, f"```text\n{body.strip()}\n```"]
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
