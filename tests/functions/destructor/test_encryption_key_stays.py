"""The encryption key stays until its mail is known to have been read, whatever becomes of the old key; then it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.functions.destructor.conftest import Rotated, rotate_key, wait_and_run
from tests.simulation.faults import Fault, Kind
from tests.simulation.world import World, new_world


def deleted(unread: Rotated) -> None:
    """Let the old key go by a decision that does not wait for the new one's use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELETE_UNCONFIRMED", "true")
        wait_and_run(unread.world, 6)
    assert unread.world.keys("alice") == {unread.new: "Active"}


def deleted_by_its_user(unread: Rotated) -> None:
    """Let somebody who has another way to sign in delete their own old key before the mail is read."""
    unread.world.iam.delete_access_key(UserName="alice", AccessKeyId=unread.old)
    wait_and_run(unread.world, 6)
    assert set(unread.world.ledger()) == {unread.new}


def cancelled(unread: Rotated) -> None:
    """Let an operator keep the old key."""
    unread.world.remove_item("alice", unread.old)
    unread.world.deliver_stream()
    assert unread.item["status"] == "current"


def cancelled_with_the_record_lost(unread: Rotated) -> None:
    """Let an operator keep the old key, and the destructor not hear of it."""
    unread.world.remove_item("alice", unread.old)
    unread.world.lose_stream()
    wait_and_run(unread.world, 1)
    assert unread.item["status"] == "current"


def gone_with_the_record_lost(unread: Rotated) -> None:
    """Let the old key be deleted, and whatever should have followed be lost."""
    unread.world.wait(days=6)
    unread.world.collect_by_ttl()
    unread.world.lose_stream()
    unread.world.iam.delete_access_key(UserName="alice", AccessKeyId=unread.old)
    wait_and_run(unread.world, 1)
    assert "replaces" not in unread.world.ledger()[unread.new]


ENDS = [deleted, deleted_by_its_user, cancelled, cancelled_with_the_record_lost, gone_with_the_record_lost]


@pytest.mark.parametrize("end", ENDS)
def test_stays_however_the_old_key_ends_or_is_kept(unread: Rotated, end: Callable[[Rotated], None]) -> None:
    """Days later the mail can still be read; once the new key is used, the next run cleans up."""
    world = unread.world
    end(unread)
    wait_and_run(world, 3)
    still_there = unread.parameter
    world.read_mail()

    wait_and_run(world, 1)

    assert still_there
    assert not unread.parameter
    assert {"unconfirmed_since", "sealed_by", "secret_parameter"}.isdisjoint(world.ledger()[unread.new])
    assert world.broken_promises == []


def test_goes_with_the_old_key_whose_lost_end_was_scheduled_again(unread: Rotated) -> None:
    """What the ledger forgot of the encryption key with the lost record, the successor's item still knows."""
    world = unread.world
    world.wait(days=6)
    world.collect_by_ttl()
    world.lose_stream()
    wait_and_run(world, 1)
    rearmed = (unread.item["status"], unread.parameter)
    world.read_mail()

    wait_and_run(world, 1)

    assert rearmed == ("expiring", True)
    assert world.keys("alice") == {unread.new: "Active"}
    assert not unread.parameter


def test_stays_where_the_successor_is_gone_until_another_rotation_replaces_it(unread: Rotated) -> None:
    """SSM wants half a minute between deleting a parameter and making one of the same name: it is overwritten."""
    world = unread.world
    before = world.parameters()
    world.iam.delete_access_key(UserName="alice", AccessKeyId=unread.new)
    wait_and_run(world, 6)
    kept = (world.keys("alice"), world.parameters())

    world.rotate()

    assert kept == ({unread.old: "Active"}, before)
    assert len(world.parameters()) == 1
    assert world.parameters() != before
    assert world.orphans() == []


def test_goes_once_for_all_though_the_sweep_was_cut_short(unread: Rotated) -> None:
    """A run that dies after the encryption key is gone leaves a note that the next one takes off."""
    world = unread.world
    deleted(unread)
    world.read_mail()
    world.controller.fault = Fault("DeleteParameter", Kind.DIES_AFTER)

    wait_and_run(world, 1)
    cut_short = "unconfirmed_since" in world.ledger()[unread.new]
    wait_and_run(world, 1)

    assert cut_short
    assert not unread.parameter
    assert "unconfirmed_since" not in world.ledger()[unread.new]


class TestWithoutAnyGrace:
    """``deleteAfterDays: 0``: the end is due the moment that the mail is out."""

    @pytest.fixture
    def world(self) -> Iterator[World]:
        with new_world(DELETE_AFTER_DAYS="0") as world:
            yield world

    @pytest.mark.parametrize("by_ttl", [True, False])
    def test_sealed_mail_can_be_read_and_the_key_ends_once_it_has_been(self, world: World, by_ttl: bool) -> None:
        unread = rotate_key(world)
        if by_ttl:
            world.collect_by_ttl()
        world.deliver_stream()
        wait_and_run(world, 1)
        in_between = (world.keys("alice"), unread.parameter)
        world.read_mail()

        wait_and_run(world, 1)

        assert in_between == ({unread.old: "Active", unread.new: "Active"}, True)
        assert world.keys("alice") == {unread.new: "Active"}
        assert not unread.parameter
        assert world.broken_promises == []

    def test_user_who_never_reads_is_reminded_and_deactivated_when_the_extension_is_over(self, world: World) -> None:
        unread = rotate_key(world)
        for _ in range(14):
            wait_and_run(world, 1)

        assert world.keys("alice") == {unread.old: "Inactive", unread.new: "Active"}
        assert [subject.rpartition(" ")[2] for subject in unread.notices] == ["yet", "yet", "yet", "deactivated"]
        assert unread.parameter
