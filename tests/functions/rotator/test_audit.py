"""What an auditor would point out, and what an operator must hear of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from functions.common.entry import Entry, Status
from functions.rotator import audit
from functions.rotator.summary import Summary
from tests.functions.rotator.alice import DAY, LIMIT, NEW, OLD, SECOND, census, entry, user
from tests.simulation.world import START, TABLE, World, new_world


def day(world: World, number: int = 1) -> dict[str, Any]:
    """Let days go by; gives the last run's summary."""
    summary: dict[str, Any] = {}
    for _ in range(number):
        world.wait(days=1)
        summary = world.rotate()
        world.deliver_stream()
    return summary


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """The metrics of the last run."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    last = next(line for line in reversed(lines) if "_aws" in line)
    return {name: value[0] for name, value in last.items() if isinstance(value, list)}


class TestOverdue:
    @pytest.mark.parametrize(("over", "expected"), [(timedelta(), {}), (SECOND, {"alice": 90})])
    def test_is_exact(self, over: timedelta, expected: dict[str, int]) -> None:
        summary = Summary()

        audit.note_ages("alice", {OLD: START - 90 * DAY - over, NEW: START}, summary, 90, START)

        assert (summary.overdue, summary.oldest_key_age) == (expected, 90 * DAY + over)

    def test_user_without_an_active_key_has_no_age(self) -> None:
        summary = Summary(oldest_key_age=DAY)

        audit.note_ages("alice", {}, summary, 90, START)

        assert (summary.overdue, summary.oldest_key_age) == ({}, DAY)

    @pytest.mark.parametrize("status", ["Active", "Inactive"])
    def test_second_key_made_by_hand_keeps_nobody_from_hearing_of_the_first(
        self, world: World, status: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Whoever has two keys is not rotated, whatever the second one is."""
        world.add_user("alice")
        second = world.add_key("alice")
        world.iam.update_access_key(
            UserName="alice", AccessKeyId=second, Status="Active" if status == "Active" else "Inactive"
        )
        assert day(world, 90)["overdue"] == {}
        world.wait(seconds=1)

        summary = world.rotate()

        assert (summary["rotated"], summary["skipped"]) == (0, {"foreign_key": 1})
        assert (summary["overdue"], summary["oldest_key_age_days"]) == ({"alice": 90}, 90)
        assert metrics(capsys)["KeysOverdue"] == 1

    def test_tags_that_are_broken_keep_nobody_from_hearing_of_the_key(self, world: World) -> None:
        world.add_user("alice")
        world.rotate()
        world.tag("alice", "ROTATE_AFTER_DAYS", "soon")
        world.wait(days=91)

        summary = world.rotate()

        assert (list(summary["misconfigured"]), summary["overdue"]) == (["alice"], {"alice": 91})

    def test_limit_of_their_own_keeps_nobody_from_hearing_of_the_key(self, world: World) -> None:
        world.add_user("alice", ROTATE_AFTER_DAYS="3650")
        world.rotate()
        world.wait(days=91)

        assert world.rotate()["overdue"] == {"alice": 91}

    def test_old_key_that_lives_on_by_extension_is_overdue_from_its_day_on(self, world: World) -> None:
        """The user is away: the key is rotated on the 81st day, and lives until the 100th."""
        world.add_user("alice")
        world.excused.add("alice")
        overdue = [number for number in range(1, 120) if day(world)["overdue"]]

        assert (overdue[0], overdue[-1]) == (91, overdue[0] + len(overdue) - 1)
        assert 95 <= overdue[-1] <= 101
        assert "Inactive" in world.keys("alice").values()

    def test_inactive_key_is_none(self, world: World) -> None:
        world.add_user("alice")
        (key,) = world.keys("alice")
        world.iam.update_access_key(UserName="alice", AccessKeyId=key, Status="Inactive")
        world.wait(days=200)

        assert world.rotate()["overdue"] == {}

    def test_age_is_the_stacks(self) -> None:
        with new_world(AUDIT_DAYS="30") as world:
            world.add_user("alice")
            world.rotate()
            world.wait(days=31)

            assert world.rotate()["overdue"] == {"alice": 31}

    def test_user_who_could_not_be_looked_at_is_judged_by_the_ledger(self, world: World) -> None:
        """For lack of time, say: the alarm must not be over because a run was short."""
        world.add_user("alice", ROTATE_AFTER_DAYS="3650")
        world.rotate()
        world.wait(days=91)

        summary = world.rotate(minutes=1)

        assert (summary["remaining"], summary["overdue"]) == (1, {"alice": 91})

    def test_key_that_was_rotated_in_this_run_was_old_all_the_same(self, world: World) -> None:
        world.add_user("alice")
        world.wait(days=91)

        summary = world.rotate()

        assert (summary["rotated"], summary["overdue"]) == (1, {"alice": 91})


class TestOutOfStep:
    @pytest.fixture
    def world(self) -> Iterator[World]:
        """A dozen users, known to the ledger."""
        with new_world() as world:
            hire(world, 12)
            world.rotate()
            yield world

    @pytest.mark.parametrize(
        ("entries", "unknown", "users", "expected"),
        [
            (0, 0, 5, False),
            (0, 1, 100, True),
            (1, 9, 10, False),
            (1, 10, 50, True),
            (1, 10, 51, False),
            (1, 200, 1000, True),
        ],
    )
    def test_table(self, entries: int, unknown: int, users: int, expected: bool) -> None:
        known: list[Entry] = [entry()] * entries
        found = census(*known, users=[user()] * users)
        summary = Summary(unknown_keys={f"user-{number}" for number in range(unknown)})

        assert audit.is_out_of_step(found, summary) is expected

    def test_ledger_that_was_lost_is_told_of(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        for item in world.dynamodb.scan(TableName=TABLE)["Items"]:
            world.dynamodb.delete_item(TableName=TABLE, Key={name: item[name] for name in ("user", "ak")})

        lost, later = day(world), day(world)

        assert (lost["out_of_step"], later["out_of_step"]) == (True, False)
        assert metrics(capsys)["LedgerOutOfStep"] == 0

    def test_ledger_that_was_lost_is_counted(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        for key, item in world.ledger().items():
            world.remove_item(item["user"], key)

        world.rotate()

        assert metrics(capsys)["LedgerOutOfStep"] == 1

    def test_ledger_that_was_restored_to_an_earlier_state_is_told_of(self, world: World) -> None:
        """Between the two everybody was rotated: the ledger knows of none of the new keys."""
        before = world.dynamodb.scan(TableName=TABLE)["Items"]
        world.wait(days=81)
        assert world.rotate()["rotated"] == 12
        for key, item in world.ledger().items():
            world.remove_item(item["user"], key)
        for item in before:
            world.put_item(item)
        world.lose_stream()

        assert day(world)["out_of_step"] is True

    def test_ordinary_life_is_none(self, world: World) -> None:
        """Keys are rotated and end, people come, make second keys and replace their own."""
        told = []
        for number in range(LIMIT + 15):
            world.read_mail()
            if number % 20 == 0:
                hire(world, 1)
                world.add_key(f"user-{number // 20:02}")
            told.append(day(world)["out_of_step"])

        assert not any(told)
        assert len(world.ledger()) > 12

    def test_run_for_some_users_tells_nothing_of_the_ledger(self, world: World) -> None:
        for key, item in world.ledger().items():
            world.remove_item(item["user"], key)

        summary = world.rotate({"users": list(world.people)})

        assert summary["out_of_step"] is False

    def test_run_about_a_mail_that_came_back_tells_nothing_of_the_ledger(self, world: World) -> None:
        world.add_user("alice", ROTATE_AFTER_DAYS="0")
        world.rotate()
        for key, item in world.ledger().items():
            world.remove_item(item["user"], key)
        (mail,) = world.people["alice"].mails

        assert world.return_mail(mail)["out_of_step"] is False


def hire(world: World, number: int) -> None:
    for _ in range(number):
        world.add_user(f"user-{len(world.people):02}")


def test_users_whose_tags_are_wrong_are_judged_by_their_own_entries() -> None:
    """Not by those of somebody who had the name before, nor by keys that are not active."""
    found = census(
        entry(days=91),
        entry(key_id=NEW, days=500, user_id="AIDAFAKE00000FORMER1"),
        entry(Status.INACTIVE, days=400, delete_on=START),
        users=[],
        misconfigured={"alice": "IKR:EMAIL is missing"},
    )
    summary = Summary()

    audit.of_misconfigured(found, summary, 90, START)

    assert summary.overdue == {"alice": 91}
