"""Every error that this program raises on purpose.

KeyRotatorError
├── ConfigurationError       the function's environment is wrong: nothing has been called yet
├── PolicyError              a user's tags are wrong: nothing is changed for that user
├── EventError               an invocation's payload is not what the function takes
├── LedgerError              the ledger cannot be read as it stands
│   ├── MalformedEntry       one item lacks an attribute, or has one of the wrong type
│   │   └── Unvouched        one record orders what the ledger does not bear out
│   └── LedgerConflict       a conditional write lost its race: somebody else has moved the item
├── KeyLimitExceeded         IAM's two keys per user are taken
├── KeyCreationUnanswered    CreateAccessKey was sent, and no answer came: a key may exist that nobody holds
├── SealingError             the encryption key of a pair could not be stored
├── Refused                  an operator asked for something that would do harm
├── MailError                a mail was not, or not evidently, accepted
│   ├── RecipientRefused     this address cannot be served: other users can
│   ├── MailServiceError     the service refuses or fails: other users may fail as well
│   │   └── MailThrottled    the service takes mail, only not so fast
│   └── MailUnanswered       the mail was handed over, and no answer came: it may have been accepted
├── OutOfTime                too little time is left in this invocation to begin something
└── RunFailed                a run is over and some of its users failed
"""

from __future__ import annotations

from botocore.exceptions import ClientError

_THROTTLED = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"})


class KeyRotatorError(Exception):
    """Base of all errors of this program. Messages never hold key material."""


class ConfigurationError(KeyRotatorError):
    """The environment of the function is missing something or contradicts itself; the message lists every fault."""


class PolicyError(KeyRotatorError):
    """A user's policy tags do not parse; the message names the tag and the fault."""


class EventError(KeyRotatorError):
    """The event that invoked the function has a shape or a value that the function does not take."""


class LedgerError(KeyRotatorError):
    """Base of the errors about the ledger table."""


class MalformedEntry(LedgerError):
    """A ledger item or a stream record misses an attribute or holds one of the wrong type."""


class LedgerConflict(LedgerError):
    """The condition of a write did not hold: another run has moved the item in the meantime."""


class KeyLimitExceeded(KeyRotatorError):
    """The user has two access keys already, so somebody else has made the second one."""


class KeyCreationUnanswered(KeyRotatorError):
    """CreateAccessKey was sent and its answer was lost, so a key may exist whose secret nobody holds."""


class SealingError(KeyRotatorError):
    """The encryption key of a pair could not be stored."""


class Refused(KeyRotatorError):
    """An operator asked for something that would do harm, or has nothing to act on; nothing is changed."""


class MailError(KeyRotatorError):
    """Base of the errors about mail: the message was not, or not evidently, accepted."""


class RecipientRefused(MailError):
    """The service works, but does not take a message for this recipient."""


class MailServiceError(MailError):
    """The mail service refuses or fails. Whether it fails for everybody, only other users' mails can tell.

    Attributes:
        transient: whether the same request may well succeed when it is sent again (a time-out, a rate limit, a
            server's own fault), as against a fault that stays until somebody fixes it (credentials, a sender that is
            not verified).
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class MailThrottled(MailServiceError):
    """The mail service takes mail, but not so fast."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True)


class MailUnanswered(MailError):
    """The mail was handed over and no answer came, so the user may have it: the key it carries must stay."""


class Unvouched(MalformedEntry):
    """A record orders what the ledger does not bear out: nothing is done on its word, and people look at it."""


class OutOfTime(KeyRotatorError):
    """The invocation nears its deadline: what has not been started is left to the next one."""


class RunFailed(KeyRotatorError):
    """Raised at the end of a run, after everyone has been served who could be; the message names each failure."""


def reason(fault: Exception) -> str:
    """Tell a fault in words that are safe to log.

    This program's own messages are; those of libraries may quote what they were given, so of them only the kind of the
    fault is told, and of AWS's the operation and the error code.
    """
    if isinstance(fault, KeyRotatorError):
        return str(fault)
    if isinstance(fault, ClientError):
        return f"{fault.operation_name}: {code_of(fault) or 'unknown'}"
    return type(fault).__name__


def is_throttled(fault: Exception | None) -> bool:
    """Tell whether AWS asked to be called less often; what was asked for has not been done."""
    return isinstance(fault, ClientError) and code_of(fault) in _THROTTLED


def code_of(fault: ClientError) -> str:
    """Give AWS's code of an error; empty for an answer that has none, such as the page of a proxy."""
    return fault.response.get("Error", {}).get("Code", "")
