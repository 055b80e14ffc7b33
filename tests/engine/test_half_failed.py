"""An `up` that fails half-way: every creation fails, and every `up` goes on where the last one stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from scripts.engine.workspace import Outcome, Workspace
from scripts.local_cloud.cloud import LocalCloud

LEDGER = "ledger-table"

# What the program orders by hand, for no input does: `depends_on`, and the ledger before all else.
PREREQUISITES: Mapping[str, frozenset[str]] = {
    # A function that runs before these exist makes a log group of its own, which never forgets, or lacks its rights.
    "rotator-function": frozenset({"rotator-log", "rotator-access"}),
    "destructor-function": frozenset({"destructor-log", "destructor-access"}),
    # An event that cannot be delivered has nowhere to go before the queue takes it.
    "rotator-target": frozenset({"rotator-undelivered"}),
    "rotator-returned-target": frozenset({"rotator-undelivered"}),
}
STUBBORN = frozenset({"rotator-undelivered"})


@dataclass(frozen=True)
class Attempt:
    """One `up`: how it ended, what was there before, and what it tried to create."""

    outcome: Outcome
    there: frozenset[str]
    tried: frozenset[str]


@pytest.fixture(scope="module")
def project(new_stack: Callable[..., Workspace]) -> Workspace:
    return new_stack(alarmEmail="ops@example.com", namePrefix="half-failed")


@pytest.fixture(scope="module")
def names(project: Workspace) -> frozenset[str]:
    """All resources of AWS that the stack is to have."""
    return frozenset(project.preview().changes)


@pytest.fixture(scope="module")
def attempts(project: Workspace, names: frozenset[str]) -> list[Attempt]:
    """Let each creation fail, and deploy until all have succeeded; each attempt goes on after a fault.

    One fails again and again, until nothing else is left to do: what waits for nothing but it must go on waiting.
    """
    project.orders.fail("create", names)
    return list(_deploy_until_it_succeeds(project, names, stubborn=STUBBORN))


def _deploy_until_it_succeeds(
    project: Workspace, names: frozenset[str], stubborn: frozenset[str] = frozenset()
) -> Iterator[Attempt]:
    there: frozenset[str] = frozenset()
    for _ in names:
        before = len(project.orders.calls())
        outcome = project.up("--continue-on-error")
        tried = frozenset(call.name for call in project.orders.calls()[before:])
        yield Attempt(outcome, there, tried)
        if outcome.code == 0:
            return
        there = frozenset(resource["urn"].split("::")[-1] for resource in project.state())
        if not tried <= stubborn:
            project.orders.fail("create", stubborn - there)


def test_each_creation_failed_and_then_succeeded(
    attempts: list[Attempt], project: Workspace, names: frozenset[str]
) -> None:
    created = Counter(call.name for call in project.orders.calls() if call.method == "create")

    assert attempts[-1].outcome.code == 0
    assert created.keys() == names
    assert {name for name, times in created.items() if times != 2} <= STUBBORN
    assert min(created.values()) == 2, "one attempt that failed, one that did not"


def test_every_attempt_says_what_failed(attempts: list[Attempt]) -> None:
    for attempt in attempts[:-1]:
        assert "ordered: create of" in attempt.outcome.failed().said


def test_the_ledger_comes_before_everything(attempts: list[Attempt]) -> None:
    assert attempts[0].tried == {LEDGER}


def test_nothing_is_tried_before_what_it_needs(attempts: list[Attempt]) -> None:
    early = [
        (name, missing)
        for attempt in attempts[:-1]
        for name in attempt.tried & PREREQUISITES.keys()
        if (missing := PREREQUISITES[name] - attempt.there - _succeeded(attempt))
    ]

    assert early == []


def _succeeded(attempt: Attempt) -> frozenset[str]:
    """What an attempt created: what it tried and Pulumi did not complain of."""
    return frozenset(name for name in attempt.tried if f"ordered: create of {name} fails" not in attempt.outcome.said)


def test_what_was_deployed_in_pieces_is_whole(
    attempts: list[Attempt], project: Workspace, as_cloud: Callable[[Workspace], LocalCloud]
) -> None:
    assert attempts
    project.pulumi("up", "--yes", "--expect-no-changes").ok()
    project.pulumi("refresh", "--yes", "--expect-no-changes").ok()

    cloud = as_cloud(project)
    cloud.add_user("alice", {"IKR:EMAIL": "alice@example.com"})
    cloud.add_key("alice")
    assert cloud.rotate({"users": ["alice"], "force": True})["rotated"] == 1


def test_a_change_that_fails_half_way_is_taken_up_again(attempts: list[Attempt], project: Workspace) -> None:
    assert attempts
    project.configure(rotateAfterDays="20", tracing="Active", pointInTimeRecovery="false")
    changing = project.preview().changes
    assert set(changing.values()) == {"update"}
    project.orders.fail("update", changing)
    before = len(project.orders.calls())

    (*broken, last) = _deploy_until_it_succeeds(project, frozenset(changing))

    assert broken
    assert last.outcome.code == 0
    updated = [call.name for call in project.orders.calls()[before:]]
    assert sorted(updated) == sorted([*changing, *changing]), "one attempt that failed, one that did not"


def test_a_deletion_that_fails_is_taken_up_again(attempts: list[Attempt], project: Workspace) -> None:
    assert attempts
    project.pulumi("config", "rm", "alarmEmail").ok()
    project.orders.fail("delete", ["alarms-email"])

    assert "ordered: delete of alarms-email fails" in project.up().failed().said

    project.up().ok()
    assert "alarms-email" not in {resource["urn"].split("::")[-1] for resource in project.state()}
