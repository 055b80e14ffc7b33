"""A sample report: users at every stage of a key's life. Nothing in it is real."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from functions.common.account import Account
from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey, LastUse
from functions.common.tags import UserPolicy
from functions.rotator.decide import Rules, decide
from scripts.reporting.survey import KeyReport, Step, Survey, UserReport

_NOW = datetime(2030, 3, 4, 12, 0, tzinfo=UTC)
_AUDITED_DAYS = 90


def _key(user: str, number: int, *, age: int, used: int | None, active: bool = True, entry: Entry | None) -> KeyReport:
    """Make up a key; ``age`` and ``used`` are days ago."""
    at = None if used is None else LastUse(at=_NOW - timedelta(days=used, hours=3), service="s3", region="eu-central-1")
    return KeyReport(
        id=f"AKIAFAKE0000{user.upper():0>6.6}{number:02}",
        active=active,
        created_at=_NOW - timedelta(days=age),
        age=timedelta(days=age),
        last_use=at,
        entry=entry,
        too_old=active and age > _AUDITED_DAYS,
    )


def _entry(user: str, number: int, status: Status, *, age: int, ends_in: int | None = None) -> Entry:
    return Entry(
        user=user,
        key_id=f"AKIAFAKE0000{user.upper():0>6.6}{number:02}",
        status=status,
        created_at=_NOW - timedelta(days=age),
        email=f"{user}@example.com",
        delete_on=None if ends_in is None else _NOW + timedelta(days=ends_in),
    )


def _user(name: str, *keys: KeyReport, limit: int = 80, step: Step | None = None) -> UserReport:
    entries = [key.entry for key in keys if key.entry]
    listed = [AccessKey(id=key.id, active=key.active, created_at=key.created_at) for key in keys]
    return UserReport(
        name=name,
        policy=UserPolicy(
            email=f"{name}@example.com", rotate_after_days=limit, delete_after_days=5, instruction="", warnings=()
        ),
        decision=decide(listed, entries, _rules(name, limit), _NOW),
        keys=keys,
        step=step,
    )


def _rules(name: str, limit: int) -> Rules:
    return Rules(
        user=name,
        user_id=f"AIDAFAKE{name.upper()}",
        email=f"{name}@example.com",
        rotate_after_days=limit,
        audit_days=_AUDITED_DAYS,
        address_hold=timedelta(days=2),
    )


def _in(days: int) -> datetime:
    return _NOW + timedelta(days=days)


SURVEY = Survey(
    account=Account(id="111122223333", alias="acme-prod"),
    taken_at=_NOW,
    max_age_days=_AUDITED_DAYS,
    users=(
        UserReport(
            name="frank",
            fault="IKR:ROTATE_AFTER_DAYS is 'soon', and must be a whole number from 0 to 3650",
            keys=(_key("frank", 1, age=131, used=40, entry=None),),
        ),
        _user(
            "alice",
            _key("alice", 1, age=83, used=0, entry=_entry("alice", 1, Status.EXPIRING, age=83, ends_in=3)),
            _key("alice", 2, age=2, used=None, entry=_entry("alice", 2, Status.CURRENT, age=2)),
            step=Step(what="deactivation", on=_in(3)),
        ),
        _user(
            "bob",
            _key("bob", 1, age=82, used=5, entry=_entry("bob", 1, Status.CURRENT, age=82)),
            step=Step(what="rotation", on=_in(-2)),
        ),
        _user(
            "carol",
            _key(
                "carol", 1, age=88, used=6, active=False, entry=_entry("carol", 1, Status.INACTIVE, age=88, ends_in=4)
            ),
            _key("carol", 2, age=8, used=0, entry=_entry("carol", 2, Status.CURRENT, age=8)),
            step=Step(what="deletion", on=_in(4)),
        ),
        _user(
            "deploy",
            _key("deploy", 1, age=25, used=0, entry=_entry("deploy", 1, Status.CURRENT, age=25)),
            limit=30,
            step=Step(what="rotation", on=_in(5)),
        ),
    ),
)
