"""What is to happen to a key whose time has come: pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey, LastUse
from functions.common.terms import DAY, IDLE, Terms

MOST_WINDOWS = 3
"""How many recovery windows a key gets at most, however often somebody reactivates it."""

SCHEDULE_SLACK = timedelta(hours=1)
"""A day that is added is shorter by this, so that a daily run finds the key due, and not only the run after it."""


class End(StrEnum):
    """What is done about a key."""

    KEEP = "keep"
    """Its successor is gone or inactive: the user needs it."""
    POSTPONE = "postpone"
    """Its successor was never used, or it is still in use itself: one more day."""
    DEACTIVATE = "deactivate"
    """A recovery window begins, or begins once more."""
    DELETE = "delete"
    """It goes."""
    GONE = "gone"
    """It has gone already; what went with it may not have."""


class Why(StrEnum):
    """Why a key does not end as planned."""

    UNCONFIRMED = "its successor was never used"
    STILL_USED = "it is still in use"


@dataclass(frozen=True, kw_only=True)
class Use:
    """Whether the rotation is confirmed, and when the old key itself was last used, as far as that was asked."""

    confirmed: bool
    last_use: LastUse | None = None

    def is_idle(self, now: datetime) -> bool:
        """Tell whether the old key is no longer needed, by its use."""
        return self.last_use is None or self.last_use.at < now - IDLE


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is done about a key.

    Attributes:
        end: what.
        why: why it is not simply deleted.
        until: when something happens to it next, if it is put off or deactivated.
    """

    end: End
    why: Why | None = None
    until: datetime | None = None


def decide(entry: Entry, keys: Sequence[AccessKey], *, use: Use, terms: Terms, now: datetime) -> Verdict:
    """Decide how a key ends whose time has come.

    Args:
        entry: its entry, as it left the ledger.
        keys: all keys of the user.
        use: how the key and its successor were used.
        terms: what the stack's configuration says.
        now: the time.
    """
    key = next((key for key in keys if key.id == entry.key_id), None)
    if key is None:
        return Verdict(end=End.GONE)
    if not any(other.active for other in keys if other.id == entry.new_key_id):
        return Verdict(end=End.KEEP)
    if entry.status is Status.INACTIVE and not (key.active and entry.windows < MOST_WINDOWS):
        return Verdict(end=End.DELETE)

    idle = use.is_idle(now)
    why = Why.UNCONFIRMED if not use.confirmed else None if idle else Why.STILL_USED
    extensible = key.active and entry.windows == 0 and not terms.delete_unconfirmed
    if why and extensible and (until := _extended(entry, why, terms, now)):
        return Verdict(end=End.POSTPONE, why=why, until=until)
    window = terms.window(confirmed=use.confirmed, idle=idle)
    if not window:
        return Verdict(end=End.DELETE, why=why)
    return Verdict(end=End.DEACTIVATE, why=why, until=now + window)


def grace_end(entry: Entry, now: datetime) -> datetime:
    """Tell when the grace period of a key was over."""
    return entry.grace_ended_on or entry.delete_on or now


def window_to_begin(entry: Entry) -> int:
    """Tell which recovery window begins, counted from 1.

    An entry that is still expiring though it counts a window is one whose beginning was cut short: that one begins.
    """
    return max(entry.windows, 1) if entry.status is Status.EXPIRING else entry.windows + 1


def is_reminder_due(entry: Entry, terms: Terms, now: datetime) -> bool:
    """Tell whether the user is to be reminded while the key lives on by extension, by the days that have passed."""
    passed = [moment for moment in terms.reminders(grace_end(entry, now)) if moment <= now]
    return bool(passed) and (entry.reminded_at is None or entry.reminded_at < passed[-1])


def extension_end(entry: Entry, why: Why, terms: Terms, now: datetime) -> datetime:
    """Tell until when a key is put off at the latest.

    An address that was changed, and has to stand before a new key goes there, is waited for.
    """
    last = grace_end(entry, now) + terms.extension
    if why is Why.UNCONFIRMED and entry.pending_email and entry.address_changed_at:
        last = max(last, entry.address_changed_at + terms.address_hold + DAY)
    return last


def _extended(entry: Entry, why: Why, terms: Terms, now: datetime) -> datetime | None:
    """Tell until when a key is put off; None once all the time that it can have is over."""
    last = extension_end(entry, why, terms, now)
    return min(now + DAY - SCHEDULE_SLACK, last) if now < last else None
