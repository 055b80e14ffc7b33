"""What both doors to the embedded cloud share: the answers to look-ups, and how secret inputs are read."""

from __future__ import annotations

from typing import Any

from pulumi.runtime import rpc

from scripts.local_cloud.errors import UnsupportedResource
from scripts.local_cloud.server import ACCOUNT_ID, REGION

_ANSWERS: dict[str, dict[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT_ID},
    "aws:index/getPartition:getPartition": {"partition": "aws"},
    "aws:index/getRegion:getRegion": {"region": REGION, "name": REGION},
    # The engine answers this one itself; under the mock monitor no stack was ever deployed before.
    "pulumi:pulumi:readStackOutputs": {"outputs": {}},
}


def answer(token: str) -> dict[str, Any]:
    """Answer a look-up.

    Raises:
        UnsupportedResource: it is one that the program did not make when this was written.
    """
    if token not in _ANSWERS:
        raise UnsupportedResource(f"{token}: the local cloud has no answer to this look-up")
    return _ANSWERS[token]


def in_the_open(value: Any) -> Any:
    """Take the secret inputs out of Pulumi's wrapping, at any depth."""
    if rpc.is_rpc_secret(value):
        return in_the_open(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: in_the_open(item) for key, item in value.items()}
    if isinstance(value, list):
        return [in_the_open(item) for item in value]
    return value
