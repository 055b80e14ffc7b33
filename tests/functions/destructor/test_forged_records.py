"""A record is what somebody says. Nothing is done on its word that the ledger does not bear out.

Whoever may invoke the destructor can hand it any record; whoever may write the ledger can make DynamoDB hand one over.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from functions.common.entry import to_item
from functions.common.ledger import Ledger
from tests.functions.destructor.conftest import Rotated, removals
from tests.simulation.faults import aws_error
from tests.simulation.world import TABLE, World


def forged(rotated: Rotated, **attributes: str) -> dict[str, Any]:
    """A record of the end of Alice's old key, with other attributes, as DynamoDB's TTL would hand it over."""
    rotated.fall_due()
    (record,) = [
        record for record in removals(rotated.world) if record["dynamodb"]["OldImage"]["ak"]["S"] == rotated.old
    ]
    changed: dict[str, Any] = copy.deepcopy(record)
    image = changed["dynamodb"]["OldImage"]
    del image["secret_parameter"]
    image.update({name: {"S": value} for name, value in attributes.items()})
    return changed


@pytest.fixture
def bob(rotated: Rotated) -> str:
    """Somebody with two keys that were made by hand; gives the older one."""
    rotated.world.add_user("bob", keys=2)
    return next(iter(rotated.world.keys("bob")))


def everything(world: World, *names: str) -> list[Any]:
    """What a forger could be after."""
    return [world.ledger(), world.parameters(), *(world.keys(name) for name in names)]


def assert_parked(world: World, record: dict[str, Any], fault: str, *names: str) -> None:
    """Hand a record over; nothing may change but that it lies in the dead-letter queue."""
    before = everything(world, *names)

    assert world.destroy([record])

    assert everything(world, *names) == before
    (parked,) = world.parked()
    assert fault in parked["fault"]


def test_key_that_the_ledger_never_knew_is_not_ended(rotated: Rotated, bob: str) -> None:
    """One made by hand, say, of a user whose name and id anybody can look up."""
    world = rotated.world
    record = forged(rotated, user="bob", user_id=world.user_id("bob"), ak=bob)

    assert_parked(world, record, "no successor in the ledger waits for its end", "alice", "bob")


def test_second_key_made_by_hand_is_not_ended(rotated: Rotated) -> None:
    """Even where the user is in a grace period, and the record names the successor that waits for another key."""
    world = rotated.world
    record = forged(rotated)
    world.iam.delete_access_key(UserName="alice", AccessKeyId=rotated.old)
    by_hand = world.add_key("alice")
    record["dynamodb"]["OldImage"]["ak"] = {"S": by_hand}

    assert_parked(world, record, "no successor in the ledger waits for its end", "alice")


def test_key_of_another_user_is_not_ended(rotated: Rotated, bob: str) -> None:
    record = forged(rotated, ak=bob)

    assert_parked(rotated.world, record, "no successor in the ledger waits for its end", "alice", "bob")


def test_key_is_not_followed_to_another_user(rotated: Rotated, bob: str) -> None:
    """A name that nobody has looks like a user who was renamed; so does an id that is not the user's."""
    world = rotated.world
    successor = Ledger(world.dynamodb, TABLE).find("alice", rotated.new)
    assert successor is not None
    vouching = replace(successor, user="nobody", key_id="AKIAFAKE0000000000NO", replaces=bob, parameter=None)
    world.put_item(to_item(vouching))
    record = forged(rotated, user="nobody", ak=bob, new_ak="AKIAFAKE0000000000NO")

    assert_parked(world, record, "that key is bob's", "alice", "bob")


def test_early_removal_of_what_was_never_there_is_not_noted(rotated: Rotated, bob: str) -> None:
    """It would be entered as a key in use, and hide that a user has one that was made by hand."""
    world = rotated.world
    record = forged(rotated, user="bob", user_id=world.user_id("bob"), ak=bob)
    del record["userIdentity"]
    record["dynamodb"]["OldImage"]["delete_on"] = {"N": "4102444800"}

    assert_parked(world, record, "no successor in the ledger waits for its end", "alice", "bob")


def test_encryption_key_of_another_user_is_not_deleted(rotated: Rotated) -> None:
    """Its attempt is no secret: whoever may describe parameters reads it."""
    world = rotated.world
    world.add_user("carol", ROTATE_AFTER_DAYS="0")
    world.rotate({"users": ["carol"]})
    (carols,) = [item for item in world.ledger("carol").values() if "sealed_by" in item and "delete_on" in item]
    record = forged(
        rotated,
        user="carol",
        user_id=world.user_id("carol"),
        ak="AKIAFAKE0000000000NO",
        new_ak="AKIAFAKE0000000000NN",
        sealed_by=carols["sealed_by"],
    )
    before = everything(world, "alice", "carol")

    assert world.destroy([record])

    assert everything(world, "alice", "carol") == before
    assert "/ikr/secret/iam/carol" in world.parameters()


def test_name_of_another_parameter_is_refused(rotated: Rotated) -> None:
    record = forged(rotated, secret_parameter="/ikr/secret/iam/bob")

    assert_parked(rotated.world, record, "secret_parameter names the encryption key of somebody else", "alice")


def test_forged_record_holds_up_no_other(rotated: Rotated, bob: str) -> None:
    world = rotated.world
    record = forged(rotated, user="bob", user_id=world.user_id("bob"), ak=bob)
    (true,) = removals(world)

    assert world.destroy([record, true])

    assert world.keys("alice") == {rotated.new: "Active"}


def test_record_that_cannot_be_parked_comes_again(rotated: Rotated, bob: str) -> None:
    world = rotated.world
    record = forged(rotated, user="bob", user_id=world.user_id("bob"), ak=bob)
    world.controller.outages["SendMessage"] = aws_error("SendMessage", "AccessDenied", 403)

    assert not world.destroy([record])


def test_item_that_names_another_parameter_is_left_alone(rotated: Rotated) -> None:
    """The rotator counts it as one that cannot be read, and serves everybody else."""
    world = rotated.world
    world.rewrite("alice", rotated.new, secret_parameter="/ikr/secret/iam/bob")
    world.add_user("carol", ROTATE_AFTER_DAYS="0")

    summary = world.rotate()

    assert summary["rotated"] == 1
    assert world.ledger()[rotated.new]["secret_parameter"] == "/ikr/secret/iam/bob"


def test_successor_deleted_by_hand_still_vouches(rotated: Rotated) -> None:
    """A run in between must not forget it: the old key is kept, counted and noted, and nothing looks forged."""
    world = rotated.world
    world.wait(days=1)
    world.iam.delete_access_key(UserName="alice", AccessKeyId=rotated.new)
    world.rotate({"users": ["alice"], "force": True})
    world.wait(days=4)
    world.collect_by_ttl()

    world.deliver_stream()

    assert world.parked() == []
    assert world.keys("alice") == {rotated.old: "Active"}
    assert world.ledger()[rotated.old]["status"] == "current"
