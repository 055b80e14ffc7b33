from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from functions.common.entry import Entry, Status, to_item
from functions.rotator import sweep
from functions.rotator.census import Census
from functions.rotator.decide import CLOCK_SKEW, LEASE, UNDER_WAY, Rules
from functions.rotator.sweep import LOST_AFTER, SPARED_FOR, STREAM_CLOCK, Chore
from tests.functions.rotator.alice import DAY, EMAIL, NEW, SECOND, census, entry, rules, successor
from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import START, World, new_world

OTHER = "other@example.com"
CURRENT = entry(key_id=NEW, days=0)
EXPIRING = entry(Status.EXPIRING, days=0, delete_on=START, new_key_id=NEW)
SUCCESSOR = successor()
LOST = START + LOST_AFTER + SECOND


def chores(found: Census, now: datetime, holding: Rules | None = None) -> list[tuple[Chore, Entry]]:
    return list(sweep.chores(found, lambda _: holding or rules(), now))


def untagged(*entries: Entry) -> Census:
    """An account in which she exists, and has opted out."""
    return census(*entries, users=[])


class TestChores:
    @pytest.mark.parametrize("status", [Status.EXPIRING, Status.INACTIVE])
    def test_what_is_due_is_collected_and_nothing_earlier(self, status: Status) -> None:
        """A removal that the stream's clock stamps before the time would be a cancellation."""
        ending = replace(EXPIRING, status=status)

        assert chores(census(ending), START + STREAM_CLOCK - SECOND) == []
        assert chores(census(ending), START + STREAM_CLOCK) == [(Chore.COLLECT, ending)]

    def test_given_up_deletion_is_tried_once_more(self) -> None:
        failed = replace(EXPIRING, status=Status.FAILED, delete_on=None)

        assert chores(census(failed), START) == [(Chore.RETRY, failed)]

    @pytest.mark.parametrize("status", [Status.CURRENT, Status.ROTATING, Status.DELIVERING, Status.FAILED])
    @pytest.mark.parametrize("owner", [{"user": "bob"}, {"user_id": "AIDAFAKE00000FORMER1"}])
    def test_entry_of_a_user_who_is_gone_is_forgotten(self, status: Status, owner: dict[str, Any]) -> None:
        """Somebody else may have the name by now."""
        of_nobody = replace(CURRENT, status=status, **owner)
        now = START + LEASE + CLOCK_SKEW + SECOND

        assert chores(census(of_nobody), now) == [(Chore.FORGET, of_nobody)]

    @pytest.mark.parametrize("status", sorted(UNDER_WAY))
    def test_rotation_under_way_is_not_forgotten_though_its_user_seems_to_be_gone(self, status: Status) -> None:
        of_nobody = replace(CURRENT, user="bob", status=status)

        assert chores(census(of_nobody), START + LEASE + CLOCK_SKEW) == []

    def test_pending_deletion_of_a_user_who_is_gone_goes_its_way(self) -> None:
        """The destructor still has the encryption key to delete."""
        of_nobody = replace(EXPIRING, user="bob")

        assert chores(census(of_nobody), START + STREAM_CLOCK - SECOND) == []
        assert chores(census(of_nobody), START + STREAM_CLOCK) == [(Chore.COLLECT, of_nobody)]

    def test_lost_deletion_is_armed_again_after_an_hour(self) -> None:
        assert chores(census(SUCCESSOR), START + LOST_AFTER) == []
        assert chores(census(SUCCESSOR), LOST) == [(Chore.REARM, SUCCESSOR)]

    def test_deletion_taken_out_before_its_time_is_called_off(self) -> None:
        """The destructor has heard of it within the minute, or never will."""
        early = START - STREAM_CLOCK

        assert chores(census(SUCCESSOR), early - SECOND) == [(Chore.CALL_OFF, SUCCESSOR)]
        assert chores(census(SUCCESSOR), early) == []

    @pytest.mark.parametrize("status", list(Status))
    def test_deletion_that_is_in_the_ledger_is_not_lost(self, status: Status) -> None:
        there = replace(EXPIRING, status=status, delete_on=LOST + SECOND)

        assert {chore for chore, _ in chores(census(SUCCESSOR, there), LOST)} <= {Chore.RETRY}
        assert {chore for chore, _ in chores(census(SUCCESSOR, there), START - DAY)} <= {Chore.RETRY}

    def test_deletion_for_a_user_who_opted_out_is_not_armed_again(self) -> None:
        assert chores(untagged(SUCCESSOR), LOST) == []

    def test_key_in_use_is_left_alone(self) -> None:
        assert chores(census(CURRENT), LOST) == []

    def test_encryption_key_is_looked_after_until_the_new_key_is_used(self) -> None:
        """Once the old key has ended; before that it is the destructor's."""
        unread = replace(CURRENT, unconfirmed_since=START)

        assert chores(census(unread), START + DAY) == [(Chore.UNSEAL, unread)]
        assert chores(census(successor(unconfirmed_since=START), EXPIRING), START) == []

    @pytest.mark.parametrize(
        "known",
        [
            replace(CURRENT, email=None, user_id=None),
            replace(CURRENT, email=None),
            replace(CURRENT, user_id=None),
            replace(CURRENT, pending_email=OTHER, address_changed_at=START),
            replace(CURRENT, email=OTHER, pending_email=EMAIL, address_changed_at=START - 2 * DAY),
        ],
    )
    def test_address_without_a_question_is_written_down(self, known: Entry) -> None:
        assert chores(census(known), START) == [(Chore.ADDRESS, known)]

    @pytest.mark.parametrize(
        "known",
        [
            replace(CURRENT, email=OTHER),
            replace(CURRENT, email=OTHER, pending_email=EMAIL, address_changed_at=START - DAY),
            replace(CURRENT, status=Status.ROTATING, email=None),
        ],
    )
    @pytest.mark.parametrize("force", [False, True])
    def test_address_with_a_question_is_not(self, known: Entry, force: bool) -> None:
        """An operator who forces a rotation ends no hold: the old address has to hear of it first."""
        assert chores(census(known), START, rules(force=force)) == []

    def test_address_is_not_written_down_before_the_rotation_to_the_old_one_is_taken_back(self) -> None:
        change: dict[str, Any] = {"email": OTHER, "pending_email": EMAIL, "address_changed_at": START - 2 * DAY}
        expiring = replace(EXPIRING, delete_on=START + DAY, **change)

        assert chores(census(expiring, successor(**change)), START) == []

    def test_rotation_to_be_taken_back_is_not_collected_before(self) -> None:
        """Nor kept for ever, should that be refused, since the old key does not work."""
        returned = replace(EXPIRING, undeliverable=EMAIL)

        assert chores(census(returned, SUCCESSOR), START + SPARED_FOR - SECOND) == []
        assert chores(census(returned, SUCCESSOR), START + SPARED_FOR) == [(Chore.COLLECT, returned)]

    def test_daily_run_is_in_time_to_take_a_rotation_back(self) -> None:
        """It may first see that the end is due almost a day late."""
        assert SPARED_FOR > DAY


class TestSweeping:
    def test_late_ttl_is_not_waited_for(self, world: World) -> None:
        old = self.rotated(world)
        world.read_mail()
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
        assert [item.get("replaces") for item in world.ledger().values()] == [None]

    def test_given_up_deletion_heals_by_itself(self) -> None:
        """Once its cause is fixed, nobody has to touch the ledger."""
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
        world.meanwhile("GetAccountAuthorizationDetails", lambda: world.remove_item("alice", old))

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

    @pytest.mark.parametrize("is_there", [True, False])
    def test_lost_record_of_a_cancellation_is_made_up_for(self, world: World, is_there: bool) -> None:
        """The old key is known again, and the new one waits for nothing."""
        old = self.rotated(world)
        world.read_mail()
        world.wait(days=1)
        world.remove_item("alice", old)
        world.lose_stream()
        if not is_there:
            world.iam.delete_access_key(UserName="alice", AccessKeyId=old)

        world.rotate()

        assert world.ledger().get(old, {}).get("status") == ("current" if is_there else None)
        assert [item.get("replaces") for item in world.ledger().values()] == [None] * (1 + is_there)
        world.wait(days=10)
        world.rotate()
        world.deliver_stream()
        assert (old in world.keys("alice")) is is_there

    def test_encryption_key_goes_once_the_mail_is_read_after_the_end_of_the_old_key(self) -> None:
        with new_world(DELETE_UNCONFIRMED="true") as world:
            self.rotated(world)
            world.wait(days=5, minutes=2)
            world.rotate()
            world.deliver_stream()
            assert len(world.keys("alice")) == 1
            world.rotate()
            assert len(world.parameters()) == 1

            world.read_mail()
            world.rotate()

            assert world.parameters() == {}
            assert [item.get("unconfirmed_since") for item in world.ledger().values()] == [None]
            world.controller.calls.clear()
            world.rotate()
            assert set(world.controller.calls) == {"Scan", "GetAccountAuthorizationDetails"}

    def rotated(self, world: World) -> str:
        """Rotate somebody's key, and give the old one."""
        world.add_user("alice")
        world.wait(days=81)
        (old,) = world.keys("alice")
        assert world.rotate()["rotated"] == 1
        return old


class TestProof:
    """Absent from a listing is not gone: an item goes only when IAM knows nobody who has the key."""

    @pytest.fixture
    def world(self) -> Iterator[World]:
        """Old keys are given up at the first failure, and deactivated for a week before they are deleted."""
        with new_world(MAX_DELETION_ATTEMPTS="1", RECOVERY_DAYS="7") as world:
            world.add_user("alice")
            world.rotate()
            yield world

    @pytest.mark.parametrize("phase", [Status.CURRENT, Status.DELIVERING, Status.EXPIRING, Status.FAILED])
    def test_user_who_is_missing_from_one_listing_loses_nothing(self, world: World, phase: Status) -> None:
        self.bring_to(world, phase)
        before, keys = world.ledger(), world.keys("alice")

        with world.unlisted(users=["alice"]):
            summary = world.rotate()

        assert (summary["swept"], world.ledger(), world.keys("alice")) == (0, before, keys)
        assert world.faults_seen == []

    @pytest.mark.parametrize("phase", [Status.CURRENT, Status.DELIVERING, Status.FAILED])
    def test_user_whose_keys_are_missing_as_well_loses_nothing(self, world: World, phase: Status) -> None:
        """The listings agree, and both are out of date."""
        self.bring_to(world, phase)
        before, keys = world.ledger(), world.keys("alice")

        with world.unlisted(users=["alice"], keys=list(keys)):
            summary = world.rotate()

        assert (summary["swept"], world.ledger(), world.keys("alice")) == (0, before, keys)

    @pytest.mark.parametrize("phase", [Status.CURRENT, Status.DELIVERING, Status.FAILED])
    def test_user_who_is_gone_with_all_keys_is_forgotten(self, world: World, phase: Status) -> None:
        self.bring_to(world, phase)
        items = len(world.ledger())
        world.delete_user("alice")

        assert world.rotate()["swept"] == items

        assert (world.ledger(), world.parameters()) == ({}, {})

    def test_key_that_is_missing_from_one_listing_loses_nothing(self, world: World) -> None:
        (old,) = world.keys("alice")
        world.wait(days=81)
        world.add_key("alice")
        world.rotate()
        before = world.ledger()
        assert len(before) == 2

        with world.unlisted(keys=[old]):
            world.rotate()

        assert world.ledger() == before

    def test_key_that_is_gone_is_forgotten(self, world: World) -> None:
        (old,) = world.keys("alice")
        world.wait(days=81)
        new = world.add_key("alice")
        world.rotate()
        world.iam.delete_access_key(UserName="alice", AccessKeyId=old)

        world.rotate()

        assert list(world.ledger()) == [new]

    @pytest.mark.parametrize("early", [True, False])
    def test_old_key_that_is_not_listed_is_waited_for(self, world: World, early: bool) -> None:
        """Its record was lost, on a cancellation or at its end: what became of it, the next run finds out."""
        self.bring_to(world, Status.EXPIRING)
        old, new = world.keys("alice")
        world.remove_item("alice", old)
        world.lose_stream()
        world.wait(days=1 if early else 6)
        before = world.ledger()

        with world.unlisted(keys=[old]):
            world.rotate()

        assert world.ledger() == before
        assert before[new]["replaces"] == old
        world.rotate()
        world.deliver_stream()
        assert world.ledger()[old]["status"] == ("current" if early else "inactive")

    def bring_to(self, world: World, phase: Status) -> None:
        """Let life go on until alice's first key is in this phase."""
        (key,) = world.keys("alice")
        if phase is not Status.CURRENT:
            world.wait(days=81)
            if phase is Status.DELIVERING:
                world.controller.fault = Fault("SendEmail", Kind.DIES_BEFORE)
            world.rotate()
            world.wait(minutes=16)
        if phase is Status.FAILED:
            world.read_mail()
            world.controller.outages["UpdateAccessKey"] = aws_error("UpdateAccessKey", "AccessDenied", 403)
            world.wait(days=6)
            world.rotate()
            world.deliver_stream()
            world.controller.outages.clear()
        elif phase is Status.EXPIRING:
            world.read_mail()
        world.faults_seen.clear()
        assert world.ledger()[key]["status"] == phase
