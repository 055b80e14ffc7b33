"""The stream delivers a record at least once, and maybe late: what was done once is not done a second time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functions.destructor.conftest import Rotated, removals, rotate_key, wait_and_run
from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import TABLE, World, new_world


def everything(world: World) -> dict[str, Any]:
    """Look at all that a record could change."""
    return {
        "keys": world.keys("alice"),
        "ledger": world.ledger(),
        "parameters": world.parameters(),
        "mails": [(mail.to, mail.subject) for mail in world.people["alice"].mails],
        "told operators": world.controller.counted["Publish"],
    }


def deliver_all_again(world: World) -> None:
    """Deliver every record there has been so far once more, each for itself, and then all of them in one batch."""
    before = everything(world)

    for record in removals(world):
        assert world.destroy([record])
        assert everything(world) == before, record["dynamodb"]["OldImage"]
    assert world.destroy(removals(world))

    assert everything(world) == before


class TestInEveryPhase:
    @pytest.fixture
    def world(self) -> Iterator[World]:
        with new_world(RECOVERY_DAYS="2", GRACE_EXTENSION_DAYS="2", RETRY_AFTER_MINS="30") as world:
            yield world

    def test_of_a_life_in_which_everything_happens(self, unread: Rotated) -> None:
        """Put off twice, failed, deactivated, activated and deactivated again, read, and deleted."""
        world = unread.world
        phases = []

        def run(*, days: float) -> None:
            wait_and_run(world, days)
            phases.append((world.keys("alice").get(unread.old), world.ledger().get(unread.old, {}).get("status")))
            deliver_all_again(world)

        run(days=5.1)
        run(days=1)
        world.controller.outages["UpdateAccessKey"] = aws_error("UpdateAccessKey", "ServiceFailure", 500)
        run(days=1)
        world.controller.outages.clear()
        run(days=0.1)
        unread.activate()
        run(days=31)
        unread.activate()
        world.read_mail()
        run(days=31)
        run(days=3)
        run(days=1)

        assert phases == [
            ("Active", "expiring"),
            ("Active", "expiring"),
            ("Active", "expiring"),
            ("Inactive", "inactive"),
            ("Inactive", "inactive"),
            ("Inactive", "inactive"),
            (None, None),
            (None, None),
        ]
        assert world.controller.counted["Publish"] == 3
        assert not unread.parameter
        assert world.broken_promises == []

    def test_of_a_deletion_that_is_given_up_and_kept_in_the_end(self) -> None:
        with new_world(MAX_DELETION_ATTEMPTS="2") as world:
            rotated = rotate_key(world)
            world.read_mail()
            world.controller.outages["DeleteAccessKey"] = aws_error("DeleteAccessKey", "AccessDenied", 403)
            statuses = []
            for days in (6, 1, 1):
                wait_and_run(world, days)
                statuses.append(rotated.item["status"])
                deliver_all_again(world)
            world.controller.outages.clear()
            world.remove_item("alice", rotated.old)
            world.deliver_stream()
            deliver_all_again(world)

            assert statuses == ["expiring", "failed", "failed"]
            assert rotated.item["status"] == "current"
            assert world.keys("alice") == {rotated.old: "Active", rotated.new: "Active"}

    def test_while_a_later_round_is_on_its_way(self, unread: Rotated) -> None:
        """Between the removal of an entry and its record's arrival, the ledger holds nothing of the key."""
        world = unread.world
        for days in (5.1, 1):
            wait_and_run(world, days)
        world.wait(days=1)
        world.collect_by_ttl()
        *earlier, latest = removals(world)
        before = everything(world)

        for record in earlier:
            assert world.destroy([record])

        assert len(earlier) == 2
        assert everything(world) == before
        assert world.destroy([latest])
        assert world.keys("alice")[unread.old] == "Inactive"


def test_record_of_a_rotation_that_was_replaced_does_not_touch_the_one_that_followed(unread: Rotated) -> None:
    """The first mail was lost, an operator sent another key; the old key's new end is already on its way."""
    world = unread.world
    unread.retag("IKR:DELETE_AFTER_DAYS", "0")
    wait_and_run(world, 6)
    world.rotate({"users": ["alice"], "again": True})
    world.read_mail()
    (newest,) = set(world.keys("alice")) - {unread.old, unread.new}
    world.wait(days=1)
    world.collect_by_ttl()
    *earlier, latest = removals(world)
    before = everything(world)

    for record in earlier:
        assert world.destroy([record])

    assert everything(world) == before
    assert world.destroy([latest])
    assert world.keys("alice") == {newest: "Active"}
    assert not unread.parameter


def test_process_that_dies_between_deleting_and_telling_tells_when_the_record_comes_again(rotated: Rotated) -> None:
    world = rotated.world
    rotated.fall_due()
    world.controller.fault = Fault("DeleteParameter", Kind.DIES_AFTER)

    world.deliver_stream()

    assert world.controller.struck == "DeleteParameter"
    assert rotated.notices == ["Done: old AWS access key of alice in 123456789012 deleted"]
    assert "replaces" not in world.ledger()[rotated.new]


class TestDeleteOnMovedByHand:
    """An operator who edits ``delete_on`` in the table means what it says there."""

    def move(self, rotated: Rotated, *, days: int) -> None:
        """Move the end of the old key, as somebody does in the console."""
        rotated.world.dynamodb.update_item(
            TableName=TABLE,
            Key=rotated.primary_key,
            UpdateExpression="SET delete_on = :time",
            ExpressionAttributeValues={":time": {"N": str(int(rotated.item["delete_on"]) + days * 24 * 60 * 60)}},
        )

    @pytest.mark.parametrize("by_ttl", [True, False])
    def test_to_an_earlier_day_ends_the_key_then(self, rotated: Rotated, by_ttl: bool) -> None:
        world = rotated.world
        world.wait(days=1, hours=1)
        self.move(rotated, days=-4)

        if by_ttl:
            world.collect_by_ttl()
        else:
            world.rotate()
        world.deliver_stream()

        assert world.keys("alice") == {rotated.new: "Active"}
        assert not rotated.parameter
        assert "replaces" not in world.ledger()[rotated.new]

    def test_to_an_earlier_day_ends_the_grace_and_not_the_key_of_one_who_has_not_read(self, unread: Rotated) -> None:
        unread.world.wait(days=1, hours=1)
        self.move(unread, days=-4)
        grace_ends = unread.item["delete_on"]

        unread.world.rotate()
        unread.world.deliver_stream()

        assert unread.world.keys("alice")[unread.old] == "Active"
        assert unread.item["grace_ended_on"] == grace_ends

    def test_to_a_later_day_keeps_the_key_until_then(self, rotated: Rotated) -> None:
        world = rotated.world
        self.move(rotated, days=3)

        wait_and_run(world, 7)
        until_then = world.keys("alice")
        wait_and_run(world, 2)

        assert until_then == {rotated.old: "Active", rotated.new: "Active"}
        assert world.keys("alice") == {rotated.new: "Active"}
