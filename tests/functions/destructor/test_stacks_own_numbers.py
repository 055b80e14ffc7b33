"""What the stack's configuration says is what counts, and not what it says by default."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.functions.destructor.conftest import Rotated, rotate_key, wait_and_run
from tests.simulation.faults import Fault, Kind
from tests.simulation.world import new_world

MINUTE, DAY = 60, 24 * 60 * 60


@pytest.mark.parametrize("minutes", [1, 17, 1440])
class TestRetryAfterMinutes:
    def test_failed_deletion_waits_so_long(self, minutes: int) -> None:
        with new_world(RETRY_AFTER_MINS=str(minutes)) as world:
            rotated = rotate_key(world)
            world.read_mail()
            rotated.fall_due()
            world.controller.fault = Fault("DeleteAccessKey", Kind.REFUSED)

            world.deliver_stream()

            assert int(rotated.item["delete_on"]) - time.time() == minutes * MINUTE

    def test_window_that_was_cut_short_begins_again_so_much_later(self, minutes: int) -> None:
        with new_world(RETRY_AFTER_MINS=str(minutes), RECOVERY_DAYS="2") as world:
            rotated = rotate_key(world)
            world.read_mail()
            rotated.fall_due()
            world.controller.fault = Fault("UpdateAccessKey", Kind.DIES_AFTER)

            world.deliver_stream()

            assert (rotated.item["status"], rotated.item["windows"]) == ("expiring", "1")
            assert int(rotated.item["delete_on"]) - time.time() == minutes * MINUTE


@pytest.mark.parametrize("days", [1, 9])
def test_delete_after_days_is_the_grace_of_whoever_has_no_tag_of_their_own(days: int) -> None:
    with new_world(DELETE_AFTER_DAYS=str(days)) as world:
        rotated = rotate_key(world)
        world.read_mail()
        grace = int(rotated.item["delete_on"]) - time.time()

        wait_and_run(world, days - 0.1)
        before = rotated.old in world.keys("alice")
        wait_and_run(world, 0.2)

        assert grace == days * DAY
        assert before
        assert world.keys("alice") == {rotated.new: "Active"}


@pytest.mark.parametrize("attempts", [1, 3])
def test_max_deletion_attempts_is_how_often_a_deletion_is_tried(attempts: int) -> None:
    with new_world(MAX_DELETION_ATTEMPTS=str(attempts)) as world:
        rotated = rotate_key(world)
        world.read_mail()
        statuses = []
        for days in (5, *[0.01] * (attempts - 1)):
            world.controller.fault, world.controller.struck = Fault("DeleteAccessKey", Kind.REFUSED), None
            world.wait(days=days)
            world.collect_by_ttl()
            world.deliver_stream()
            statuses.append(rotated.item["status"])

        assert statuses == ["expiring"] * (attempts - 1) + ["failed"]


@pytest.mark.parametrize("days", [1, 4])
def test_grace_extension_days_is_how_long_an_unread_mail_is_waited_for(days: int) -> None:
    with new_world(GRACE_EXTENSION_DAYS=str(days)) as world:
        unread = rotate_key(world)
        statuses = []
        for length in (5, *[1] * days):
            world.wait(days=length)
            world.collect_by_ttl()
            world.deliver_stream()
            statuses.append(world.keys("alice")[unread.old])

        assert statuses == ["Active"] * days + ["Inactive"]


@pytest.mark.parametrize(("recovery_days", "unread_days"), [("3", 30), ("45", 45)])
def test_recovery_days_are_the_window_unless_the_mail_was_never_read(recovery_days: str, unread_days: int) -> None:
    with new_world(RECOVERY_DAYS=recovery_days, GRACE_EXTENSION_DAYS="0") as world:
        for read, days in ((True, int(recovery_days)), (False, unread_days)):
            name = f"alice-{read}".lower()
            rotated = rotate_key(world, name, email=f"{name}@example.com")
            if read:
                world.read_mail()
            rotated.fall_due()
            world.deliver_stream()

            assert int(rotated.item["delete_on"]) - time.time() == days * DAY


class TestConsistentReads:
    """What was written a moment ago must be seen: by an answer that is out of date, a key could end twice."""

    def reads(self, rotated: Rotated, operation: str, act: Callable[[], object]) -> list[bool]:
        """List the reads of a kind that something makes, each with whether it is consistent."""
        found: list[bool] = []
        observe = rotated.world.controller.observe

        def also_note(called: str, body: bytes) -> None:
            observe(called, body)
            if called == operation:
                found.append(json.loads(body).get("ConsistentRead", False))

        rotated.world.controller.observe = also_note
        act()
        return found

    def test_by_the_destructor(self, rotated: Rotated) -> None:
        rotated.fall_due()

        reads = self.reads(rotated, "GetItem", rotated.world.deliver_stream)

        assert len(reads) > 1
        assert all(reads)

    def test_by_the_rotator(self, rotated: Rotated) -> None:
        reads = self.reads(rotated, "Scan", rotated.world.rotate)

        assert reads == [True]
