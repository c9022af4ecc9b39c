"""The values of judgement: a classifier's verdict and our assessment of one mail (`product.md` section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

LAWS: tuple[str, ...] = ("jeugdwet", "wmo", "wlz", "zvw")
SOME_LAW = "some_law"
"""The head that asks whether any of the four laws applies at all."""
HEADS: tuple[str, ...] = (*LAWS, SOME_LAW, "palliative", "transfer", "danger")


class Urgency(StrEnum):
    PALLIATIVE = "palliative"
    TRANSFER = "transfer"
    REGULAR = "regular"


class Band(StrEnum):
    """`possible` also gets the short term until a person lowers it."""

    URGENT = "urgent"
    POSSIBLE = "possible"
    NORMAL = "normal"

    @property
    def short_term(self) -> bool:
        return self is not Band.NORMAL


BAND_ORDER: tuple[Band, ...] = (Band.NORMAL, Band.POSSIBLE, Band.URGENT)


class SenderType(StrEnum):
    CITIZEN = "citizen"
    CARER = "carer"
    CLIENT_SUPPORTER = "client_supporter"
    PROFESSIONAL = "professional"
    GEMEENTE = "gemeente"
    INSURER = "insurer"
    CIZ = "ciz"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open character range in the judged text (`Assessment.judged_text`)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that counted. `source` is "model" (a word n-gram), "rule" or "sentence".

    `head` is one of HEADS; `weight` is signed, larger counts more (rules: 1.0);
    `rule_id`, `softened_by` and `support` only for rules; a support rule is a cue that many other mails hold too: by
    itself it makes a mail possible, not urgent.
    """

    head: str
    source: str
    span: Span
    weight: float
    rule_id: str = ""
    softened_by: tuple[str, ...] = ()
    support: bool = False


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A mail of the training corpus that is much like this one; `similarity` in [0, 1]. Nobody's real mail."""

    id: str
    subject: str
    laws: tuple[str, ...]
    urgency: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the classifiers say of one text: probability in [0, 1] per head, and the borders of the model.

    `law_thresholds`: law → cut. `law_gate`: under this probability of SOME_LAW no law is named.
    `urgency_thresholds`: palliative, transfer, danger → (t_lo, t_hi). `machine_kind`: auto_reply, bounce or
    newsletter_or_spam where the text alone shows a machine or a mailing, else "". `unknown_words`: the share of the
    words that the model does not know.
    """

    probabilities: Mapping[str, float]
    law_thresholds: Mapping[str, float]
    urgency_thresholds: Mapping[str, tuple[float, float]]
    evidence: tuple[Evidence, ...] = ()
    topics: tuple[str, ...] = ()
    sender_type: SenderType = SenderType.OTHER
    law_gate: float = 0.0
    machine_kind: str = ""
    neighbours: tuple[Neighbour, ...] = ()
    unknown_words: float | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """Our reading of one mail. `laws` is the best set, sorted as LAWS; may be empty (none of the four)."""

    laws: tuple[str, ...] = ()
    laws_unclear: bool = False
    law_probabilities: Mapping[str, float] = field(default_factory=dict)
    runner_up: str = ""  # the likeliest law outside the set, "" when unknown
    margin: float = 0.0  # probability of the weakest law in the set (or the cut) less that of the runner-up
    urgency: Urgency = Urgency.REGULAR
    band: Band = Band.POSSIBLE
    urgency_probabilities: Mapping[str, float] = field(default_factory=dict)
    # model, rule, softened_rule, support_rule, no_model, classifier_error, empty_text, language, secure_mail_notice
    # or unreadable
    band_reason: str = ""
    danger: bool = False
    sender_type: SenderType = SenderType.OTHER
    topics: tuple[str, ...] = ()
    topics_given: bool = False  # a person said them
    language: str = "und"  # ISO 639-1, or und
    evidence: tuple[Evidence, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()  # most alike first
    unknown_words: float | None = None  # share of the words that the model does not know; None when not judged
    nearest: float | None = None  # similarity of the first neighbour
    judged_text: str = ""  # subject + blank line + new text (or forwarded body): what spans point into
    model: str = ""
