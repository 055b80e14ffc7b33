"""Events that come late, twice or never: what a key's end depends on is what was so then, and what is so now."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.simulation.world import World, new_world

GRACE_AND_A_BIT = {"days": 5, "hours": 1}


def run_a_day_later(world: World) -> dict[str, Any]:
    """Let a day go by on which nobody reads their mail; give the run's summary."""
    world.wait(days=1)
    summary = world.rotate()
    world.deliver_stream()
    return summary


def rotated(world: World, name: str = "alice", *, reads: bool = True) -> tuple[str, str]:
    """Bring a user to the start of the grace period; give the old and the new key's ids."""
    world.add_user(name)
    (old,) = world.keys(name)
    world.wait(days=81)
    world.rotate()
    if reads:
        world.read_mail()
    (new,) = set(world.keys(name)) - {old}
    return old, new


def stay_away_until_deactivated(world: World, old: str) -> None:
    """Leave the mail unread through the grace and one day of extension."""
    for period in (GRACE_AND_A_BIT, {"days": 1}):
        world.wait(**period)
        world.collect_by_ttl()
        world.deliver_stream()
    assert world.keys("alice")[old] == "Inactive"


def removals(world: World) -> list[dict[str, Any]]:
    return [record for record in world.stream() if record["eventName"] == "REMOVE"]


def subjects(world: World, name: str = "alice") -> list[str]:
    return [mail.subject for mail in world.people[name].mails]


def test_destructor_outage_longer_than_the_stream_keeps_records() -> None:
    """A deletion whose record was lost is armed again by the rotator, and then carried out."""
    with new_world() as world:
        old, new = rotated(world)
        world.wait(**GRACE_AND_A_BIT)
        world.collect_by_ttl()
        world.lose_stream()
        assert set(world.keys("alice")) == {old, new}

        world.wait(days=1)
        summary = world.rotate()
        world.deliver_stream()

        assert summary["rearmed"] == 1
        assert set(world.keys("alice")) == {new}
        assert world.parameters() == {}
        assert subjects(world)[-1].startswith("Done: old AWS access key")


def test_lost_record_of_a_key_whose_mail_nobody_has_read() -> None:
    """The deletion that is armed again is put off like the lost one, and the mail can be read all the while."""
    with new_world() as world:
        old, new = rotated(world, reads=False)
        world.wait(**GRACE_AND_A_BIT)
        world.collect_by_ttl()
        world.lose_stream()

        for _ in range(3):
            run_a_day_later(world)

        assert world.keys("alice") == {old: "Active", new: "Active"}
        assert len(world.parameters()) == 1
        world.read_mail()
        run_a_day_later(world)
        assert world.keys("alice") == {new: "Active"}
        assert world.parameters() == {}


def test_lost_record_of_a_recovery_window_that_is_over() -> None:
    """What was deactivated gets another window; nobody is told that the key works, and nobody loses what they hold."""
    with new_world(GRACE_EXTENSION_DAYS="1") as world:
        old, new = rotated(world, reads=False)
        stay_away_until_deactivated(world, old)
        world.wait(days=30)
        world.collect_by_ttl()
        world.lose_stream()

        world.wait(hours=2)
        world.rotate()
        world.deliver_stream()

        assert world.keys("alice") == {old: "Inactive", new: "Active"}
        assert world.ledger()[old]["status"] == "inactive"
        assert [subject.rpartition(" ")[2] for subject in subjects(world)[2:]] == ["deactivated", "deactivated"]
        assert len(world.parameters()) == 1
        assert world.broken_promises == []


def test_lost_record_of_a_window_whose_key_was_activated_again() -> None:
    """The key that an administrator brought back still works when the rotator finds that its record was lost."""
    with new_world(GRACE_EXTENSION_DAYS="1") as world:
        old, new = rotated(world, reads=False)
        stay_away_until_deactivated(world, old)
        world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Active")
        world.read_mail()
        world.wait(days=30)
        world.collect_by_ttl()
        world.lose_stream()

        run_a_day_later(world)

        assert world.keys("alice") == {new: "Active"}
        assert world.parameters() == {}


def test_lost_record_of_a_key_that_is_gone_already() -> None:
    """Where the key went without the record, the successor is settled and nothing is armed again."""
    with new_world() as world:
        old, new = rotated(world)
        world.wait(**GRACE_AND_A_BIT)
        world.collect_by_ttl()
        world.lose_stream()
        world.iam.delete_access_key(UserName="alice", AccessKeyId=old)

        world.wait(days=1)
        summary = world.rotate()

        assert summary["rearmed"] == 0
        assert "replaces" not in world.ledger()[new]


def test_same_batch_twice() -> None:
    """A batch delivered again deletes nothing else and mails nobody again."""
    with new_world() as world:
        _, new = rotated(world)
        world.wait(**GRACE_AND_A_BIT)
        world.collect_by_ttl()

        world.destroy(removals(world))
        world.destroy(removals(world))

        assert set(world.keys("alice")) == {new}
        assert len(subjects(world)) == 2
        assert world.ledger()[new]["status"] == "current"


def test_late_record_of_the_first_key_when_the_third_exists() -> None:
    """K1's record, delivered again after K3 was mailed, leaves K3's encryption key: version 1 again."""
    with new_world() as world:
        rotated(world)
        world.wait(**GRACE_AND_A_BIT)
        world.collect_by_ttl()
        world.deliver_stream()
        assert world.parameters() == {}
        world.wait(days=81)
        world.rotate()
        (name,) = world.parameters()
        key_of_the_third = world.parameters()[name]

        world.destroy(removals(world)[:1])

        assert world.parameters() == {name: key_of_the_third}
        assert len(world.keys("alice")) == 2
        assert world.locked_out() == []


def test_cancellation_delivered_after_the_time_has_passed() -> None:
    """Whether an item was taken out early is told by when that was, not by when the destructor hears of it."""
    with new_world() as world:
        old, new = rotated(world)
        world.remove_item("alice", old)

        world.wait(days=6)
        world.deliver_stream()

        assert set(world.keys("alice")) == {old, new}
        assert world.ledger()[old]["status"] == "current"
        assert "replaces" not in world.ledger()[new]


def test_lost_cancellation_is_noticed_before_the_time_comes() -> None:
    """A key that an operator has called off is not ended because the stream forgot to say so."""
    with new_world() as world:
        old, new = rotated(world)
        world.remove_item("alice", old)
        world.lose_stream()

        world.live(days=8)

        assert set(world.keys("alice")) == {old, new}
        assert world.ledger()[old]["status"] == "current"
        assert "replaces" not in world.ledger()[new]


def test_cancellation_delivered_twice() -> None:
    """A cancellation that comes again, even after the key was scheduled once more, changes nothing."""
    with new_world() as world:
        old, new = rotated(world)
        world.remove_item("alice", old)
        world.deliver_stream()
        world.iam.delete_access_key(UserName="alice", AccessKeyId=new)
        world.rotate()
        assert world.ledger()[old]["status"] == "expiring"

        world.destroy(removals(world)[:1])

        assert world.ledger()[old]["status"] == "expiring"
        assert old in world.keys("alice")


def test_late_record_must_not_cut_a_second_grace_short() -> None:
    """A record from before the key got a new grace period does not end it."""
    with new_world() as world:
        old, new = rotated(world)
        world.iam.delete_access_key(UserName="alice", AccessKeyId=new)
        world.wait(**GRACE_AND_A_BIT)
        world.collect_by_ttl()
        world.deliver_stream()
        assert world.ledger()[old]["status"] == "current"
        world.rotate()
        assert world.ledger()[old]["status"] == "expiring"

        world.destroy(removals(world)[:1])

        assert old in world.keys("alice")
        assert world.ledger()[old]["status"] == "expiring"


@pytest.mark.parametrize("attribute", ["delete_on", "created_at", "grace_ended_on"])
@pytest.mark.parametrize("factor", [10**3, 10**9])
def test_item_with_a_time_in_another_unit_costs_nobody_else_anything(attribute: str, factor: int) -> None:
    """An item that somebody wrote in milliseconds or nanoseconds is counted, and everybody else goes on."""
    with new_world() as world:
        _, new = rotated(world)
        world.add_user("bob")
        (bobs,) = world.keys("bob")
        item = {"user": {"S": "bob"}, "ak": {"S": bobs}, "status": {"S": "expiring"}}
        times = {name: {"N": str(int(time.time()))} for name in ("created_at", "delete_on")}
        world.put_item(item | times | {attribute: {"N": str(int(time.time()) * factor)}})

        summaries = [run_a_day_later(world) for _ in range(6)]
        world.remove_item("bob", bobs)
        world.deliver_stream()

        assert {summary["malformed"] for summary in summaries} == {1}
        assert world.faults_seen == []
        assert world.keys("alice") == {new: "Active"}
        assert world.keys("bob") == {bobs: "Active"}
        (letter,) = world.parked()
        assert letter["fault"] == f"ledger item of user bob, key {bobs}: {attribute} has the wrong type or value"


def test_ttl_that_never_comes() -> None:
    """TTL may be days late: the rotator's sweep ends what is due without it."""
    with new_world() as world:
        _, new = rotated(world)

        world.live(days=6)

        assert set(world.keys("alice")) == {new}
        assert subjects(world)[-1].startswith("Done: old AWS access key")
