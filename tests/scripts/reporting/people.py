"""Reports on users, made by hand: what a page or a file shows does not need an account behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from functions.common.account import Account
from functions.common.entry import Entry, Status
from functions.common.keys import LastUse
from functions.common.tags import UserPolicy
from functions.rotator.decide import Action, Decision
from scripts.reporting.survey import KeyReport, Survey, UserReport

NOW = datetime(2030, 3, 1, 12, tzinfo=UTC)
OLD_KEY = "AKIAFAKE00000000OLD1"
NEW_KEY = "AKIAFAKE00000000NEW1"


def key(age: float, key_id: str = OLD_KEY, **fields: Any) -> KeyReport:
    """Make the report on a key that is so many days old."""
    usual: dict[str, Any] = {"active": True, "last_use": None, "entry": None, "too_old": age > 90}
    created_at = NOW - timedelta(days=age)
    return KeyReport(**{"id": key_id, "created_at": created_at, "age": NOW - created_at, **usual, **fields})


def entry(status: Status, age: float, **fields: Any) -> Entry:
    """Make a ledger entry of the old key, so many days old."""
    return Entry(user="alice", key_id=OLD_KEY, status=status, created_at=NOW - timedelta(days=age), **fields)


def user(*keys: KeyReport, name: str = "alice", action: Action = Action.NOT_DUE, **fields: Any) -> UserReport:
    """Make the report on a user with a limit of 80 days and a grace of 5."""
    policy = UserPolicy(email=f"{name}@example.com", rotate_after_days=80, delete_after_days=5, instruction="")
    usual = {"name": name, "email": policy.email, "policy": policy, "decision": Decision(action=action), "keys": keys}
    return UserReport(**{**usual, **fields})


def survey(*users: UserReport, **fields: Any) -> Survey:
    """Make a survey of these users."""
    account = Account(id="111122223333", alias="acme-prod")
    return Survey(**{"account": account, "taken_at": NOW, "max_age_days": 90, "users": users, **fields})


def used(days_ago: float) -> LastUse:
    """Make a use of a key."""
    return LastUse(at=NOW - timedelta(days=days_ago), service="s3", region="eu-west-1")
