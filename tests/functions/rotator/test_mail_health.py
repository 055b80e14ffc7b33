"""One mailbox that fails says nothing about the others; a service that fails costs few keys."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from functions.common.errors import KeyLimitExceeded, MailServiceError, MailUnanswered, RecipientRefused
from functions.rotator.case import Case
from functions.rotator.mail_health import DOWN_AFTER, MailHealth
from functions.rotator.serve import Served, Server
from tests.simulation.faults import aws_error
from tests.simulation.world import World

PATIENCE_SECONDS = 20
GREYLISTED = MailServiceError("the server refuses: 451 try again later", transient=True)
DOWN = MailServiceError("the server refuses: 535 authentication failed", transient=False)
UNANSWERED = MailUnanswered("the server was handed the mail, and did not answer")
GONE = RecipientRefused("the server does not take this mail")


class TestCount:
    @pytest.mark.parametrize("fault", [GREYLISTED, DOWN, UNANSWERED])
    def test_service_is_down_after_three_different_users(self, fault: Exception) -> None:
        health = MailHealth()
        seen = []

        for name in ("alice", "bob", "carl"):
            health.note(name, fault)
            seen.append(health.is_down)

        assert seen == [False, False, True]
        assert len(seen) == DOWN_AFTER

    def test_the_same_user_three_times_is_one_user(self) -> None:
        health = MailHealth()

        for _ in range(3):
            health.note("alice", GREYLISTED)

        assert not health.is_down

    @pytest.mark.parametrize("sign_of_life", [MailHealth.accepted, lambda health: health.note("dora", GONE)])
    def test_a_mail_that_is_out_or_refused_for_its_own_sake_begins_the_count_anew(
        self, sign_of_life: Callable[[MailHealth], None]
    ) -> None:
        health = MailHealth()
        for name in ("alice", "bob"):
            health.note(name, DOWN)

        sign_of_life(health)
        health.note("carl", DOWN)

        assert not health.is_down

    def test_other_faults_say_nothing(self) -> None:
        health = MailHealth()

        for name in ("alice", "bob", "carl"):
            health.note(name, KeyLimitExceeded("two keys"))

        assert not health.is_down


class TestTurn:
    def test_nobody_else_has_a_turn_until_a_mail_is_out(self) -> None:
        health = MailHealth()

        with health.turn():
            assert not health._one_by_one.acquire(blocking=False)

        health.note("alice", DOWN)
        with health.turn():
            assert not health._one_by_one.acquire(blocking=False)

    @pytest.mark.parametrize("sign_of_life", [MailHealth.accepted, lambda health: health.note("dora", GONE)])
    def test_then_all_have(self, sign_of_life: Callable[[MailHealth], None]) -> None:
        health = MailHealth()

        sign_of_life(health)

        with health.turn(), health.turn():
            assert not health._one_by_one.locked()

    def test_turn_that_fails_is_over(self) -> None:
        health = MailHealth()

        with pytest.raises(MailServiceError), health.turn():
            raise DOWN

        assert not health._one_by_one.locked()


class Watch:
    """Watches how many users several workers serve at once, and holds the first one until it has seen enough.

    Attributes:
        most: of users served at the same time.
        company: that somebody else has come, to be served or to wait for a turn.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gate = threading.Lock()
        self.inside: list[str] = []
        self.served: list[str] = []
        self.most = 0
        self.company = threading.Event()

    def __enter__(self) -> None:
        """Stand in for the lock at which everybody waits for a turn."""
        if self.inside:
            self.company.set()
        self._gate.acquire()

    def __exit__(self, *_: object) -> None:
        self._gate.release()

    @contextmanager
    def at_work(self, *, hold: Callable[[int], bool]) -> Iterator[None]:
        """Watch, and let those wait for company whose number, counted from 0, is to be held."""
        act, watch = Server._act, self

        def watched(server: Server, case: Case) -> Served:
            with watch._lock:
                number = len(watch.served)
                watch.served.append(case.user.name)
                watch.inside.append(case.user.name)
                watch.most = max(watch.most, len(watch.inside))
                if len(watch.inside) > 1:
                    watch.company.set()
            if hold(number):
                assert watch.company.wait(PATIENCE_SECONDS), f"{case.user.name} is served all alone"
            try:
                return act(server, case)
            finally:
                with watch._lock:
                    watch.inside.remove(case.user.name)

        class WatchedHealth(MailHealth):
            def __init__(self) -> None:
                super().__init__()
                self._one_by_one: Any = watch

        with (
            mock.patch.object(Server, "_act", watched),
            mock.patch("functions.rotator.run.MailHealth", WatchedHealth),
        ):
            yield


def hire(world: World, number: int) -> list[str]:
    """So many users whose keys are due and known to the ledger, the first one's the oldest."""
    names = [f"user-{count:02}" for count in range(number)]
    for name in names:
        world.add_user(name)
        world.wait(minutes=1)
    world.rotate()
    world.wait(days=81)
    return names


class TestSeveralWorkers:
    def test_users_are_served_one_by_one_until_a_mail_is_out(self, world: World) -> None:
        """Else a service that is down would cost as many keys, made and taken back, as there are workers."""
        hire(world, 6)
        world.controller.outages["SendEmail"] = aws_error("SendEmail", "AccountSuspendedException", 400)
        watch = Watch()

        with world.several_workers(3), watch.at_work(hold=lambda number: number == 0):
            assert world.rotate() == {}

        assert watch.most == 1
        assert world.controller.counted["CreateAccessKey"] == world.controller.counted["DeleteAccessKey"] == 3
        assert "3 of this run's users could not be served" in str(world.faults_seen[-1])

    def test_then_several_at_once(self, world: World) -> None:
        names = hire(world, 9)
        watch = Watch()

        with world.several_workers(3), watch.at_work(hold=lambda number: number > 0):
            summary = world.rotate()

        assert watch.most > 1
        assert (summary["rotated"], summary["failed"]) == (9, {})
        assert sorted(watch.served) == names
        assert [len(world.people[name].mails) for name in names] == [1] * 9
        assert (world.orphans(), world.broken_promises) == ([], [])


class TestNobodyWaits:
    """For somebody else's mailbox."""

    @pytest.mark.parametrize("fault", [GREYLISTED, DOWN, UNANSWERED, GONE])
    def test_one_mailbox_that_fails_for_weeks_stops_nobody(self, world: World, fault: Exception) -> None:
        """Its owner's key is the oldest, and would be the first each day."""
        hire(world, 1)
        others = [f"other-{number}" for number in range(7)]
        for number, name in enumerate(others):
            world.add_user(name, ROTATE_AFTER_DAYS=str(2 * number + 1))
        waited_for = []

        with world.refusing({"0@example.com": fault}), world.pauses_pass():
            for day in range(15):
                world.rotate()
                due = [name for number, name in enumerate(others) if day > 2 * number + 1]
                waited_for += [name for name in due if len(world.keys(name)) == 1]
                world.wait(days=1)

        assert waited_for == []
        assert [len(world.keys(name)) for name in others] == [2] * 7
        assert world.broken_promises == []

    @pytest.mark.parametrize("fault", [GREYLISTED, UNANSWERED])
    def test_three_mailboxes_that_fail_cost_the_others_one_run(self, world: World, fault: Exception) -> None:
        """Three different users in a row: the run cannot tell that from a service that is down, the next one can."""
        names = hire(world, 8)
        failing = {f"{number}@example.com": fault for number in range(3)}
        served = []

        with world.refusing(failing), world.pauses_pass():
            for _ in range(2):
                world.rotate()
                served.append(sum(len(world.people[name].mails) for name in names[3:]))
                world.wait(days=1)

        assert served == [0, 5]

    def test_run_in_which_two_fail_goes_on(self, world: World) -> None:
        names = hire(world, 6)
        failing = {f"{number}@example.com": DOWN for number in range(2)}

        with world.refusing(failing):
            assert world.rotate() == {}

        assert [len(world.people[name].mails) for name in names] == [0, 0, 1, 1, 1, 1]

    def test_reminders_that_fail_for_three_users_spare_the_rest_of_the_run(self, world: World) -> None:
        """No key is made for mails that cannot be sent."""
        hire(world, 3)
        world.rotate()
        world.wait(days=4)
        world.add_user("due", ROTATE_AFTER_DAYS="0")
        world.controller.outages["SendEmail"] = aws_error("SendEmail", "SendingPausedException", 400)
        world.controller.calls.clear()

        assert world.rotate() == {}

        assert world.controller.counted["CreateAccessKey"] == 0
        assert len(world.keys("due")) == 1
