"""What comes first in a report: the users whom somebody has to look at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.common.entry import Status
from functions.common.keys import AccessKey, LastUse
from functions.common.terms import Terms
from functions.destructor.decide import Use
from functions.rotator.decide import Action, Decision, Reason
from scripts.reporting.fate import foresee
from scripts.reporting.standing import Standing, oldest_first, standing, worst_first
from scripts.reporting.survey import Bystander, Step, UserReport
from tests.scripts.reporting.people import NEW_KEY, NOW, entry, key, used, user

DAY = timedelta(days=1)
TERMS = Terms(recovery=0 * DAY, extension=14 * DAY, delete_unconfirmed=False, address_hold=2 * DAY)


def skipped(reason: Reason) -> UserReport:
    """Make up a user who is skipped."""
    return user(key(10), decision=Decision(action=Action.SKIP, reason=reason))


def in_grace(
    *,
    ends_in: float | None,
    confirmed: bool = False,
    last_use: LastUse | None = None,
    status: Status = Status.EXPIRING,
    keeps_new: bool = True,
    **fields: Any,
) -> UserReport:
    """Make up a user whose old key is to go, as the destructor would have it."""
    delete_on = None if ends_in is None else NOW + timedelta(days=ends_in)
    ending = entry(status, 84, delete_on=delete_on, new_key_id=NEW_KEY, **fields)
    old = key(84, entry=ending, last_use=last_use, active=status is not Status.INACTIVE)
    new = key(2, NEW_KEY, last_use=used(1) if confirmed else None, active=keeps_new)
    listed = [AccessKey(id=each.id, active=each.active, created_at=each.created_at) for each in (old, new)]
    fate = foresee(ending, listed, Use(confirmed=confirmed, last_use=last_use), TERMS, NOW)
    return user(replace(old, fate=fate), new, action=Action.IN_GRACE)


def not_due(days: float) -> UserReport:
    """Make up a user whose key falls due in so many days."""
    return user(key(10), step=Step(what="rotation", on=NOW + timedelta(days=days)))


BY_STANDING = {
    Standing.OVERDUE: [user(key(91)), user(key(91), decision=None, fault="IKR:EMAIL is wrong")],
    Standing.UNREADABLE: [user(decision=None, unreadable=True)],
    Standing.UNCONFIRMED: [
        in_grace(ends_in=-0.1),
        in_grace(ends_in=1, grace_ended_on=NOW),
        in_grace(ends_in=9, status=Status.INACTIVE, windows=1),
        in_grace(ends_in=None, status=Status.FAILED, grace_ended_on=NOW - timedelta(days=2)),
    ],
    Standing.MISCONFIGURED: [user(key(10), decision=None, fault="IKR:EMAIL is wrong")],
    Standing.FOREIGN: [skipped(Reason.FOREIGN_KEY)],
    Standing.HELD: [skipped(Reason.ADDRESS_HELD), skipped(Reason.DORMANT), skipped(Reason.UNDELIVERABLE)],
    Standing.DUE: [user(key(81), action=action) for action in (Action.ROTATE, Action.RECOVER, Action.TAKE_BACK)],
    Standing.DUE_SOON: [not_due(7)],
    Standing.IN_GRACE: [
        in_grace(ends_in=3),
        in_grace(ends_in=-1, confirmed=True),
        in_grace(ends_in=-1, confirmed=True, last_use=used(0.1)),
        in_grace(ends_in=9, confirmed=True, status=Status.INACTIVE, windows=1),
        in_grace(ends_in=-1, keeps_new=False),
    ],
    Standing.FINE: [not_due(7.1), skipped(Reason.NO_KEY), skipped(Reason.INACTIVE_KEY), skipped(Reason.UNDER_WAY)],
}


@pytest.mark.parametrize(
    ("one", "expected"), [(one, expected) for expected, users in BY_STANDING.items() for one in users]
)
def test_where_a_user_stands(one: UserReport, expected: Standing) -> None:
    assert standing(one, NOW) is expected


def test_the_order_is_that_of_the_readme() -> None:
    assert [one.name for one in sorted(Standing)] == [
        *("OVERDUE", "UNREADABLE", "UNCONFIRMED", "MISCONFIGURED", "FOREIGN", "HELD"),
        *("DUE", "DUE_SOON", "IN_GRACE", "FINE"),
    ]


def test_the_worst_come_first() -> None:
    """And of those who stand alike, the ones with the oldest keys."""
    fine = [user(key(age), name=f"fine-{age}") for age in (40, 70, 55)]
    others = [users[0] for users in BY_STANDING.values() if users[0].keys or users[0].unreadable]

    ordered = worst_first([*fine, *reversed(others)], NOW)

    assert [standing(one, NOW) for one in ordered] == sorted(standing(one, NOW) for one in ordered)
    assert [one.name for one in ordered if one.name.startswith("fine")] == ["fine-70", "fine-55", "fine-40"]


def test_of_those_who_are_left_alone_only_who_has_keys_is_told() -> None:
    others = [
        Bystander(name="none", why=Reason.NOT_TAGGED),
        Bystander(name="young", why=Reason.NOT_TAGGED, keys=(key(3),)),
        Bystander(name="old", why=Reason.NOT_TAGGED, keys=(key(300),)),
        Bystander(name="unread", why=Reason.NOT_TAGGED, unreadable=True),
    ]

    assert [one.name for one in oldest_first(others)] == ["unread", "old", "young"]
