"""A sample report: users at every stage of a key's life. Nothing in it is real."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.common.account import Account
from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey, LastUse
from functions.common.tags import UserPolicy
from functions.common.terms import Terms
from functions.destructor.decide import Use
from functions.rotator.decide import Action, Reason, Rules, decide
from scripts.reporting.fate import foresee
from scripts.reporting.standing import worst_first
from scripts.reporting.survey import Bystander, KeyReport, Step, Survey, UserReport

_NOW = datetime(2030, 3, 4, 12, 0, tzinfo=UTC)
_AUDITED_DAYS = 90
_TERMS = Terms(
    recovery=timedelta(), extension=timedelta(days=14), delete_unconfirmed=False, address_hold=timedelta(days=2)
)


def _id(user: str, number: int) -> str:
    return f"AKIAFAKE0000{user.partition('.')[0].upper():0>6.6}{number:02}"


def _key(
    user: str, number: int, *, age: int, used: float | None, active: bool = True, entry: Entry | None = None
) -> KeyReport:
    """Make up a key; ``age`` and ``used`` are days ago."""
    at = None if used is None else LastUse(at=_NOW - timedelta(days=used, hours=3), service="s3", region="eu-central-1")
    return KeyReport(
        id=_id(user, number),
        active=active,
        created_at=_NOW - timedelta(days=age),
        age=timedelta(days=age),
        last_use=at,
        entry=entry,
        too_old=active and age > _AUDITED_DAYS,
    )


def _entry(user: str, number: int, status: Status, *, age: int, **ends: Any) -> Entry:
    """Make up what the ledger says; ``ends`` are the fields of an entry about the key's end."""
    return Entry(
        user=user,
        key_id=_id(user, number),
        status=status,
        created_at=_NOW - timedelta(days=age),
        email=f"{user}@example.com",
        **ends,
    )


def _user(name: str, *keys: KeyReport, limit: int = 80) -> UserReport:
    """Have the service's own code decide about made-up keys."""
    entries = [key.entry for key in keys if key.entry]
    listed = [AccessKey(id=key.id, active=key.active, created_at=key.created_at) for key in keys]
    decision = decide(listed, entries, _rules(name, limit), _NOW)
    ending = next((key.entry for key in keys if key.entry and key.is_ending), None)
    fate = None
    if ending:
        old = next(key for key in keys if key.id == ending.key_id)
        successor = next(key for key in keys if key.id == ending.new_key_id)
        use = Use(confirmed=successor.last_use is not None, last_use=old.last_use)
        fate = foresee(ending, listed, use, _TERMS, _NOW)
        keys = tuple(replace(key, fate=fate) if key is old else key for key in keys)
    step = Step(what=fate.what, on=fate.on, why=fate.reason) if fate else None
    if decision.action in {Action.ROTATE, Action.NOT_DUE}:
        step = Step(what="rotation", on=keys[0].created_at + timedelta(days=limit))
    policy = UserPolicy(email=f"{name}@example.com", rotate_after_days=limit, delete_after_days=5, instruction="")
    return UserReport(name=name, email=policy.email, policy=policy, decision=decision, keys=keys, step=step)


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


def _in_grace(name: str, *, age: int, new: int, used: float, new_used: float | None, **ends: Any) -> UserReport:
    """Make up a user with an old key, and its successor."""
    ends = {"status": Status.EXPIRING, "new_key_id": _id(name, 2), **ends}
    active = ends["status"] is not Status.INACTIVE
    return _user(
        name,
        _key(name, 1, age=age, used=used, active=active, entry=_entry(name, 1, age=age, **ends)),
        _key(name, 2, age=new, used=new_used, entry=_entry(name, 2, Status.CURRENT, age=new)),
    )


def _with_one(name: str, *, age: int, used: float | None, limit: int = 80) -> UserReport:
    key = _key(name, 1, age=age, used=used, entry=_entry(name, 1, Status.CURRENT, age=age))
    return _user(name, key, limit=limit)


SURVEY = Survey(
    account=Account(id="111122223333", alias="acme-prod"),
    taken_at=_NOW,
    max_age_days=_AUDITED_DAYS,
    users=worst_first(
        (
            UserReport(
                name="frank.hoffmann",
                email="frank.hoffmann@example.com",
                fault="IKR:ROTATE_AFTER_DAYS is 'soon', and must be a whole number from 0 to 3650",
                keys=(_key("frank.hoffmann", 1, age=131, used=40),),
            ),
            _in_grace("carol.jensen", age=89, new=8, used=6, new_used=None, delete_on=_in(1), grace_ended_on=_in(-3)),
            _user(
                "erin.murphy",
                _key("erin.murphy", 1, age=61, used=0),
                _key("erin.murphy", 2, age=20, used=3),
            ),
            _with_one("bob.martinez", age=82, used=5),
            _with_one("deploy", age=25, used=0, limit=30),
            _in_grace("alice.andersson", age=83, new=2, used=1.5, new_used=0, delete_on=_in(3)),
            _in_grace("dave.okafor", age=85, new=4, used=0, new_used=1, delete_on=_in(1)),
            _in_grace(
                "grace.lindqvist",
                age=88,
                new=8,
                used=6,
                new_used=0,
                status=Status.INACTIVE,
                windows=1,
                delete_on=_in(4),
            ),
            _with_one("heidi.braun", age=31, used=2),
        ),
        _NOW,
    ),
    bystanders=(
        Bystander(name="legacy-backup", why=Reason.NOT_TAGGED, keys=(_key("legacy", 1, age=412, used=1),)),
        Bystander(name="ivan.petrov", why=Reason.NOT_TAGGED, keys=(_key("ivan", 1, age=38, used=None),)),
    ),
)
