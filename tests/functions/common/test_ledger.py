from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common.clients import Clients
from functions.common.entry import Entry, Status, to_item
from functions.common.errors import LedgerConflict, MalformedEntry
from functions.common.ledger import Ledger
from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import START, TABLE, World

OLD, NEW = "AKIAFAKE00000000OLD1", "AKIAFAKE00000000NEW1"
CREATED = START - timedelta(days=81)
GRACE_ENDS = START + timedelta(days=5)
CURRENT = Entry(user="alice", key_id=OLD, status=Status.CURRENT, created_at=CREATED)
EXPIRING = replace(CURRENT, status=Status.EXPIRING, delete_on=GRACE_ENDS)
FAILED = replace(CURRENT, status=Status.FAILED, attempts=12)


@pytest.fixture
def ledger(world: World) -> Ledger:
    return Ledger(Clients().dynamodb, TABLE)


def begin(ledger: Ledger) -> Entry:
    return ledger.begin("alice", OLD, created_at=CREATED, now=START, email="alice@example.com")


def deliver(ledger: Ledger, entry: Entry) -> Entry:
    return ledger.deliver(entry, new_key_id=NEW, sealed_block="not-a-real-block", parameter="/ikr/secret/iam/alice")


def arm(ledger: Ledger, entry: Entry) -> None:
    ledger.arm(entry, new_key_id=NEW, new_key_created_at=START, delete_on=GRACE_ENDS)


class TestRotation:
    def test_goes_from_nothing_to_an_expiring_key_and_its_successor(self, ledger: Ledger) -> None:
        entry = deliver(ledger, begin(ledger))
        arm(ledger, entry)

        assert ledger.find("alice", OLD) == Entry(
            user="alice",
            key_id=OLD,
            status=Status.EXPIRING,
            created_at=CREATED,
            email="alice@example.com",
            attempt=entry.attempt,
            delete_on=GRACE_ENDS,
            new_key_id=NEW,
            parameter="/ikr/secret/iam/alice",
        )
        assert ledger.find("alice", NEW) == Entry(
            user="alice",
            key_id=NEW,
            status=Status.CURRENT,
            created_at=START,
            replaces=OLD,
            replaces_until=GRACE_ENDS,
        )

    def test_can_be_found_at_each_step(self, ledger: Ledger) -> None:
        """What the ledger holds when a process dies is all that a recovery has."""
        rotating = begin(ledger)
        assert ledger.find("alice", OLD) == rotating
        assert (rotating.status, rotating.started_at, rotating.claimed_at) == (Status.ROTATING, START, START)

        delivering = deliver(ledger, rotating)
        assert ledger.find("alice", OLD) == delivering
        assert (delivering.status, delivering.new_key_id) == (Status.DELIVERING, NEW)
        assert delivering.sealed_block == "not-a-real-block"

    def test_begins_on_a_current_key(self, ledger: Ledger) -> None:
        ledger.put(CURRENT)

        assert begin(ledger).status is Status.ROTATING

    @pytest.mark.parametrize("status", [status for status in Status if status is not Status.CURRENT])
    def test_does_not_begin_on_any_other(self, ledger: Ledger, status: Status) -> None:
        there = replace(
            EXPIRING, status=status, attempt="another", started_at=START, claimed_at=START, new_key_id="AKIAFAKE"
        )
        ledger.put(there)

        with pytest.raises(LedgerConflict, match=f"user alice, key {OLD}"):
            begin(ledger)

        assert ledger.find("alice", OLD) == there

    def test_is_withdrawn_without_a_trace(self, ledger: Ledger) -> None:
        ledger.withdraw(deliver(ledger, begin(ledger)))

        found = ledger.find("alice", OLD)
        assert found is not None
        assert replace(found, email=None, attempt=None) == CURRENT

    def test_is_moved_only_by_its_own_attempt(self, ledger: Ledger) -> None:
        """A run that was thought dead must not disturb the one that has taken over from it."""
        slow = deliver(ledger, begin(ledger))
        ledger.claim(slow, START + timedelta(minutes=16))
        before = ledger.find("alice", OLD)

        moves: list[Callable[[], object]] = [
            lambda: deliver(ledger, slow),
            lambda: arm(ledger, slow),
            lambda: ledger.withdraw(slow),
            lambda: ledger.claim(slow, START),
        ]
        for move in moves:
            with pytest.raises(LedgerConflict):
                move()

        assert ledger.find("alice", OLD) == before
        assert not ledger.holds("alice", NEW)

    def test_that_is_claimed_has_a_lease_of_its_own(self, ledger: Ledger) -> None:
        left = begin(ledger)

        claimed = ledger.claim(left, START + timedelta(minutes=16))

        assert claimed.attempt != left.attempt
        assert (claimed.started_at, claimed.claimed_at) == (START, START + timedelta(minutes=16))
        assert ledger.find("alice", OLD) == claimed

    @pytest.mark.parametrize("step", ["begin", "claim", "deliver", "arm", "withdraw"])
    def test_step_whose_answer_is_lost_is_no_lost_race(self, world: World, ledger: Ledger, step: str) -> None:
        """The SDK sends a write again whose answer was lost, and the second finds what the first has done."""
        entry = begin(ledger) if step != "begin" else CURRENT
        if step in {"arm", "withdraw"}:
            entry = deliver(ledger, entry)
        steps: dict[str, Callable[[], object]] = {
            "begin": lambda: begin(ledger),
            "claim": lambda: ledger.claim(entry, START),
            "deliver": lambda: deliver(ledger, entry),
            "arm": lambda: arm(ledger, entry),
            "withdraw": lambda: ledger.withdraw(entry),
        }
        world.controller.fault = Fault(len(world.controller.calls) + 1, Kind.ANSWER_LOST)

        steps[step]()

        assert world.controller.struck == world.controller.calls[-2] == world.controller.calls[-1]

    def test_arming_that_fails_otherwise_is_no_conflict(self, world: World, ledger: Ledger) -> None:
        entry = deliver(ledger, begin(ledger))
        world.controller.outages["TransactWriteItems"] = aws_error("TransactWriteItems", "AccessDeniedException", 400)

        with pytest.raises(ClientError, match="AccessDenied"):
            arm(ledger, entry)

        assert ledger.find("alice", OLD) == entry


class TestEnding:
    def test_entry_is_collected(self, ledger: Ledger) -> None:
        ledger.put(EXPIRING)

        ledger.collect(EXPIRING)

        assert not ledger.holds("alice", OLD)

    @pytest.mark.parametrize("moved", [replace(EXPIRING, delete_on=START + timedelta(days=6)), CURRENT])
    def test_entry_that_has_moved_is_not_collected(self, ledger: Ledger, moved: Entry) -> None:
        ledger.put(moved)

        with pytest.raises(LedgerConflict):
            ledger.collect(EXPIRING)

        assert ledger.find("alice", OLD) == moved

    def test_given_up_end_of_a_window_waits_as_inactive_once_more(self, ledger: Ledger) -> None:
        """Else the key would get its window again, or, active once more, lose the next one."""
        failed = replace(FAILED, windows=1)
        ledger.put(failed)

        ending = ledger.retry(failed, START)

        assert ending == replace(failed, status=Status.INACTIVE, delete_on=START)
        assert ledger.find("alice", OLD) == ending

    def test_given_up_deletion_expires_once_more(self, ledger: Ledger) -> None:
        ledger.put(FAILED)

        expiring = ledger.retry(FAILED, START + timedelta(milliseconds=500))

        assert expiring == replace(FAILED, status=Status.EXPIRING, delete_on=START)
        assert ledger.find("alice", OLD) == expiring
        with pytest.raises(LedgerConflict):
            ledger.retry(FAILED, START)

    def test_entry_is_forgotten_only_as_it_was_seen(self, ledger: Ledger) -> None:
        begin(ledger)

        with pytest.raises(LedgerConflict):
            ledger.forget(CURRENT)
        assert ledger.holds("alice", OLD)

        ledger.forget(replace(CURRENT, status=Status.ROTATING))
        assert not ledger.holds("alice", OLD)

    def test_entry_is_put_only_where_there_is_none(self, ledger: Ledger) -> None:
        ledger.put(CURRENT)

        with pytest.raises(LedgerConflict):
            ledger.put(EXPIRING)

        assert ledger.find("alice", OLD) == CURRENT

    def test_successor_is_settled_only_with_the_key_that_it_replaced(self, ledger: Ledger) -> None:
        successor = replace(CURRENT, key_id=NEW, replaces=OLD, replaces_until=GRACE_ENDS)
        ledger.put(successor)

        ledger.settle("alice", NEW, replaces="AKIAFAKE00000000OLD0")
        assert ledger.find("alice", NEW) == successor

        ledger.settle("alice", NEW, replaces=OLD)
        ledger.settle("alice", NEW, replaces=OLD)
        assert ledger.find("alice", NEW) == replace(CURRENT, key_id=NEW)

    def test_entry_is_put_back_with_its_successors_word(self, ledger: Ledger) -> None:
        later = replace(EXPIRING, new_key_id=NEW, delete_on=GRACE_ENDS + timedelta(days=1))
        ledger.put(replace(CURRENT, key_id=NEW, replaces=OLD, replaces_until=GRACE_ENDS))

        ledger.put_back(later, until=GRACE_ENDS + timedelta(days=1))

        assert ledger.find("alice", OLD) == later
        assert ledger.find("alice", NEW) == replace(CURRENT, key_id=NEW, replaces=OLD, replaces_until=later.delete_on)

    @pytest.mark.parametrize("instead_of", [None, EXPIRING, replace(FAILED, delete_on=GRACE_ENDS)])
    def test_entry_is_put_back_only_where_nobody_was_faster(self, ledger: Ledger, instead_of: Entry | None) -> None:
        """And where somebody was, the successor waits no longer either."""
        moved = replace(EXPIRING, delete_on=START)
        successor = replace(CURRENT, key_id=NEW, replaces=OLD, replaces_until=START)
        ledger.put(moved)
        ledger.put(successor)

        with pytest.raises(LedgerConflict):
            ledger.put_back(replace(EXPIRING, new_key_id=NEW), until=GRACE_ENDS, instead_of=instead_of)

        assert ledger.find("alice", OLD) == moved
        assert ledger.find("alice", NEW) == successor

    @pytest.mark.parametrize("new_key_id", [None, NEW, "AKIAFAKE00000000NEW2"])
    def test_entry_that_no_successor_waits_for_is_put_back_alone(self, ledger: Ledger, new_key_id: str | None) -> None:
        settled = replace(CURRENT, key_id=NEW)
        inactive = replace(EXPIRING, status=Status.INACTIVE, new_key_id=new_key_id)
        ledger.put(settled)
        ledger.put(EXPIRING)

        ledger.put_back(inactive, until=GRACE_ENDS, instead_of=EXPIRING)

        assert ledger.find("alice", OLD) == inactive
        assert ledger.find("alice", NEW) == settled

    def test_successor_that_is_gone_is_not_brought_back(self, ledger: Ledger) -> None:
        ledger.settle("alice", NEW, replaces=OLD)

        assert not ledger.holds("alice", NEW)


class TestReading:
    def test_learns_more_than_a_hundred_and_leaves_what_is_there(self, world: World, ledger: Ledger) -> None:
        """A transaction takes a hundred, and fails as a whole for one that is there."""
        keys = [replace(CURRENT, key_id=f"AKIAFAKE{number:012}") for number in range(110)]
        there = replace(EXPIRING, key_id=keys[7].key_id)
        ledger.put(there)

        ledger.learn(keys)

        entries, _ = ledger.scan()
        assert len(entries) == 110
        assert {entry.key_id: entry for entry in entries} == {key.key_id: key for key in keys} | {there.key_id: there}
        assert world.controller.counted["TransactWriteItems"] == 3

    def test_learning_nothing_calls_nothing(self, world: World, ledger: Ledger) -> None:
        ledger.learn([])

        assert world.controller.calls == []

    def test_scan_follows_every_page(self, world: World, ledger: Ledger) -> None:
        """DynamoDB gives at most 1 MB a page."""
        for number in range(9):
            world.put_item(to_item(replace(CURRENT, key_id=f"AKIAFAKE{number:012}", sealed_block="x" * 300_000)))

        entries, faults = ledger.scan()

        assert (len(entries), faults) == (9, [])
        assert world.controller.counted["Scan"] > 1

    def test_scan_tells_malformed_items_beside_the_others(self, world: World, ledger: Ledger) -> None:
        ledger.put(CURRENT)
        broken: dict[str, Any] = {"user": {"S": "bob"}, "ak": {"S": NEW}, "status": {"S": "expiring"}}
        world.put_item(broken)

        entries, faults = ledger.scan()

        assert entries == [CURRENT]
        assert [str(fault) for fault in faults] == [
            f"ledger item of user bob, key {NEW}: created_at, delete_on missing"
        ]

    def test_finding_a_malformed_item_is_told_and_holding_it_is_known(self, world: World, ledger: Ledger) -> None:
        world.put_item({"user": {"S": "bob"}, "ak": {"S": NEW}})

        assert ledger.holds("bob", NEW)
        with pytest.raises(MalformedEntry, match="status, created_at missing"):
            ledger.find("bob", NEW)

    def test_what_is_not_there_is_not_found(self, ledger: Ledger) -> None:
        assert not ledger.holds("alice", OLD)
        assert ledger.find("alice", OLD) is None
