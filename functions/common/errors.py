"""Every error that this program raises on purpose.

KeyRotatorError
├── ConfigurationError       the function's environment is wrong: nothing has been called yet
├── PolicyError              a user's tags are wrong: nothing is changed for that user
├── EventError               an invocation's payload is not what the function takes
├── LedgerError              the ledger cannot be read as it stands
│   ├── MalformedEntry       one item lacks an attribute, or has one of the wrong type
│   └── LedgerConflict       a conditional write lost its race: somebody else has moved the item
├── KeyLimitExceeded         IAM's two keys per user are taken
├── KeyCreationUnanswered    CreateAccessKey was sent, and no answer came: a key may exist that nobody holds
├── SealingError             the key pair could not be encrypted, or its encryption key not be stored
├── MailError                a mail was not accepted
│   ├── RecipientRefused     this address cannot be served: other users can
│   └── MailServiceError     the service as a whole fails: every other user would fail as well
├── OutOfTime                too little time is left in this invocation to begin something
└── RunFailed                a run is over and some of its users failed
"""

from __future__ import annotations

from botocore.exceptions import ClientError


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
    """The key pair could not be encrypted, or the encryption key could not be stored."""


class MailError(KeyRotatorError):
    """Base of the errors about mail: the message was not accepted."""


class RecipientRefused(MailError):
    """The service works, but does not take a message for this recipient."""


class MailServiceError(MailError):
    """The mail service as a whole refuses or fails.

    Attributes:
        transient: whether the same request may well succeed when it is sent again (a time-out, a rate limit, a
            server's own fault), as against a fault that stays until somebody mends it (credentials, a sender that is
            not verified).
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


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
        return f"{fault.operation_name}: {fault.response['Error'].get('Code', 'unknown')}"
    return type(fault).__name__
