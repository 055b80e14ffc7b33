"""What is to happen to a user's keys: pure decisions, with the time as an argument.

Why a look-up can be skipped
----------------------------
ListAccessKeys is the one call per user that a run would otherwise make for everybody. It is left out for a user of whom
the ledger holds a ``current`` entry and none of these is due. That can hide no key that would be rotated:

- whenever a user's keys are listed, every key without an entry gets one, the oldest first (a key to be rotated, with
  its rotation), and an entry only goes when its key does (destroyed, or listed and not found). So a key that existed at
  the last listing has its entry still;
- a key without an entry was therefore made after that listing, and so after the key of each ``current`` entry: it is
  younger than keys that are not yet due. (A successor is entered unlisted. A key made by hand while a run makes it may
  be older, by as much as the run lasts, and is noticed later by so much.)
- an entry that outlived its key only makes the user look older, and costs a look-up, never hides a key;
- a key whose entry has gone to the destructor, and which its successor's entry still names in ``replaces``, is in its
  grace period, whatever a listing shows: the destructor ends it or enters it again, and the sweep sees to it that it
  does.

Entries that are not ``current`` (a key in its grace period, say) prove nothing about the keys' age. What does break the
argument, until the oldest ``current`` entry falls due: a ``current`` item deleted from the table by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey
from functions.common.parameters import parameter_name
from functions.rotator.addresses import Standing, is_undeliverable, standing

LEASE = timedelta(minutes=15)
"""The longest that a run can last (Lambda's own limit): until then a rotation that has begun may still be under way."""

CREATION = timedelta(minutes=5)
"""The longest from a rotation's beginning to its CreateAccessKey, with all the tries that a throttled one gets."""

CLOCK_SKEW = timedelta(seconds=5)
"""How far IAM's clock may be from Lambda's, and how much later than the lease a recovery starts."""

UNDER_WAY = frozenset({Status.ROTATING, Status.DELIVERING})
ENDING = frozenset({Status.EXPIRING, Status.INACTIVE, Status.FAILED})


class Action(StrEnum):
    """What a run does for a user."""

    ROTATE = "rotate"
    RECOVER = "recover"
    TAKE_BACK = "take_back"
    NOT_DUE = "not_due"
    IN_GRACE = "in_grace"
    SKIP = "skip"


class Reason(StrEnum):
    """Why a user is skipped."""

    NO_KEY = "no_key"
    INACTIVE_KEY = "inactive_key"
    FOREIGN_KEY = "foreign_key"
    UNDER_WAY = "under_way"
    NO_SUCH_USER = "no_such_user"
    NOT_TAGGED = "not_tagged"
    OUTSIDE_PATHS = "outside_paths"
    ADDRESS_HELD = "address_held"
    UNDELIVERABLE = "undeliverable"
    BACKING_OFF = "backing_off"
    DORMANT = "dormant"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What holds for one user in one run.

    Attributes:
        user: the user's name.
        user_id: IAM's id of the user.
        email: where the user's mail goes, as the tags say.
        rotate_after_days: the user's limit.
        audit_days: the age from which an active key is reported, whatever the limit says.
        address_hold: how long another address has to stand.
        force: an operator wants this user's key rotated, due or not, held or not.
        again: an operator wants a key made anew that the user never got.
    """

    user: str
    user_id: str
    email: str
    rotate_after_days: int
    audit_days: int
    address_hold: timedelta
    force: bool = False
    again: bool = False

    def standing(self, entries: Sequence[Entry], now: datetime) -> Standing:
        """Tell how the user's address stands."""
        return standing(entries, self.email, self.address_hold, now)

    def has_new_address(self, entries: Sequence[Entry], now: datetime) -> bool:
        """Tell whether another address counts from now on. An operator's force ends a hold."""
        found = self.standing(entries, now)
        return found is Standing.STOOD or (self.force and found in {Standing.CHANGED, Standing.HELD})


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to happen, to which key, and why.

    Attributes:
        action: what is to happen.
        reason: why, where the action is to skip.
        key: the key to rotate.
        entry: the leftover to recover, or the rotation to take back; of a key to rotate, what the ledger knows.
        anew: whether a rotation that is taken back begins anew at once.
    """

    action: Action
    reason: Reason | None = None
    key: AccessKey | None = None
    entry: Entry | None = None
    anew: bool = False


def is_due(created_at: datetime, rotate_after_days: int, now: datetime) -> bool:
    """Tell whether a key is older than its limit: by more than so many times 24 hours; a limit of 0 is always over."""
    return rotate_after_days == 0 or now - created_at > timedelta(days=rotate_after_days)


def is_abandoned(entry: Entry, now: datetime) -> bool:
    """Tell whether the run that had begun this rotation must be dead by now."""
    return entry.status in UNDER_WAY and entry.claimed_at is not None and now > entry.claimed_at + LEASE + CLOCK_SKEW


def lost_successor(entry: Entry, keys: Sequence[AccessKey]) -> AccessKey | None:
    """Find the key that an interrupted rotation may have made and never written down.

    It is the one other key that was made in the minutes after that rotation began. A key from before or after is
    somebody else's; and where two keys fit, neither can be told to be ours.
    """
    if entry.started_at is None:
        return None
    earliest, latest = entry.started_at - CLOCK_SKEW, entry.started_at + CREATION + CLOCK_SKEW
    fitting = [key for key in keys if key.id != entry.key_id and earliest <= key.created_at <= latest]
    return fitting[0] if len(fitting) == 1 else None


def replaced(entries: Sequence[Entry]) -> set[str]:
    """Name the keys that are with the destructor: a successor waits for their end, and they have no entry any more."""
    return {entry.replaces for entry in entries if entry.replaces} - {entry.key_id for entry in entries}


def to_take_back(entries: Sequence[Entry], rules: Rules, now: datetime) -> tuple[Entry, bool] | None:
    """Find a rotation whose mail was accepted, and which is to be undone unless its successor has been used.

    Returns:
        Its entry, and whether another one begins at once: so it does for an address that has changed, for an operator
        who wants it, and for a user who was renamed and can no longer read the encryption key under the old name. It
        does not where mail to the user comes back.
    """
    for entry in entries:
        if entry.status not in ENDING or entry.new_key_id is None:
            continue
        if rules.again:
            return entry, True
        if entry.status is not Status.EXPIRING or entry.confirmed_at is not None:
            continue
        if is_undeliverable([entry], rules.email):
            return entry, False
        left_behind = entry.sealed_by and entry.parameter != parameter_name(rules.user, rules.user_id)
        if left_behind or rules.has_new_address(entries, now):
            return entry, True
    return None


def needs_listing(entries: Sequence[Entry], rules: Rules, now: datetime) -> bool:
    """Tell whether a user's keys have to be listed, since the ledger cannot rule out that there is something to do."""
    under_way = [entry for entry in entries if entry.status in UNDER_WAY]
    if under_way:
        return any(is_abandoned(entry, now) for entry in under_way)
    if to_take_back(entries, rules, now):
        return True
    current = [entry for entry in entries if entry.status is Status.CURRENT]
    limit = min(rules.rotate_after_days, rules.audit_days)
    return not current or any(is_due(entry.created_at, limit, now) for entry in current)


def decide_from_ledger(entries: Sequence[Entry]) -> Decision:
    """Decide for a user whose keys need no listing."""
    if any(entry.status in UNDER_WAY for entry in entries):
        return Decision(action=Action.SKIP, reason=Reason.UNDER_WAY)
    if any(entry.status in ENDING for entry in entries):
        return Decision(action=Action.IN_GRACE)
    return Decision(action=Action.NOT_DUE)


def decide(keys: Sequence[AccessKey], entries: Sequence[Entry], rules: Rules, now: datetime) -> Decision:
    """Decide for a user whose keys have been listed.

    Args:
        keys: all keys of the user.
        entries: all ledger entries of the user.
        rules: what holds for the user.
        now: the time of the run.
    """
    for entry in entries:
        if entry.status in UNDER_WAY:
            if not is_abandoned(entry, now):
                return Decision(action=Action.SKIP, reason=Reason.UNDER_WAY)
            if _is_backing_off(entry, now) and not (rules.force or rules.again):
                return Decision(action=Action.SKIP, reason=Reason.BACKING_OFF)
            return Decision(action=Action.RECOVER, entry=entry)
    if not keys:
        return Decision(action=Action.SKIP, reason=Reason.NO_KEY)
    return _in_grace(keys, entries, rules, now) or _of_one_key(keys, entries, rules, now)


def _in_grace(keys: Sequence[AccessKey], entries: Sequence[Entry], rules: Rules, now: datetime) -> Decision | None:
    """Decide for a user one of whose keys is to go; None for any other.

    Even where that key is gone already: a new rotation would overwrite the encryption key of a mail that may not have
    been read yet.
    """
    if unwanted := to_take_back(entries, rules, now):
        entry, anew = unwanted
        if anew and (obstacle := _obstacle_of_address(entries, rules, now)):
            return Decision(action=Action.SKIP, reason=obstacle)
        return Decision(action=Action.TAKE_BACK, entry=entry, anew=anew)
    handed_over = replaced(entries)
    if any(entry.status in ENDING for entry in entries) or any(key.id in handed_over for key in keys):
        return Decision(action=Action.IN_GRACE)
    return None


def _of_one_key(keys: Sequence[AccessKey], entries: Sequence[Entry], rules: Rules, now: datetime) -> Decision:
    """Decide for a user none of whose keys is on its way out."""
    if len(keys) > 1:
        return Decision(action=Action.SKIP, reason=Reason.FOREIGN_KEY)
    (key,) = keys
    known = next((entry for entry in entries if entry.key_id == key.id), None)
    if not key.active:
        resting = known is not None and known.dormant_since is not None
        return Decision(action=Action.SKIP, reason=Reason.DORMANT if resting else Reason.INACTIVE_KEY)
    if not rules.force and not is_due(key.created_at, rules.rotate_after_days, now):
        return Decision(action=Action.NOT_DUE)
    if obstacle := _obstacle(known, entries, rules, now):
        return Decision(action=Action.SKIP, reason=obstacle)
    return Decision(action=Action.ROTATE, key=key, entry=known)


def _obstacle(known: Entry | None, entries: Sequence[Entry], rules: Rules, now: datetime) -> Reason | None:
    """Find what keeps a due key from being rotated. An operator's force overrides all of it."""
    if rules.force:
        return None
    if obstacle := _obstacle_of_address(entries, rules, now):
        return obstacle
    if known is not None and known.dormant_since is not None:
        return Reason.DORMANT
    return Reason.BACKING_OFF if known is not None and _is_backing_off(known, now) else None


def _is_backing_off(entry: Entry, now: datetime) -> bool:
    return entry.try_again_on is not None and now < entry.try_again_on


def _obstacle_of_address(entries: Sequence[Entry], rules: Rules, now: datetime) -> Reason | None:
    """Find what keeps a new key from being mailed to the user's address."""
    if rules.force:
        return None
    if rules.standing(entries, now) in {Standing.CHANGED, Standing.HELD}:
        return Reason.ADDRESS_HELD
    return Reason.UNDELIVERABLE if is_undeliverable(entries, rules.email) else None
