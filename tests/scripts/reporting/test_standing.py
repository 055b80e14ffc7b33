"""What comes first in a report: the users whom somebody has to look at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from functions.common.entry import Status
from functions.destructor.decide import End, Why
from functions.rotator.decide import Action, Decision, Reason
from scripts.reporting.fate import Fate
from scripts.reporting.standing import Standing, oldest_first, standing, worst_first
from scripts.reporting.survey import Bystander, Step, UserReport
from tests.scripts.reporting.people import NEW_KEY, NOW, entry, key, user


def skipped(reason: Reason) -> UserReport:
    """Make up a user who is skipped."""
    return user(key(10), decision=Decision(action=Action.SKIP, reason=reason))


def in_grace(*, ends_in: float, why: Why | None = Why.UNCONFIRMED, **fields: Any) -> UserReport:
    """Make up a user whose old key is to go."""
    ends = {"delete_on": NOW + timedelta(days=ends_in), "new_key_id": NEW_KEY, **fields}
    old = key(84, entry=entry(ends.pop("status", Status.EXPIRING), 84, **ends), fate=Fate(end=End.POSTPONE, why=why))
    return user(old, key(2, NEW_KEY), action=Action.IN_GRACE)


def not_due(days: float) -> UserReport:
    """Make up a user whose key falls due in so many days."""
    return user(key(10), step=Step(what="rotation", on=NOW + timedelta(days=days)))


BY_STANDING = {
    Standing.OVERDUE: [user(key(91)), user(key(91), decision=None, fault="IKR:EMAIL is wrong")],
    Standing.UNREADABLE: [user(decision=None, unreadable=True)],
    Standing.UNCONFIRMED: [
        in_grace(ends_in=-0.1),
        in_grace(ends_in=1, grace_ended_on=NOW),
        in_grace(ends_in=9, status=Status.INACTIVE),
    ],
    Standing.MISCONFIGURED: [user(key(10), decision=None, fault="IKR:EMAIL is wrong")],
    Standing.FOREIGN: [skipped(Reason.FOREIGN_KEY)],
    Standing.HELD: [skipped(Reason.ADDRESS_HELD), skipped(Reason.DORMANT), skipped(Reason.UNDELIVERABLE)],
    Standing.DUE: [user(key(81), action=action) for action in (Action.ROTATE, Action.RECOVER, Action.TAKE_BACK)],
    Standing.DUE_SOON: [not_due(7)],
    Standing.IN_GRACE: [in_grace(ends_in=3), in_grace(ends_in=-1, why=None), in_grace(ends_in=-1, why=Why.STILL_USED)],
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
