"""Between the grace period and the deletion: days put off, recovery windows, and who is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.faults import Fault, Kind, aws_error
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

    def test_address_that_was_left_is_told_once(self, world: World) -> None:
        """Whoever redirects the mail of a key's last days is seen by the one whose key it is."""
        former = world.people["alice"].mails[0].to
        world.iam.tag_user(UserName="alice", Tags=[{"Key": "IKR:EMAIL", "Value": "new@example.com"}])

        pass_days(world, 5)
        pass_days(world, 2)

        assert [mail.to for mail in world.misaddressed] == [former]
        assert "new@example.com" in world.misaddressed[0].text
        assert [mail.to for mail in world.people["alice"].mails[1:]] == ["new@example.com"] * 2

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
    def test_end_is_put_off_day_by_day_while_only_the_old_key_is_used(self, world: World, old: str) -> None:
        for day in (1, 2):
            world.wait(days=1)
            world.use_key("alice", old)
            pass_days(world, 5 if day == 1 else 1)

            assert world.keys("alice")[old] == "Active"
            assert world.ledger()[old]["postponed"] == str(day)
        assert subjects(world) == []

    def test_reading_parameters_is_use_as_well(self, world: World, old: str) -> None:
        """What reads them may be an application; to put its key's end off in vain costs a day."""
        world.wait(days=1)
        world.use_key("alice", old, service="ssm")

        pass_days(world, 5)

        assert world.keys("alice")[old] == "Active"
        assert world.ledger()[old]["postponed"] == "1"

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
