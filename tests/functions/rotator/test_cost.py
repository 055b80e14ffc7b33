"""What a run costs: calls to AWS, counted by operation. Times are for ``make bench``."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.retries.standard import ExponentialBackoff, RetryContext
from moto.core.botocore_stubber import MockRawResponse

from functions.common.clients import Clients
from functions.common.keys import KeyMaker
from functions.rotator import handler as rotator
from tests.simulation.faults import Fault, Kind
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

CENSUS = Counter({"GetAccountAuthorizationDetails": 1, "Scan": 1})
ALIAS = Counter({"ListAccountAliases": 1})
# Intent and delivery; the encryption key; the old key's last use, which the mail tells; the pair; the mail; the old
# key's end and its successor, both at once.
ROTATION = Counter(
    {
        "UpdateItem": 2,
        "PutParameter": 1,
        "GetAccessKeyLastUsed": 1,
        "CreateAccessKey": 1,
        "SendEmail": 1,
        "TransactWriteItems": 1,
    }
)

THROTTLED = b"""<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
  <Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error>
</ErrorResponse>"""


def times(number: int, calls: Counter[str]) -> Counter[str]:
    return Counter({operation: number * count for operation, count in calls.items()})


def listed(users: int) -> Counter[str]:
    return Counter({"ListAccessKeys": users})


def learned(keys: int) -> Counter[str]:
    return Counter({"TransactWriteItems": -(-keys // 100)})


def hire(world: World, users: int, *, rotate_after_days: int = 80) -> list[str]:
    names = [f"user-{len(world.people) + number:03}" for number in range(users)]
    for name in names:
        world.add_user(name, ROTATE_AFTER_DAYS=str(rotate_after_days))
    return names


def calls_of_a_run(world: World, event: object = None) -> Counter[str]:
    world.controller.calls.clear()
    world.rotate(event)
    assert world.faults_seen == []
    return world.controller.counted


@contextmanager
def own_clients() -> Iterator[Clients]:
    """Give the rotator clients that nobody has used before."""
    clients = Clients()
    with mock.patch.object(rotator, "_clients", return_value=clients):
        yield clients


class TestCalls:
    @pytest.mark.parametrize(("users", "due"), [(20, 1), (120, 6)])
    def test_first_run(self, world: World, users: int, due: int) -> None:
        """Users whom the ledger does not know are looked up once, and what is found is learnt by the hundred."""
        hire(world, users - due)
        hire(world, due, rotate_after_days=0)

        calls = calls_of_a_run(world)

        assert calls == CENSUS + listed(users) + ALIAS + times(due, ROTATION) + learned(users - due)

    def test_steady_state(self, world: World) -> None:
        """Once the ledger knows the keys, only those that are due cost anything."""
        hire(world, 6)
        world.wait(days=79)
        hire(world, 114)
        world.rotate()
        world.wait(days=1, hours=12)

        calls = calls_of_a_run(world)

        assert calls == CENSUS + listed(6) + ALIAS + times(6, ROTATION)

    def test_steady_state_with_fifty_due_of_a_thousand(self) -> None:
        """What the README promises, from what is measured above."""
        assert (CENSUS + listed(50) + ALIAS + times(50, ROTATION)).total() <= 405

    def test_later_rotations_cost_no_more_than_the_first(self, world: World) -> None:
        """The ledger knows that the last key was used, and where mail went: nothing has to be asked again."""
        hire(world, 3)
        world.wait(days=81)
        world.rotate()
        world.live(days=8)
        assert len(world.ledger()) == 3
        world.wait(days=75)

        assert calls_of_a_run(world) == CENSUS + listed(3) + ALIAS + times(3, ROTATION)

    def test_hold_costs_nothing_but_a_look_at_whose_key_is_due(self, world: World) -> None:
        """Of somebody whose address was changed, too, the ledger knows enough."""
        due, young = hire(world, 1)[0], hire(world, 1, rotate_after_days=200)[0]
        world.rotate()
        world.wait(days=81)
        for name in (due, young):
            world.change_address(name, f"{name}@example.com")

        told = calls_of_a_run(world)
        held = calls_of_a_run(world)

        assert told == CENSUS + ALIAS + listed(1) + Counter({"SendEmail": 2, "TransactWriteItems": 2})
        assert held == CENSUS + listed(1)

    def test_grace_period(self, world: World) -> None:
        """A rotation costs nothing more on the runs of the next days."""
        hire(world, 3)
        world.wait(days=81)
        world.rotate()
        world.wait(days=1)

        assert calls_of_a_run(world) == CENSUS

    def test_nothing_due(self, world: World) -> None:
        """Users without the tag cost nothing but their place on a page, and known keys nothing at all."""
        for number in range(50):
            world.iam.create_user(UserName=f"untagged-{number}")
        hire(world, 3)

        assert calls_of_a_run(world) == CENSUS + listed(3) + learned(3)
        assert calls_of_a_run(world) == CENSUS

    def test_plain_text_needs_no_parameter(self, plain_world: World) -> None:
        hire(plain_world, 2, rotate_after_days=0)

        calls = calls_of_a_run(plain_world)

        assert calls == CENSUS + listed(2) + ALIAS + times(2, ROTATION) - Counter({"PutParameter": 2})

    def test_create_access_key_is_sent_once(self, world: World) -> None:
        """A request whose answer is lost is not sent again: it would make a second key."""
        hire(world, 1, rotate_after_days=0)
        world.controller.fault = Fault("CreateAccessKey", kind=Kind.ANSWER_LOST)

        world.rotate()

        assert world.controller.struck == "CreateAccessKey"
        assert world.controller.counted["CreateAccessKey"] == 1


class TestClients:
    def test_nothing_due_builds_two(self, world: World) -> None:
        hire(world, 1)

        with own_clients() as clients:
            world.rotate()

        assert set(vars(clients)) == {"iam", "dynamodb"}

    def test_plain_text_builds_none_for_parameters(self, plain_world: World) -> None:
        hire(plain_world, 1, rotate_after_days=0)

        with own_clients() as clients:
            plain_world.rotate()

        assert set(vars(clients)) == {"iam", "iam_once", "dynamodb", "sesv2"}

    def test_each_is_built_once(self, world: World) -> None:
        """However many runs a process sees, and however many users each of them serves."""
        hire(world, 3, rotate_after_days=0)

        with own_clients() as clients:
            world.rotate()
            before = dict(vars(clients))
            world.rotate()

        assert vars(clients) == before


class TestThrottling:
    """IAM's request rate belongs to the whole account: others may have used it up."""

    @pytest.fixture
    def pauses(self) -> Iterator[list[float]]:
        """Cut short the pauses before a request is sent again, and note how long they would have been, in seconds."""
        pauses: list[float] = []
        delay = ExponentialBackoff.delay_amount

        def cut_short(backoff: ExponentialBackoff, context: RetryContext) -> float:
            pauses.append(delay(backoff, context))
            return 0

        with (
            mock.patch.object(ExponentialBackoff, "delay_amount", cut_short),
            mock.patch("functions.rotator.run.KeyMaker", partial(KeyMaker, pause=pauses.append)),
        ):
            yield pauses

    def test_first_answer_to_every_request(self, world: World, pauses: list[float]) -> None:
        """A run that is told to slow down at each of its requests slows down, and does all its work."""
        hire(world, 20)
        due = hire(world, 4, rotate_after_days=0)
        seen: list[str] = []

        def is_new(operation: str, body: str) -> bool:
            seen.append(operation + body)
            return seen.count(operation + body) == 1

        with own_clients() as clients:
            throttle(clients, is_new)
            summary = world.rotate()

        assert summary["rotated"] == 4
        assert len(pauses) >= 20
        assert min(pauses) > 0
        assert [len(world.keys(name)) for name in due] == [2] * 4
        assert len(world.ledger()) == 20 + 2 * 4
        assert_nothing_lost(world)

    @pytest.mark.usefixtures("pauses")
    @pytest.mark.parametrize("operation", ["ListAccessKeys", "CreateAccessKey"])
    def test_for_a_whole_run(self, world: World, operation: str) -> None:
        """A run that gets no further tells so, leaves everything as it was, and the next one does the work."""
        due = hire(world, 3, rotate_after_days=0)

        with own_clients() as clients:
            throttle(clients, lambda sent, _: sent == operation)
            throttled = world.rotate()
        stopped = [len(world.keys(name)) for name in due]
        summary = world.rotate()

        assert (throttled["failed"], throttled["rotated"], throttled["remaining"]) == ({}, 0, 3)
        assert stopped == [1] * 3
        assert summary["rotated"] == 3
        assert_nothing_lost(world)


class TestThrottlingOfEverythingElse:
    """Whatever IAM throttles for a whole run, nobody fails for it, and the next run does the work."""

    @pytest.fixture(autouse=True)
    def short_pauses(self) -> Iterator[None]:
        with (
            mock.patch.object(ExponentialBackoff, "delay_amount", return_value=0),
            mock.patch.object(KeyMaker.__init__, "__defaults__", (lambda _: None,)),
        ):
            yield

    def test_reminder(self, world: World) -> None:
        hire(world, 2)
        world.wait(days=81)
        world.rotate()
        world.wait(days=4)

        with own_clients() as clients:
            throttle(clients, lambda sent, _: sent == "GetAccessKeyLastUsed")
            throttled = world.rotate()

        assert (throttled["failed"], throttled["reminded"], throttled["remaining"]) == ({}, 0, 2)
        assert world.rotate()["reminded"] == 2

    def test_chore(self, world: World) -> None:
        (name,) = hire(world, 1)
        world.rotate()
        world.delete_user(name)

        with own_clients() as clients:
            throttle(clients, lambda sent, _: sent in {"ListAccessKeys", "GetAccessKeyLastUsed"})
            throttled = world.rotate()

        assert (throttled["failed"], throttled["swept"], throttled["remaining"]) == ({}, 0, 1)
        assert world.rotate()["swept"] == 1

    def test_recovery(self, world: World) -> None:
        hire(world, 1, rotate_after_days=0)
        world.controller.fault = Fault("SendEmail", Kind.DIES_BEFORE)
        world.rotate()
        world.wait(minutes=16)
        world.faults_seen.clear()

        with own_clients() as clients:
            throttle(clients, lambda sent, _: sent == "GetAccessKeyLastUsed")
            throttled = world.rotate()
        world.wait(minutes=16)

        assert (throttled["failed"], throttled["remaining"]) == ({}, 1)
        assert world.rotate()["recovered"] == 1
        assert_nothing_lost(world)

    def test_for_half_a_minute(self, world: World) -> None:
        """The run waits it out."""
        names = hire(world, 3, rotate_after_days=0)
        until = time.time() + 30

        with own_clients() as clients, world.pauses_pass():
            throttle(clients, lambda sent, _: sent == "CreateAccessKey" and time.time() < until)
            summary = world.rotate()

        assert (summary["rotated"], summary["remaining"], summary["failed"]) == (3, 0, {})
        assert [len(world.keys(name)) for name in names] == [2] * 3
        assert_nothing_lost(world)


def throttle(clients: Clients, strikes: Callable[[str, str], bool]) -> None:
    """Let IAM refuse those requests of which ``strikes`` says so, by their operation and body."""

    def answer(request: Any, event_name: str, **_: Any) -> Any:
        if not strikes(event_name.rpartition(".")[2], str(request.body)):
            return None
        # The request goes where moto is not listening, so that it has no effect.
        request.url = "https://throttled.invalid/"
        return AWSResponse(request.url, 400, HTTPHeaders(), MockRawResponse(THROTTLED))

    for client in (clients.iam, clients.iam_once):
        client.meta.events.register_first("before-send", answer)


def assert_nothing_lost(world: World) -> None:
    assert world.broken_promises == []
    assert world.locked_out() == []
    assert world.orphans() == []
