from __future__ import annotations

import json

import pytest

from functions.common import telemetry
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
    summary = Summary(
        rotated=1,
        overdue={"fred": 101, "eve": 95},
        addresses_changed={"bob", "alice"},
        returned={"carl", "bob"},
        dormant={"dan", "carl"},
        refused={"hugo": "used", "gina": "no such user"},
        misconfigured={"dan": "bad", "carl": "bad"},
        failed={"bob": "why"},
        unknown_keys={"alice"},
    )
    summary.skip(Reason.NO_KEY)
    summary.skip(Reason.FOREIGN_KEY)
    summary.name("ida", rotated=True, taken_back=True, recovered=False)
    summary.name("hal", rotated=True)

    told = summary.to_json()

    assert told == {
        **dict.fromkeys(("recovered", "taken_back", "rearmed", "swept", "reminded", "announced"), 0),
        **dict.fromkeys(("in_grace", "not_due", "remaining", "oldest_key_age_days", "malformed"), 0),
        "rotated": 1,
        "overdue": {"eve": 95, "fred": 101},
        "addresses_changed": ["alice", "bob"],
        "returned": ["bob", "carl"],
        "dormant": ["carl", "dan"],
        "refused": {"gina": "no such user", "hugo": "used"},
        "out_of_step": False,
        "skipped": {"foreign_key": 1, "no_key": 1},
        "misconfigured": {"carl": "bad", "dan": "bad"},
        "failed": {"bob": "why"},
        "names": {"rotated": ["hal", "ida"], "taken_back": ["ida"]},
    }
    named = ("overdue", "refused", "skipped", "misconfigured")
    assert [list(told[name]) for name in named] == [sorted(told[name]) for name in named]


def test_metrics_count_whom_somebody_has_to_attend_to(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Summary(
        taken_back=3,
        overdue={"eve": 95, "fred": 101},
        addresses_changed={"alice"},
        returned={"bob", "carl"},
        dormant={"dan"},
        out_of_step=True,
    )

    summary.publish()
    telemetry.flush()

    counted = json.loads(capsys.readouterr().out.splitlines()[-1])
    names = ("TakenBack", "KeysOverdue", "AddressesChanged", "MailsReturned", "Dormant", "LedgerOutOfStep")
    assert [counted[name] for name in names] == [[3], [2], [1], [2], [1], [1]]


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
