"""A rotation whose mail was accepted is taken back: nobody is left without a key, wherever it is cut short."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import START, World, new_world

AGAIN = {"users": ["alice"], "again": True}
HOUR, DAY = 3600, 24 * 3600


@pytest.fixture
def alice(world: World) -> World:
    """Alice has been mailed a new key and says that the mail never came."""
    rotated(world)
    return world


def rotated(world: World) -> None:
    world.add_user("alice")
    world.wait(days=81)
    assert world.rotate()["rotated"] == 1


def old_and_new(world: World) -> tuple[str, str]:
    old, new = world.keys("alice")
    return old, new


def everything(world: World) -> tuple[Any, ...]:
    mails = [len(person.mails) for person in world.people.values()]
    return {name: world.keys(name) for name in world.people}, world.ledger(), world.parameters(), mails


def pass_days(world: World, number: int) -> None:
    """Let days go by in which nobody reads any mail."""
    for _ in range(number):
        world.wait(days=1)
        world.rotate()
        world.deliver_stream()


class TestAgain:
    def test_key_that_was_never_used_is_replaced(self, alice: World) -> None:
        old, lost = old_and_new(alice)
        alice.wait(days=3)

        summary = alice.rotate(AGAIN)

        assert (summary["taken_back"], summary["rotated"], summary["refused"]) == (1, 1, {})
        assert summary["names"] == {"rotated": ["alice"], "taken_back": ["alice"]}
        assert lost not in alice.keys("alice")
        assert alice.keys("alice")[old] == "Active"
        assert lost not in alice.ledger()
        assert len(alice.people["alice"].mails) == 2
        assert alice.orphans() == []

    def test_grace_is_a_fresh_one(self, alice: World) -> None:
        old, _ = old_and_new(alice)
        alice.wait(days=3)

        alice.rotate(AGAIN)

        assert int(alice.ledger()[old]["delete_on"]) == int(START.timestamp()) + (81 + 3 + 5) * DAY
        assert {"confirmed_at", "reminded_at", "grace_ended_on", "round"}.isdisjoint(alice.ledger()[old])

    def test_encryption_key_is_overwritten_and_not_deleted_first(self, alice: World) -> None:
        """SSM wants half a minute between deleting a parameter and making one of the same name."""
        (before,) = alice.parameters().values()
        alice.controller.calls.clear()

        alice.rotate(AGAIN)

        assert "DeleteParameter" not in alice.controller.calls
        (after,) = alice.parameters().values()
        assert after != before

    def test_key_that_was_deleted_by_hand_already_is_replaced(self, alice: World) -> None:
        old, lost = old_and_new(alice)
        alice.iam.delete_access_key(UserName="alice", AccessKeyId=lost)

        summary = alice.rotate(AGAIN)

        assert (summary["taken_back"], summary["rotated"], summary["refused"]) == (1, 1, {})
        assert len(alice.keys("alice")) == 2
        assert set(alice.ledger()) == set(alice.keys("alice"))
        assert alice.ledger()[old]["status"] == "expiring"
        assert alice.orphans() == []

    def test_key_that_was_deleted_by_hand_and_found_missing_is_replaced(self, alice: World) -> None:
        """The old key is current again by then, and due."""
        old, lost = old_and_new(alice)
        alice.iam.delete_access_key(UserName="alice", AccessKeyId=lost)
        alice.wait(days=6)
        alice.collect_by_ttl()
        alice.deliver_stream()
        assert alice.ledger()[old]["status"] == "current"

        assert alice.rotate(AGAIN)["rotated"] == 1

        assert alice.orphans() == []

    def test_key_that_has_been_used_is_refused_by_name_and_reason(self, alice: World) -> None:
        _, new = old_and_new(alice)
        alice.read_mail()
        before = alice.keys("alice"), alice.parameters()

        summary = alice.rotate(AGAIN)

        assert summary["refused"] == {"alice": f"access key {new} has been used, so alice has it"}
        assert (summary["taken_back"], summary["rotated"]) == (0, 0)
        assert (alice.keys("alice"), alice.parameters()) == before

    def test_without_a_rotation_there_is_nothing_to_make_anew(self, world: World) -> None:
        world.add_user("alice")
        world.rotate()

        summary = world.rotate(AGAIN)

        assert list(summary["refused"]) == ["alice"]
        assert "no rotation waits" in summary["refused"]["alice"]
        assert len(world.keys("alice")) == 1

    def test_rotation_at_work_is_left_to_its_run(self, world: World) -> None:
        world.add_user("alice")
        world.wait(days=81)
        world.controller.fault = Fault("SendEmail", Kind.DIES_BEFORE)
        world.rotate()

        assert world.rotate(AGAIN)["refused"] == {"alice": "under way"}

        world.wait(minutes=16)
        assert world.rotate(AGAIN)["recovered"] == 1

    @pytest.mark.parametrize("days", [1, 40])
    def test_old_key_that_does_not_work_could_not_open_another_mail(self, alice: World, days: int) -> None:
        """Whether an administrator deactivated it or the service, somebody has to activate it first."""
        old, _ = old_and_new(alice)
        alice.excused.add("alice")
        if days == 1:
            alice.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Inactive")
        else:
            pass_days(alice, 21)
        assert alice.keys("alice")[old] == "Inactive"
        before = everything(alice)

        summary = alice.rotate(AGAIN)

        assert list(summary["refused"]) == ["alice"]
        assert f"the old access key {old} of alice does not work" in summary["refused"]["alice"]
        assert everything(alice) == before

    def test_old_key_that_was_activated_again_opens_another_mail(self, alice: World) -> None:
        old, lost = old_and_new(alice)
        alice.excused.add("alice")
        pass_days(alice, 21)
        alice.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Active")
        alice.excused.clear()

        summary = alice.rotate(AGAIN)

        assert (summary["taken_back"], summary["rotated"]) == (1, 1)
        assert lost not in alice.keys("alice")
        assert alice.ledger()[old]["status"] == "expiring"
        assert "windows" not in alice.ledger()[old]
        alice.read_mail()
        pass_days(alice, 7)
        assert old not in alice.keys("alice")
        assert alice.parameters() == {}
        assert alice.locked_out() == []

    def test_deletion_that_was_given_up_is_no_obstacle(self) -> None:
        with new_world(MAX_DELETION_ATTEMPTS="1") as world:
            rotated(world)
            old, lost = old_and_new(world)
            world.wait(days=6)
            world.controller.outages["GetUser"] = aws_error("GetUser", "AccessDenied", 403)
            world.collect_by_ttl()
            world.deliver_stream()
            assert world.ledger()[old]["status"] == "failed"
            world.controller.outages.clear()

            summary = world.rotate(AGAIN)

            assert (summary["taken_back"], summary["rotated"]) == (1, 1)
            assert lost not in world.keys("alice")
            assert {"attempts", "last_error"}.isdisjoint(world.ledger()[old]) or world.ledger()[old]["attempts"] == "0"


class TestAgainForWhom:
    def test_each_user_has_an_answer_of_their_own(self) -> None:
        with new_world(USER_PATHS="/people/") as world:
            for name in ("lost", "used", "untagged", "misconfigured", "outside"):
                world.add_user(name, path="/admins/" if name == "outside" else "/people/")
            world.wait(days=81)
            world.rotate()
            new = list(world.keys("used"))[1]
            world.use_key("used", new)
            world.iam.untag_user(UserName="untagged", TagKeys=["IKR:EMAIL"])
            world.tag("misconfigured", "ROTATE_AFTER_DAYS", "soon")
            names = ["lost", "used", "untagged", "misconfigured", "outside", "nobody"]

            summary = world.rotate({"users": names, "again": True})

            assert (summary["taken_back"], summary["rotated"]) == (1, 1)
            assert summary["refused"] == {
                "used": f"access key {new} has been used, so used has it",
                "untagged": "not tagged",
                "outside": "outside paths",
                "nobody": "no such user",
            }
            assert list(summary["misconfigured"]) == ["misconfigured"]

    def test_nobody_else_is_looked_after(self, alice: World) -> None:
        alice.add_user("bob", ROTATE_AFTER_DAYS="0")

        alice.rotate(AGAIN)

        assert len(alice.keys("bob")) == 1


class TestAgainForWhichAddress:
    def test_one_that_was_changed_has_to_stand(self, alice: World) -> None:
        alice.change_address("alice", "new@example.com")
        before = alice.keys("alice")

        summary = alice.rotate(AGAIN)

        assert list(summary["refused"]) == ["alice"]
        assert "IKR:EMAIL has been changed" in summary["refused"]["alice"]
        assert alice.keys("alice") == before

    def test_one_that_mail_came_back_from_has_to_be_corrected(self, alice: World) -> None:
        old, _ = old_and_new(alice)
        alice.rewrite("alice", old, undeliverable="0@example.com", confirmed_at=None)
        before = alice.keys("alice")

        summary = alice.rotate(AGAIN)

        assert summary["refused"] == {
            "alice": "mail to 0@example.com came back; correct IKR:EMAIL, or use force as well"
        }
        assert alice.keys("alice") == before

    @pytest.mark.parametrize("trouble", ["changed", "undeliverable"])
    def test_operators_force_overrides_either(self, alice: World, trouble: str) -> None:
        old, lost = old_and_new(alice)
        if trouble == "changed":
            alice.change_address("alice", "new@example.com")
        else:
            alice.rewrite("alice", old, undeliverable="0@example.com")

        summary = alice.rotate({**AGAIN, "force": True})

        assert (summary["taken_back"], summary["rotated"], summary["refused"]) == (1, 1, {})
        assert lost not in alice.keys("alice")
        assert {"undeliverable", "pending_email"}.isdisjoint(alice.ledger()[old])
        assert alice.orphans() == []


class TestCutShort:
    @pytest.mark.parametrize("kind", [Kind.DIES_BEFORE, Kind.DIES_AFTER])
    @pytest.mark.parametrize("number", range(1, 16))
    def test_a_later_run_finishes(self, alice: World, number: int, kind: Kind) -> None:
        """Wherever the process dies, there is a key that works, and in the end none that nobody holds."""
        alice.controller.calls.clear()
        alice.controller.fault = Fault(number, kind)

        alice.rotate(AGAIN)
        alice.wait(minutes=16)
        alice.rotate(AGAIN)
        alice.read_mail()
        pass_days(alice, 7)

        assert alice.controller.struck is not None
        assert list(alice.keys("alice").values()) == ["Active"]
        assert set(alice.ledger()) == set(alice.keys("alice"))
        assert alice.parameters() == {}
        assert (alice.broken_promises, alice.orphans(), alice.locked_out()) == ([], [], [])

    def test_deletion_that_is_refused_is_left_to_a_recovery(self, alice: World) -> None:
        old, lost = old_and_new(alice)
        alice.controller.outages["DeleteAccessKey"] = aws_error("DeleteAccessKey", "AccessDenied", 403)

        assert alice.rotate(AGAIN) == {}

        assert (alice.ledger()[old]["status"], list(alice.keys("alice"))) == ("delivering", [old, lost])
        alice.controller.outages.clear()
        alice.wait(minutes=16)
        assert alice.rotate()["recovered"] == 1
        assert alice.orphans() == []


class TestProof:
    def test_new_key_that_is_not_listed_and_exists_is_not_taken_for_gone(self, alice: World) -> None:
        old, new = old_and_new(alice)
        before = everything(alice)

        with alice.unlisted(keys=[new]):
            assert alice.rotate(AGAIN) == {}

        assert f"IAM does not list access key {new} of alice, and says it exists" in str(alice.faults_seen[-1])
        assert everything(alice) == before
        assert alice.ledger()[old]["status"] == "expiring"

    def test_old_key_that_is_not_listed_is_not_relied_upon(self, alice: World) -> None:
        old, _ = old_and_new(alice)
        before = everything(alice)

        with alice.unlisted(keys=[old]):
            summary = alice.rotate(AGAIN)

        assert list(summary["refused"]) == ["alice"]
        assert everything(alice) == before


def test_destructor_that_was_quicker_is_left_its_way(alice: World) -> None:
    """Between the look and the first write the old key's item has gone to the destructor."""
    old, _ = old_and_new(alice)
    before = alice.keys("alice")
    alice.wait(days=6)
    alice.meanwhile("GetAccountAuthorizationDetails", alice.collect_by_ttl)

    summary = alice.rotate(AGAIN)

    assert (summary["taken_back"], summary["failed"]) == (0, {})
    assert alice.keys("alice") == before
    alice.deliver_stream()
    assert alice.ledger()[old]["status"] == "expiring"
