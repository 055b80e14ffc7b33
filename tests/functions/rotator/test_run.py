from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.common.entry import Entry, Status
from functions.common.ledger import Ledger
from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import TABLE, World, new_world

READING = {"Scan", "GetAccountAuthorizationDetails", "ListAccessKeys"}


def retag(world: World, name: str, tag: str, value: str) -> None:
    world.iam.tag_user(UserName=name, Tags=[{"Key": tag, "Value": value}])


def everything(world: World) -> dict[str, Any]:
    """All that a run could change."""
    return {
        "keys": {name: world.keys(name) for name in world.people},
        "ledger": world.ledger(),
        "parameters": world.parameters(),
        "mails": {name: len(person.mails) for name, person in world.people.items()},
    }


class TestEverybody:
    def test_gets_what_is_theirs(self, world: World) -> None:
        """One run over an account with all kinds of users."""
        for name in ("due", "inactive", "foreign", "misconfigured", "untagged"):
            world.add_user(name, keys=2 if name == "foreign" else 1)
        world.add_user("patient", ROTATE_AFTER_DAYS="81")
        world.add_user("keyless", keys=0)
        world.iam.update_access_key(
            UserName="inactive", AccessKeyId=next(iter(world.keys("inactive"))), Status="Inactive"
        )
        retag(world, "misconfigured", "IKR:ROTATE_AFTER_DAYS", "5.0")
        world.iam.untag_user(UserName="untagged", TagKeys=["IKR:EMAIL"])
        before = everything(world)["keys"]
        world.wait(days=81)

        summary = world.rotate()

        assert (summary["rotated"], summary["not_due"], summary["failed"]) == (1, 1, {})
        assert summary["skipped"] == {"foreign_key": 1, "inactive_key": 1, "no_key": 1}
        assert list(summary["misconfigured"]) == ["misconfigured"]
        after = everything(world)["keys"]
        assert [name for name in before if after[name] != before[name]] == ["due"]

    @pytest.mark.parametrize(("seconds", "rotated"), [(-1, 0), (0, 0), (1, 1)])
    def test_is_due_to_the_second(self, world: World, seconds: int, rotated: int) -> None:
        world.add_user("alice")
        world.wait(days=80, seconds=seconds)

        assert world.rotate()["rotated"] == rotated

    def test_with_no_days_a_key_made_this_second_is_due(self, world: World) -> None:
        world.add_user("alice", ROTATE_AFTER_DAYS="0")

        assert world.rotate()["rotated"] == 1

    def test_address_outside_the_allowed_domains_gets_nothing(self) -> None:
        with new_world(ALLOWED_EMAIL_DOMAINS="example.org") as world:
            world.add_user("alice", email="alice@example.com")
            world.add_user("bob", email="bob@example.org")
            world.wait(days=81)

            summary = world.rotate()

            assert (summary["rotated"], list(summary["misconfigured"])) == (1, ["alice"])
            assert len(world.keys("alice")) == 1

    @pytest.mark.parametrize("address", ["a@example.com b@example.com", "alice@example.com\u2028", "alice@example"])
    def test_bad_address_changes_nothing_and_stops_nobody(self, world: World, address: str) -> None:
        for name in ("alice", "bob"):
            world.add_user(name)
        world.wait(days=81)
        retag(world, "alice", "IKR:EMAIL", address)

        summary = world.rotate()

        assert (summary["rotated"], list(summary["misconfigured"])) == (1, ["alice"])
        assert len(world.keys("alice")) == 1

    def test_is_rotated_once_however_often_the_schedule_fires(self, world: World) -> None:
        world.add_user("alice")
        world.wait(days=81)

        assert [world.rotate()["rotated"] for _ in range(3)] == [1, 0, 0]
        assert len(world.people["alice"].mails) == 1

    def test_oldest_key_goes_first(self, world: World) -> None:
        """As far as the ledger knows of it: nobody waits until everybody has been looked at."""
        for name in ("young", "old", "oldest"):
            world.add_user(name, keys=0)
        for name in ("oldest", "old", "young"):
            world.add_key(name)
            world.wait(days=1)
        world.rotate()
        world.wait(days=85)
        world.controller.fault = Fault("CreateAccessKey", Kind.DIES_AFTER)

        world.rotate()

        assert [name for name in world.people if len(world.keys(name)) == 2] == ["oldest"]

    def test_is_not_asked_about_again_while_the_ledger_rules_a_due_key_out(self, world: World) -> None:
        for name in ("alice", "bob"):
            world.add_user(name)
        assert world.rotate()["not_due"] == 2
        assert world.controller.counted["ListAccessKeys"] == 2

        world.wait(days=1)
        assert world.rotate()["not_due"] == 2

        assert world.controller.counted["ListAccessKeys"] == 2

    def test_key_that_is_gone_leaves_the_ledger(self, world: World) -> None:
        world.add_user("alice")
        world.rotate()
        (gone,) = world.keys("alice")
        world.iam.delete_access_key(UserName="alice", AccessKeyId=gone)
        world.wait(days=81)
        made = world.add_key("alice")

        world.rotate()

        assert list(world.ledger()) == [made]


class TestMalformedEntry:
    def test_is_told_and_the_user_is_left_alone(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        for name in ("alice", "bob"):
            world.add_user(name)
        world.wait(days=81)
        (key,) = world.keys("alice")
        world.put_item({"user": {"S": "alice"}, "ak": {"S": key}, "status": {"S": "expiring"}})

        summary = world.rotate()

        assert (summary["rotated"], summary["skipped"]) == (1, {"under_way": 1})
        assert len(world.keys("bob")) == 2
        assert f"ledger item of user alice, key {key}: created_at, delete_on missing" in capsys.readouterr().out


class TestDryRun:
    def test_tells_each_decision_and_changes_nothing(self, world: World) -> None:
        world.add_user("alice")
        world.add_user("bob", ROTATE_AFTER_DAYS="100")
        world.add_user("carl", keys=2)
        world.wait(days=81)
        (key,) = world.keys("alice")
        before = everything(world)

        summary = world.rotate({"dry_run": True})

        assert summary["decisions"] == {
            "alice": {"action": "rotate", "key": key},
            "bob": {"action": "not_due"},
            "carl": {"action": "skip", "reason": "foreign_key"},
        }
        assert everything(world) == before
        assert set(world.controller.calls) == READING

    def test_sweeps_and_recovers_nothing(self, world: World) -> None:
        for name in ("alice", "bob"):
            world.add_user(name)
        world.wait(days=81)
        world.rotate({"users": ["bob"]})
        world.controller.fault = Fault("SendEmail", Kind.DIES_BEFORE)
        world.controller.calls.clear()
        world.rotate()
        world.wait(days=6)
        world.controller.calls.clear()
        before = everything(world)

        summary = world.rotate({"dry_run": True})

        assert summary["decisions"]["alice"]["action"] == "recover"
        assert everything(world) == before
        assert set(world.controller.calls) <= READING


class TestOperator:
    def test_names_the_only_users_to_look_after(self, world: World) -> None:
        for name in ("alice", "bob"):
            world.add_user(name)
        world.wait(days=81)

        summary = world.rotate({"users": ["bob"]})

        assert (summary["rotated"], len(world.keys("alice")), len(world.keys("bob"))) == (1, 1, 2)

    def test_forces_a_young_key(self, world: World) -> None:
        for name in ("alice", "bob"):
            world.add_user(name)
        world.rotate()

        summary = world.rotate({"users": ["alice"], "force": True})

        assert (summary["rotated"], len(world.keys("alice")), len(world.keys("bob"))) == (1, 2, 1)

    def test_is_told_of_names_that_are_none(self, world: World) -> None:
        world.add_user("alice")
        world.iam.untag_user(UserName="alice", TagKeys=["IKR:EMAIL"])

        summary = world.rotate({"users": ["alice", "nobody"]})

        assert summary["skipped"] == {"no_such_user": 1, "not_tagged": 1}
        assert sorted(summary["refused"].values()) == ["no such user", "not tagged"]

    def test_does_not_sweep_for_anybody_else(self, world: World) -> None:
        for name in ("alice", "bob"):
            world.add_user(name)
        world.wait(days=81)
        world.rotate()
        world.wait(days=6)

        world.rotate({"users": ["alice"]})

        assert [entry["user"] for entry in world.ledger().values() if entry["status"] == "expiring"] == ["bob"]


class TestPaths:
    """Users outside the stack's paths are left alone, whatever their tags say."""

    def test_users_outside_are_left_alone(self) -> None:
        with new_world(USER_PATHS="/people/,/bots/") as world:
            for name, path in (("alice", "/people/"), ("bob", "/bots/blue/"), ("carl", "/admins/"), ("dora", "/")):
                world.add_user(name, path=path)
            world.wait(days=81)

            summary = world.rotate()

            assert (summary["rotated"], summary["skipped"], summary["misconfigured"]) == (2, {}, {})
            assert [name for name in world.people if len(world.keys(name)) == 2] == ["alice", "bob"]
            assert {item["user"] for item in world.ledger().values()} == {"alice", "bob"}

    def test_operator_who_names_one_is_told(self) -> None:
        with new_world(USER_PATHS="/people/") as world:
            world.add_user("carl", path="/admins/")
            world.wait(days=81)

            summary = world.rotate({"users": ["carl"], "force": True})

            assert (summary["rotated"], summary["skipped"]) == (0, {"outside_paths": 1})
            assert len(world.keys("carl")) == 1

    def test_user_who_is_moved_outside_keeps_the_old_key(self) -> None:
        with new_world(USER_PATHS="/people/") as world:
            world.add_user("alice", path="/people/")
            world.wait(days=81)
            (old,) = world.keys("alice")
            world.rotate()
            world.read_mail()
            world.iam.update_user(UserName="alice", NewPath="/admins/")
            world.wait(days=7)

            world.rotate()
            world.deliver_stream()

            assert world.keys("alice")[old] == "Active"
            assert world.ledger()[old]["status"] == "current"


class TestDeadline:
    def test_nobody_is_started_with_too_little_time(self, world: World) -> None:
        for name in ("alice", "bob"):
            world.add_user(name)
        world.wait(days=81)

        summary = world.rotate(minutes=1.5)

        assert (summary["rotated"], summary["remaining"]) == (0, 2)
        assert set(world.controller.calls) <= {"Scan", "GetAccountAuthorizationDetails"}
        assert world.rotate()["rotated"] == 2

    def test_the_rest_waits_when_time_runs_out_on_the_way(self, world: World) -> None:
        for number in range(4):
            world.add_user(f"user{number}")
        world.wait(days=81)
        world.meanwhile("CreateAccessKey", lambda: world.wait(minutes=14))

        summary = world.rotate()

        assert (summary["rotated"], summary["remaining"], summary["failed"]) == (1, 3, {})
        assert world.orphans() == []


class TestRaces:
    def test_rotation_begun_by_another_run_is_left_to_it(self, world: World) -> None:
        """Both runs have decided for the same user; the intent tells the second that it has lost."""
        world.add_user("alice")
        world.wait(days=81)
        (key,) = world.keys("alice")
        now = datetime.now(UTC)
        known = Entry(user="alice", key_id=key, status=Status.CURRENT, created_at=now - timedelta(days=81))
        other = Ledger(world.dynamodb, TABLE)
        world.meanwhile("ListAccountAliases", lambda: other.begin(known, now=now, email="0@example.com", sealed=True))

        summary = world.rotate()

        assert (summary["rotated"], summary["skipped"]) == (0, {"under_way": 1})
        assert world.keys("alice") == {key: "Active"}

    def test_slow_run_that_was_taken_over_disturbs_nothing(self, world: World) -> None:
        """Its mail is out when it finds that a recovery has been quicker; it leaves the rest to that one."""
        world.add_user("alice")
        world.wait(days=81)
        (key,) = world.keys("alice")

        def take_over() -> None:
            ledger = Ledger(world.dynamodb, TABLE)
            entry = ledger.find("alice", key)
            assert entry is not None
            ledger.claim(entry, datetime.now(UTC))

        world.meanwhile("SendEmail", take_over)

        assert world.rotate()["failed"] == {}

        assert world.ledger()[key]["status"] == "delivering"
        assert len(world.keys("alice")) == 2


class TestTrouble:
    @pytest.mark.parametrize("operation", ["Scan", "GetAccountAuthorizationDetails"])
    def test_account_that_cannot_be_read_fails_the_run(self, world: World, operation: str) -> None:
        world.add_user("alice")
        world.wait(days=81)
        world.controller.outages[operation] = aws_error(operation, "AccessDeniedException", 400)

        assert world.rotate() == {}

        assert "AccessDenied" in str(world.faults_seen[-1])
        assert len(world.keys("alice")) == 1

    def test_keys_that_cannot_be_listed_fail_their_user(self, world: World) -> None:
        world.add_user("alice")
        world.controller.outages["ListAccessKeys"] = aws_error("ListAccessKeys", "AccessDenied", 403)

        assert world.rotate() == {}

        assert "alice: ListAccessKeys: AccessDenied" in str(world.faults_seen[-1])

    def test_alias_that_cannot_be_read_stops_nothing(self, world: World) -> None:
        world.add_user("alice")
        world.wait(days=81)
        world.controller.outages["ListAccountAliases"] = aws_error("ListAccountAliases", "AccessDenied", 403)

        assert world.rotate()["rotated"] == 1

    def test_ledger_that_learns_nothing_fails_nobody(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        world.add_user("alice")
        world.controller.outages["TransactWriteItems"] = aws_error("TransactWriteItems", "AccessDeniedException", 400)

        assert world.rotate()["not_due"] == 1

        assert "ledger_not_updated" in capsys.readouterr().out

    def test_mailer_whose_secret_cannot_be_read_costs_no_key(self) -> None:
        mailer = {
            "MAIL_CLIENT": "smtp",
            "SMTP_SERVER": "127.0.0.1",
            "SMTP_PASSWORD_PARAMETER": "/mailer/password",
        }
        with new_world(**mailer) as world:
            world.add_user("alice")
            world.wait(days=81)

            assert world.rotate() == {}

            assert "the mailer's secret cannot be read" in str(world.faults_seen[-1])
            assert world.controller.counted["CreateAccessKey"] == 0


def test_foreign_keys_and_ignored_tags_are_warned_of(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add_user("alice", keys=2)
    retag(world, "alice", "IKR:INSTRUCTION_LAST", "Call Bob.")

    world.rotate()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    warnings = {line["message"]: line for line in lines if line.get("level") == "WARNING"}
    assert set(warnings["two_keys_made_by_hand"]["keys"]) == set(world.keys("alice"))
    assert warnings["tag_ignored"]["reason"] == "IKR:INSTRUCTION_LAST is ignored: its suffix is not a number"
    assert {line["user"] for line in warnings.values()} == {"alice"}


def test_mail_service_that_is_down_costs_three_keys_even_if_the_first_user_has_another_fault(world: World) -> None:
    """Keys are made one at a time until a mail has gone out, whoever it is that has to show it."""
    for name in ("alice", "bob", "carl", "dora", "eve", "fred"):
        world.add_user(name)
    world.wait(days=81)
    world.controller.fault = Fault("CreateAccessKey", Kind.REFUSED)
    world.controller.outages["SendEmail"] = aws_error("SendEmail", "SendingPausedException", 400)

    world.rotate()

    assert world.controller.counted["CreateAccessKey"] == 4
    assert world.controller.counted["DeleteAccessKey"] == 3
