"""Mails that came back, as SES tells through EventBridge.

https://docs.aws.amazon.com/ses/latest/dg/monitor-sending-using-event-publishing-setup.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from functions.common.errors import EventError
from functions.mail.message import KEY_TAG, NOTICE_TAG, USER_TAG

SOURCE = "aws.ses"


class Kind(StrEnum):
    """Why a mail did not stay, as SES names it."""

    BOUNCE = "Bounce"
    COMPLAINT = "Complaint"
    REJECT = "Reject"


@dataclass(frozen=True, kw_only=True)
class Returned:
    """A mail that did not stay where it was sent.

    Attributes:
        kind: why.
        final: whether it is no use to try again; a full mailbox may have room tomorrow.
        addresses: whose mail it was.
        notice: what kind of notice it was.
        user_id: IAM's id of the user whom it was about.
        key_id: the user's newest key at that time.
    """

    kind: Kind
    final: bool
    addresses: tuple[str, ...]
    notice: str
    user_id: str
    key_id: str


def read(event: Mapping[str, Any]) -> Returned:
    """Read an event of SES.

    Whose mail it was, only the mail itself tells: a bounce names the mailbox that an alias led to, and a complaint
    everybody who may have complained.

    Raises:
        EventError: it is none about a mail that came back, or the mail is none of this service.
    """
    try:
        detail = event["detail"]
        kind, mail = Kind(detail["eventType"]), detail["mail"]
        return Returned(
            kind=kind,
            final=kind is not Kind.BOUNCE or detail["bounce"]["bounceType"] == "Permanent",
            addresses=tuple(str(address) for address in mail["destination"]),
            notice=_tag(mail, NOTICE_TAG),
            user_id=_tag(mail, USER_TAG),
            key_id=_tag(mail, KEY_TAG),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as exc:
        raise EventError("the event is none of SES about a mail of this service that came back") from exc


def _tag(mail: Mapping[str, Any], name: str) -> str:
    return str(mail["tags"][name][0])
