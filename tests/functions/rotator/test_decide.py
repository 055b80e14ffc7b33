from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey
from functions.rotator.decide import (
    CLOCK_SKEW,
    CREATION,
    LEASE,
    UNDER_WAY,
    Action,
    Decision,
    Reason,
    decide,
    decide_from_ledger,
    is_abandoned,
    is_due,
    lost_successor,
    needs_listing,
)
from tests.simulation.world import START

OLD, NEW = "AKIAFAKE00000000OLD1", "AKIAFAKE00000000NEW1"
SECOND = timedelta(seconds=1)
LIMIT = 80
NOT_DUE, GRACE = Decision(action=Action.NOT_DUE), Decision(action=Action.IN_GRACE)


def skip(reason: Reason) -> Decision:
    return Decision(action=Action.SKIP, reason=reason)


def key(key_id: str = OLD, *, days: float = 81, active: bool = True) -> AccessKey:
    return AccessKey(id=key_id, created_at=START - timedelta(days=days), active=active)


def entry(status: Status = Status.CURRENT, key_id: str = OLD, *, days: float = 81) -> Entry:
    return Entry(
        user="alice",
        key_id=key_id,
        status=status,
        created_at=START - timedelta(days=days),
        started_at=START,
        claimed_at=START,
    )


class TestAge:
    @pytest.mark.parametrize("days", [1, 80, 3650])
    def test_boundary_is_exact(self, days: int) -> None:
        """A key is due when it is older than so many times 24 hours, and not at the very end of them."""
        born = START - timedelta(days=days)

        assert not is_due(born, days, START - SECOND)
        assert not is_due(born, days, START)
        assert is_due(born, days, START + SECOND)

    @pytest.mark.parametrize("age", [timedelta(0), -SECOND, timedelta(days=1)])
    def test_with_no_days_every_key_is_due(self, age: timedelta) -> None:
        """A key made this very second too, and one that IAM's clock puts into the future."""
        assert is_due(START - age, 0, START)


class TestDecision:
    @pytest.mark.parametrize(
        ("keys", "entries", "decision"),
        [
            ([], [], skip(Reason.NO_KEY)),
            ([key(days=80)], [], NOT_DUE),
            ([key()], [], Decision(action=Action.ROTATE, key=key())),
            ([key()], [entry()], Decision(action=Action.ROTATE, key=key())),
            ([key(active=False)], [], skip(Reason.INACTIVE_KEY)),
            ([key(), key(NEW)], [], skip(Reason.FOREIGN_KEY)),
            ([key(), key(NEW, active=False)], [], skip(Reason.FOREIGN_KEY)),
            ([key(), key(NEW)], [entry(), entry(key_id=NEW)], skip(Reason.FOREIGN_KEY)),
            ([key(), key(NEW)], [entry(Status.EXPIRING), entry(key_id=NEW)], GRACE),
            ([key(), key(NEW)], [entry(Status.INACTIVE), entry(key_id=NEW)], GRACE),
            ([key(), key(NEW)], [entry(Status.FAILED), entry(key_id=NEW)], GRACE),
            ([key()], [entry(Status.EXPIRING)], GRACE),
            ([key(NEW)], [entry(Status.EXPIRING), entry(key_id=NEW)], GRACE),
        ],
    )
    def test_table(self, keys: list[AccessKey], entries: list[Entry], decision: Decision) -> None:
        assert decide(keys, entries, LIMIT, START) == decision

    @pytest.mark.parametrize("status", sorted(UNDER_WAY))
    def test_rotation_under_way_is_left_to_its_run(self, status: Status) -> None:
        assert decide([key()], [entry(status)], LIMIT, START + LEASE + CLOCK_SKEW) == skip(Reason.UNDER_WAY)

    @pytest.mark.parametrize("status", sorted(UNDER_WAY))
    def test_abandoned_rotation_is_recovered(self, status: Status) -> None:
        left = entry(status)

        assert decide([], [left], LIMIT, START + LEASE + CLOCK_SKEW + SECOND) == Decision(
            action=Action.RECOVER, entry=left
        )

    def test_force_rotates_a_young_key(self) -> None:
        assert decide([key(days=1)], [], LIMIT, START, force=True).action is Action.ROTATE

    @pytest.mark.parametrize(
        ("keys", "reason"),
        [([], Reason.NO_KEY), ([key(active=False)], Reason.INACTIVE_KEY), ([key(), key(NEW)], Reason.FOREIGN_KEY)],
    )
    def test_force_rotates_nothing_that_may_not_be(self, keys: list[AccessKey], reason: Reason) -> None:
        assert decide(keys, [], LIMIT, START, force=True) == skip(reason)


class TestLedgerAlone:
    def test_young_key_in_the_ledger_needs_no_listing(self) -> None:
        assert not needs_listing([entry(days=LIMIT)], LIMIT, START)

    @pytest.mark.parametrize(
        "entries",
        [
            [],
            [entry()],
            [entry(days=1), entry(key_id=NEW, days=81)],
            [entry(Status.EXPIRING, days=1)],
            [entry(Status.FAILED, days=1)],
        ],
    )
    def test_what_the_ledger_cannot_rule_out_is_listed(self, entries: list[Entry]) -> None:
        assert needs_listing(entries, LIMIT, START)

    @pytest.mark.parametrize("status", sorted(UNDER_WAY))
    def test_rotation_under_way_is_listed_once_it_is_abandoned(self, status: Status) -> None:
        assert not needs_listing([entry(status)], LIMIT, START + LEASE)
        assert needs_listing([entry(status)], LIMIT, START + 2 * LEASE)

    @pytest.mark.parametrize(
        ("entries", "decision"),
        [
            ([entry(days=1)], NOT_DUE),
            ([entry(Status.EXPIRING), entry(key_id=NEW, days=1)], GRACE),
            ([entry(Status.FAILED), entry(key_id=NEW, days=1)], GRACE),
            ([entry(Status.DELIVERING)], skip(Reason.UNDER_WAY)),
        ],
    )
    def test_decides_without_keys(self, entries: list[Entry], decision: Decision) -> None:
        assert decide_from_ledger(entries) == decision


class TestAbandonment:
    @pytest.mark.parametrize("status", [status for status in Status if status not in UNDER_WAY])
    def test_only_a_rotation_can_be_abandoned(self, status: Status) -> None:
        assert not is_abandoned(entry(status), START + timedelta(days=1))

    def test_lease_counts_from_the_claim(self) -> None:
        claimed = replace(entry(Status.ROTATING), claimed_at=START + timedelta(hours=1))

        assert not is_abandoned(claimed, START + timedelta(hours=1) + LEASE)
        assert is_abandoned(claimed, START + timedelta(hours=2))


class TestLostSuccessor:
    @pytest.mark.parametrize("made", [START - CLOCK_SKEW, START, START + CREATION + CLOCK_SKEW])
    def test_is_the_other_key_made_just_after_the_beginning(self, made: datetime) -> None:
        other = AccessKey(id=NEW, created_at=made, active=True)

        assert lost_successor(entry(Status.ROTATING), [key(), other]) == other

    @pytest.mark.parametrize("made", [START - CLOCK_SKEW - SECOND, START + CREATION + CLOCK_SKEW + SECOND])
    def test_is_no_key_made_before_or_after(self, made: datetime) -> None:
        """Such a key is somebody else's, and never touched."""
        other = AccessKey(id=NEW, created_at=made, active=True)

        assert lost_successor(entry(Status.ROTATING), [key(), other]) is None

    def test_is_never_the_old_key(self) -> None:
        young = AccessKey(id=OLD, created_at=START, active=True)

        assert lost_successor(entry(Status.ROTATING), [young]) is None

    def test_is_none_where_two_fit(self) -> None:
        others = [AccessKey(id=name, created_at=START, active=True) for name in (NEW, "AKIAFAKE00000000NEW2")]

        assert lost_successor(entry(Status.ROTATING), others) is None
