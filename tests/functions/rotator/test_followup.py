"""What users are told between the rotation and the end of the old key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from functions.common.keys import AccessKeys, KeyUse
from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import START, World, new_world


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


class TestAnnouncement:
    """A rotation is told of in advance, where the stack wants it: whoever depends on a key can look for it in time."""

    @pytest.fixture
    def ahead(self) -> Iterator[World]:
        """A week before alice's key is due; the ledger knows it."""
        with new_world(ANNOUNCE_DAYS="7") as world:
            world.add_user("alice", ROTATE_AFTER_DAYS="80")
            world.rotate()
            world.wait(days=73)
            world.controller.calls.clear()
            yield world

    def test_user_is_told_when_the_key_is_replaced(self, ahead: World) -> None:
        summary = ahead.rotate()

        (mail,) = ahead.people["alice"].mails
        (key,) = ahead.keys("alice")
        due = START + timedelta(days=80)
        assert (summary["announced"], summary["rotated"]) == (1, 0)
        assert mail.subject == f"Coming {due.day} {due:%B}: new AWS access key for alice in 123456789012"
        assert key in mail.text
        assert f"{due.day} {due:%B %Y, %H:%M} UTC" in mail.text

    def test_once_only(self, ahead: World) -> None:
        assert [ahead.rotate()["announced"] for _ in range(3)] == [1, 0, 0]

        ahead.controller.calls.clear()
        ahead.rotate()
        assert set(ahead.controller.calls) == {"GetAccountAuthorizationDetails", "Scan"}

    def test_address_that_takes_no_mail_is_written_to_no_more(self, ahead: World) -> None:
        ahead.rotate()
        (mail,) = ahead.people["alice"].mails
        ahead.return_mail(mail)
        (key,) = ahead.keys("alice")
        ahead.rewrite("alice", key, reminded_at=None, reminded_by=None)

        assert ahead.rotate()["announced"] == 0

    def test_key_that_nobody_has_used_is_not_said_to_be_replaced(self) -> None:
        """It will be deactivated instead: its user could not open the mail with another one."""
        with new_world(DELETE_UNCONFIRMED="true", ANNOUNCE_DAYS="7") as world:
            world.add_user("alice", ROTATE_AFTER_DAYS="20")
            world.wait(days=21)
            world.rotate()
            world.excused.add("alice")
            for _ in range(8):
                world.wait(days=1)
                world.rotate()
                world.deliver_stream()
            (key,) = world.keys("alice")
            world.wait(days=8)

            assert world.rotate()["announced"] == 0

            world.use_key("alice", key)
            assert world.rotate()["announced"] == 1

    def test_rotation_and_its_reminder_come_all_the_same(self, ahead: World) -> None:
        """The note of the announcement must not be taken for that of a reminder."""
        ahead.rotate()
        ahead.wait(days=8)
        rotated = ahead.rotate()
        ahead.wait(days=4)

        reminded = ahead.rotate()

        assert (rotated["rotated"], rotated["announced"]) == (1, 0)
        assert (reminded["reminded"], reminded["announced"]) == (1, 0)
        assert ahead.broken_promises == []

    def test_daily_run_that_is_seconds_early_does_not_miss_it(self, ahead: World) -> None:
        ahead.wait(seconds=-30)

        assert ahead.rotate()["announced"] == 1

    def test_not_before_its_day(self, ahead: World) -> None:
        ahead.wait(days=-1)

        assert ahead.rotate()["announced"] == 0

    def test_who_is_rotated_in_the_same_run_is_told_of_the_new_key_alone(self, ahead: World) -> None:
        """An operator may rotate a key in the days before it is due."""
        summary = ahead.rotate({"users": ["alice"], "force": True})

        (mail,) = ahead.people["alice"].mails
        assert (summary["rotated"], summary["announced"]) == (1, 0)
        assert mail.subject.startswith("Action needed by")

    def test_run_short_of_time_serves_who_is_due_first(self, ahead: World) -> None:
        """An announcement can wait for the next run."""
        ahead.add_user("bob", ROTATE_AFTER_DAYS="0")

        ahead.meanwhile("CreateAccessKey", lambda: ahead.wait(minutes=14))

        summary = ahead.rotate()

        assert (summary["rotated"], summary["announced"]) == (1, 0)

    def test_none_by_default_and_no_call_is_made_for_it(self) -> None:
        with new_world() as world:
            world.add_user("alice")
            world.rotate()
            world.wait(days=79)
            world.controller.calls.clear()

            assert world.rotate()["announced"] == 0
            assert set(world.controller.calls) == {"GetAccountAuthorizationDetails", "Scan"}

    def test_dry_run_tells_nobody(self, ahead: World) -> None:
        ahead.rotate({"dry_run": True})

        assert ahead.people["alice"].mails == []

    def test_who_has_made_a_second_key_by_hand_is_told_nothing(self, ahead: World) -> None:
        """Nothing of theirs will be replaced."""
        ahead.add_key("alice")

        assert ahead.rotate()["announced"] == 0
        assert ahead.people["alice"].mails == []

    def test_who_has_changed_the_address_is_told_of_that_first(self, ahead: World) -> None:
        ahead.change_address("alice", "somebody@example.com")

        assert ahead.rotate()["announced"] == 0

    def test_of_two_runs_at_once_one_tells(self, ahead: World) -> None:
        with ahead.overtaken():
            assert ahead.rotate()["announced"] == 0

        assert len(ahead.people["alice"].mails) == 1
        assert ahead.faults_seen == []

    @pytest.mark.parametrize("operation", ["ListAccessKeys", "GetAccessKeyLastUsed", "UpdateItem", "SendEmail"])
    @pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.BROKEN])
    def test_call_that_fails_is_made_good_by_a_later_run(self, ahead: World, operation: str, kind: Kind) -> None:
        ahead.controller.fault = Fault(operation, kind)
        ahead.rotate()
        assert ahead.controller.struck == operation

        ahead.wait(days=1)
        ahead.rotate()

        assert len(ahead.people["alice"].mails) == 1
        assert ahead.broken_promises == []


class TestReminder:
    def test_who_never_used_the_new_key_is_reminded_a_day_before(self, world: World, old: str) -> None:
        world.wait(days=4)

        summary = world.rotate()

        assert summary["reminded"] == 1
        assert summary["names"]["reminded"] == ["alice"]
        (subject,) = subjects(world)
        assert subject.endswith("not used yet")
        assert old in world.people["alice"].mails[-1].text

    def test_daily_run_that_is_seconds_early_does_not_miss_it(self, world: World) -> None:
        """Runs a day apart are never exactly a day apart."""
        world.wait(days=4, seconds=-30)

        assert world.rotate()["reminded"] == 1

    def test_nobody_is_reminded_of_a_key_that_somebody_has_ended_by_hand(self, world: World, old: str) -> None:
        """The mail would send its reader to look for a key that is not there."""
        world.wait(days=4)
        world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Inactive")
        stopped = world.rotate()["reminded"]
        world.iam.delete_access_key(UserName="alice", AccessKeyId=old)
        gone = world.rotate()["reminded"]

        assert (stopped, gone, subjects(world)) == (0, 0, [])

    def test_who_has_switched_is_not_said_to_use_a_key_that_iam_does_not_tell_of(
        self, world: World, old: str, new: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.use_key("alice", new)
        world.wait(days=4)
        known = AccessKeys.use_of
        monkeypatch.setattr(
            AccessKeys, "use_of", lambda self, key: KeyUse(last=None, known=False) if key == old else known(self, key)
        )

        assert world.rotate()["reminded"] == 0

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
            world.controller.calls.clear()
            world.wait(days=4)

            assert world.rotate()["reminded"] == 0
            assert "GetAccessKeyLastUsed" not in world.controller.calls
