"""Where headers and the rules on words are silent, the model's text head may still see a machine or a mailing.

It only withholds the acknowledgement and leaves the mail a case, and a mail in which somebody asks for care stays a
person's whatever the model says (`product.md` section 3.4).
"""

from __future__ import annotations

from collections.abc import Mapping

from triage.core.mail import MessageKind, NoReplyReason, ParsedMail, Screening
from triage.core.person_text import is_form, plainly_asks

TEXT_HEAD = "text_head"
_KINDS: Mapping[str, MessageKind] = {
    "auto_reply": MessageKind.AUTO_REPLY,
    "bounce": MessageKind.DELIVERY_REPORT,
    "newsletter_or_spam": MessageKind.LIST_OR_BULK,
}


def screen_by_text(mail: ParsedMail, screening: Screening, machine_kind: str) -> Screening:
    """The screening, changed only where it found an ordinary question and nothing else.
    `machine_kind`: as in `Verdict`."""
    silent = screening.kind is MessageKind.QUESTION and not screening.rule and not screening.reasons
    if not silent or machine_kind not in _KINDS:
        return screening
    text = mail.new_text or mail.text
    if plainly_asks(mail.subject, text) or is_form(text):
        return screening
    return Screening(_KINDS[machine_kind], (NoReplyReason.MACHINE_TEXT,), TEXT_HEAD, by_words=True)
