"""The error tree: each class says what the caller can do about it.

Messages name the thing that is wrong and how to mend it. They never hold personal data: no address of a
sender, no subject, no text, no file name from a mail.
"""

from __future__ import annotations


class TriageError(Exception):
    """Everything this product raises on purpose."""


class ConfigError(TriageError):
    """The product cannot start; the message names the key and the file or variable."""


class Retryable(TriageError):
    """Trying the same thing later may succeed."""


class MailboxUnavailable(Retryable):
    """IMAP: connect or login failed, the folder is missing, or the connection was lost."""


class FolderRefused(MailboxUnavailable):
    """IMAP: the server takes nothing into this folder now; the connection is in order. `code`: full, too_big,
    read_only, missing or refused."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class TokenUnavailable(Retryable):
    """OAuth2: no access token can be had now."""


class SignInNeeded(TokenUnavailable):
    """OAuth2: the token server refuses the refresh token; a person must sign in anew."""


class StoreUnavailable(Retryable):
    """The database cannot be reached, is locked for too long, or the disk is full."""


class ReaderUnavailable(Retryable):
    """The child process that reads one mail by itself could not be started: no memory, or no model."""


class _SmtpOutcome(TriageError):
    def __init__(self, message: str, *, reply_code: int | None = None, enhanced_status: str | None = None) -> None:
        super().__init__(message)
        self.reply_code = reply_code
        self.enhanced_status = enhanced_status


class DeliveryDeferred(_SmtpOutcome, Retryable):
    """SMTP: certainly not sent, later may work (RFC 5321 §4.2.1: 4yz, or no connection)."""


class SenderUnavailable(DeliveryDeferred):
    """SMTP: the server itself cannot be used (connect, TLS or login failed); says nothing on any one mail."""


class DeliveryRefused(_SmtpOutcome):
    """SMTP: certainly not sent and repeating is no use (RFC 5321 §4.2.1: 5yz).

    `null_reverse_path_refused`: the server took exception to MAIL FROM:<>, not to the recipient or the mail."""

    def __init__(
        self,
        message: str,
        *,
        reply_code: int | None = None,
        enhanced_status: str | None = None,
        null_reverse_path_refused: bool = False,
    ) -> None:
        super().__init__(message, reply_code=reply_code, enhanced_status=enhanced_status)
        self.null_reverse_path_refused = null_reverse_path_refused


class DeliveryUncertain(_SmtpOutcome):
    """SMTP: DATA was begun and no reply came; the mail may or may not have left. A person decides."""


class ConflictError(TriageError):
    """Somebody else changed it first: a stale revision, a lost lease."""


class NotAllowed(TriageError):
    """This role or this state does not allow the act."""


class NotFound(TriageError):
    """No such case, draft or user."""


class SealError(TriageError):
    """A sealed value cannot be opened: unknown key id, wrong row, or changed bytes."""


class ModelUnavailable(TriageError):
    """No usable model file; every mail gets band `possible` until there is one."""
