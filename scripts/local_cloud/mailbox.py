"""The mails that SES would have sent."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field

from scripts.local_cloud import control
from scripts.local_cloud.server import ACCOUNT_ID


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A mail as its reader gets it, with the file that goes along; and the tags that SES was given with it."""

    to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)
    calendar: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def sent_through_ses(endpoint: str) -> list[Mail]:
    """Read the emulator's record of sent mails, oldest first."""
    url = f"{endpoint}/_ministack/ses/messages?account={ACCOUNT_ID}"
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http, on loopback
        messages = json.load(answer)["messages"].get(ACCOUNT_ID, [])
    extras = control.mail_extras(endpoint)
    return [
        Mail(
            to=message["To"][0],
            subject=message["Subject"],
            text=message["BodyText"],
            html=message["BodyHtml"],
            **extras[message["MessageId"]],
        )
        for message in messages
    ]
