from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from functions.common.entry import Entry, Status, to_item
from functions.common.tags import UserPolicy
from functions.rotator.census import Census, User
from functions.rotator.sweep import LOST_AFTER, STREAM_CLOCK, Chore, chores
from tests.simulation.faults import aws_error
from tests.simulation.world import START, World, new_world

OLD, NEW = "AKIAFAKE00000000OLD1", "AKIAFAKE00000000NEW1"
SECOND = timedelta(seconds=1)
CURRENT = Entry(user="alice", key_id=NEW, status=Status.CURRENT, created_at=START)
EXPIRING = Entry(user="alice", key_id=OLD, status=Status.EXPIRING, created_at=START, delete_on=START)
SUCCESSOR = replace(CURRENT, replaces=OLD, replaces_until=START)
POLICY = UserPolicy(email="alice@example.com", rotate_after_days=80, delete_after_days=5, instruction="")
LOST = START + LOST_AFTER + SECOND


def found(*entries: Entry, tagged: bool = True) -> Census:
    return Census(
        users=[User(name="alice", id="AIDAFAKE", policy=POLICY, entries=entries)] if tagged else [],
        names={"alice"},
        entries=list(entries),
    )


class TestChores:
    @pytest.mark.parametrize("status", [Status.EXPIRING, Status.INACTIVE])
    def test_what_is_due_is_collected_and_nothing_earlier(self, status: Status) -> None:
        """A removal that the stream's clock stamps before the time would be a cancellation."""
        entry = replace(EXPIRING, status=status)

        assert list(chores(found(entry), START + STREAM_CLOCK - SECOND)) == []
        assert list(chores(found(entry), START + STREAM_CLOCK)) == [(Chore.COLLECT, entry)]

    def test_given_up_deletion_is_tried_once_more(self) -> None:
        failed = replace(EXPIRING, status=Status.FAILED, delete_on=None)

        assert list(chores(found(failed), START)) == [(Chore.RETRY, failed)]

    @pytest.mark.parametrize("status", [Status.CURRENT, Status.ROTATING, Status.DELIVERING, Status.FAILED])
    def test_entry_of_a_user_who_is_gone_is_forgotten(self, status: Status) -> None:
        entry = replace(CURRENT, user="bob", status=status)

        assert list(chores(found(entry), START)) == [(Chore.FORGET, entry)]

    def test_pending_deletion_of_a_user_who_is_gone_goes_its_way(self) -> None:
        """The destructor still has the encryption key to delete."""
        entry = replace(EXPIRING, user="bob")

        assert list(chores(found(entry), START + STREAM_CLOCK - SECOND)) == []
        assert list(chores(found(entry), START + STREAM_CLOCK)) == [(Chore.COLLECT, entry)]

    def test_lost_deletion_is_armed_again_after_an_hour(self) -> None:
        assert list(chores(found(SUCCESSOR), START + LOST_AFTER)) == []
        assert list(chores(found(SUCCESSOR), LOST)) == [(Chore.REARM, SUCCESSOR)]

    @pytest.mark.parametrize("status", list(Status))
    def test_deletion_that_is_in_the_ledger_is_not_lost(self, status: Status) -> None:
        there = replace(EXPIRING, status=status, delete_on=LOST + SECOND)

        assert Chore.REARM not in [chore for chore, _ in chores(found(SUCCESSOR, there), LOST)]

    def test_deletion_for_a_user_who_opted_out_is_not_armed_again(self) -> None:
        assert list(chores(found(SUCCESSOR, tagged=False), LOST)) == []

    def test_key_in_use_is_left_alone(self) -> None:
        assert list(chores(found(CURRENT), LOST)) == []


class TestSweeping:
    def test_late_ttl_is_not_waited_for(self, world: World) -> None:
        old = self.rotated(world)
        world.wait(days=5, minutes=1)

        assert world.rotate()["swept"] == 1
        world.deliver_stream()

        assert old not in world.keys("alice")

    def test_lost_stream_record_is_made_up_for(self, world: World) -> None:
        old = self.rotated(world)
        world.read_mail()
        world.wait(days=5)
        world.collect_by_ttl()
        world.lose_stream()
        world.wait(hours=2)

        summary = world.rotate()
        world.deliver_stream()

        assert (summary["rearmed"], summary["swept"]) == (1, 1)
        assert old not in world.keys("alice")
        assert world.parameters() == {}
        assert world.locked_out() == []

    def test_lost_record_of_a_key_that_is_gone_only_settles_the_successor(self, world: World) -> None:
        old = self.rotated(world)
        world.wait(days=5)
        world.collect_by_ttl()
        world.lose_stream()
        world.read_mail()
        world.iam.delete_access_key(UserName="alice", AccessKeyId=old)
        world.wait(hours=2)

        summary = world.rotate()

        assert (summary["rearmed"], summary["swept"]) == (0, 0)
        assert [entry.get("replaces") for entry in world.ledger().values()] == [None]

    def test_given_up_deletion_heals_by_itself(self) -> None:
        """Once its cause is mended, nobody has to touch the ledger."""
        with new_world(MAX_DELETION_ATTEMPTS="1") as world:
            old = self.rotated(world)
            world.read_mail()
            world.controller.outages["DeleteAccessKey"] = aws_error("DeleteAccessKey", "AccessDenied", 403)
            world.wait(days=5, minutes=1)
            world.collect_by_ttl()
            world.deliver_stream()
            assert world.ledger()[old]["status"] == "failed"

            world.controller.outages.clear()
            assert world.rotate()["swept"] == 1
            world.deliver_stream()

            assert old not in world.keys("alice")

    def test_two_sweeps_at_once_are_one(self, world: World) -> None:
        """The second finds the entry gone, and says nothing of it."""
        old = self.rotated(world)
        world.wait(days=5)
        observe = world.controller.observe

        def collect_first(operation: str, body: bytes) -> None:
            observe(operation, body)
            if operation == "GetAccountAuthorizationDetails":
                world.remove_item("alice", old)

        world.controller.observe = collect_first

        summary = world.rotate()

        assert (summary["swept"], summary["failed"]) == (0, {})

    def test_sweep_that_fails_is_told_and_stops_nobody(self, world: World) -> None:
        self.rotated(world)
        world.add_user("bob")
        world.wait(days=81)
        world.controller.outages["DeleteItem"] = aws_error("DeleteItem", "AccessDeniedException", 400)

        assert world.rotate() == {}

        assert "alice: DeleteItem: AccessDeniedException" in str(world.faults_seen[-1])
        assert len(world.keys("bob")) == 2

    def test_entries_of_users_who_are_gone_are_forgotten(self, world: World) -> None:
        world.put_item(to_item(CURRENT))

        assert world.rotate()["swept"] == 1
        assert world.ledger() == {}

    def rotated(self, world: World) -> str:
        """Rotate somebody's key, and give the old one."""
        world.add_user("alice")
        world.wait(days=81)
        (old,) = world.keys("alice")
        assert world.rotate()["rotated"] == 1
        return old
