"""A look-up that a run leaves out hides nothing: what the ledger says is compared with IAM at every run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from unittest import mock

import pytest
from botocore.stub import Stubber
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from functions.common.clients import Clients
from functions.common.entry import Entry, Status
from functions.common.keys import AccessKeys
from functions.common.ledger import Ledger
from functions.rotator.decide import Action, Rules, decide, needs_listing
from tests.simulation.faults import Fault, Kind
from tests.simulation.world import START, TABLE, World, new_world

USER = "alice"
DAY = 24

Step = tuple[str, int]

# Named twice, something happens twice as often.
steps = st.one_of(
    st.tuples(st.sampled_from(["run", "run", "stream", "make", "cancel"]), st.just(0)),
    st.tuples(st.sampled_from(["delete", "switch"]), st.integers(0, 1)),
    st.tuples(st.just("wait"), st.sampled_from([1, DAY, 4 * DAY, 40 * DAY, 79 * DAY, 81 * DAY])),
    st.tuples(st.just("away"), st.sampled_from([DAY, 4 * DAY, 20 * DAY])),
    st.tuples(st.just("limit"), st.sampled_from([0, 2, 80, 200])),
    st.tuples(st.just("address"), st.integers(0, 1)),
)


# Two keys, forty days apart: when the young one is gone, its entry must not vouch for the old one.
OLD_AND_YOUNG: list[Step] = [
    *[("wait", 40 * DAY), ("make", 0), ("run", 0), ("delete", 1)],
    *[("wait", 40 * DAY), ("wait", 1), ("run", 0)],
]
# A deletion called off, and a run before the destructor hears of it; then the successor is deleted.
CANCELLED: list[Step] = [
    *[("wait", 81 * DAY), ("run", 0), ("wait", DAY), ("cancel", 0), ("delete", 1), ("run", 0)],
    *[("stream", 0), ("run", 0), ("wait", DAY), ("run", 0)],
]


# An address corrected in the grace, and the first mail unread: the young key must not vouch for its rotation.
CORRECTED: list[Step] = [
    *[("wait", 81 * DAY), ("run", 0), ("address", 1), ("run", 0)],
    *[("away", 4 * DAY), ("run", 0)],
]


class Auditor:
    """Stands where a run asks whether it may leave a look-up out, and looks all the same.

    Attributes:
        left_out: how often a run left a look-up out.
        hidden: what it would have done, had it looked.
    """

    def __init__(self, world: World) -> None:
        self._keys = AccessKeys(world.iam)
        self.left_out = 0
        self.hidden: list[Action] = []

    def needs_listing(self, entries: Sequence[Entry], rules: Rules, now: datetime) -> bool:
        if needs_listing(entries, rules, now):
            return True
        self.left_out += 1
        found = decide(self._keys.of(USER) or [], entries, rules, now)
        if found.action in {Action.ROTATE, Action.RECOVER, Action.TAKE_BACK}:
            self.hidden.append(found.action)
        return False


def take(world: World, step: Step) -> None:
    match step:
        case ("run", _):
            world.rotate()
        case ("stream", _):
            world.deliver_stream()
        case ("wait", hours):
            world.read_mail()
            world.wait(hours=hours)
        case ("away", hours):
            world.wait(hours=hours)
        case ("address", number):
            world.change_address(USER, f"{number}@example.com")
        case ("cancel", _):
            cancel(world)
        case ("limit", days):
            world.iam.tag_user(UserName=USER, Tags=[{"Key": "IKR:ROTATE_AFTER_DAYS", "Value": str(days)}])
        case (change, which):
            change_keys(world, change, which)


def cancel(world: World) -> None:
    for item in world.ledger(USER).values():
        if item["status"] in {"expiring", "inactive"}:
            world.remove_item(USER, item["ak"])


def change_keys(world: World, change: str, which: int) -> None:
    """Do something to a user's keys by hand, if IAM allows it and there is such a key."""
    keys = world.keys(USER)
    if change == "make" and len(keys) < 2:
        world.add_key(USER)
    for key_id, status in list(keys.items())[which : which + 1]:
        if change == "delete":
            world.iam.delete_access_key(UserName=USER, AccessKeyId=key_id)
        if change == "switch":
            other: Literal["Active", "Inactive"] = "Inactive" if status == "Active" else "Active"
            world.iam.update_access_key(UserName=USER, AccessKeyId=key_id, Status=other)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=5, max_size=40))
@example(OLD_AND_YOUNG)
@example(CANCELLED)
@example(CORRECTED)
def test_a_look_up_left_out_hides_no_key(history: list[Step]) -> None:
    """Whatever people do to their keys between two runs, a run does what it would do after listing everybody's."""
    with new_world(ENCRYPT_KEY_PAIR="false") as world:
        world.add_user(USER)
        auditor = Auditor(world)

        with mock.patch("functions.rotator.run.needs_listing", auditor.needs_listing):
            for step in [*history, ("run", 0)]:
                take(world, step)

    assert auditor.hidden == []


def test_most_look_ups_are_left_out(world: World) -> None:
    """The comparison means something: in an ordinary life there is hardly a day with a look-up."""
    world.add_user(USER)
    auditor = Auditor(world)

    with mock.patch("functions.rotator.run.needs_listing", auditor.needs_listing):
        world.live(days=100)

    assert auditor.left_out >= 90


def test_a_key_on_its_way_to_the_destructor_is_not_learnt(world: World) -> None:
    """A run between the end of the grace and the destructor's turn must not enter the old key anew: it would stay."""
    world.add_user(USER, ROTATE_AFTER_DAYS="1")
    (old_key,) = world.keys(USER)
    world.wait(days=2)
    world.rotate()
    world.read_mail()
    world.wait(days=6)
    world.rotate()
    world.wait(minutes=10)

    summary = world.rotate()
    world.deliver_stream()

    assert summary["in_grace"] == 1
    assert old_key not in world.keys(USER)


def test_keys_are_learnt_oldest_first(world: World) -> None:
    """Should learning fail half-way, a young key's entry must not vouch for an old key that has none."""
    world.add_user(USER)
    world.wait(days=1)
    world.add_key(USER)
    oldest, _ = world.keys(USER)
    world.controller.fault = Fault(call=5, kind=Kind.REFUSED)

    with mock.patch("functions.common.ledger.TRANSACTION_LIMIT", 1):
        world.rotate()

    assert world.controller.calls[3:] == ["TransactWriteItems"] * 2
    assert set(world.ledger()) == {oldest}


def test_a_conflict_ends_the_learning(world: World) -> None:
    """An entry that another transaction keeps from being written is not passed over for those after it."""
    dynamodb = Clients().dynamodb
    entries = [
        Entry(user=USER, key_id=key_id, status=Status.CURRENT, created_at=START)
        for key_id in ("AKIAFAKE00000000OLD1", "AKIAFAKE00000000NEW1")
    ]
    reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]

    with Stubber(dynamodb) as stub:
        stub.add_client_error(
            "transact_write_items", "TransactionCanceledException", modeled_fields={"CancellationReasons": reasons}
        )
        with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
            Ledger(dynamodb, TABLE).learn(entries)

    assert world.ledger() == {}
