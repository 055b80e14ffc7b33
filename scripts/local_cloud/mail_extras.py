"""Keeps what MiniStack drops of the mails that SES was given: tags, headers, and the deadline for calendars.

By its tags a mail is known that comes back.
"""

# ruff: noqa: SLF001 (MiniStack offers no way to do this from outside)

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ministack.services import ses, ses_v2

_CONFIGURATION_SET = "ses:configuration-set"
_send = ses_v2.handle_request
# By the id of the mail.
_extras: dict[str, dict[str, Any]] = {}


def keep() -> None:
    """Keep them from now on."""
    ses_v2.handle_request = _handle_and_keep


def of_mails() -> Mapping[str, Mapping[str, Any]]:
    """Give ``tags``, ``headers`` and ``calendar`` of every mail sent so far, by the mail's id."""
    return _extras


async def _handle_and_keep(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
    sent = len(ses._sent_emails_list())
    answer = await _send(method, path, headers, body, query)
    for record in ses._sent_emails_list()[sent:]:
        request = json.loads(body)
        _extras[record["MessageId"]] = {
            "tags": _tags(request),
            "headers": _headers(request),
            "calendar": _calendar(request),
        }
    return answer


def _tags(request: Mapping[str, Any]) -> dict[str, str]:
    tags = {tag["Name"]: tag["Value"] for tag in request.get("EmailTags", [])}
    if name := request.get("ConfigurationSetName"):
        tags[_CONFIGURATION_SET] = name
    return tags


def _headers(request: Mapping[str, Any]) -> dict[str, str]:
    headers = {header["Name"]: header["Value"] for header in _simple(request).get("Headers", [])}
    for address in request.get("ReplyToAddresses", []):
        headers["Reply-To"] = address
    return headers


def _calendar(request: Mapping[str, Any]) -> str | None:
    files = [base64.b64decode(file["RawContent"]).decode() for file in _simple(request).get("Attachments", [])]
    return files[0] if files else None


def _simple(request: Mapping[str, Any]) -> Mapping[str, Any]:
    content: Mapping[str, Any] = request.get("Content", {}).get("Simple", {})
    return content
