"""How a user stands, from the worst to the best: what somebody has to look at comes first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum

from functions.common.entry import Status
from functions.destructor.decide import End
from functions.rotator.decide import Action, Reason
from scripts.reporting.survey import Bystander, KeyReport, UserReport

SOON = timedelta(days=7)
"""How near a date must be to count as soon."""

_ENDED_UNCONFIRMED = {Status.INACTIVE, Status.FAILED}
_AS_WISHED = {Reason.NO_KEY, Reason.INACTIVE_KEY, Reason.UNDER_WAY, Reason.NO_SUCH_USER}


class Standing(IntEnum):
    """The worst is the lowest."""

    OVERDUE = 0
    """An active key is older than audits allow."""
    UNREADABLE = 1
    """Nobody knows."""
    UNCONFIRMED = 2
    """The grace is over, and the new key was never used."""
    MISCONFIGURED = 3
    """The tags are wrong, so nothing is rotated."""
    FOREIGN = 4
    """Two keys made by hand, so nothing is rotated."""
    HELD = 5
    """Something else keeps the key from being rotated."""
    DUE = 6
    """The next run does something."""
    DUE_SOON = 7
    """A key falls due within a week."""
    IN_GRACE = 8
    """An old key waits for its end."""
    FINE = 9
    """Nothing is to be done, or there is nothing to do it with."""


def standing(user: UserReport, now: datetime) -> Standing:
    """Tell how a user stands."""
    if any(key.too_old for key in user.keys):
        return Standing.OVERDUE
    if user.unreadable:
        return Standing.UNREADABLE
    if any(_is_unconfirmed(key, now) for key in user.keys):
        return Standing.UNCONFIRMED
    if user.decision is None:
        return Standing.MISCONFIGURED
    match user.decision.action:
        case Action.ROTATE | Action.RECOVER | Action.TAKE_BACK:
            return Standing.DUE
        case Action.IN_GRACE:
            return Standing.IN_GRACE
        case Action.SKIP:
            return _of_one_skipped(user.decision.reason)
    is_soon = user.step is not None and user.step.on is not None and user.step.on <= now + SOON
    return Standing.DUE_SOON if is_soon else Standing.FINE


def worst_first(users: Iterable[UserReport], now: datetime) -> tuple[UserReport, ...]:
    """Order users; of those who stand alike, the ones with the oldest keys come first."""
    return tuple(sorted(users, key=lambda user: (standing(user, now), -user.oldest, user.name)))


def oldest_first(others: Iterable[Bystander]) -> tuple[Bystander, ...]:
    """Order those of the users whom the service leaves alone who have keys, or may have some."""
    worth_a_word = (user for user in others if user.keys or user.unreadable)
    return tuple(sorted(worth_a_word, key=lambda user: (not user.unreadable, -user.oldest, user.name)))


def _is_unconfirmed(key: KeyReport, now: datetime) -> bool:
    if key.entry is None or key.fate is None or key.fate.confirmed or key.fate.end is End.KEEP:
        return False
    is_over = key.entry.delete_on is not None and key.entry.delete_on <= now
    return is_over or key.entry.grace_ended_on is not None or key.entry.status in _ENDED_UNCONFIRMED


def _of_one_skipped(reason: Reason | None) -> Standing:
    if reason is Reason.FOREIGN_KEY:
        return Standing.FOREIGN
    return Standing.FINE if reason in _AS_WISHED else Standing.HELD
