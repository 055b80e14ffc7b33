"""Between the grace period and the deletion: days put off, recovery windows, and who is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.faults import aws_error
from tests.simulation.world import World, new_world


@pytest.fixture
def world() -> Iterator[World]:
    with new_world(RECOVERY_DAYS="2", GRACE_EXTENSION_DAYS="2", REMINDER_DAYS="0") as world:
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


def pass_days(world: World, days: int) -> None:
    """Let TTL collect what falls due, and the destructor do its work."""
    world.wait(days=days, minutes=1)
    world.collect_by_ttl()
    world.deliver_stream()


def subjects(world: World) -> list[str]:
    return [mail.subject.rpartition(" ")[2] for mail in world.people["alice"].mails[1:]]


class TestRecovery:
    def test_key_is_deactivated_first(self, world: World, old: str, new: str) -> None:
        """For the window it can be brought back: it is there, and so is what opens the mail with the new one."""
        pass_days(world, 5)

        assert world.keys("alice") == {old: "Inactive", new: "Active"}
        assert world.ledger()[old]["status"] == "inactive"
        assert subjects(world) == ["deactivated"]
        assert len(world.parameters()) == 1

    def test_key_is_deleted_when_the_window_has_ended(self, world: World, new: str) -> None:
        pass_days(world, 5)
        pass_days(world, 2)

        assert world.keys("alice") == {new: "Active"}
        assert list(world.ledger()) == [new]
        assert "replaces" not in world.ledger()[new]
        assert subjects(world) == ["deactivated", "deleted"]
        assert world.parameters() == {}

    def test_reactivated_key_is_left_alone_until_its_window_ends(self, world: World, old: str) -> None:
        pass_days(world, 5)
        world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Active")

        pass_days(world, 1)

        assert world.keys("alice")[old] == "Active"
        assert subjects(world) == ["deactivated"]

    def test_reactivated_key_gets_another_window_and_everybody_is_told(self, world: World, old: str) -> None:
        pass_days(world, 5)
        world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Active")

        pass_days(world, 2)

        assert world.keys("alice")[old] == "Inactive"
        assert world.ledger()[old]["windows"] == "2"
        assert subjects(world) == ["deactivated", "again"]
        (alarm,) = world.alarms()
        assert old in alarm
        assert "alice" in alarm

    def test_no_more_than_three_windows(self, world: World, old: str, new: str) -> None:
        """However often somebody brings a key back, it goes in the end."""
        pass_days(world, 5)
        for _ in range(3):
            world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Active")
            pass_days(world, 2)

        assert world.keys("alice") == {new: "Active"}
        assert subjects(world) == ["deactivated", "again", "again", "deleted"]

    def test_last_of_the_mails_says_that_there_is_no_further_window(self, world: World, old: str) -> None:
        pass_days(world, 5)
        for _ in range(2):
            world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Active")
            pass_days(world, 2)

        first, last = world.people["alice"].mails[-2:]
        assert first.text != last.text

    def test_operators_who_cannot_be_told_stop_nothing(self, world: World, old: str) -> None:
        pass_days(world, 5)
        world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Active")
        world.controller.outages["Publish"] = aws_error("Publish", "AuthorizationError", 403)

        pass_days(world, 2)

        assert world.keys("alice")[old] == "Inactive"
        assert subjects(world) == ["deactivated", "again"]

    def test_window_can_be_cancelled(self, world: World, old: str) -> None:
        """An operator who takes the item out keeps the key, as it is."""
        pass_days(world, 5)

        world.remove_item("alice", old)
        world.deliver_stream()
        pass_days(world, 10)

        assert world.keys("alice")[old] == "Inactive"
        assert world.ledger()[old]["status"] == "current"

    def test_sole_active_key_is_not_deactivated(self, world: World, old: str, new: str) -> None:
        world.iam.update_access_key(UserName="alice", AccessKeyId=new, Status="Inactive")

        pass_days(world, 5)

        assert world.keys("alice")[old] == "Active"
        assert world.ledger()[old]["status"] == "current"

    def test_deactivation_that_fails_is_tried_again(self, world: World, old: str) -> None:
        world.controller.outages["UpdateAccessKey"] = aws_error("UpdateAccessKey", "ServiceFailure", 500)
        pass_days(world, 5)
        assert world.keys("alice")[old] == "Active"
        assert world.ledger()[old]["attempts"] == "1"

        world.controller.outages.clear()
        pass_days(world, 1)

        assert world.keys("alice")[old] == "Inactive"
        assert subjects(world) == ["deactivated"]


class TestExtension:
    def test_end_is_put_off_day_by_day_while_only_the_old_key_is_used(self, world: World, old: str) -> None:
        for day in (1, 2):
            world.wait(days=1)
            world.use_key("alice", old)
            pass_days(world, 5 if day == 1 else 1)

            assert world.keys("alice")[old] == "Active"
            assert world.ledger()[old]["postponed"] == str(day)
        assert subjects(world) == []

    def test_end_is_not_put_off_for_ever(self, world: World, old: str) -> None:
        world.wait(days=1)
        world.use_key("alice", old)

        for days in (5, 1, 1):
            pass_days(world, days)

        assert world.keys("alice")[old] == "Inactive"

    def test_successor_knows_of_the_later_end(self, world: World, old: str, new: str) -> None:
        """Else the key would count as lost, and be ended, by a run that looks while its item is on its way."""
        world.wait(days=1)
        world.use_key("alice", old)

        pass_days(world, 5)

        assert world.ledger()[new]["replaces_until"] == world.ledger()[old]["delete_on"]

    def test_user_who_has_changed_over_gets_no_extension(self, world: World, old: str, new: str) -> None:
        world.wait(days=1)
        world.use_key("alice", old)
        world.use_key("alice", new)

        pass_days(world, 5)

        assert world.keys("alice")[old] == "Inactive"

    def test_key_last_used_before_the_rotation_gets_no_extension(self, world: World, old: str) -> None:
        pass_days(world, 5)

        assert world.keys("alice")[old] == "Inactive"


def test_without_recovery_and_extension_nothing_is_asked_of_iam_besides() -> None:
    """The defaults keep the plain way, and its price."""
    with new_world(REMINDER_DAYS="0") as world:
        world.add_user("alice")
        world.wait(days=81)
        world.rotate()

        pass_days(world, 5)

        assert len(world.keys("alice")) == 1
        assert not {"GetAccessKeyLastUsed", "UpdateAccessKey", "Publish"} & set(world.controller.calls)
