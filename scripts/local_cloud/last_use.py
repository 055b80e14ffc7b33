"""When each access key was last used: MiniStack does not keep it, and answers "never" for every key.

The ends of old keys, reminders and the recovery of a rotation without encryption depend on that answer. So the
emulator's process remembers each request whose signature MiniStack has accepted, whether a policy then allows it or
not, and answers ``GetAccessKeyLastUsed`` from that. It knows at once and to the microsecond, where AWS may take hours
and is less exact.

When a demo or test lets time pass, the uses become older with everything else: ``age``.
"""

# ruff: noqa: SLF001 (MiniStack offers no way to do this from outside)

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator, sigv4
from ministack.services import iam

from scripts.local_cloud import clock

_NEVER = b"<Region>N/A</Region><ServiceName>N/A</ServiceName>"


@dataclass(frozen=True, kw_only=True)
class _Use:
    """A key's last use."""

    at: datetime
    region: str
    service: str

    def to_xml(self) -> bytes:
        """Write it as IAM answers it."""
        return (
            f"<LastUsedDate>{self.at.isoformat()}</LastUsedDate>"
            f"<Region>{self.region}</Region><ServiceName>{self.service}</ServiceName>"
        ).encode()


_authenticate = iam_evaluator.authenticate
_clock = clock.Clock(Path(os.environ[clock.VARIABLE]))
_answer = iam._IAM_HANDLERS["GetAccessKeyLastUsed"]
# By access key id.
_uses: dict[str, _Use] = {}


def remember() -> None:
    """Begin to remember, and to answer."""
    iam_evaluator.authenticate = _authenticate_and_remember
    iam._IAM_HANDLERS["GetAccessKeyLastUsed"] = _answer_from_memory


def age(passed: timedelta) -> None:
    """Make every use so much longer ago."""
    for key_id, use in _uses.items():
        _uses[key_id] = replace(use, at=use.at - passed)


def _authenticate_and_remember(key_id: str, account_id: str) -> Any:
    request = iam_evaluator._signed_request.get()  # MiniStack checks, and so forgets, a request's signature once
    outcome = _authenticate(key_id, account_id)
    if request and isinstance(outcome, iam_evaluator.ResolvedCredential):
        signature = sigv4.parse_header_signature(request.headers)
        if isinstance(signature, sigv4.HeaderSignature):  # nobody here signs in the query
            _uses[key_id] = _Use(at=_clock.now(), region=signature.region, service=signature.service)
    return outcome


def _answer_from_memory(parameters: dict[str, list[str]]) -> Any:
    status, headers, body = _answer(parameters)
    use = _uses.get(parameters["AccessKeyId"][0])
    return status, headers, body.replace(_NEVER, use.to_xml() if use else _NEVER)
