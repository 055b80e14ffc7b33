from __future__ import annotations

import contextlib
import json
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
USER_ID = "AIDAFAKE000000000001"
EMAIL, OTHER_EMAIL = "alice@example.com", "alice@example.org"
NAME = "/ikr/secret/iam/alice"
CREATED = START - timedelta(days=81)
GRACE_ENDS = START + timedelta(days=5)
CURRENT = Entry(user="alice", key_id=OLD, status=Status.CURRENT, created_at=CREATED)
EXPIRING = replace(CURRENT, status=Status.EXPIRING, delete_on=GRACE_ENDS)
FAILED = replace(CURRENT, status=Status.FAILED, attempts=12)
ARMED = replace(
    EXPIRING, user_id=USER_ID, email=EMAIL, attempt="attempt-1", new_key_id=NEW, parameter=NAME, sealed_by="attempt-1"
)
"""An old key whose successor's mail was accepted."""
SUCCESSOR = Entry(
    user="alice",
    user_id=USER_ID,
    key_id=NEW,
    status=Status.CURRENT,
    created_at=START,
    email=EMAIL,
    parameter=NAME,
    sealed_by="attempt-1",
    replaces=OLD,
    replaces_until=GRACE_ENDS,
    unconfirmed_since=START,
)
"""Its successor, which nobody has used yet."""
ENDED: dict[str, Any] = {
    "grace_ended_on": GRACE_ENDS,
    "round": 3,
    "confirmed_at": START,
    "reminded_at": START,
    "reminded_by": "a-run",
    "windows": 1,
    "attempts": 2,
    "last_error": "DeleteAccessKey: AccessDenied",
}
"""What the end of a key leaves on its entry."""


@pytest.fixture
def ledger(world: World) -> Ledger:
    return Ledger(Clients().dynamodb, TABLE)


def begin(ledger: Ledger, known: Entry = CURRENT, *, email: str = EMAIL, sealed: bool = True) -> Entry:
    return ledger.begin(replace(known, user_id=USER_ID), now=START, email=email, sealed=sealed)


def deliver(ledger: Ledger, entry: Entry) -> Entry:
    return ledger.deliver(entry, new_key_id=NEW, sealed_block="not-a-real-block", parameter=NAME)


def arm(ledger: Ledger, entry: Entry) -> None:
    ledger.arm(entry, new_key_id=NEW, new_key_created_at=START, delivered_at=START, delete_on=GRACE_ENDS)


def put(ledger: Ledger, *entries: Entry) -> None:
    for entry in entries:
        ledger.put(entry)


class TestRotation:
    def test_goes_from_nothing_to_an_expiring_key_and_its_successor(self, ledger: Ledger) -> None:
        entry = deliver(ledger, begin(ledger))
        arm(ledger, entry)

        assert ledger.find("alice", OLD) == replace(ARMED, attempt=entry.attempt, sealed_by=entry.attempt)
        assert ledger.find("alice", NEW) == replace(SUCCESSOR, sealed_by=entry.attempt)

    def test_in_plain_text_leaves_no_word_of_an_encryption_key(self, ledger: Ledger) -> None:
        entry = ledger.deliver(begin(ledger, sealed=False), new_key_id=NEW, sealed_block=None, parameter=None)
        arm(ledger, entry)

        assert ledger.find("alice", OLD) == replace(ARMED, attempt=entry.attempt, parameter=None, sealed_by=None)
        assert ledger.find("alice", NEW) == replace(SUCCESSOR, parameter=None, sealed_by=None)

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

        begun = begin(ledger)

        assert begun.status is Status.ROTATING
        assert ledger.find("alice", OLD) == begun

    def test_begins_anew_on_what_the_ledger_knows_of_the_key(self, ledger: Ledger) -> None:
        """What an end that was called off has left is over, as are doubts about an address; failures still count."""
        known = replace(
            CURRENT,
            user_id=USER_ID,
            email=EMAIL,
            pending_email=OTHER_EMAIL,
            address_changed_at=START,
            undeliverable=EMAIL,
            delete_on=GRACE_ENDS,
            failures=2,
            try_again_on=START,
            replaces="AKIAFAKE00000000OLD0",
            replaces_until=START,
            replaces_round=2,
            unconfirmed_since=CREATED,
            parameter=NAME,
            sealed_by="attempt-0",
            **ENDED,
        )
        put(ledger, known)

        begun = begin(ledger, known, email=OTHER_EMAIL)

        assert ledger.find("alice", OLD) == begun
        assert begun == replace(
            CURRENT,
            status=Status.ROTATING,
            user_id=USER_ID,
            email=OTHER_EMAIL,
            attempt=begun.attempt,
            sealed_by=begun.attempt,
            started_at=START,
            claimed_at=START,
            failures=2,
            try_again_on=START,
            replaces="AKIAFAKE00000000OLD0",
            replaces_until=START,
            replaces_round=2,
            unconfirmed_since=CREATED,
        )

    def test_in_plain_text_forgets_the_encryption_key_of_an_earlier_one(self, ledger: Ledger) -> None:
        known = replace(CURRENT, parameter=NAME, sealed_by="attempt-0")
        put(ledger, known)

        begun = begin(ledger, known, sealed=False)

        assert ledger.find("alice", OLD) == begun
        assert (begun.parameter, begun.sealed_by) == (None, None)

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
        assert replace(found, attempt=None) == replace(CURRENT, user_id=USER_ID, email=EMAIL)

    def test_that_is_withdrawn_for_a_failure_waits_for_its_next_try(self, ledger: Ledger) -> None:
        """And one that is withdrawn for another reason has nothing to wait for."""
        later = START + timedelta(days=2)

        ledger.withdraw(deliver(ledger, begin(ledger)), failures=2, try_again_on=later)

        failed = ledger.find("alice", OLD)
        assert failed is not None
        assert (failed.status, failed.failures, failed.try_again_on) == (Status.CURRENT, 2, later)

        ledger.withdraw(begin(ledger, failed))

        found = ledger.find("alice", OLD)
        assert found is not None
        assert (found.status, found.failures, found.try_again_on) == (Status.CURRENT, 0, None)

    def test_that_succeeds_has_nothing_to_wait_for_either(self, ledger: Ledger) -> None:
        known = replace(CURRENT, failures=2, try_again_on=START)
        put(ledger, known)

        arm(ledger, deliver(ledger, begin(ledger, known)))

        found = ledger.find("alice", OLD)
        assert found is not None
        assert (found.status, found.failures, found.try_again_on) == (Status.EXPIRING, 0, None)

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
        successor = replace(SUCCESSOR, replaces_round=2)
        ledger.put(successor)

        ledger.settle("alice", NEW, replaces="AKIAFAKE00000000OLD0")
        assert ledger.find("alice", NEW) == successor

        ledger.settle("alice", NEW, replaces=OLD)
        ledger.settle("alice", NEW, replaces=OLD)
        assert ledger.find("alice", NEW) == replace(SUCCESSOR, replaces=None, replaces_until=None)

    def test_confirmed_successor_has_no_encryption_key_to_think_of_any_more(self, ledger: Ledger) -> None:
        """And one that is not confirmed has: it is how that key is found, and deleted, later on."""
        put(ledger, replace(SUCCESSOR, replaces_round=2, dormant_since=START))

        ledger.settle("alice", NEW, replaces=OLD, confirmed=True)

        assert ledger.find("alice", NEW) == replace(CURRENT, user_id=USER_ID, email=EMAIL, key_id=NEW, created_at=START)

    def test_entry_is_put_back_with_its_successors_word(self, ledger: Ledger) -> None:
        """The round tells the records of earlier ends of the same key from the one that counts."""
        tomorrow = GRACE_ENDS + timedelta(days=1)
        later = replace(ARMED, delete_on=tomorrow, round=4)
        put(ledger, replace(SUCCESSOR, replaces_round=3))

        ledger.put_back(later, until=tomorrow)

        assert ledger.find("alice", OLD) == later
        assert ledger.find("alice", NEW) == replace(SUCCESSOR, replaces_until=tomorrow, replaces_round=4)

    def test_put_back_that_fails_otherwise_is_no_conflict(self, world: World, ledger: Ledger) -> None:
        put(ledger, SUCCESSOR)
        world.controller.outages["TransactWriteItems"] = aws_error("TransactWriteItems", "AccessDeniedException", 400)

        with pytest.raises(ClientError, match="AccessDenied"):
            ledger.put_back(ARMED, until=GRACE_ENDS)

        assert not ledger.holds("alice", OLD)
        assert ledger.find("alice", NEW) == SUCCESSOR

    @pytest.mark.parametrize("instead_of", [None, EXPIRING, replace(FAILED, delete_on=GRACE_ENDS)])
    def test_entry_is_put_back_only_where_nobody_was_faster(self, ledger: Ledger, instead_of: Entry | None) -> None:
        """And where somebody was, the successor waits no longer either."""
        moved = replace(EXPIRING, delete_on=START)
        successor = replace(SUCCESSOR, replaces_until=START)
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


class TestTakingBack:
    """A rotation whose mail was accepted is taken back in two steps, so that a later run can finish the second."""

    @pytest.mark.parametrize("status", [Status.EXPIRING, Status.INACTIVE, Status.FAILED])
    def test_reopens_the_rotation_and_drops_the_successor(self, ledger: Ledger, status: Status) -> None:
        there = replace(ARMED, status=status, pending_email=OTHER_EMAIL, address_changed_at=START, **ENDED)
        put(ledger, there, SUCCESSOR)

        reopened = ledger.reopen(there, START + timedelta(milliseconds=500))

        assert reopened.attempt not in {None, "attempt-1"}
        assert reopened == replace(
            ARMED,
            status=Status.DELIVERING,
            attempt=reopened.attempt,
            started_at=START,
            claimed_at=START,
            delete_on=None,
            pending_email=OTHER_EMAIL,
            address_changed_at=START,
        )
        assert ledger.find("alice", OLD) == reopened
        assert not ledger.holds("alice", NEW)

    def test_then_withdraws_it_like_any_other(self, ledger: Ledger) -> None:
        put(ledger, ARMED, SUCCESSOR)

        ledger.withdraw(ledger.reopen(ARMED, START))

        found = ledger.find("alice", OLD)
        assert found is not None
        assert replace(found, attempt=None) == replace(CURRENT, user_id=USER_ID, email=EMAIL)

    @pytest.mark.parametrize(
        "moved",
        [
            pytest.param(replace(ARMED, status=Status.INACTIVE), id="deactivated"),
            pytest.param(replace(ARMED, new_key_id="AKIAFAKE00000000NEW2"), id="another-successor"),
            pytest.param(None, id="collected"),
        ],
    )
    def test_is_lost_to_whoever_has_moved_the_entry(self, ledger: Ledger, moved: Entry | None) -> None:
        """And then the successor's item stays: it may be all that the ledger knows of the user."""
        put(ledger, SUCCESSOR, *([moved] if moved else []))

        with pytest.raises(LedgerConflict, match=f"user alice, key {OLD}"):
            ledger.reopen(ARMED, START)

        assert ledger.find("alice", OLD) == moved
        assert ledger.find("alice", NEW) == SUCCESSOR


class TestFollowing:
    """A renamed user's entries move to the new name, whatever phase they are in."""

    @pytest.mark.parametrize(
        "entry",
        [
            pytest.param(CURRENT, id="current"),
            pytest.param(SUCCESSOR, id="successor"),
            pytest.param(replace(ARMED, **ENDED), id="expiring"),
            pytest.param(replace(ARMED, status=Status.INACTIVE, windows=1), id="inactive"),
            pytest.param(FAILED, id="failed"),
            pytest.param(
                replace(
                    ARMED,
                    status=Status.DELIVERING,
                    started_at=START,
                    claimed_at=START,
                    delete_on=None,
                    sealed_block="not-a-real-block",
                ),
                id="delivering",
            ),
        ],
    )
    def test_moves_the_whole_entry(self, ledger: Ledger, entry: Entry) -> None:
        put(ledger, entry)

        moved = ledger.move(entry, "alice-smith")

        assert moved == replace(entry, user="alice-smith", parameter=None)
        assert ledger.find("alice-smith", entry.key_id) == moved
        assert not ledger.holds("alice", entry.key_id)

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"status": Status.INACTIVE}, id="status"),
            pytest.param({"attempt": "attempt-2"}, id="attempt"),
            pytest.param({"delete_on": START}, id="time"),
            pytest.param({"replaces_until": START}, id="successor"),
        ],
    )
    def test_leaves_an_entry_that_somebody_has_moved_meanwhile(self, ledger: Ledger, changed: dict[str, Any]) -> None:
        seen = replace(ARMED, replaces_until=GRACE_ENDS)
        there = replace(seen, **changed)
        put(ledger, there)

        with pytest.raises(LedgerConflict):
            ledger.move(seen, "alice-smith")

        assert ledger.find("alice", OLD) == there
        assert not ledger.holds("alice-smith", OLD)

    def test_leaves_an_entry_that_is_gone_or_has_a_namesake(self, ledger: Ledger) -> None:
        with pytest.raises(LedgerConflict):
            ledger.move(CURRENT, "alice-smith")
        assert not ledger.holds("alice-smith", OLD)

        namesake = replace(FAILED, user="alice-smith")
        put(ledger, CURRENT, namesake)
        with pytest.raises(LedgerConflict):
            ledger.move(CURRENT, "alice-smith")
        assert ledger.find("alice", OLD) == CURRENT
        assert ledger.find("alice-smith", OLD) == namesake


class TestUse:
    """What the ledger is told about whether a key has been used."""

    def test_confirmation_is_noted_on_the_old_key(self, ledger: Ledger) -> None:
        put(ledger, ARMED)

        ledger.confirm(ARMED, START)

        assert ledger.find("alice", OLD) == replace(ARMED, confirmed_at=START)

    def test_confirmation_of_an_entry_that_has_moved_is_nothing_to_note(self, ledger: Ledger) -> None:
        """Above all it must not make an item of its own: that would look like another key."""
        ledger.confirm(ARMED, START)
        assert not ledger.holds("alice", OLD)

        put(ledger, CURRENT)
        ledger.confirm(ARMED, START)
        assert ledger.find("alice", OLD) == CURRENT

    def test_used_key_needs_no_encryption_key_and_is_not_dormant(self, ledger: Ledger) -> None:
        unused = replace(SUCCESSOR, replaces=None, replaces_until=None, dormant_since=START)
        put(ledger, unused)

        ledger.settle_use(unused)
        ledger.settle_use(unused)

        assert ledger.find("alice", NEW) == replace(
            unused, unconfirmed_since=None, dormant_since=None, parameter=None, sealed_by=None
        )

    def test_key_that_is_being_rotated_keeps_its_encryption_key(self, ledger: Ledger) -> None:
        """The parameter has one name per user: what is noted there now may be the new rotation's."""
        ledger.settle_use(CURRENT)
        assert not ledger.holds("alice", OLD)

        rotating = begin(ledger)
        ledger.settle_use(replace(CURRENT, user_id=USER_ID))
        assert ledger.find("alice", OLD) == rotating

    def test_key_that_nobody_uses_is_laid_to_rest(self, ledger: Ledger) -> None:
        put(ledger, SUCCESSOR)

        ledger.rest(SUCCESSOR, START)

        assert ledger.find("alice", NEW) == replace(SUCCESSOR, dormant_since=START)

    def test_key_that_has_moved_is_not_laid_to_rest(self, ledger: Ledger) -> None:
        with pytest.raises(LedgerConflict):
            ledger.rest(CURRENT, START)
        assert not ledger.holds("alice", OLD)

        rotating = begin(ledger)
        with pytest.raises(LedgerConflict):
            ledger.rest(CURRENT, START)
        assert ledger.find("alice", OLD) == rotating


class TestAddresses:
    """What the ledger is told about a user's address concerns all of the user's entries, or none."""

    def test_change_is_noted_on_all_entries(self, ledger: Ledger) -> None:
        put(ledger, ARMED, SUCCESSOR)

        ledger.note_address([ARMED, SUCCESSOR], OTHER_EMAIL, START)

        noted: dict[str, Any] = {"pending_email": OTHER_EMAIL, "address_changed_at": START}
        assert ledger.find("alice", OLD) == replace(ARMED, **noted)
        assert ledger.find("alice", NEW) == replace(SUCCESSOR, **noted)

    def test_settled_address_leaves_no_question(self, ledger: Ledger) -> None:
        """Neither that it changed, nor that mail to the last one came back or failed."""
        doubts: dict[str, Any] = {
            "pending_email": OTHER_EMAIL,
            "address_changed_at": START,
            "undeliverable": EMAIL,
            "failures": 3,
            "try_again_on": START,
        }
        put(ledger, replace(CURRENT, **doubts), replace(SUCCESSOR, **doubts))

        ledger.settle_address([CURRENT, SUCCESSOR], OTHER_EMAIL, USER_ID)

        assert ledger.find("alice", OLD) == replace(CURRENT, user_id=USER_ID, email=OTHER_EMAIL)
        assert ledger.find("alice", NEW) == replace(SUCCESSOR, email=OTHER_EMAIL)

    def test_returned_mail_is_noted_on_all_entries(self, ledger: Ledger) -> None:
        put(ledger, ARMED, SUCCESSOR)

        ledger.note_returned([ARMED, SUCCESSOR], EMAIL)

        assert ledger.find("alice", OLD) == replace(ARMED, undeliverable=EMAIL)
        assert ledger.find("alice", NEW) == replace(SUCCESSOR, undeliverable=EMAIL)

    @pytest.mark.parametrize("moved", [None, replace(ARMED, status=Status.INACTIVE)])
    def test_nothing_is_noted_where_one_entry_has_moved(self, ledger: Ledger, moved: Entry | None) -> None:
        """Half a note would look like two addresses, and hold the user up for ever."""
        put(ledger, SUCCESSOR, *([moved] if moved else []))
        entries = [SUCCESSOR, ARMED]
        notes: list[Callable[[], object]] = [
            lambda: ledger.note_address(entries, OTHER_EMAIL, START),
            lambda: ledger.settle_address(entries, OTHER_EMAIL, USER_ID),
            lambda: ledger.note_returned(entries, EMAIL),
        ]

        for note in notes:
            with pytest.raises(LedgerConflict):
                note()

        assert ledger.find("alice", OLD) == moved
        assert ledger.find("alice", NEW) == SUCCESSOR


class TestReminders:
    def test_one_run_reminds_and_the_others_lose(self, ledger: Ledger) -> None:
        put(ledger, ARMED)

        ledger.remind(ARMED, START, "run-1")

        reminded = replace(ARMED, reminded_at=START, reminded_by="run-1")
        assert ledger.find("alice", OLD) == reminded
        with pytest.raises(LedgerConflict):
            ledger.remind(ARMED, START + timedelta(seconds=1), "run-2")
        assert ledger.find("alice", OLD) == reminded

    @pytest.mark.parametrize("moved", [None, CURRENT, replace(ARMED, status=Status.INACTIVE)])
    def test_nobody_is_reminded_of_what_is_not_coming(self, ledger: Ledger, moved: Entry | None) -> None:
        put(ledger, *([moved] if moved else []))

        with pytest.raises(LedgerConflict):
            ledger.remind(ARMED, START, "run-1")

        assert ledger.find("alice", OLD) == moved

    def test_note_of_a_reminder_that_was_not_sent_is_taken_off_by_its_own_run(self, ledger: Ledger) -> None:
        put(ledger, ARMED)
        ledger.remind(ARMED, START, "run-1")

        ledger.not_reminded(ARMED, "run-2")
        assert ledger.find("alice", OLD) == replace(ARMED, reminded_at=START, reminded_by="run-1")

        ledger.not_reminded(ARMED, "run-1")
        ledger.not_reminded(ARMED, "run-1")
        assert ledger.find("alice", OLD) == ARMED
        ledger.remind(ARMED, START, "run-2")


Move = Callable[[Ledger], object]
REPEATABLE: dict[str, Move] = {
    "confirm": lambda ledger: ledger.confirm(ARMED, START),
    "settle": lambda ledger: ledger.settle("alice", NEW, replaces=OLD, confirmed=True),
    "settle_use": lambda ledger: ledger.settle_use(SUCCESSOR),
    "rest": lambda ledger: ledger.rest(SUCCESSOR, START),
    "remind": lambda ledger: ledger.remind(ARMED, START, "run-1"),
    "not_reminded": lambda ledger: ledger.not_reminded(replace(ARMED, reminded_by="run-1"), "run-1"),
    "note_address": lambda ledger: ledger.note_address([ARMED, SUCCESSOR], OTHER_EMAIL, START),
    "settle_address": lambda ledger: ledger.settle_address([ARMED, SUCCESSOR], OTHER_EMAIL, USER_ID),
    "note_returned": lambda ledger: ledger.note_returned([ARMED, SUCCESSOR], EMAIL),
    "learn": lambda ledger: ledger.learn([replace(CURRENT, key_id="AKIAFAKE00000000OLD0")]),
}
TRANSACTIONS: dict[str, Move] = {
    "reopen": lambda ledger: ledger.reopen(ARMED, START),
    "move": lambda ledger: ledger.move(ARMED, "alice-smith"),
    "put_back": lambda ledger: ledger.put_back(replace(ARMED, round=1), until=GRACE_ENDS, instead_of=ARMED),
}


class TestLostAnswers:
    """The SDK sends a write again whose answer was lost, and the second finds what the first has done."""

    @pytest.mark.parametrize("name", REPEATABLE)
    def test_write_that_is_sent_again_is_no_lost_race(self, world: World, ledger: Ledger, name: str) -> None:
        put(ledger, ARMED, SUCCESSOR)
        if name == "not_reminded":
            ledger.remind(ARMED, START, "run-1")
        world.controller.fault = Fault(len(world.controller.calls) + 1, Kind.ANSWER_LOST)

        REPEATABLE[name](ledger)

        assert world.controller.struck == world.controller.calls[-2] == world.controller.calls[-1]

    @pytest.mark.parametrize("name", TRANSACTIONS)
    def test_transaction_is_sent_again_under_the_token_of_the_first(
        self, world: World, ledger: Ledger, name: str
    ) -> None:
        """By it DynamoDB tells a repetition from another transaction, and answers as it did; moto does not."""
        put(ledger, ARMED, SUCCESSOR)
        bodies: list[bytes] = []
        world.controller.observe = lambda _, body: bodies.append(body)
        world.controller.fault = Fault("TransactWriteItems", Kind.ANSWER_LOST)

        with contextlib.suppress(LedgerConflict):
            TRANSACTIONS[name](ledger)

        tokens = [json.loads(body)["ClientRequestToken"] for body in bodies]
        assert len(tokens) == 2
        assert len(set(tokens)) == 1


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

    def test_reads_what_was_written_a_moment_ago(self, world: World, ledger: Ledger) -> None:
        """A read that lags behind would take a rotation under way for one that never began."""
        bodies: list[bytes] = []
        world.controller.observe = lambda _, body: bodies.append(body)

        ledger.scan()
        ledger.holds("alice", OLD)
        ledger.find("alice", OLD)

        assert [json.loads(body).get("ConsistentRead") for body in bodies] == [True] * 3

    def test_what_is_not_there_is_not_found(self, ledger: Ledger) -> None:
        assert not ledger.holds("alice", OLD)
        assert ledger.find("alice", OLD) is None
