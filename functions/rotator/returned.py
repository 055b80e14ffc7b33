"""Mails that came back, as SES tells through EventBridge.

https://docs.aws.amazon.com/ses/latest/dg/monitor-sending-using-event-publishing-setup.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.common.errors import EventError
from functions.mail.message import KEY_TAG, NOTICE_TAG, USER_TAG

SOURCE = "aws.ses"
_BOUNCE = "Bounce"


@dataclass(frozen=True, kw_only=True)
class Returned:
    """A mail that did not stay where it was sent.

    Attributes:
        kind: ``Bounce``, ``Complaint`` or ``Reject``.
        final: whether it is no use to try again; a full mailbox may have room tomorrow.
        addresses: whose mail it was.
        notice: what kind of notice it was.
        user_id: IAM's id of the user whom it was about.
        key_id: the user's newest key at that time.
    """

    kind: str
    final: bool
    addresses: tuple[str, ...]
    notice: str
    user_id: str
    key_id: str


def read(event: Mapping[str, Any]) -> Returned:
    """Read an event of SES.

    Raises:
        EventError: it is none about a mail that came back, or the mail is none of this service.
    """
    try:
        detail = event["detail"]
        kind, mail = detail["eventType"], detail["mail"]
        return Returned(
            kind=kind,
            final=kind != _BOUNCE or detail["bounce"]["bounceType"] == "Permanent",
            addresses=tuple(_addresses(kind, detail)),
            notice=_tag(mail, NOTICE_TAG),
            user_id=_tag(mail, USER_TAG),
            key_id=_tag(mail, KEY_TAG),
        )
    except (KeyError, TypeError, IndexError, AttributeError) as exc:
        raise EventError("the event is none of SES about a mail of this service that came back") from exc


def _addresses(kind: str, detail: Mapping[str, Any]) -> Iterable[str]:
    match kind:
        case "Bounce":
            return [recipient["emailAddress"] for recipient in detail["bounce"]["bouncedRecipients"]]
        case "Complaint":
            return [recipient["emailAddress"] for recipient in detail["complaint"]["complainedRecipients"]]
        case "Reject":
            return [str(address) for address in detail["mail"]["destination"]]
    raise KeyError(kind)


def _tag(mail: Mapping[str, Any], name: str) -> str:
    return str(mail["tags"][name][0])
