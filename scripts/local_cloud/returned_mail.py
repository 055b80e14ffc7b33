"""The events by which SES tells of mails that came back, which the emulator does not make."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from scripts.local_cloud.mailbox import Mail
from scripts.local_cloud.server import ACCOUNT_ID, REGION

_DETAIL_TYPES = {
    "Bounce": "Email Bounced",
    "Complaint": "Email Complaint Received",
    "Reject": "Email Rejected",
}


def event(mail: Mail, kind: str) -> dict[str, Any]:
    """Write an event as EventBridge delivers it; a bounce is a permanent one.

    https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
    """
    recipient = {"emailAddress": mail.to}
    details: dict[str, dict[str, Any]] = {
        "Bounce": {"bounce": {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [recipient]}},
        "Complaint": {"complaint": {"complainedRecipients": [recipient]}},
        "Reject": {"reject": {"reason": "Bad content"}},
    }
    now = datetime.now(UTC).isoformat()
    return {
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000000",
        "source": "aws.ses",
        "detail-type": _DETAIL_TYPES[kind],
        "account": ACCOUNT_ID,
        "region": REGION,
        "time": now,
        "resources": [],
        "detail": {
            "eventType": kind,
            "mail": {
                "timestamp": now,
                "destination": [mail.to],
                "tags": {name: [value] for name, value in mail.tags.items()},
            },
            **details[kind],
        },
    }
