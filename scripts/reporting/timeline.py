"""Lays out a key's life as a bar: how old it is, against what it may become. All positions are percent of the width.

The axis is the key's age, the same for every key of a page, so that bars can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.rotator.decide import Action
from scripts.reporting.survey import KeyReport, UserReport

_DAY = timedelta(days=1)
_ROOM = 1.1
_LONGEST = 2
_STEPS = (1, 2, 5, 10, 15, 30, 60, 90, 180, 365, 730, 1825)
_TICKS = 7


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on the axis."""

    days: int
    x: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One key's timeline.

    Attributes:
        kind: ``fine``, ``due``, ``ending``, ``old`` or ``inactive``.
        age: where the bar ends.
        is_cut: whether the key is older than the axis is long.
        limit: where its rotation falls due, if that is on the axis.
        grace_start, grace_end: the window in which it still works after its rotation; the real one of a key that has
            been rotated, of any other the one to come.
    """

    kind: str
    age: float
    is_cut: bool
    limit: float | None
    grace_start: float | None
    grace_end: float | None

    @property
    def grace_width(self) -> float:
        """Give the width of the window."""
        return round((self.grace_end or 0) - (self.grace_start or 0), 2)


@dataclass(frozen=True)
class Axis:
    """Ages from 0 to so many days."""

    days: float

    def x(self, days: float) -> float:
        """Find the place of an age; what lies beyond the axis is at its end."""
        return round(min(max(days / self.days, 0), 1) * 100, 2)

    def width(self, days: float) -> float:
        """Give the width of so many days."""
        return round(days / self.days * 100, 2)

    def step(self) -> int:
        """Choose the distance of marks, in days: few enough to be read."""
        return next((step for step in _STEPS if self.days / step <= _TICKS), _STEPS[-1])

    def ticks(self) -> list[Tick]:
        """Mark round ages."""
        return [Tick(days=days, x=self.x(days)) for days in range(0, int(self.days) + 1, self.step())]


def axis_for(users: Iterable[UserReport], max_age_days: int) -> Axis:
    """Choose an axis on which everything fits, unless a few ancient keys would squeeze all others."""
    longest = float(max_age_days)
    for user in users:
        ages = [key.age / _DAY for key in user.keys]
        limit = user.policy.rotate_after_days + user.policy.delete_after_days if user.policy else 0
        longest = max(longest, limit, *ages)
    return Axis(min(longest * _ROOM, max(max_age_days, 90) * _LONGEST) or 1)


def bar_of(key: KeyReport, user: UserReport, axis: Axis) -> Bar:
    """Lay out one key."""
    limit = float(user.policy.rotate_after_days) if user.policy else None
    window = _grace(key, user)
    age = key.age / _DAY
    return Bar(
        kind=_kind(key, user),
        age=axis.x(age),
        is_cut=age > axis.days,
        limit=axis.x(limit) if limit is not None and limit <= axis.days else None,
        grace_start=axis.x(window[0]) if window else None,
        grace_end=axis.x(window[1]) if window else None,
    )


def _kind(key: KeyReport, user: UserReport) -> str:
    if not key.active:
        return "inactive"
    if key.too_old:
        return "old"
    if key.is_ending:
        return "ending"
    return "due" if user.decision and user.decision.action in {Action.ROTATE, Action.RECOVER} else "fine"


def _grace(key: KeyReport, user: UserReport) -> tuple[float, float] | None:
    """Give the window as ages of the key."""
    if key.is_ending and key.entry and key.entry.delete_on:
        at_last = key.fate.at_last if key.fate else None
        end = _age_at(at_last or key.entry.delete_on, key)
        successor = _find(user.keys, key.entry.new_key_id)
        start = _age_at(successor.created_at, key) if successor else key.age / _DAY
        return min(start, end), end
    if key.active and not key.is_ending and user.policy:
        limit = user.policy.rotate_after_days
        return limit, limit + user.policy.delete_after_days
    return None


def _find(keys: Sequence[KeyReport], key_id: str | None) -> KeyReport | None:
    return next((key for key in keys if key.id == key_id), None)


def _age_at(moment: datetime, key: KeyReport) -> float:
    return (moment - key.created_at) / _DAY
