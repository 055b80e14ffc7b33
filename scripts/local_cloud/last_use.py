"""When each access key was last used: MiniStack does not keep it, and answers "never" for every key.

Reminders, days put off and the recovery of a rotation without encryption hang on that answer. So the emulator's process
remembers each request whose signature MiniStack has accepted, whether a policy then allows it or not, and answers
``GetAccessKeyLastUsed`` from that. It knows at once and to the microsecond, where AWS may take hours and is less exact.
"""

# ruff: noqa: SLF001 (MiniStack offers no way to do this from outside)

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ministack.core import iam_evaluator, sigv4
from ministack.services import iam

_NEVER = b"<Region>N/A</Region><ServiceName>N/A</ServiceName>"

_authenticate = iam_evaluator.authenticate
_answer = iam._IAM_HANDLERS["GetAccessKeyLastUsed"]
# What AWS would say of each key's last use, by access key id.
_uses: dict[str, bytes] = {}


def remember() -> None:
    """Begin to remember, and to answer."""
    iam_evaluator.authenticate = _authenticate_and_remember
    iam._IAM_HANDLERS["GetAccessKeyLastUsed"] = _answer_from_memory


def _authenticate_and_remember(key_id: str, account_id: str) -> Any:
    request = iam_evaluator._signed_request.get()  # MiniStack checks, and so forgets, a request's signature once
    outcome = _authenticate(key_id, account_id)
    if request and isinstance(outcome, iam_evaluator.ResolvedCredential):
        signature = sigv4.parse_header_signature(request.headers)
        if isinstance(signature, sigv4.HeaderSignature):  # nobody here signs in the query
            _uses[key_id] = (
                f"<LastUsedDate>{datetime.now(UTC).isoformat()}</LastUsedDate>"
                f"<Region>{signature.region}</Region><ServiceName>{signature.service}</ServiceName>"
            ).encode()
    return outcome


def _answer_from_memory(parameters: dict[str, list[str]]) -> Any:
    status, headers, body = _answer(parameters)
    return status, headers, body.replace(_NEVER, _uses.get(parameters["AccessKeyId"][0], _NEVER))
