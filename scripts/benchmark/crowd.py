"""A made-up account with so many tagged users, for measuring what reports on it: nobody in it is real."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from functions.common.account import Account
from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey, LastUse
from functions.common.tags import UserPolicy
from functions.common.terms import Terms
from functions.destructor.decide import Use
from functions.rotator.decide import Action, Decision
from scripts.reporting.fate import foresee
from scripts.reporting.standing import worst_first
from scripts.reporting.survey import KeyReport, Step, Survey, UserReport

_NOW = datetime(2030, 3, 4, 12, 0, tzinfo=UTC)
_LIMIT, _GRACE, _AUDITED = 80, 5, 90
_IN_GRACE = 0.1
_TERMS = Terms(recovery=timedelta(), extension=timedelta(days=14), delete_unconfirmed=False, address_hold=timedelta())
_FIRST = ("alexandra", "benjamin", "carol", "dmitri", "elizabeth", "fatima", "grace", "henrik", "ingrid", "jonathan")
_LAST = ("andersson", "fitzgerald", "hoffmann", "kowalski", "lindqvist", "martinez", "okafor", "petrov", "schneider")
_SERVICES = ("s3", "ec2", "dynamodb", "sts", "lambda")


def survey(users: int) -> Survey:
    """Make up a report on so many users, a tenth of them in grace; always the same one."""
    chance = random.Random(users)  # noqa: S311 - nothing is secret here
    return Survey(
        account=Account(id="111122223333", alias="acme-prod"),
        taken_at=_NOW,
        max_age_days=_AUDITED,
        users=worst_first((_user(number, chance) for number in range(users)), _NOW),
    )


def _user(number: int, chance: random.Random) -> UserReport:
    name = f"{chance.choice(_FIRST)}.{chance.choice(_LAST)}{number}"
    policy = UserPolicy(email=f"{name}@example.com", rotate_after_days=_LIMIT, delete_after_days=_GRACE, instruction="")
    if chance.random() < _IN_GRACE:
        return _in_grace(name, policy, number, chance)
    age = chance.uniform(0, _LIMIT + 4)
    due = age > _LIMIT
    return UserReport(
        name=name,
        email=policy.email,
        policy=policy,
        decision=Decision(action=Action.ROTATE if due else Action.NOT_DUE),
        keys=(_key(name, 2 * number, age, chance.uniform(0, age), Status.CURRENT),),
        step=Step(what="rotation", on=_NOW + timedelta(days=_LIMIT - age)),
    )


def _in_grace(name: str, policy: UserPolicy, number: int, chance: random.Random) -> UserReport:
    since = chance.uniform(0, _GRACE)
    old = _key(name, 2 * number, _LIMIT + since, chance.uniform(0, 9), Status.EXPIRING, ends_in=_GRACE - since)
    new = _key(name, 2 * number + 1, since, chance.choice((None, 0.1)), Status.CURRENT)
    listed = [AccessKey(id=key.id, created_at=key.created_at, active=True) for key in (old, new)]
    assert old.entry  # noqa: S101 - for the type
    fate = foresee(old.entry, listed, Use(confirmed=bool(new.last_use), last_use=old.last_use), _TERMS, _NOW)
    return UserReport(
        name=name,
        email=policy.email,
        policy=policy,
        decision=Decision(action=Action.IN_GRACE),
        keys=(old, new),
        step=Step(what=fate.what, on=fate.on, why=fate.reason),
    )


def _key(
    user: str, number: int, age: float, used: float | None, status: Status, ends_in: float | None = None
) -> KeyReport:
    key_id, created_at = f"AKIAFAKE{number:012}", _NOW - timedelta(days=age)
    at = None if used is None else _NOW - timedelta(days=used)
    return KeyReport(
        id=key_id,
        active=True,
        created_at=created_at,
        age=timedelta(days=age),
        last_use=LastUse(at=at, service=_SERVICES[number % len(_SERVICES)], region="eu-central-1") if at else None,
        entry=Entry(
            user=user,
            key_id=key_id,
            status=status,
            created_at=created_at,
            delete_on=_NOW + timedelta(days=ends_in) if ends_in is not None else None,
            new_key_id=f"AKIAFAKE{number + 1:012}" if ends_in is not None else None,
        ),
        too_old=age > _AUDITED,
    )
