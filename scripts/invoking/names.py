"""Finds the names that an operator got wrong, by what a dry run answers about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from functions.common import tags
from functions.rotator.decide import Action, Reason
from scripts.terminal import did_you_mean

_NO_SUCH_USER, _NOT_TAGGED, _OUTSIDE_PATHS = (
    reason.replace("_", " ") for reason in (Reason.NO_SUCH_USER, Reason.NOT_TAGGED, Reason.OUTSIDE_PATHS)
)
_SKIPPED: Mapping[str, str] = {
    Reason.NO_KEY: "there is no access key",
    Reason.INACTIVE_KEY: "the key is inactive: activate it, or delete it",
    Reason.FOREIGN_KEY: "there are two keys, one of them made by hand: delete the one that nobody uses",
    Reason.UNDER_WAY: "a rotation is under way: try again in a quarter of an hour",
    Reason.ADDRESS_HELD: f"{tags.EMAIL} has been changed: wait until the hold is over, or use --force",
    Reason.UNDELIVERABLE: f"mail came back: correct {tags.EMAIL}, or use --force",
    Reason.BACKING_OFF: "the last attempt failed, and the next one waits: use --force to try now",
    Reason.DORMANT: "the key was never used, and was deactivated: activate it if the user has it, or delete it",
}


def faults(
    names: Collection[str], foreseen: Mapping[str, Any], known: Callable[[], Collection[str]], *, again: bool
) -> list[str]:
    """Say of each user who cannot be served why, and what to do about it.

    Args:
        names: whom the operator named.
        foreseen: the answer of a dry run for them.
        known: gives the names of all users, for a guess at what was meant; asked only if a name is unknown.
        again: whether new keys are to be replaced; a dry run cannot tell who is skipped then.
    """
    refused: Mapping[str, str] = foreseen.get("refused", {})
    misconfigured: Mapping[str, str] = foreseen.get("misconfigured", {})
    untold = _untold(names, foreseen)
    all_names = known() if untold or _NO_SUCH_USER in refused.values() else ()
    return [
        *(_why_not(name, reason, all_names) for name in names if (reason := refused.get(name))),
        *(f"{name} is misconfigured: {fault}" for name in names if (fault := misconfigured.get(name))),
        *(
            f"The rotator does not serve {name}: no such user, or no tag {tags.EMAIL}"
            f"{_two_in_one(name) or did_you_mean(name, all_names) or '.'}"
            for name in untold
        ),
        *(() if again else _skipped(names, foreseen.get("decisions", {}))),
    ]


def _untold(names: Collection[str], foreseen: Mapping[str, Any]) -> list[str]:
    """Find the users of whom a rotator of an older version says nothing, since it does not serve them."""
    if foreseen.get("remaining"):
        return []
    told = {name for part in ("refused", "misconfigured", "decisions", "failed") for name in foreseen.get(part, {})}
    return [name for name in names if name not in told]


def _skipped(names: Collection[str], decisions: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name in names:
        decision = decisions.get(name, {})
        if decision.get("action") == Action.SKIP:
            reason = decision.get("reason", "no reason given")
            yield f"{name} is skipped: {_SKIPPED.get(reason, reason.replace('_', ' '))}."


def _why_not(name: str, reason: str, known: Collection[str]) -> str:
    if reason == _NO_SUCH_USER:
        return f"There is no user {name}{_two_in_one(name) or did_you_mean(name, known) or '.'}"
    if reason == _NOT_TAGGED:
        return f"{name} has no tag {tags.EMAIL}: tag the user with scripts/tag_iam_users.py."
    if reason == _OUTSIDE_PATHS:
        return f"{name} is outside the stack's userPaths: add the user's path to them."
    return f"{name}: {reason}"


def _two_in_one(name: str) -> str:
    """Recognise a list; IAM takes a comma in a name, so that it may be one all the same."""
    return ": give each user a --user of their own." if "," in name else ""
