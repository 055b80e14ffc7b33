from __future__ import annotations

import pytest

from functions.common.errors import RunFailed
from functions.common.keys import AccessKey
from functions.rotator.decide import Action, Decision, Reason
from functions.rotator.summary import Summary
from tests.simulation.world import START

KEY = AccessKey(id="AKIAFAKE00000000OLD1", created_at=START, active=True)


def test_decisions_without_work_are_counted() -> None:
    summary = Summary()

    for action in Action:
        summary.count(Decision(action=action, reason=Reason.NO_KEY if action is Action.SKIP else None))

    assert summary == Summary(in_grace=1, not_due=1, skipped=summary.skipped)
    assert summary.skipped == {"no_key": 1}


def test_json_has_every_count_and_names_in_order() -> None:
    summary = Summary(rotated=1, misconfigured={"dan": "bad", "carl": "bad"}, failed={"bob": "why"})
    summary.skip(Reason.NO_KEY)
    summary.skip(Reason.FOREIGN_KEY)

    told = summary.to_json()

    assert told == {
        **dict.fromkeys(("recovered", "rearmed", "swept", "reminded", "in_grace", "not_due", "remaining"), 0),
        **dict.fromkeys(("overdue", "oldest_key_age_days", "malformed"), 0),
        "rotated": 1,
        "skipped": {"foreign_key": 1, "no_key": 1},
        "misconfigured": {"carl": "bad", "dan": "bad"},
        "failed": {"bob": "why"},
    }
    assert {name for name, value in told.items() if value == 0} >= {"recovered", "swept", "in_grace", "remaining"}
    assert [list(told[name]) for name in ("skipped", "misconfigured")] == [["foreign_key", "no_key"], ["carl", "dan"]]


def test_dry_run_tells_each_decision() -> None:
    summary = Summary()

    summary.note("bob", Decision(action=Action.SKIP, reason=Reason.NO_KEY))
    summary.note("alice", Decision(action=Action.ROTATE, key=KEY))

    assert summary.to_json()["decisions"] == {
        "alice": {"action": "rotate", "key": KEY.id},
        "bob": {"action": "skip", "reason": "no_key"},
    }


def test_run_without_failures_ends_well() -> None:
    Summary(misconfigured={"alice": "IKR:EMAIL is wrong"}, remaining=3).raise_if_failed()


def test_run_with_failures_names_each() -> None:
    summary = Summary(failed={"bob": "refused", "alice": "down"})

    with pytest.raises(RunFailed) as fault:
        summary.raise_if_failed()

    assert str(fault.value) == "2 of this run's users could not be served: alice: down; bob: refused"
