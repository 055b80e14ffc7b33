"""Any number of the service's processes at once make one key, one mail and one deletion for each user.

A schedule may fire twice, an invocation be tried again, an operator start a run, a batch be delivered twice. Where it
matters, the processes are held until all of them have read the same state and want the same.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from scripts.local_cloud import waiting
from tests.simulation.shared_account import Process, SharedAccount, at_once, shared_account, starting_line

ROUNDS = 3
USERS = 2


@pytest.fixture(scope="module")
def account() -> Iterator[SharedAccount]:
    with shared_account() as shared:
        yield shared


@pytest.fixture(scope="module")
def everyone(account: SharedAccount) -> list[Process]:
    return [Process() for _ in range(10)]


@pytest.fixture(params=[2, 10])
def crowd(everyone: list[Process], request: pytest.FixtureRequest) -> list[Process]:
    """Two processes, then ten, whose calls in other tests do not count."""
    effects(everyone)
    return everyone[: request.param]


def test_rotators_make_one_key_and_send_one_mail(account: SharedAccount, crowd: list[Process]) -> None:
    """Of all the runs that find a key due at the same moment, one replaces it."""
    for meeting_point in ("dynamodb.Scan", "iam.ListAccessKeys", "dynamodb.UpdateItem"):
        users = account.hire(USERS)

        with starting_line(crowd, meeting_point):
            summaries = at_once([partial(rotator.rotate, users, force=True) for rotator in crowd])

        assert [summary.failed for summary in summaries] == [{}] * len(crowd)
        assert sum(summary.rotated for summary in summaries) == USERS
        assert effects(crowd)["iam.CreateAccessKey"] == USERS
        assert [len(account.keys(user)) for user in users] == [2] * USERS
        assert [len(account.mails(user)) for user in users] == [1] * USERS
        assert [sorted(account.entries(user).values()) for user in users] == [["current", "expiring"]] * USERS


def test_rotators_hand_over_a_key_that_is_due_once(account: SharedAccount, crowd: list[Process]) -> None:
    """However many runs sweep up what TTL has not collected, the destructor hears of it once."""
    for _ in range(ROUNDS):
        users = account.hire(USERS)
        crowd[0].rotate(users, force=True)
        account.ledger.advance(days=6)

        with starting_line(crowd, "dynamodb.DeleteItem"):
            summaries = at_once([partial(rotator.rotate, users) for rotator in crowd])

        assert [summary.failed for summary in summaries] == [{}] * len(crowd)
        assert sum(summary.swept for summary in summaries) == USERS
        assert sorted(removed.entry.user for removed in account.removals(users)) == sorted(users)


def test_destructors_delete_once(account: SharedAccount, crowd: list[Process]) -> None:
    """A batch that is delivered to several processes at once ends each key once, and nobody else's.

    Lambda hands a batch to one process at a time, so how often the user is told is not at stake here: better twice
    than, because a process died after it had claimed to be the one to tell, never.
    """
    for meeting_point in ("dynamodb.GetItem", "iam.ListAccessKeys", "iam.DeleteAccessKey"):
        users = account.hire(USERS)
        crowd[0].rotate(users, force=True)
        account.use_new_keys(users)
        account.ledger.advance(days=6)
        crowd[0].rotate(users)
        batch = account.removals(users)

        with starting_line(crowd, meeting_point):
            at_once([partial(destructor.destroy, batch) for destructor in crowd])

        assert effects(crowd)["iam.DeleteAccessKey"] == USERS
        assert [len(account.keys(user)) for user in users] == [1] * USERS
        assert all(len(account.mails(user)) >= 2 for user in users)
        assert [list(account.entries(user).values()) for user in users] == [["current"]] * USERS


def test_rotators_recover_what_was_left_behind_once(account: SharedAccount, crowd: list[Process]) -> None:
    """Of all the runs that find the same leftovers, one finishes each, or begins it anew."""
    for _ in range(ROUNDS):
        lost, unsent, unarmed = users = account.hire(3)
        crowd[0].die_rotating(lost, "after-call.iam.CreateAccessKey")
        crowd[0].die_rotating(unsent, "before-call.sesv2.SendEmail")
        crowd[0].die_rotating(unarmed, "before-call.dynamodb.TransactWriteItems")
        effects(crowd)
        account.ledger.advance(hours=1)
        old_and_orphan, *delivered = [set(account.keys(user)) for user in users]

        with starting_line(crowd, "dynamodb.UpdateItem"):
            summaries = at_once([partial(rotator.rotate, users, force=True) for rotator in crowd])

        assert [summary.failed for summary in summaries] == [{}] * len(crowd)
        assert sum(summary.recovered for summary in summaries) == len(users)
        made = effects(crowd)
        assert (made["iam.CreateAccessKey"], made["iam.DeleteAccessKey"]) == (1, 1), "the orphan goes, another comes"
        assert len(old_and_orphan & set(account.keys(lost))) == 1
        assert [set(account.keys(user)) for user in (unsent, unarmed)] == delivered
        assert [len(account.mails(user)) for user in users] == [1, 1, 2]
        assert [sorted(account.entries(user).values()) for user in users] == [["current", "expiring"]] * len(users)


def test_rotators_sweep_while_the_destructor_works(account: SharedAccount, everyone: list[Process]) -> None:
    """A key on its way out may look lost and be handed over again; it goes once, and its user is told once."""
    destructor, *rotators = everyone[:3]
    for _ in range(ROUNDS):
        users = account.hire(USERS)
        rotators[0].rotate(users, force=True)
        account.use_new_keys(users)
        account.ledger.advance(days=6)
        effects(everyone)
        over = threading.Event()

        at_once(
            [partial(run_until, over, partial(rotator.rotate, users)) for rotator in rotators]
            + [partial(follow_stream, over, account, users, destructor)]
        )

        made = effects(everyone)
        assert (made["iam.CreateAccessKey"], made["iam.DeleteAccessKey"]) == (0, USERS)
        assert [len(account.keys(user)) for user in users] == [1] * USERS
        assert [len(account.mails(user)) for user in users] == [2] * USERS


def effects(processes: list[Process]) -> Counter[str]:
    """Count how often each call has taken effect since the last count, over all processes."""
    counted = Counter(effect for process in processes for effect in process.effects)
    for process in processes:
        process.effects.clear()
    return counted


def run_until(over: threading.Event, run: Callable[[], object]) -> None:
    """Run again and again, and once more when it is over."""
    while not over.is_set():
        run()
    run()


def follow_stream(over: threading.Event, account: SharedAccount, users: list[str], destructor: Process) -> None:
    """Hand the stream's records to the destructor as they come, until nothing is pending any more."""
    done = 0

    def all_is_settled() -> bool:
        nonlocal done
        removals = account.removals(users)
        destructor.destroy(removals[done:])
        done = len(removals)
        return all(
            item["status"]["S"] == "current" and "replaces" not in item
            for item in account.ledger.items()
            if item["user"]["S"] in users
        )

    try:
        waiting.until(all_is_settled, f"the ends of the old keys of {users}")
    finally:
        over.set()
