"""Between the grace period and the deletion of a key whose successor is used: recovery windows, and days put off."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import World, new_world

HOUR, MINUTE = 60 * 60, 60


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


def go_on_with(world: World, old: str, *, days: int, service: str = "s3") -> None:
    """From the end of the grace on, let the user use the old key an hour before each moment at which it could end."""
    world.wait(days=4)
    for _ in range(days):
        world.wait(hours=23)
        world.use_key("alice", old, service)
        world.wait(hours=1, minutes=1)
        world.collect_by_ttl()
        world.deliver_stream()


def window_in_days(world: World, key: str) -> float:
    """Tell for how long a key that has just been deactivated can be brought back."""
    return round((int(world.ledger()[key]["delete_on"]) - time.time()) / (24 * HOUR), 2)


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

    @pytest.mark.parametrize("call", ["UpdateAccessKey", "Publish", "SendEmail"])
    def test_window_whose_beginning_was_cut_short_is_not_taken_for_one_that_has_passed(
        self, world: World, old: str, new: str, call: str
    ) -> None:
        pass_days(world, 5)
        world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Active")
        world.controller.fault = Fault(call, Kind.DIES_AFTER)
        pass_days(world, 2)
        assert world.controller.struck == call
        assert world.ledger()[old]["status"] == "expiring"

        world.wait(minutes=5)
        world.collect_by_ttl()
        world.deliver_stream()

        assert world.keys("alice") == {old: "Inactive", new: "Active"}
        assert (world.ledger()[old]["status"], world.ledger()[old]["windows"]) == ("inactive", "2")
        assert world.ledger()[new]["replaces_until"] == world.ledger()[old]["delete_on"]
        assert subjects(world)[-1] == "again"

    def test_window_that_never_begins_is_given_up_and_begun_by_a_later_run(self) -> None:
        with new_world(RECOVERY_DAYS="2", REMINDER_DAYS="0", MAX_DELETION_ATTEMPTS="2") as world:
            world.add_user("alice")
            (old,) = world.keys("alice")
            world.wait(days=81)
            world.rotate()
            world.read_mail()
            world.controller.outages["UpdateAccessKey"] = aws_error("UpdateAccessKey", "AccessDenied", 403)
            pass_days(world, 5)
            assert world.ledger()[old]["attempts"] == "1"
            pass_days(world, 1)
            assert (world.ledger()[old]["status"], world.ledger()[old]["attempts"]) == ("failed", "2")

            world.controller.outages.clear()
            world.rotate()
            world.deliver_stream()

            assert world.keys("alice")[old] == "Inactive"
            assert (world.ledger()[old]["status"], world.ledger()[old]["windows"]) == ("inactive", "1")

    def test_record_that_comes_again_does_not_undo_a_cancellation(self, world: World, old: str) -> None:
        """The operator has taken out what was put back; the record from before it must not put it back once more."""
        pass_days(world, 5)
        (record,) = [one for one in world.stream() if one["eventName"] == "REMOVE"]
        world.remove_item("alice", old)

        assert world.destroy([record])

        assert old not in world.ledger()
        world.deliver_stream()
        assert world.ledger()[old]["status"] == "current"


class TestExtension:
    def test_end_is_put_off_day_by_day_while_the_old_key_is_used(self, world: World, old: str) -> None:
        due = int(world.ledger()[old]["delete_on"])

        go_on_with(world, old, days=1)
        first = dict(world.ledger()[old])
        world.wait(hours=22)
        world.use_key("alice", old)
        world.wait(hours=1)
        world.collect_by_ttl()
        world.deliver_stream()
        second = world.ledger()[old]

        assert world.keys("alice")[old] == "Active"
        assert (first["status"], int(first["delete_on"])) == ("expiring", due + MINUTE + 23 * HOUR)
        assert (second["status"], int(second["delete_on"])) == ("expiring", due + MINUTE + 46 * HOUR)

    def test_reading_parameters_is_use_as_well(self, world: World, old: str) -> None:
        """What reads them may be an application; to put its key's end off in vain costs a day."""
        go_on_with(world, old, days=1, service="ssm")

        assert world.keys("alice")[old] == "Active"

    def test_key_that_falls_idle_ends_as_planned(self, world: World, old: str) -> None:
        go_on_with(world, old, days=1)

        pass_days(world, 1)

        assert world.keys("alice")[old] == "Inactive"
        assert window_in_days(world, old) == 2

    def test_end_is_not_put_off_for_ever(self, world: World, old: str) -> None:
        """Once the extension is over the key is deactivated, for longer than one that is idle."""
        go_on_with(world, old, days=3)

        assert world.keys("alice")[old] == "Inactive"
        assert window_in_days(world, old) == 7
        assert subjects(world) == ["use", "use", "deactivated"]

    def test_reminder_names_service_region_and_time_of_the_last_use(self, world: World, old: str) -> None:
        go_on_with(world, old, days=1, service="dynamodb")

        text = " ".join(world.people["alice"].mails[-1].text.split())
        assert "Your old AWS access key is still in use" in text
        assert "Old key last used: Thursday, 28 March 2030, 11:00 UTC" in text
        assert "dynamodb in us-east-1" in text

    def test_successor_knows_of_the_later_end(self, world: World, old: str, new: str) -> None:
        """Else the key would count as lost, and be ended, by a run that looks while its item is on its way."""
        go_on_with(world, old, days=1)

        assert world.ledger()[new]["replaces_until"] == world.ledger()[old]["delete_on"]

    def test_operators_are_told_nothing_of_a_user_who_has_the_new_key(self, world: World, old: str) -> None:
        go_on_with(world, old, days=3)

        assert world.keys("alice")[old] == "Inactive"
        assert world.alarms() == []

    def test_key_in_use_to_the_last_that_is_brought_back_ends_as_planned_once_it_is_idle(
        self, world: World, old: str, new: str
    ) -> None:
        go_on_with(world, old, days=3)
        world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Active")

        pass_days(world, 7)
        window = window_in_days(world, old)
        pass_days(world, 2)

        assert window == 2
        assert world.keys("alice") == {new: "Active"}

    def test_user_who_has_changed_over_gets_no_extension(self, world: World, old: str, new: str) -> None:
        world.wait(days=1)
        world.use_key("alice", old)
        world.use_key("alice", new)

        pass_days(world, 5)

        assert world.keys("alice")[old] == "Inactive"
        assert window_in_days(world, old) == 2


def test_end_as_planned_costs_two_questions_about_use() -> None:
    with new_world(REMINDER_DAYS="0") as world:
        world.add_user("alice")
        world.wait(days=81)
        world.rotate()
        world.read_mail()
        world.controller.calls.clear()

        pass_days(world, 5)

        assert len(world.keys("alice")) == 1
        assert world.controller.counted["GetAccessKeyLastUsed"] == 2
        assert not {"UpdateAccessKey", "Publish"} & set(world.controller.calls)


class TestDeleteUnconfirmed:
    """The stack chose the plain way: an old key ends with its grace, whoever uses what."""

    @pytest.mark.parametrize("reads", [True, False])
    def test_key_is_deleted_when_its_grace_is_over(self, reads: bool) -> None:
        with new_world(DELETE_UNCONFIRMED="true") as world:
            world.add_user("alice")
            world.wait(days=81)
            (old,) = world.keys("alice")
            world.rotate()
            if reads:
                world.read_mail()
            world.wait(days=4)
            world.use_key("alice", old)
            world.controller.calls.clear()

            pass_days(world, 1)

            assert len(world.keys("alice")) == 1
            assert old not in world.keys("alice")
            assert subjects(world) == ["deleted"]
            # One question remains: whether the encryption key is needed still.
            assert world.controller.counted["GetAccessKeyLastUsed"] == 1

    def test_key_is_deactivated_first_for_no_longer_than_the_stack_says(self) -> None:
        with new_world(DELETE_UNCONFIRMED="true", RECOVERY_DAYS="2") as world:
            world.add_user("alice")
            world.wait(days=81)
            (old,) = world.keys("alice")
            world.rotate()

            pass_days(world, 5)
            assert world.keys("alice")[old] == "Inactive"
            pass_days(world, 2)

            assert old not in world.keys("alice")
