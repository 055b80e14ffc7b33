"""What the emulator's process can be told and asked besides AWS's own API, over HTTP on the same port.

The one half runs in that process (``serve``), the other is for whoever drives it (``age``, ``mail_extras``).
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application: https://asgi.readthedocs.io/en/latest/specs/main.html"""

_AGE = "/_local_cloud/age/"
_MAIL_EXTRAS = "/_local_cloud/mail-extras"


def serve(
    emulator: Application, *, age: Callable[[timedelta], None], extras: Callable[[], Mapping[str, Mapping[str, Any]]]
) -> Application:
    """Give the emulator as an application that can be told that time has passed, and asked for the extras of mails.

    Args:
        emulator: what answers everything else.
        age: makes the uses of keys older.
        extras: gives tags, headers and calendar of mails by their ids.
    """

    async def application(scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if path.startswith(_AGE):
            age(timedelta(seconds=int(path.removeprefix(_AGE))))
            await _answer(send, {})
        elif path == _MAIL_EXTRAS:
            await _answer(send, extras())
        else:
            await emulator(scope, receive, send)

    return application


def age(endpoint: str, passed: timedelta) -> None:
    """Tell an emulator that every use of a key is so much longer ago."""
    _ask(f"{endpoint}{_AGE}{round(passed.total_seconds())}")


def mail_extras(endpoint: str) -> Mapping[str, Mapping[str, Any]]:
    """Read tags, headers and calendar of the mails that an emulator's SES was given, by the mails' ids."""
    extras: Mapping[str, Mapping[str, Any]] = _ask(f"{endpoint}{_MAIL_EXTRAS}")
    return extras


async def _answer(send: Any, content: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


def _ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http, on loopback
        return json.load(answer)
