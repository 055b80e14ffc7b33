"""What is to happen to a key whose time has come: pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey

MOST_WINDOWS = 3
"""How many recovery windows a key gets at most, however often somebody re-activates it."""


class End(StrEnum):
    """What is done about a key."""

    KEEP = "keep"
    """Without it the user would have no active key."""
    POSTPONE = "postpone"
    """It is in use and its successor never was: one more day."""
    DEACTIVATE = "deactivate"
    """A recovery window begins, or begins once more."""
    DELETE = "delete"
    """It goes."""
    GONE = "gone"
    """It has gone already; what went with it may not have."""


def may_postpone(entry: Entry, grace_extension_days: int) -> bool:
    """Tell whether a key's use can still put its end off."""
    return entry.windows == 0 and entry.postponed < grace_extension_days


def decide(entry: Entry, keys: Sequence[AccessKey], *, recovery_days: int, postpone: bool) -> End:
    """Decide how a key ends whose time has come.

    Args:
        entry: its entry, as it left the ledger.
        keys: all keys of the user.
        recovery_days: how long a key stays Inactive before it is deleted; with 0 it is deleted at once.
        postpone: whether its use speaks for another day.
    """
    key = next((key for key in keys if key.id == entry.key_id), None)
    if key is None:
        return End.GONE
    if not any(other.active for other in keys if other.id != key.id):
        return End.KEEP
    if postpone:
        return End.POSTPONE
    window_has_passed = entry.status is Status.INACTIVE and not (key.active and entry.windows < MOST_WINDOWS)
    return End.DELETE if recovery_days == 0 or window_has_passed else End.DEACTIVATE


def window_to_begin(entry: Entry) -> int:
    """Tell which recovery window begins, counted from 1.

    An entry that is still expiring though it counts a window is one whose beginning was cut short: that one begins.
    """
    return max(entry.windows, 1) if entry.status is Status.EXPIRING else entry.windows + 1
