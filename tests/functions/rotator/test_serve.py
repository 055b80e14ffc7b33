"""Users are served while others are still being looked at; a key that nobody uses is put to rest."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import MockRawResponse
from moto.dynamodb.models.table import Table

from tests.simulation import world as simulation
from tests.simulation.faults import Fault, Kind
from tests.simulation.world import World, new_world

CALLS_A_SECOND = 15
SHORT = 4.2
"""Minutes that leave some seconds above what a run keeps for the user it is at."""


class Log:
    """What takes effect in a world too large to look after everybody at each call.

    Attributes:
        mails: how many went to each address.
        listed: whose keys were listed, in that order.
    """

    def __init__(self, world: World) -> None:
        self.mails: Counter[str] = Counter()
        self.listed: list[str] = []
        world.controller.observe = self.note
        world.pace(CALLS_A_SECOND)

    def note(self, operation: str, body: bytes) -> None:
        if operation == "SendEmail":
            self.mails.update(json.loads(body)["Destination"]["ToAddresses"])
        if operation == "ListAccessKeys":
            self.listed += parse_qs(body.decode())["UserName"]


def hire(world: World, number: int, *, rotate_after_days: int, prefix: str) -> list[str]:
    names = [f"{prefix}-{count:03}" for count in range(number)]
    for name in names:
        world.add_user(name, email=f"{name}@example.com", ROTATE_AFTER_DAYS=str(rotate_after_days))
    return names


@pytest.fixture
def large_world(world: World) -> Iterator[World]:
    """A world in which no transaction fails: before each, moto would copy the whole table, to undo what it has done."""
    with mock.patch.object(Table, "__deepcopy__", lambda table, _: table, create=True):
        yield world


class TestShortOfTime:
    def test_each_run_gets_on_and_after_a_few_everybody_is_served(self, large_world: World) -> None:
        """A hundred are due of two hundred of whom nothing is known; a run has time for a fifth of the calls."""
        world = large_world
        due = hire(world, 100, rotate_after_days=1, prefix="due")
        young = hire(world, 100, rotate_after_days=80, prefix="young")
        world.wait(days=2)
        log = Log(world)
        runs: list[dict[str, Any]] = []

        while sum(summary["rotated"] for summary in runs) < len(due):
            runs.append(world.rotate(minutes=SHORT))
            assert runs[-1]["rotated"] > 0
            world.wait(hours=1)

        assert len(runs) <= 6
        assert runs[0]["remaining"] > 0
        assert all(summary["failed"] == {} for summary in runs)
        assert log.mails == Counter(f"{name}@example.com" for name in due)
        assert len(log.listed) <= len(due) + len(young) + 2 * len(runs)

    def test_who_is_known_to_be_due_is_not_made_to_wait_for_others_to_be_looked_at(self, world: World) -> None:
        hire(world, 50, rotate_after_days=80, prefix="unknown")
        due = hire(world, 10, rotate_after_days=1, prefix="due")
        world.rotate({"users": due})
        world.wait(days=2)
        log = Log(world)

        summary = world.rotate(minutes=4.1)

        assert sorted(log.listed[: len(due)]) == due
        assert (summary["rotated"], summary["remaining"] > 0) == (10, True)

    def test_what_was_looked_at_is_learnt_even_if_time_runs_out(self, world: World) -> None:
        """The next run goes on where this one ended."""
        names = hire(world, 60, rotate_after_days=80, prefix="young")
        log = Log(world)

        summary = world.rotate(minutes=4.02)

        seen = list(log.listed)
        assert 0 < len(seen) < len(names)
        assert (summary["not_due"], summary["remaining"]) == (len(seen), len(names) - len(seen))
        assert {item["user"] for item in world.ledger().values()} == set(seen)
        world.rotate()
        assert sorted(log.listed) == names

    def test_what_was_looked_at_is_learnt_even_if_the_run_breaks_off(self, world: World) -> None:
        hire(world, 3, rotate_after_days=80, prefix="young")

        with mock.patch("functions.rotator.audit.note_ages", side_effect=[None, RuntimeError]):
            world.rotate()

        assert isinstance(world.faults_seen[-1], RuntimeError)
        assert len(world.ledger()) == 1


class TestPace:
    @pytest.mark.parametrize("seconds", [1, 5])
    def test_forty_users_get_theirs_in_one_run_at_one_mail_a_second(self, world: World, seconds: int) -> None:
        """Throttling slows a run down; nobody fails for it, and no key is made and taken back."""
        names = hire(world, 40, rotate_after_days=0, prefix="due")

        with one_mail_in(seconds) as refused, world.pauses_pass():
            summary = world.rotate()

        assert (summary["rotated"], summary["failed"], summary["remaining"]) == (40, {}, 0)
        assert [len(world.people[name].mails) for name in names] == [1] * 40
        assert len(refused) > 0
        assert world.controller.counted["CreateAccessKey"] == 40
        assert world.controller.counted["DeleteAccessKey"] == 0
        assert (world.broken_promises, world.orphans()) == ([], [])


@contextmanager
def one_mail_in(seconds: int) -> Iterator[list[float]]:
    """Let SES take one mail in so many seconds, one as in its sandbox; gives the times at which it has refused one."""
    taken: list[float] = []
    refused: list[float] = []
    parsed = {
        "Error": {"Code": "TooManyRequestsException", "Message": "Maximum sending rate exceeded."},
        "ResponseMetadata": {"HTTPStatusCode": 429},
    }

    def answer(**_: Any) -> Any:
        if not taken or time.time() - taken[-1] >= seconds:
            taken.append(time.time())
            return None
        refused.append(time.time())
        return AWSResponse("https://email.invalid", 429, HTTPHeaders(), MockRawResponse(b"")), parsed

    events = simulation._clients.sesv2.meta.events
    events.register_first("before-call.sesv2.SendEmail", answer)
    try:
        yield refused
    finally:
        events.unregister("before-call.sesv2.SendEmail", answer)


class TestDormant:
    """A key that is still unused at its own limit: nobody could open a mail with another one either."""

    @pytest.fixture
    def world(self) -> Iterator[World]:
        """Alice was mailed a key and never used it; the old one has ended all the same, as this stack wants it."""
        with new_world(DELETE_UNCONFIRMED="true") as world:
            world.add_user("alice", ROTATE_AFTER_DAYS="20")
            world.rotate()
            world.wait(days=21)
            world.rotate()
            world.excused.add("alice")
            for _ in range(8):
                world.wait(days=1)
                world.rotate()
                world.deliver_stream()
            assert len(world.keys("alice")) == 1
            world.controller.calls.clear()
            yield world

    @pytest.fixture
    def key(self, world: World) -> str:
        """Her only key."""
        return next(iter(world.keys("alice")))

    def test_is_deactivated_and_told_by_name(self, world: World, key: str) -> None:
        world.wait(days=20)

        summary = world.rotate()

        assert (summary["dormant"], summary["rotated"], summary["failed"]) == (["alice"], 0, {})
        assert world.keys("alice") == {key: "Inactive"}
        (told,) = world.alarms()
        assert "IAM user alice" in told
        assert key in told
        assert world.controller.counted["SendEmail"] == 0

    def test_is_told_once(self, world: World) -> None:
        world.wait(days=20)
        world.rotate()

        summaries = [self.next_day(world) for _ in range(3)]

        assert [summary["skipped"] for summary in summaries] == [{"dormant": 1}] * 3
        assert [summary["dormant"] for summary in summaries] == [[]] * 3
        assert world.controller.counted["Publish"] == 1

    def test_is_none_before_its_limit(self, world: World, key: str) -> None:
        world.wait(days=11)

        assert world.rotate()["dormant"] == []

        assert world.keys("alice") == {key: "Active"}

    def test_is_left_alone_once_somebody_has_activated_it(self, world: World, key: str) -> None:
        """They want it so; and it is not rotated, for what was said of the mail still holds."""
        world.wait(days=20)
        world.rotate()
        world.iam.update_access_key(UserName="alice", AccessKeyId=key, Status="Active")

        summaries = [self.next_day(world) for _ in range(3)]

        assert [summary["skipped"] for summary in summaries] == [{"dormant": 1}] * 3
        assert world.keys("alice") == {key: "Active"}

    def test_is_rotated_once_it_was_used_after_all(self, world: World, key: str) -> None:
        world.wait(days=20)
        world.rotate()
        world.iam.update_access_key(UserName="alice", AccessKeyId=key, Status="Active")
        world.use_key("alice", key)

        rotated = [self.next_day(world)["rotated"] for _ in range(2)]

        assert sum(rotated) == 1
        assert len(world.keys("alice")) == 2

    def test_is_none_if_it_was_used_before_its_limit(self, world: World, key: str) -> None:
        world.use_key("alice", key)
        world.wait(days=20)

        summary = world.rotate()

        assert (summary["dormant"], summary["rotated"]) == ([], 1)
        assert world.keys("alice")[key] == "Active"

    def test_is_rotated_where_an_operator_forces_it(self, world: World) -> None:
        world.wait(days=20)

        summary = world.rotate({"users": ["alice"], "force": True})

        assert (summary["dormant"], summary["rotated"]) == ([], 1)

    @pytest.mark.parametrize("operation", ["Publish", "UpdateAccessKey", "UpdateItem"])
    def test_failure_on_the_way_is_made_up_for(self, world: World, key: str, operation: str) -> None:
        world.wait(days=20)
        world.controller.fault = Fault(operation, Kind.REFUSED)
        world.rotate()
        assert world.controller.struck == operation

        summary = self.next_day(world)

        assert world.keys("alice") == {key: "Inactive"}
        assert list(summary["skipped"]) in (["dormant"], ["inactive_key"], [])

    def test_is_counted(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        world.wait(days=20)
        capsys.readouterr()

        world.rotate()

        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["Dormant"] for line in lines if "Dormant" in line] == [[1.0]]

    def next_day(self, world: World) -> dict[str, Any]:
        world.wait(days=1)
        return world.rotate()


def test_key_that_was_never_used_is_rotated_if_somebody_made_it_by_hand(world: World) -> None:
    """Whoever made it holds it: that it was used need not be proved."""
    world.add_user("alice")
    world.wait(days=81)

    assert world.rotate()["rotated"] == 1
