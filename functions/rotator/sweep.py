"""Heals, on every run, what events alone would leave undone.

TTL that is late, stream records that were lost, deletions that were given up, entries of users who are gone: this is
level-triggered. It looks at what the ledger says now, not at what should have happened. Each chore is safe to repeat,
and to do at the same time as another run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from functions.common import telemetry
from functions.common.entry import Entry, Status
from functions.common.errors import KeyRotatorError, LedgerConflict
from functions.common.keys import AccessKeys
from functions.common.ledger import Ledger
from functions.common.secrets import parameter_name
from functions.rotator.census import Census, User
from functions.rotator.decide import UNDER_WAY

LOST_AFTER = timedelta(hours=1)
"""How long after a deletion fell due its record counts as lost, when nothing of it is left in the ledger."""


STREAM_CLOCK = timedelta(minutes=1)
"""How long an entry must have been due before it is collected. The stream stamps a removal by its own clock, and whole
seconds; one that seems to come before its time is taken for a cancellation."""


class Chore(StrEnum):
    """What there is to do about an entry."""

    COLLECT = "collect"
    """Its time has passed and TTL has not come: remove it, which hands it to the destructor."""
    RETRY = "retry"
    """Its deletion was given up: try once more."""
    REARM = "rearm"
    """It succeeds a key whose deletion was due, and of which the ledger holds nothing any more."""
    CALL_OFF = "call_off"
    """It succeeds a key whose entry was taken out before its time, and the destructor did not hear of it."""
    FORGET = "forget"
    """Its user is gone."""


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """Does the chores."""

    keys: AccessKeys
    ledger: Ledger
    now: datetime

    def sweep(self, chore: Chore, entry: Entry, user: User | None) -> bool:
        """Do one chore; tell whether there was still something to do.

        Raises:
            ClientError, BotoCoreError: AWS refused; the next run tries again.
        """
        try:
            done = self._do(chore, entry, user)
        except LedgerConflict:
            return False
        if done:
            telemetry.info("swept", chore=chore, user=entry.user, key=entry.key_id, status=entry.status)
        return done

    def _do(self, chore: Chore, entry: Entry, user: User | None) -> bool:
        match chore:
            case Chore.COLLECT:
                self.ledger.collect(entry)
            case Chore.RETRY:
                self.ledger.collect(self.ledger.retry(entry, self.now - STREAM_CLOCK))
            case Chore.REARM if user:
                return self._rearm(entry, user)
            case Chore.CALL_OFF if user:
                return self._call_off(entry, user)
            case Chore.FORGET:
                self._forget(entry)
        return True

    def _forget(self, entry: Entry) -> None:
        """Drop an entry of a user who is gone, unless the user has another name now and a key of ours may live on."""
        owner = self.keys.owner(entry.key_id) if entry.status in UNDER_WAY else None
        if owner is not None and owner != entry.user:
            raise KeyRotatorError(
                f"IAM user {entry.user} was renamed to {owner} while access key {entry.key_id} was being replaced: "
                f"delete the key of {owner} that is not held, and this item of the ledger"
            )
        self.ledger.forget(entry)

    def _call_off(self, successor: Entry, user: User) -> bool:
        """Do what the destructor would have done, had the stream not lost the record: keep the key, and know of it."""
        replaced = successor.replaces or ""
        old = next((key for key in self.keys.of(user.name) or [] if key.id == replaced), None)
        if old is not None:
            self.ledger.put(Entry(user=user.name, key_id=old.id, status=Status.CURRENT, created_at=old.created_at))
        self.ledger.settle(user.name, successor.key_id, replaces=replaced)
        return True

    def _rearm(self, successor: Entry, user: User) -> bool:
        """Schedule the lost deletion again, if the key is still there."""
        replaced = successor.replaces or ""
        old = next((key for key in self.keys.of(user.name) or [] if key.id == replaced), None)
        if old is None:
            self.ledger.settle(user.name, successor.key_id, replaces=replaced)
            return False
        expiring = Entry(
            user=user.name,
            key_id=old.id,
            status=Status.EXPIRING,
            created_at=old.created_at,
            email=user.policy.email,
            delete_on=(self.now - STREAM_CLOCK).replace(microsecond=0),
            new_key_id=successor.key_id,
            parameter=parameter_name(user.name, user.id),
        )
        self.ledger.put(expiring)
        self.ledger.collect(expiring)
        return True


def chores(census: Census, now: datetime) -> Iterator[tuple[Chore, Entry]]:
    """Find what there is to do in the ledger."""
    known = {(entry.user, entry.key_id) for entry in census.entries}
    tagged = {user.name for user in census.users}
    for entry in census.entries:
        if entry.status in {Status.EXPIRING, Status.INACTIVE}:
            if entry.delete_on is not None and entry.delete_on + STREAM_CLOCK <= now:
                yield Chore.COLLECT, entry
        elif entry.user not in census.names:
            yield Chore.FORGET, entry
        elif entry.status is Status.FAILED:
            yield Chore.RETRY, entry
        elif entry.replaces is not None and entry.replaces_until is not None and entry.user in tagged:
            if (entry.user, entry.replaces) in known:
                continue
            if entry.replaces_until + LOST_AFTER < now:
                yield Chore.REARM, entry
            elif now + STREAM_CLOCK < entry.replaces_until:
                yield Chore.CALL_OFF, entry
