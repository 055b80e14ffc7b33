"""Who goes first, and who comes less and less often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from functions.common.entry import Entry, Status
from functions.common.errors import MailServiceError, MailUnanswered, RecipientRefused
from functions.rotator.census import User
from functions.rotator.decide import Rules
from functions.rotator.order import Turn, in_order, turn
from tests.functions.rotator.alice import DAY, EMAIL, NEW, entry, rules, successor, user
from tests.simulation.world import START, World

BUSY = MailServiceError("the server refuses: 451 try again later", transient=False)
GONE = RecipientRefused("the server does not take this mail")
UNANSWERED = MailUnanswered("the server was handed the mail, and did not answer")
RETURNED = entry(Status.EXPIRING, new_key_id=NEW, delete_on=START + DAY, undeliverable=EMAIL)


def orders(users: Sequence[User], found: Rules | None = None) -> list[str]:
    return [each.name for each in in_order(users, lambda _: found or rules(), START)]


class TestTurn:
    @pytest.mark.parametrize(
        ("entries", "expected"),
        [
            ([], Turn.UNKNOWN),
            ([entry(days=1)], Turn.UNKNOWN),
            ([entry()], Turn.DUE),
            ([entry(days=1), entry(key_id=NEW)], Turn.DUE),
            ([entry(Status.EXPIRING, delete_on=START), successor()], Turn.UNKNOWN),
            ([entry(Status.ROTATING)], Turn.UNFINISHED),
            ([entry(Status.DELIVERING)], Turn.UNFINISHED),
            ([RETURNED, successor()], Turn.UNFINISHED),
            ([entry(failures=1)], Turn.FAILED_BEFORE),
            ([entry(Status.DELIVERING, failures=1)], Turn.FAILED_BEFORE),
        ],
    )
    def test_table(self, entries: list[Entry], expected: Turn) -> None:
        assert turn(user(*entries), rules(), START) is expected

    def test_what_was_begun_goes_before_what_is_due_and_that_before_what_is_unknown(self) -> None:
        found = [
            user(entry(days=300, failures=1), name="failed before"),
            user(name="unknown"),
            user(entry(days=81), name="due"),
            user(entry(Status.ROTATING, days=82), name="begun"),
        ]

        assert orders(found) == ["begun", "due", "unknown", "failed before"]

    def test_within_a_turn_the_oldest_key_goes_first(self) -> None:
        found = [
            user(entry(days=81), name="third"),
            user(entry(days=300), name="first"),
            user(entry(days=1), entry(key_id=NEW, days=100), name="second"),
        ]

        assert orders(found) == ["first", "second", "third"]


class TestLessAndLessOften:
    """An attempt that fails at the mail is repeated after 1, 2, 4 and then every 7 days."""

    DAYS_OF_ATTEMPTS = (0, 1, 3, 7, 14, 21, 28)

    @pytest.mark.parametrize("fault", [BUSY, GONE, UNANSWERED])
    def test_a_daily_run_hits_each(self, world: World, fault: Exception) -> None:
        """Though it may be some seconds early."""
        due(world)

        with world.refusing({"0@example.com": fault}), world.pauses_pass():
            attempts = [day for day in range(30) if self.tries(world)]

        assert tuple(attempts) == self.DAYS_OF_ATTEMPTS
        assert world.broken_promises == []

    def test_they_are_told_apart_from_other_days(self, world: World) -> None:
        """A run fails loudly when it has tried in vain, and counts whom it has not tried."""
        due(world)

        with world.refusing({"0@example.com": GONE}):
            assert world.rotate() == {}
            assert world.rotate()["skipped"] == {"backing_off": 1}

    def test_operator_who_forces_it_need_not_wait(self, world: World) -> None:
        due(world)
        with world.refusing({"0@example.com": GONE}):
            world.rotate()
            world.rotate({"users": ["alice"], "force": True})

        summary = world.rotate({"users": ["alice"], "force": True})

        assert summary["rotated"] == 1

    def test_success_makes_it_forgotten(self, world: World) -> None:
        """The next rotation's first failure is a first one."""
        old = due(world)
        with world.refusing({"0@example.com": GONE}):
            world.rotate()
            world.wait(days=1)
            world.rotate()
        world.wait(days=2)

        assert world.rotate()["rotated"] == 1

        assert {"failures", "try_again_on"}.isdisjoint(world.ledger()[old])

    def test_failed_user_goes_last(self, world: World) -> None:
        """Even when the mailbox works again, whoever waited for it is not made to wait once more."""
        due(world)
        with world.refusing({"0@example.com": BUSY}):
            world.rotate()
        world.add_user("bob", ROTATE_AFTER_DAYS="0")
        world.wait(days=1)
        world.pace(1)

        assert world.rotate()["rotated"] == 2

        assert newest_key(world, "bob") < newest_key(world, "alice")

    def tries(self, world: World) -> bool:
        """Let a day's run happen, a few seconds early; tell whether it has tried."""
        before = len(world.faults_seen)
        world.rotate()
        world.wait(days=1, seconds=-3)
        return len(world.faults_seen) > before


def due(world: World) -> str:
    world.add_user("alice")
    world.rotate()
    world.wait(days=81)
    (key,) = world.keys("alice")
    return key


def newest_key(world: World, name: str) -> datetime:
    return max(key["CreateDate"] for key in world.iam.list_access_keys(UserName=name)["AccessKeyMetadata"])
