"""What users are told between the rotation and the end of the old key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import World, new_world


@pytest.fixture
def world() -> Iterator[World]:
    """Alice has been mailed a new key, has not opened the mail, and has five days of grace."""
    with new_world() as world:
        world.add_user("alice")
        world.wait(days=81)
        world.rotate()
        yield world


@pytest.fixture
def old(world: World) -> str:
    return next(key for key, item in world.ledger().items() if item["status"] == "expiring")


@pytest.fixture
def new(world: World) -> str:
    return next(key for key, item in world.ledger().items() if item["status"] == "current")


def subjects(world: World) -> list[str]:
    return [mail.subject for mail in world.people["alice"].mails[1:]]


class TestReminder:
    def test_who_never_used_the_new_key_is_reminded_a_day_before(self, world: World, old: str) -> None:
        world.wait(days=4)

        summary = world.rotate()

        assert summary["reminded"] == 1
        assert summary["names"]["reminded"] == ["alice"]
        (subject,) = subjects(world)
        assert subject.startswith("Reminder")
        assert old in world.people["alice"].mails[-1].text

    def test_daily_run_that_is_seconds_early_does_not_miss_it(self, world: World) -> None:
        """Runs a day apart are never exactly a day apart."""
        world.wait(days=4, seconds=-30)

        assert world.rotate()["reminded"] == 1

    def test_not_before_its_day(self, world: World) -> None:
        world.wait(days=3)

        assert world.rotate()["reminded"] == 0

    def test_once_only(self, world: World) -> None:
        world.wait(days=4)

        reminded = [world.rotate()["reminded"] for _ in range(3)]

        assert reminded == [1, 0, 0]
        assert len(subjects(world)) == 1

    def test_of_two_runs_at_once_one_reminds(self, world: World) -> None:
        """Both have found the reminder due; the note in the ledger tells the second that it is too late."""
        world.wait(days=4)

        with world.overtaken():
            assert world.rotate()["reminded"] == 0

        assert len(subjects(world)) == 1
        assert world.faults_seen == []

    def test_who_still_uses_the_old_key_is_told_when(self, world: World, old: str, new: str) -> None:
        world.use_key("alice", new)
        world.wait(days=1)
        world.use_key("alice", old)
        world.wait(days=3)

        assert world.rotate()["reminded"] == 1
        assert "24 March 2030" in world.people["alice"].mails[-1].text

    def test_decrypting_the_mail_with_the_old_key_is_not_work(self, world: World, old: str, new: str) -> None:
        """The mail itself asks for it: whoever does so, and then changes over, must not be blamed for it."""
        world.use_key("alice", new)
        world.wait(days=1)
        world.use_key("alice", old, service="ssm")
        world.wait(days=3)

        assert world.rotate()["reminded"] == 0

    def test_who_has_changed_over_is_left_in_peace(self, world: World, new: str) -> None:
        world.use_key("alice", new)
        world.wait(days=4)

        assert world.rotate()["reminded"] == 0
        assert subjects(world) == []

    def test_reminder_that_could_not_be_mailed_is_sent_by_the_next_run(self, world: World, old: str) -> None:
        world.wait(days=4)
        world.controller.outages["SendEmail"] = aws_error("SendEmail", "SendingPausedException", 400)
        assert world.rotate() == {}
        assert "reminded_at" not in world.ledger()[old]

        world.controller.outages.clear()

        assert world.rotate()["reminded"] == 1

    def test_note_whose_answer_is_lost_is_known_again_when_it_is_sent_again(self, world: World) -> None:
        world.wait(days=4)
        world.controller.fault = Fault("UpdateItem", Kind.ANSWER_LOST)

        assert world.rotate()["reminded"] == 1

        assert world.controller.struck == "UpdateItem"
        assert len(subjects(world)) == 1

    def test_note_that_is_never_answered_does_not_lose_the_reminder(self, world: World, old: str) -> None:
        """It may have been written: a run that found it there would take the user for reminded."""
        world.wait(days=4)
        world.controller.silent.add("UpdateItem")
        assert world.rotate() == {}
        assert (subjects(world), "reminded_at" in world.ledger()[old]) == ([], False)

        world.controller.silent.clear()

        assert world.rotate()["reminded"] == 1

    def test_reminder_that_was_never_answered_is_not_sent_by_the_next_run(self, world: World, old: str) -> None:
        """It may have arrived, and it holds nothing that the user could not do without."""
        world.wait(days=4)
        world.controller.silent.add("SendEmail")
        assert world.rotate() == {}
        arrived = subjects(world)

        world.controller.silent.clear()

        assert world.rotate()["reminded"] == 0
        assert "reminded_at" in world.ledger()[old]
        assert subjects(world) == arrived

    def test_none_where_the_stack_wants_none(self) -> None:
        with new_world(REMINDER_DAYS="0") as world:
            world.add_user("alice")
            world.wait(days=81)
            world.rotate()
            world.wait(days=4)

            assert world.rotate()["reminded"] == 0
            assert "GetAccessKeyLastUsed" not in world.controller.calls
