"""On which terms an old key ends: what its successor's use, its own use and the stack's configuration make of it.

A mail that was accepted is not a key that is held: only use proves it. So an old key whose successor was never used,
and one that is still used itself, lives on for a while; then it ends in a way that can be undone, and is deleted
last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.common.environment import Environment

IDLE = timedelta(hours=24)
"""How long an old key must have been unused to count as no longer needed."""

UNCONFIRMED_WINDOW = timedelta(days=30)
"""The least time for which a key stays deactivated, and can be brought back, whose successor was never used."""

STILL_USED_WINDOW = timedelta(days=7)
"""The same for a key that was still in use."""

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the stack's configuration says about the ends of old keys.

    Attributes:
        recovery: for how long a key that ends as planned stays deactivated before it is deleted; zero: not at all.
        extension: for how long after the grace period an old key lives on, while it or its successor gives reason to.
        delete_unconfirmed: old keys end with the grace period, whether or not their successors were ever used.
        address_hold: how long a changed address has to stand before anything secret goes there.
    """

    recovery: timedelta
    extension: timedelta
    delete_unconfirmed: bool
    address_hold: timedelta

    @classmethod
    def of(cls, environment: Environment) -> Terms:
        """Read them from a function's environment."""
        return cls(
            recovery=timedelta(days=environment.recovery_days),
            extension=timedelta(days=environment.grace_extension_days),
            delete_unconfirmed=environment.delete_unconfirmed,
            address_hold=timedelta(days=environment.address_hold_days),
        )

    def window(self, *, confirmed: bool, idle: bool) -> timedelta:
        """Tell for how long a key stays deactivated before it is deleted.

        Args:
            confirmed: whether the successor has been used.
            idle: whether the old key has been unused for a day.
        """
        if self.delete_unconfirmed or (confirmed and idle):
            return self.recovery
        return max(self.recovery, STILL_USED_WINDOW if confirmed else UNCONFIRMED_WINDOW)

    def outlook(self, grace_ends: datetime, *, confirmed: bool = False) -> Outlook:
        """Tell what becomes of an old key, as far as it can be told in advance.

        Args:
            grace_ends: when the grace period is over.
            confirmed: whether the successor has been used.
        """
        extended = grace_ends if self.delete_unconfirmed else grace_ends + self.extension
        return Outlook(
            ends_on=grace_ends,
            gone_on=grace_ends + self.recovery,
            deactivated_on=extended,
            lost_on=extended + self.window(confirmed=confirmed, idle=False),
        )

    def reminders(self, grace_ended: datetime) -> list[datetime]:
        """List when a user is reminded in the extension: on its first, its middle and its last day."""
        days = self.extension.days
        return [grace_ended + day * DAY for day in sorted({0, days // 2, days - 1})] if days else []


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What becomes of an old key, and when.

    For a user who has switched to the new key by then, it ends at ``ends_on`` and is deleted for good at ``gone_on``,
    which is later where the stack has a recovery window. For one who has not, it is deactivated at ``deactivated_on``
    and deleted for good at ``lost_on``.
    """

    ends_on: datetime
    gone_on: datetime
    deactivated_on: datetime
    lost_on: datetime
