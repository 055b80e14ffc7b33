"""Keeps the tags of the mails that SES was given: MiniStack drops them, and a mail that comes back is known by them."""

# ruff: noqa: SLF001 (MiniStack offers no way to do this from outside)

from __future__ import annotations

import json
from typing import Any

from ministack.services import ses, ses_v2

_CONFIGURATION_SET = "ses:configuration-set"
_send = ses_v2.handle_request
# By the id of the mail.
_tags: dict[str, dict[str, str]] = {}


def keep() -> None:
    """Keep them from now on."""
    ses_v2.handle_request = _handle_and_keep


def of_mails() -> dict[str, dict[str, str]]:
    """Give the tags of every mail sent so far, by the mail's id."""
    return _tags


async def _handle_and_keep(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
    sent = len(ses._sent_emails_list())
    answer = await _send(method, path, headers, body, query)
    for record in ses._sent_emails_list()[sent:]:
        request = json.loads(body)
        tags = {tag["Name"]: tag["Value"] for tag in request.get("EmailTags", [])}
        if name := request.get("ConfigurationSetName"):
            tags[_CONFIGURATION_SET] = name
        _tags[record["MessageId"]] = tags
    return answer
