"""Alice, whose keys the pure decisions are about: her keys, her ledger entries, and the rules that hold for her."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey
from functions.common.tags import UserPolicy
from functions.rotator.census import Census, User
from functions.rotator.decide import Rules
from tests.simulation.world import START

NAME, ID = "alice", "AIDAFAKE0000000ALICE"
OLD, NEW = "AKIAFAKE00000000OLD1", "AKIAFAKE00000000NEW1"
EMAIL = "alice@example.com"
LIMIT = 80
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def key(key_id: str = OLD, *, days: float = 81, active: bool = True) -> AccessKey:
    """Make a key that is so many days old."""
    return AccessKey(id=key_id, created_at=START - timedelta(days=days), active=active)


def entry(status: Status = Status.CURRENT, key_id: str = OLD, *, days: float = 81, **fields: Any) -> Entry:
    """Make the entry of a key that is so many days old; a rotation of it has begun just now."""
    usual = {"user": NAME, "user_id": ID, "email": EMAIL, "started_at": START, "claimed_at": START}
    return Entry(**{**usual, "key_id": key_id, "status": status, "created_at": START - timedelta(days=days), **fields})


def successor(**fields: Any) -> Entry:
    """Make the entry of a new key that waits for the old one's end."""
    return entry(key_id=NEW, days=0, **{"replaces": OLD, "replaces_until": START, **fields})


def rules(**fields: Any) -> Rules:
    """Say what holds for her, by default the stack's defaults."""
    usual = {"rotate_after_days": LIMIT, "audit_days": 90, "address_hold": 2 * DAY}
    return Rules(**{"user": NAME, "user_id": ID, "email": EMAIL, **usual, **fields})


def user(*entries: Entry, **fields: Any) -> User:
    """Make her, as a census finds her."""
    policy = UserPolicy(email=EMAIL, rotate_after_days=LIMIT, delete_after_days=5, instruction="")
    return User(**{"name": NAME, "id": ID, "policy": policy, "entries": entries, **fields})


def census(*entries: Entry, **fields: Any) -> Census:
    """Make the account in which she is the only user."""
    return Census(**{"users": [user(*entries)], "ids": {NAME: ID}, "entries": list(entries), **fields})
