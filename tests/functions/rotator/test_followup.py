"""What users are told between the rotation and the end of the old key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.faults import aws_error
from tests.simulation.world import World, new_world


@pytest.fixture
def world() -> Iterator[World]:
    """Alice has a new key, and five days of grace."""
    with new_world() as world:
        world.add_user("alice")
        world.wait(days=81)
        world.rotate()
        world.read_mail()
        yield world


@pytest.fixture
def old(world: World) -> str:
    return next(key for key, item in world.ledger().items() if item["status"] == "expiring")


@pytest.fixture
def new(world: World) -> str:
    return next(key for key, item in world.ledger().items() if item["status"] == "current")


def subjects(world: World) -> list[str]:
    return [mail.subject for mail in world.people["alice"].mails[1:]]


def change_address(world: World, address: str) -> None:
    world.iam.untag_user(UserName="alice", TagKeys=["IKR:EMAIL"])
    world.iam.tag_user(UserName="alice", Tags=[{"Key": "IKR:EMAIL", "Value": address}])


class TestReminder:
    def test_who_never_used_the_new_key_is_reminded_a_day_before(self, world: World, old: str) -> None:
        world.wait(days=4)

        summary = world.rotate()

        assert summary["reminded"] == 1
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

    def test_none_where_the_stack_wants_none(self) -> None:
        with new_world(REMINDER_DAYS="0") as world:
            world.add_user("alice")
            world.wait(days=81)
            world.rotate()
            world.wait(days=4)

            assert world.rotate()["reminded"] == 0
            assert "GetAccessKeyLastUsed" not in world.controller.calls


class TestChangedAddress:
    def test_old_address_is_told_once(self, world: World) -> None:
        """Whoever changes the tag redirects the user's mail: the one who is cut off has to hear of it."""
        change_address(world, "new@example.com")

        world.rotate()
        world.rotate()

        (mail,) = world.misaddressed
        assert mail.to == "0@example.com"
        assert "new@example.com" in mail.text

    def test_further_mail_goes_to_the_new_address(self, world: World) -> None:
        change_address(world, "new@example.com")

        world.live(days=6)

        assert {mail.to for mail in world.people["alice"].mails[1:]} == {"new@example.com"}

    def test_service_that_fails_is_asked_again_by_the_next_run(self, world: World) -> None:
        change_address(world, "new@example.com")
        world.controller.outages["SendEmail"] = aws_error("SendEmail", "SendingPausedException", 400)
        world.rotate()
        assert world.misaddressed == []

        world.controller.outages.clear()
        world.rotate()

        assert len(world.misaddressed) == 1

    def test_address_that_stays_is_told_nothing(self, world: World) -> None:
        world.rotate()

        assert world.misaddressed == []
        assert subjects(world) == []
