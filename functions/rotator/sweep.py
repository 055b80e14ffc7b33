"""Heals, on every run, what events alone would leave undone.

TTL that is late, stream records that were lost, deletions that were given up, entries of users who are gone, encryption
keys that are needed no longer, addresses that count from now on: this is level-triggered. It looks at what the ledger
says now, not at what should have happened. Each chore is safe to repeat, and to do at the same time as another run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from functions.common import telemetry
from functions.common.entry import Entry, Status
from functions.common.errors import LedgerConflict
from functions.common.keys import AccessKey, AccessKeys
from functions.common.ledger import Ledger
from functions.common.parameters import parameter_name
from functions.common.secrets import SecretStore
from functions.rotator.addresses import Standing
from functions.rotator.census import Census, User
from functions.rotator.decide import ENDING, UNDER_WAY, Rules, is_abandoned, to_take_back

LOST_AFTER = timedelta(hours=1)
"""How long after a deletion fell due its record counts as lost, when nothing of it is left in the ledger."""

STREAM_CLOCK = timedelta(minutes=1)
"""How long an entry must have been due before it is collected. The stream stamps a removal by its own clock, and whole
seconds; one that seems to come before its time is taken for a cancellation."""


SPARED_FOR = timedelta(days=2)
"""How long an end that is due waits for its rotation to be taken back; a daily run first sees it up to a day late.
Where taking back is refused, since the old key does not work, the end goes on."""


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
    UNSEAL = "unseal"
    """It succeeds a key that has ended, and was not known to be used: its encryption key may be needed no longer."""
    ADDRESS = "address"
    """Its user's address is new to the ledger, has stood, or is the old one again."""
    FORGET = "forget"
    """Its user seems to be gone."""


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """Does the chores. The secret store is built when there is first something to remove."""

    keys: AccessKeys
    ledger: Ledger
    secrets: Callable[[], SecretStore]
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
            case Chore.UNSEAL if user:
                return self._unseal(entry, user)
            case Chore.ADDRESS if user:
                self.ledger.settle_address(user.entries, user.policy.email, user.id)
            case Chore.FORGET:
                return self._forget(entry)
        return True

    def _forget(self, entry: Entry) -> bool:
        """Drop an entry of a user who is proved to be gone, and of its key; both the listings may lack for a while."""
        if not self.keys.is_gone(entry.key_id, self.keys.of(entry.user) or []):
            return False
        if entry.new_key_id and not self.keys.is_gone(entry.new_key_id, []):
            return False
        if entry.sealed_by and entry.user_id:
            self.secrets().remove_if_for(parameter_name(entry.user, entry.user_id), entry.sealed_by)
        self.ledger.forget(entry)
        return True

    def _call_off(self, successor: Entry, user: User) -> bool:
        """Do what the destructor would have done, had the stream not lost the record: keep the key, and know of it."""
        replaced, keys = successor.replaces or "", self.keys.of(user.name) or []
        old = next((key for key in keys if key.id == replaced), None)
        if old is not None:
            self.ledger.put(self._kept(old, user))
        elif not self.keys.is_gone(replaced, keys):
            return False
        self.ledger.settle(user.name, successor.key_id, replaces=replaced)
        return True

    def _kept(self, old: AccessKey, user: User) -> Entry:
        return Entry(
            user=user.name,
            user_id=user.id,
            key_id=old.id,
            status=Status.CURRENT,
            created_at=old.created_at,
            email=user.policy.email,
        )

    def _rearm(self, successor: Entry, user: User) -> bool:
        """Schedule the lost deletion again, if the key is still there."""
        replaced, keys = successor.replaces or "", self.keys.of(user.name) or []
        old = next((key for key in keys if key.id == replaced), None)
        if old is None:
            if self.keys.is_gone(replaced, keys):
                self.ledger.settle(user.name, successor.key_id, replaces=replaced)
            return False
        expiring = Entry(
            user=user.name,
            user_id=user.id,
            key_id=old.id,
            status=Status.EXPIRING,
            created_at=old.created_at,
            email=successor.email,
            delete_on=(self.now - STREAM_CLOCK).replace(microsecond=0),
            grace_ended_on=_grace_end(successor, user),
            new_key_id=successor.key_id,
            parameter=successor.parameter,
            sealed_by=successor.sealed_by,
            round=successor.replaces_round + 1,
        )
        self.ledger.put_back(expiring, until=expiring.delete_on or self.now)
        self.ledger.collect(expiring)
        return True

    def _unseal(self, successor: Entry, user: User) -> bool:
        """Delete the encryption key of a mail whose key is in use by now, after the end of the one before it."""
        if not self.keys.was_used(successor.key_id):
            return False
        if successor.sealed_by:
            self.secrets().remove_if_for(parameter_name(user.name, user.id), successor.sealed_by)
        self.ledger.settle_use(successor)
        return True


def _grace_end(successor: Entry, user: User) -> datetime | None:
    """Tell when the grace of the key before was over: a record lost in the extension must not begin it anew."""
    if successor.unconfirmed_since is None or successor.replaces_until is None:
        return successor.replaces_until
    planned = successor.unconfirmed_since + timedelta(days=user.policy.delete_after_days)
    return min(successor.replaces_until, planned)


def chores(census: Census, rules: Callable[[User], Rules], now: datetime) -> Iterator[tuple[Chore, Entry]]:
    """Find what there is to do in the ledger."""
    known = {(entry.user, entry.key_id) for entry in census.entries}
    users = {user.name: user for user in census.users}
    for user in census.users:
        if user.entries and _address_is_settled(user, rules(user), now):
            yield Chore.ADDRESS, user.entries[0]
    for entry in census.entries:
        user_or_none = users.get(entry.user) if census.owns(entry) else None
        if entry.status in ENDING:
            unwanted = user_or_none and to_take_back(user_or_none.entries, rules(user_or_none), now)
            overdue = entry.delete_on is not None and entry.delete_on + SPARED_FOR <= now
            chore = None if unwanted and not overdue else _chore_of_ending(entry, census, now)
        elif not census.owns(entry):
            at_work = entry.status in UNDER_WAY and not is_abandoned(entry, now)
            chore = None if at_work else Chore.FORGET
        else:
            chore = _chore_of_successor(entry, known, now) if user_or_none else None
        if chore is not None:
            yield chore, entry


def _chore_of_ending(entry: Entry, census: Census, now: datetime) -> Chore | None:
    """Find what there is to do about a key that is to go. A user who is gone is the destructor's business."""
    if entry.status is Status.FAILED:
        return Chore.RETRY if census.owns(entry) else Chore.FORGET
    return Chore.COLLECT if entry.delete_on is not None and entry.delete_on + STREAM_CLOCK <= now else None


def _chore_of_successor(entry: Entry, known: set[tuple[str, str]], now: datetime) -> Chore | None:
    """Find what there is to do about a key in use, on account of the one before it."""
    if entry.status is not Status.CURRENT:
        return None
    if entry.replaces is None or entry.replaces_until is None:
        return Chore.UNSEAL if entry.unconfirmed_since is not None else None
    if (entry.user, entry.replaces) in known:
        return None
    if entry.replaces_until + LOST_AFTER < now:
        return Chore.REARM
    return Chore.CALL_OFF if now + STREAM_CLOCK < entry.replaces_until else None


def _address_is_settled(user: User, rules: Rules, now: datetime) -> bool:
    """Tell whether a user's address is to be written down: nothing is held any more, and nothing taken back for it."""
    if any(entry.status in UNDER_WAY for entry in user.entries):
        return False
    match rules.standing(user.entries, now):
        case Standing.NEW | Standing.PUT_BACK:
            return True
        case Standing.STOOD:
            return to_take_back(user.entries, rules, now) is None
    return False
