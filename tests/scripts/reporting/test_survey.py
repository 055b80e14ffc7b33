"""What a report knows: read from the account, decided by the rotator's own code."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common.clients import Clients
from functions.common.entry import Status
from functions.destructor.decide import End, Why
from functions.rotator.decide import CLOCK_SKEW, LEASE, Action, Reason
from functions.rotator.request import Request
from functions.rotator.run import Run
from scripts.reporting.fate import Fate
from scripts.reporting.survey import Bystander, Surveyor, UserReport
from tests.scripts.reporting.account import TABLE, Account


def look(account: Account, **environment: Any) -> dict[str, UserReport]:
    """Survey the account with an age of 90 days."""
    surveyor = Surveyor(
        iam=account.iam,
        dynamodb=account.dynamodb,
        environment=replace(account.environment, **environment),
        now=account.now,
        max_age_days=90,
    )
    return {user.name: user for user in surveyor.look_at(surveyor.find().subjects)}


def test_it_decides_as_the_rotator_does(account: Account) -> None:
    """A report that promises something else than the next run does would be worse than none."""
    account.add_user("young", 79)
    account.add_user("due", 81)
    account.add_user("due-by-tag", 31, ROTATE_AFTER_DAYS="30")
    account.add_user("without-key")
    account.add_user("two-by-hand", 200, 100)
    (inactive,) = account.add_user("inactive", 100)
    account.deactivate("inactive", inactive)
    old, new = account.add_user("in-grace", 82, 1)
    account.note("in-grace", old, Status.EXPIRING, age=82, delete_on=account.ago(-4), new_key_id=new)
    for name, begun in (("under-way", timedelta(minutes=1)), ("abandoned", timedelta(minutes=16))):
        (key,) = account.add_user(name, 85)
        moment = account.now - begun
        account.note(name, key, Status.ROTATING, age=85, attempt="1", started_at=moment, claimed_at=moment)
    for name, fields in (
        ("changed", {"email": "former@example.com"}),
        ("returned", {"email": "returned@example.com", "undeliverable": "returned@example.com"}),
        ("waiting", {"email": "waiting@example.com", "try_again_on": account.ago(-1)}),
        ("dormant", {"email": "dormant@example.com", "dormant_since": account.ago(1)}),
    ):
        (key,) = account.add_user(name, 85)
        account.note(name, key, Status.CURRENT, age=85, **fields)
    corrected, unread = account.add_user("corrected", 85, 3)
    former: dict[str, Any] = {"email": "former@example.com", "pending_email": "corrected@example.com"}
    former |= {"address_changed_at": account.ago(2), "delete_on": account.ago(-2), "new_key_id": unread}
    account.note("corrected", corrected, Status.EXPIRING, age=85, **former)
    (renamed,) = account.add_user("renamed", 10)
    user_id = account.iam.get_user(UserName="renamed")["User"]["UserId"]
    account.note("once", renamed, Status.CURRENT, age=10, user_id=user_id, email="renamed@example.com")
    account.iam.create_user(UserName="untagged")
    run = Run(
        request=Request(dry_run=True),
        environment=account.environment,
        clients=Clients(),
        now=lambda: account.now,
        time_left=lambda: timedelta(minutes=15),
    )

    users = look(account)

    decided = {
        name: {"action": str(user.decision.action)}
        | ({"reason": str(reason)} if (reason := user.decision.reason) else {})
        for name, user in users.items()
        if user.decision
    }
    by_rotator = {
        name: {part: word for part, word in decision.items() if part != "key"}
        for name, decision in (run.perform().decisions or {}).items()
    }
    assert decided == by_rotator
    assert {decision["action"] for decision in decided.values()} == set(Action)
    reasons = {Reason.ADDRESS_HELD, Reason.UNDELIVERABLE, Reason.BACKING_OFF, Reason.DORMANT}
    assert {decision.get("reason") for decision in decided.values()} >= reasons


def test_it_looks_where_the_rotator_need_not(account: Account) -> None:
    """A key that is young lets the rotator skip the look; an operator wants to know of the second one all the same."""
    first, _ = account.add_user("alice", 20, 10)
    account.note("alice", first, Status.CURRENT, age=20)

    alice = look(account)["alice"]

    assert len(alice.keys) == 2
    assert (alice.verdict, alice.why) == ("skip", "foreign key")


@pytest.mark.parametrize(("over", "too_old"), [(0, False), (1, True)])
def test_a_key_is_too_old_a_second_after_its_time(over: int, too_old: bool, account: Account) -> None:
    account.add_user("alice", 90 + over / 86_400)

    (key,) = look(account)["alice"].keys

    assert key.too_old is too_old


def test_an_inactive_key_is_not_too_old(account: Account) -> None:
    """Audits point out active ones."""
    (key_id,) = account.add_user("alice", 400)
    account.deactivate("alice", key_id)

    (key,) = look(account)["alice"].keys

    assert not key.too_old


def test_a_misconfigured_user_has_keys_all_the_same(account: Account) -> None:
    """They grow old like any other's, and longer."""
    (key_id,) = account.add_user("alice", 95, ROTATE_AFTER_DAYS="soon")

    alice = look(account)["alice"]

    assert alice.verdict == "misconfigured"
    assert "IKR:ROTATE_AFTER_DAYS" in alice.why
    assert [(key.id, key.too_old) for key in alice.keys] == [(key_id, True)]


def test_tags_that_are_passed_over_are_noted(account: Account) -> None:
    account.add_user("alice", 1, INSTRUCTION_X="lost")

    (note,) = look(account)["alice"].notes

    assert "IKR:INSTRUCTION_X" in note


def test_last_use(account: Account) -> None:
    old, _ = account.add_user("alice", 20, 10)
    account.use("alice", old, days_ago=3)

    first, second = look(account)["alice"].keys

    assert first.last_use
    assert (first.last_use.at, first.last_use.service, first.last_use.region) == (account.ago(3), "s3", "eu-west-1")
    assert second.last_use is None


def test_one_who_cannot_be_looked_at_does_not_hide_the_others(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = account.add_user("alice", 1) + account.add_user("bob", 1)
    ask = account.iam.get_access_key_last_used

    def refuse(**request: str) -> Any:
        if request["AccessKeyId"] == alice:
            raise ClientError({"Error": {"Code": "ServiceFailure"}}, "GetAccessKeyLastUsed")
        return ask(**request)

    monkeypatch.setattr(account.iam, "get_access_key_last_used", refuse)

    users = look(account)

    assert users["alice"].unreadable
    assert (users["alice"].verdict, users["alice"].why) == ("unreadable", "GetAccessKeyLastUsed: ServiceFailure")
    assert [key.id for key in users["bob"].keys] == [bob]


def test_a_malformed_item_is_told(account: Account) -> None:
    """And nothing is printed about it: standard output may be a JSON document."""
    account.dynamodb.put_item(
        TableName=TABLE, Item={"user": {"S": "alice"}, "ak": {"S": "AKIAFAKE00000000OLD1"}, "status": {"S": "odd"}}
    )
    surveyor = Surveyor(
        iam=account.iam,
        dynamodb=account.dynamodb,
        environment=account.environment,
        now=account.now,
        max_age_days=90,
    )

    (fault,) = surveyor.find().malformed

    assert "alice" in fault


def test_the_address_of_a_misconfigured_user_is_what_the_tag_says(account: Account) -> None:
    """Somebody has to write to them, wrong days or not."""
    account.add_user("alice", 5, ROTATE_AFTER_DAYS="soon")
    account.add_user("bob", 5, EMAIL="bob")

    users = look(account)

    assert (users["alice"].email, users["bob"].email) == ("alice@example.com", "bob")


def test_an_address_that_may_not_be_read_stops_nothing(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.add_user("alice", 5, ROTATE_AFTER_DAYS="soon")

    def refuse(**_: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetUser")

    monkeypatch.setattr(account.iam, "get_user", refuse)

    alice = look(account)["alice"]

    assert (alice.email, alice.verdict, len(alice.keys)) == (None, "misconfigured", 1)


class TestFate:
    """What the destructor would really do with an old key."""

    def fate_of(self, account: Account, **environment: Any) -> Fate:
        (fate,) = [key.fate for key in look(account, **environment)["alice"].keys if key.fate]
        return fate

    def in_grace(self, account: Account, *, left: float = 3, **fields: Any) -> tuple[str, str]:
        old, new = account.add_user("alice", 82, 2)
        account.note(
            "alice", old, Status.EXPIRING, age=82, delete_on=account.ago(-left), **{"new_key_id": new, **fields}
        )
        return old, new

    def test_a_key_whose_successor_was_never_used_is_put_off(self, account: Account) -> None:
        """Day by day, to the end of the extension: 14 days after the grace."""
        self.in_grace(account)

        fate = self.fate_of(account)

        assert (fate.end, fate.on, fate.at_last) == (End.POSTPONE, account.ago(-3), account.ago(-17))
        assert fate.reason == f"the new key was never used; deactivated on {account.ago(-17):%Y-%m-%d} at the latest"

    def test_a_key_that_is_in_use_today_counts_as_used_when_its_time_comes(self, account: Account) -> None:
        """What works with it every day will not have stopped by then of its own accord."""
        old, new = self.in_grace(account)
        account.use("alice", new, days_ago=1)
        account.use("alice", old, days_ago=0.5)

        assert self.fate_of(account).end is End.POSTPONE

    def test_a_key_that_opened_the_mail_today_is_not_in_use(self, account: Account) -> None:
        """Whoever moves over reads the encryption key with the old pair, and never uses that again."""
        old, new = self.in_grace(account)
        account.use("alice", new, days_ago=0.1)
        account.use("alice", old, days_ago=0.1, service="ssm")

        assert self.fate_of(account).end is End.DELETE

    def test_a_key_that_was_last_used_before_yesterday_is_deleted(self, account: Account) -> None:
        old, new = self.in_grace(account)
        account.use("alice", new, days_ago=1)
        account.use("alice", old, days_ago=1.5)

        assert self.fate_of(account).end is End.DELETE

    def test_a_rotation_that_the_ledger_knows_as_confirmed_stays_so(self, account: Account) -> None:
        """The destructor asks IAM no more, and IAM may have forgotten."""
        self.in_grace(account, confirmed_at=account.ago(1))

        assert self.fate_of(account).end is End.DELETE

    def test_a_key_whose_extension_is_over_is_deactivated(self, account: Account) -> None:
        self.in_grace(account, left=1, grace_ended_on=account.ago(15))

        fate = self.fate_of(account)

        assert (fate.end, fate.why, fate.at_last) == (End.DEACTIVATE, Why.UNCONFIRMED, None)

    def test_a_deactivated_key_whose_successor_was_never_used_says_so(self, account: Account) -> None:
        """The destructor has no reason to give: the key just goes. The report's reader has one to ask the user."""
        old, new = account.add_user("alice", 100, 20)
        account.deactivate("alice", old)
        ends = {"delete_on": account.ago(-20), "windows": 1, "new_key_id": new}
        account.note("alice", old, Status.INACTIVE, age=100, **ends)

        fate = self.fate_of(account)

        assert (fate.end, fate.confirmed, fate.reason) == (End.DELETE, False, "the new key was never used")

    def test_it_is_put_off_for_as_long_as_an_address_is_held(self, account: Account) -> None:
        """Longer than the extension: the new key goes to the address that was changed, once that has stood."""
        self.in_grace(account, pending_email="alice@example.org", address_changed_at=account.ago(-2), left=1)

        fate = self.fate_of(account, grace_extension_days=1, address_hold_days=7)

        assert (fate.end, fate.at_last) == (End.POSTPONE, account.ago(-10))

    def test_where_keys_end_whatever_their_use_that_is_not_told(self, account: Account) -> None:
        """With deleteUnconfirmed, the destructor does not ask whether the old key is in use."""
        old, new = self.in_grace(account)
        account.use("alice", new, days_ago=1)
        account.use("alice", old, days_ago=0.5)

        fate = self.fate_of(account, delete_unconfirmed=True)

        assert (fate.end, fate.reason) == (End.DELETE, "")


class TestBystanders:
    """Users whom the service leaves alone have keys as well."""

    def beside(self, account: Account, *, with_use: bool = False) -> dict[str, Bystander]:
        surveyor = Surveyor(
            iam=account.iam,
            dynamodb=account.dynamodb,
            environment=replace(account.environment, user_paths=("/people/",)),
            now=account.now,
            max_age_days=90,
        )
        found = surveyor.look_beside(surveyor.find().others, with_use=with_use)
        return {user.name: user for user in found}

    @pytest.fixture(autouse=True)
    def users(self, account: Account) -> None:
        account.iam.create_user(UserName="carol", Path="/people/")
        account.use("carol", account.add_key("carol", 412), days_ago=3)
        account.add_user("machine", 10)

    def test_each_has_the_reason(self, account: Account) -> None:
        beside = self.beside(account)

        assert {name: user.why for name, user in beside.items()} == {
            "carol": Reason.NOT_TAGGED,
            "machine": Reason.OUTSIDE_PATHS,
        }
        assert [user.has_old_key for user in beside.values()] == [name == "carol" for name in beside]

    @pytest.mark.parametrize("with_use", [True, False])
    def test_last_use_is_asked_for_on_demand(self, with_use: bool, account: Account) -> None:
        """In a large account it is a call for each key."""
        (key,) = self.beside(account, with_use=with_use)["carol"].keys

        assert (key.is_use_known, key.last_use is not None) == (with_use, with_use)

    def test_one_who_cannot_be_read_is_told(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListAccessKeys")

        monkeypatch.setattr("scripts.reporting.survey.AccessKeys.of", refuse)

        assert {(user.unreadable, user.fault) for user in self.beside(account).values()} == {
            (True, "ListAccessKeys: AccessDenied")
        }

    def test_a_fault_of_our_own_is_not_taken_for_aws_s(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> None:
            raise AttributeError("a bug")

        monkeypatch.setattr("scripts.reporting.survey.AccessKeys.of", broken)

        with pytest.raises(AttributeError, match="a bug"):
            self.beside(account)


class TestNextStep:
    """What happens next, and when."""

    def step_of(self, account: Account, name: str, **environment: Any) -> str:
        step = look(account, **environment)[name].step
        if step is None:
            return "nothing"
        return step.announced(account.now) + (f" {step.on - account.now}" if step.on else "")

    def test_a_young_key(self, account: Account) -> None:
        account.add_user("alice", 50)

        assert self.step_of(account, "alice") == "rotation on 30 days, 0:00:00"

    def test_a_due_key(self, account: Account) -> None:
        account.add_user("alice", 82)

        assert self.step_of(account, "alice") == "rotation due since -2 days, 0:00:00"

    @pytest.mark.parametrize(
        ("used", "environment", "step"),
        [
            (True, {}, "deletion on 3 days, 0:00:00"),
            (True, {"recovery_days": 7}, "deactivation on 3 days, 0:00:00"),
            (False, {}, "postponed by a day on 3 days, 0:00:00"),
            (False, {"grace_extension_days": 0}, "deactivation on 3 days, 0:00:00"),
            (False, {"delete_unconfirmed": True}, "deletion on 3 days, 0:00:00"),
        ],
    )
    def test_an_old_key_in_its_grace(
        self, used: bool, environment: dict[str, Any], step: str, account: Account
    ) -> None:
        """That depends on whether its successor has been used."""
        old, new = account.add_user("alice", 82, 2)
        account.note("alice", old, Status.EXPIRING, age=82, delete_on=account.ago(-3), new_key_id=new)
        if used:
            account.use("alice", new, days_ago=1)

        assert self.step_of(account, "alice", **environment) == step

    @pytest.mark.parametrize(
        ("last_used", "step"),
        [(2.0, "deletion due since -1 day, 23:00:00"), (0.5, "postponed by a day due since -1 day, 23:00:00")],
    )
    def test_an_old_key_whose_grace_is_over(self, last_used: float, step: str, account: Account) -> None:
        """What still uses it is given time."""
        old, new = account.add_user("alice", 86, 6)
        account.note("alice", old, Status.EXPIRING, age=86, delete_on=account.ago(1 / 24), new_key_id=new)
        account.use("alice", new, days_ago=1)
        account.use("alice", old, days_ago=last_used)

        assert self.step_of(account, "alice") == step

    @pytest.mark.parametrize(("active", "step"), [(False, "deletion on 3 days"), (True, "deactivation on 3 days")])
    def test_an_old_key_in_its_recovery_window(self, active: bool, step: str, account: Account) -> None:
        """One that somebody has activated again gets another window."""
        old, new = account.add_user("alice", 100, 20)
        account.note("alice", old, Status.INACTIVE, age=100, delete_on=account.ago(-3), new_key_id=new, windows=1)
        if not active:
            account.deactivate("alice", old)

        assert self.step_of(account, "alice") == f"{step}, 0:00:00"

    @pytest.mark.parametrize(
        ("successor", "fields", "step"),
        [
            ("used", {"grace_ended_on": 3, "delete_on": -3}, "deletion at the next run"),
            ("unused", {"grace_ended_on": 3}, "postponed by a day at the next run"),
            ("unused", {"grace_ended_on": 15}, "deactivation at the next run"),
            ("unused", {"grace_ended_on": 50, "windows": 3}, "deletion at the next run"),
            ("inactive", {"grace_ended_on": 3}, "cancellation at the next run"),
        ],
    )
    def test_an_old_key_whose_deletion_was_given_up(
        self, successor: str, fields: dict[str, int], step: str, account: Account
    ) -> None:
        """The next run has the destructor decide once more, from where it stood."""
        old, new = account.add_user("alice", 82, 2)
        noted = {name: account.ago(days) if name.endswith("_on") else days for name, days in fields.items()}
        account.note("alice", old, Status.FAILED, age=82, new_key_id=new, **noted)
        if successor == "used":
            account.use("alice", new, days_ago=1)
        if successor == "inactive":
            account.deactivate("alice", new)

        assert self.step_of(account, "alice") == step

    def test_an_old_key_whose_successor_is_gone(self, account: Account) -> None:
        """It stays, and so the destructor will say."""
        (old,) = account.add_user("alice", 82)
        account.note(
            "alice", old, Status.EXPIRING, age=82, delete_on=account.ago(-3), new_key_id="AKIAFAKE00000000NEW1"
        )

        assert self.step_of(account, "alice") == "cancellation on 3 days, 0:00:00"
        step = look(account)["alice"].step
        assert step
        assert step.why == "its successor is gone or inactive"

    @pytest.mark.parametrize(
        ("fields", "step"),
        [
            ({"undeliverable": "alice@example.com"}, "withdrawal of the new key at the next run"),
            ({"sealed_by": "1"}, "another new key at the next run"),  # its parameter was named after another name
        ],
    )
    def test_a_rotation_that_is_taken_back(self, fields: dict[str, str], step: str, account: Account) -> None:
        old, new = account.add_user("alice", 82, 2)
        account.note("alice", old, Status.EXPIRING, age=82, delete_on=account.ago(-3), new_key_id=new, **fields)

        assert self.step_of(account, "alice") == step

    def test_a_rotation_under_way(self, account: Account) -> None:
        """It has ended, or is taken up by another run, when its lease is over."""
        (key,) = account.add_user("alice", 82)
        account.note("alice", key, Status.ROTATING, age=82, attempt="1", started_at=account.now, claimed_at=account.now)

        assert self.step_of(account, "alice") == f"end of the rotation on {LEASE + CLOCK_SKEW}"

    def test_a_user_who_is_skipped(self, account: Account) -> None:
        account.add_user("alice", 82, 82)

        assert self.step_of(account, "alice") == "nothing"
