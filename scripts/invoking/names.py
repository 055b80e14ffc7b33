"""Finds the names that an operator got wrong, by what a dry run answers about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from functions.common import tags
from functions.rotator.decide import Reason
from scripts.terminal import did_you_mean

_NO_SUCH_USER, _NOT_TAGGED, _OUTSIDE_PATHS = (
    reason.replace("_", " ") for reason in (Reason.NO_SUCH_USER, Reason.NOT_TAGGED, Reason.OUTSIDE_PATHS)
)


def faults(names: Collection[str], foreseen: Mapping[str, Any], known: Callable[[], Collection[str]]) -> list[str]:
    """Say of each user who cannot be served why, and what to do about it.

    Args:
        names: whom the operator named.
        foreseen: the answer of a dry run for them.
        known: gives the names of all users, for a guess at what was meant; asked only if a name is unknown.
    """
    refused: Mapping[str, str] = foreseen.get("refused", {})
    misconfigured: Mapping[str, str] = foreseen.get("misconfigured", {})
    all_names = known() if _NO_SUCH_USER in refused.values() else ()
    return [_why_not(name, reason, all_names) for name in names if (reason := refused.get(name))] + [
        f"{name} is misconfigured: {fault}" for name in names if (fault := misconfigured.get(name))
    ]


def _why_not(name: str, reason: str, known: Collection[str]) -> str:
    if reason == _NO_SUCH_USER:
        return f"There is no user {name}{did_you_mean(name, known) or _two_in_one(name) or '.'}"
    if reason == _NOT_TAGGED:
        return f"{name} has no tag {tags.EMAIL}: tag the user with scripts/tag_iam_users.py."
    if reason == _OUTSIDE_PATHS:
        return f"{name} is outside the stack's userPaths: add the user's path to them."
    return f"{name}: {reason}"


def _two_in_one(name: str) -> str:
    """Recognise a list; IAM takes a comma in a name, so that it may be one all the same."""
    return ": give each user a --user of their own." if "," in name else ""
