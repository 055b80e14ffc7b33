"""Who goes first: nobody waits for somebody else's fault, and what a run cannot reach it reaches next time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import IntEnum

from functions.common.entry import Status
from functions.rotator.census import User
from functions.rotator.decide import UNDER_WAY, Rules, is_due, to_take_back


class Turn(IntEnum):
    """In which order users are looked at."""

    UNFINISHED = 1
    """A rotation was left behind, or is to be taken back."""
    DUE = 2
    """The ledger knows that a key is due."""
    UNKNOWN = 3
    """Only a look at the keys can tell."""
    FAILED_BEFORE = 4
    """The last attempt failed at the user's mailbox or the mail service."""


def in_order(users: Sequence[User], rules: Callable[[User], Rules], now: datetime) -> list[User]:
    """Order the users who need a look at their keys; within a turn, the oldest key first."""

    def place(user: User) -> tuple[Turn, float]:
        ages = [entry.created_at.timestamp() for entry in user.entries]
        return turn(user, rules(user), now), min(ages, default=0.0)

    return sorted(users, key=place)


def turn(user: User, rules: Rules, now: datetime) -> Turn:
    """Tell when a user's turn is."""
    if any(entry.failures for entry in user.entries):
        return Turn.FAILED_BEFORE
    if any(entry.status in UNDER_WAY for entry in user.entries) or to_take_back(user.entries, rules, now):
        return Turn.UNFINISHED
    current = [entry for entry in user.entries if entry.status is Status.CURRENT]
    if any(is_due(entry.created_at, rules.rotate_after_days, now) for entry in current):
        return Turn.DUE
    return Turn.UNKNOWN
