from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey
from functions.rotator.decide import (
    CLOCK_SKEW,
    CREATION,
    ENDING,
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
    replaced,
    to_take_back,
)
from tests.functions.rotator.alice import DAY, EMAIL, LIMIT, NEW, OLD, SECOND, entry, key, rules, successor
from tests.simulation.world import START

OTHER = "other@example.com"
NOT_DUE, GRACE = Decision(action=Action.NOT_DUE), Decision(action=Action.IN_GRACE)
ABANDONED = START + LEASE + CLOCK_SKEW + SECOND


def skip(reason: Reason) -> Decision:
    return Decision(action=Action.SKIP, reason=reason)


def rotation(known: Entry | None = None) -> Decision:
    return Decision(action=Action.ROTATE, key=key(), entry=known)


def expiring(**fields: Any) -> Entry:
    """The old key's entry in its grace, with its successor's pair sealed under her name."""
    sealed = {"new_key_id": NEW, "parameter": "/ikr/secret/iam/alice", "delete_on": START + DAY}
    return entry(Status.EXPIRING, **{**sealed, **fields})


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
            ([key()], [], rotation()),
            ([key()], [entry()], rotation(entry())),
            ([key()], [entry(key_id=NEW)], rotation()),
            ([key(active=False)], [], skip(Reason.INACTIVE_KEY)),
            ([key(), key(NEW)], [], skip(Reason.FOREIGN_KEY)),
            ([key(), key(NEW, active=False)], [], skip(Reason.FOREIGN_KEY)),
            ([key(), key(NEW)], [entry(), entry(key_id=NEW)], skip(Reason.FOREIGN_KEY)),
            ([key(active=False)], [entry()], skip(Reason.INACTIVE_KEY)),
            ([key(active=False)], [entry(dormant_since=START)], skip(Reason.DORMANT)),
            ([key()], [entry(dormant_since=START)], skip(Reason.DORMANT)),
            ([key(), key(NEW)], [successor()], GRACE),
            ([key(), key(NEW)], [entry(Status.EXPIRING), entry(key_id=NEW)], GRACE),
            ([key(), key(NEW)], [entry(Status.INACTIVE), entry(key_id=NEW)], GRACE),
            ([key(), key(NEW)], [entry(Status.FAILED), entry(key_id=NEW)], GRACE),
            ([key()], [entry(Status.EXPIRING)], GRACE),
            ([key(NEW)], [entry(Status.EXPIRING), entry(key_id=NEW)], GRACE),
        ],
    )
    def test_table(self, keys: list[AccessKey], entries: list[Entry], decision: Decision) -> None:
        assert decide(keys, entries, rules(), START) == decision

    @pytest.mark.parametrize("status", sorted(UNDER_WAY))
    def test_rotation_under_way_is_left_to_its_run(self, status: Status) -> None:
        assert decide([key()], [entry(status)], rules(), ABANDONED - SECOND) == skip(Reason.UNDER_WAY)

    @pytest.mark.parametrize("status", sorted(UNDER_WAY))
    def test_abandoned_rotation_is_recovered(self, status: Status) -> None:
        left = entry(status)

        assert decide([], [left], rules(), ABANDONED) == Decision(action=Action.RECOVER, entry=left)

    def test_force_rotates_a_young_key(self) -> None:
        assert decide([key(days=1)], [], rules(force=True), START).action is Action.ROTATE

    @pytest.mark.parametrize(
        ("keys", "reason"),
        [([], Reason.NO_KEY), ([key(active=False)], Reason.INACTIVE_KEY), ([key(), key(NEW)], Reason.FOREIGN_KEY)],
    )
    def test_force_rotates_nothing_that_may_not_be(self, keys: list[AccessKey], reason: Reason) -> None:
        assert decide(keys, [], rules(force=True), START) == skip(reason)


class TestObstacles:
    """What keeps a due key from being rotated, unless an operator forces it."""

    @pytest.mark.parametrize(
        ("known", "reason"),
        [
            (entry(email=OTHER), Reason.ADDRESS_HELD),
            (entry(email=OTHER, pending_email=EMAIL, address_changed_at=START - DAY), Reason.ADDRESS_HELD),
            (entry(undeliverable=EMAIL), Reason.UNDELIVERABLE),
            (entry(try_again_on=START + SECOND), Reason.BACKING_OFF),
            (entry(dormant_since=START - DAY), Reason.DORMANT),
        ],
    )
    def test_each(self, known: Entry, reason: Reason) -> None:
        assert decide([key()], [known], rules(), START) == skip(reason)
        assert decide([key()], [known], rules(force=True), START) == rotation(known)

    @pytest.mark.parametrize(
        "known",
        [
            entry(email=OTHER, pending_email=EMAIL, address_changed_at=START - 2 * DAY),
            entry(undeliverable=OTHER),
            entry(try_again_on=START),
        ],
    )
    def test_each_passes(self, known: Entry) -> None:
        assert decide([key()], [known], rules(), START) == rotation(known)

    def test_another_keys_failures_hold_nobody_back(self) -> None:
        """They are a matter of that key, which somebody has replaced by hand."""
        assert decide([key()], [entry(key_id=NEW, try_again_on=START + DAY)], rules(), START).action is Action.ROTATE

    def test_what_is_not_due_has_no_obstacle(self) -> None:
        assert decide([key(days=1)], [entry(days=1, undeliverable=EMAIL)], rules(), START) == NOT_DUE

    @pytest.mark.parametrize("wish", [{"force": True}, {"again": True}])
    def test_recovery_whose_mail_failed_waits_unless_an_operator_wants_it(self, wish: dict[str, bool]) -> None:
        left = entry(Status.DELIVERING, new_key_id=NEW, try_again_on=ABANDONED + SECOND)

        assert decide([key()], [left], rules(), ABANDONED) == skip(Reason.BACKING_OFF)
        assert decide([key()], [left], rules(), ABANDONED + SECOND).action is Action.RECOVER
        assert decide([key()], [left], rules(**wish), ABANDONED).action is Action.RECOVER


class TestTakingBack:
    """Which rotations are undone unless their successors have been used, and which of them begin anew."""

    STOOD = expiring(email=OTHER, pending_email=EMAIL, address_changed_at=START - 2 * DAY)
    HELD = expiring(email=OTHER, pending_email=EMAIL, address_changed_at=START - DAY)
    RETURNED = expiring(undeliverable=EMAIL)

    @pytest.mark.parametrize(
        ("ending", "anew"),
        [
            (STOOD, True),
            (RETURNED, False),
            (expiring(parameter="/ikr/secret/iam/alice-miller", sealed_by="1"), True),
            (expiring(parameter=None, sealed_by="1"), True),
            (expiring(), None),
            (expiring(parameter=None), None),
            (HELD, None),
            (expiring(email=OTHER), None),
            (expiring(undeliverable=OTHER), None),
            (replace(STOOD, confirmed_at=START), None),
            (replace(RETURNED, confirmed_at=START), None),
            (replace(STOOD, status=Status.INACTIVE), None),
            (replace(RETURNED, status=Status.FAILED), None),
            (replace(STOOD, new_key_id=None), None),
        ],
    )
    def test_table(self, ending: Entry, anew: bool | None) -> None:
        wanted = None if anew is None else (ending, anew)

        assert to_take_back([ending, successor()], rules(), START) == wanted

    @pytest.mark.parametrize("status", sorted(ENDING))
    def test_again_wants_any_that_is_in_the_ledger(self, status: Status) -> None:
        """Whether it can be had, the keys tell."""
        ending = replace(expiring(), status=status, confirmed_at=START)

        assert to_take_back([ending, successor()], rules(again=True), START) == (ending, True)
        assert to_take_back([successor()], rules(again=True), START) is None

    @pytest.mark.parametrize("ending", [HELD, expiring(email=OTHER)])
    def test_force_ends_a_hold(self, ending: Entry) -> None:
        assert to_take_back([ending, successor()], rules(force=True), START) == (ending, True)

    def test_is_decided_before_anything_else_about_the_keys(self) -> None:
        keys, entries = [key(), key(NEW, days=1)], [self.STOOD, successor()]

        assert needs_listing(entries, rules(), START)
        assert decide(keys, entries, rules(), START) == Decision(action=Action.TAKE_BACK, entry=self.STOOD, anew=True)

    @pytest.mark.parametrize(("ending", "obstacle"), [(HELD, Reason.ADDRESS_HELD), (RETURNED, Reason.UNDELIVERABLE)])
    def test_new_key_goes_to_no_address_in_doubt(self, ending: Entry, obstacle: Reason) -> None:
        keys, entries = [key(), key(NEW, days=1)], [ending, successor()]

        assert decide(keys, entries, rules(again=True), START) == skip(obstacle)
        assert decide(keys, entries, rules(again=True, force=True), START).action is Action.TAKE_BACK

    def test_mail_that_came_back_needs_no_good_address(self) -> None:
        keys, entries = [key(), key(NEW, days=1)], [self.RETURNED, successor()]

        assert decide(keys, entries, rules(), START) == Decision(action=Action.TAKE_BACK, entry=self.RETURNED)


class TestLedgerAlone:
    def test_young_key_in_the_ledger_needs_no_listing(self) -> None:
        assert not needs_listing([entry(days=LIMIT)], rules(), START)

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
        assert needs_listing(entries, rules(), START)

    def test_key_that_an_auditor_would_point_out_is_listed_whatever_its_limit(self) -> None:
        patient = rules(rotate_after_days=3650)

        assert not needs_listing([entry(days=90)], patient, START)
        assert needs_listing([entry(days=91)], patient, START)

    @pytest.mark.parametrize("status", sorted(UNDER_WAY))
    def test_rotation_under_way_is_listed_once_it_is_abandoned(self, status: Status) -> None:
        assert not needs_listing([entry(status)], rules(), START + LEASE)
        assert needs_listing([entry(status)], rules(), START + 2 * LEASE)

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


def test_only_keys_without_an_entry_are_with_the_destructor() -> None:
    assert replaced([successor()]) == {OLD}
    assert replaced([successor(), expiring()]) == set()
