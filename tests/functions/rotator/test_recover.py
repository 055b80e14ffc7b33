"""Each row of the table in ``recover.py``, and what a recovery must not do."""

from __future__ import annotations

import pytest

from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import World, new_world

MAIL_DOWN = aws_error("SendEmail", "AccountSuspendedException", 400, "sending is paused")
REFUSED_ADDRESS = aws_error("SendEmail", "BadRequestException", 400, "illegal address")


def left_behind(world: World, operation: str, kind: Kind = Kind.DIES_AFTER, *, path: str = "/") -> str:
    """A rotation whose process died at this call, more than a lease ago; gives the old key."""
    world.add_user("alice", path=path)
    world.wait(days=81)
    (old,) = world.keys("alice")
    world.controller.fault = Fault(operation, kind)
    world.rotate()
    assert world.controller.struck == operation
    world.wait(minutes=16)
    return old


def successor(world: World, old: str) -> str:
    (other,) = (key for key in world.keys("alice") if key != old)
    return other


class TestRotating:
    def test_key_that_nobody_holds_is_replaced(self, world: World) -> None:
        old = left_behind(world, "CreateAccessKey")
        lost = successor(world, old)

        summary = world.rotate()

        assert (summary["recovered"], summary["rotated"]) == (1, 1)
        assert lost not in world.keys("alice")
        assert old in world.keys("alice")
        assert len(world.keys("alice")) == 2
        assert world.orphans() == []

    def test_encryption_key_is_overwritten_and_not_deleted_first(self, world: World) -> None:
        """SSM wants half a minute between deleting a parameter and making one of the same name."""
        left_behind(world, "PutParameter")
        world.controller.calls.clear()

        world.rotate()

        assert "PutParameter" in world.controller.calls
        assert "DeleteParameter" not in world.controller.calls

    def test_without_a_new_key_the_rotation_begins_anew(self, world: World) -> None:
        old = left_behind(world, "CreateAccessKey", Kind.DIES_BEFORE)

        summary = world.rotate()

        assert (summary["recovered"], summary["rotated"]) == (1, 1)
        assert world.ledger()[old]["status"] == "expiring"

    def test_second_key_that_was_used_is_somebodys(self, world: World) -> None:
        old = left_behind(world, "CreateAccessKey")
        used = successor(world, old)
        world.use_key("alice", used)

        summary = world.rotate()

        assert summary["skipped"] == {"foreign_key": 1}
        assert world.keys("alice") == {old: "Active", used: "Active"}
        assert world.ledger()[old]["status"] == "current"

    @pytest.mark.parametrize("minutes", [20, 60])
    def test_key_made_after_the_lease_is_somebody_elses(self, world: World, minutes: int) -> None:
        old = left_behind(world, "CreateAccessKey", Kind.DIES_BEFORE)
        world.wait(minutes=minutes)
        by_hand = world.add_key("alice")

        summary = world.rotate()

        assert summary["skipped"] == {"foreign_key": 1}
        assert world.keys("alice") == {old: "Active", by_hand: "Active"}


class TestDelivering:
    def test_successor_that_is_gone_was_being_taken_back(self, world: World) -> None:
        world.controller.outages["SendEmail"] = REFUSED_ADDRESS
        old = left_behind(world, "DeleteAccessKey")
        assert (world.keys("alice"), world.ledger()[old]["status"]) == ({old: "Active"}, "delivering")
        world.controller.outages.clear()

        summary = world.rotate()

        assert (summary["recovered"], summary["rotated"]) == (1, 1)
        assert len(world.people["alice"].mails) == 1

    def test_successor_that_was_used_has_arrived(self, world: World) -> None:
        """No second mail, and the old key's end is scheduled."""
        old = left_behind(world, "SendEmail")
        new = successor(world, old)
        world.use_key("alice", new)

        summary = world.rotate()

        assert (summary["recovered"], summary["rotated"]) == (1, 0)
        assert world.ledger()[old]["status"] == "expiring"
        assert world.ledger()[new]["replaces"] == old
        assert len(world.people["alice"].mails) == 1

    @pytest.mark.parametrize("kind", [Kind.DIES_BEFORE, Kind.DIES_AFTER])
    def test_sealed_block_is_mailed_again(self, world: World, kind: Kind) -> None:
        old = left_behind(world, "SendEmail", kind)
        new = successor(world, old)

        summary = world.rotate()

        assert (summary["recovered"], summary["rotated"]) == (1, 0)
        assert list(world.keys("alice")) == [old, new]
        assert len(world.people["alice"].mails) == (2 if kind is Kind.DIES_AFTER else 1)
        assert "sealed_block" not in world.ledger()[old]
        assert world.orphans() == []

    def test_block_that_is_mailed_again_is_the_same(self, world: World) -> None:
        old = left_behind(world, "SendEmail")
        block = world.ledger()[old]["sealed_block"]

        world.rotate()

        assert all(block in mail.text for mail in world.people["alice"].mails)

    @pytest.mark.parametrize("kind", [Kind.DIES_BEFORE, Kind.DIES_AFTER])
    def test_plain_secret_that_is_lost_costs_its_key(self, plain_world: World, kind: Kind) -> None:
        old = left_behind(plain_world, "SendEmail", kind)
        lost = successor(plain_world, old)

        summary = plain_world.rotate()

        assert (summary["recovered"], summary["rotated"]) == (1, 1)
        assert lost not in plain_world.keys("alice")
        assert plain_world.orphans() == []

    def test_grace_counts_from_the_mail_that_is_sent_again(self, world: World) -> None:
        old = left_behind(world, "SendEmail", Kind.DIES_BEFORE)
        world.wait(days=3)
        begun = int(world.ledger()[old]["started_at"])

        world.rotate()

        assert int(world.ledger()[old]["delete_on"]) - begun == 8 * 24 * 3600 + 16 * 60

    def test_refused_address_takes_the_rotation_back(self, world: World) -> None:
        old = left_behind(world, "SendEmail", Kind.DIES_BEFORE)
        world.controller.outages["SendEmail"] = REFUSED_ADDRESS

        assert world.rotate() == {}

        assert world.keys("alice") == {old: "Active"}
        assert (world.ledger()[old]["status"], world.ledger()[old]["failures"]) == ("current", "1")
        assert world.parameters() == {}

    def test_service_that_fails_leaves_it_to_a_later_day(self, world: World) -> None:
        """The mail may be out since the first time: the key must stay, and the next try comes a day later."""
        old = left_behind(world, "SendEmail", Kind.DIES_BEFORE)
        new = successor(world, old)
        world.controller.outages["SendEmail"] = MAIL_DOWN
        assert world.rotate() == {}
        world.controller.outages.clear()
        world.wait(minutes=16)
        assert world.rotate()["skipped"] == {"backing_off": 1}

        world.wait(days=1)

        assert world.rotate()["recovered"] == 1
        assert list(world.keys("alice")) == [old, new]
        assert {"failures", "try_again_on"}.isdisjoint(world.ledger()[old])


class TestOtherPerson:
    """What was sealed for one address and one name goes to no other."""

    def test_changed_address_gets_nothing_of_it(self, world: World) -> None:
        """The old address hears of the change, the new one gets a key of its own once it has stood."""
        old = left_behind(world, "SendEmail", Kind.DIES_BEFORE)
        lost = successor(world, old)
        world.change_address("alice", "new@example.com")

        summary = world.rotate()

        assert (summary["recovered"], summary["rotated"], summary["skipped"]) == (1, 0, {"address_held": 1})
        assert world.keys("alice") == {old: "Active"}
        assert world.parameters() == {}
        assert [mail.to for mail in world.misaddressed] == ["0@example.com"]
        assert world.people["alice"].mails == []
        world.wait(days=2)
        assert world.rotate()["rotated"] == 1
        (mail,) = world.people["alice"].mails
        assert (mail.to, lost in mail.text) == ("new@example.com", False)

    def test_changed_address_gets_a_key_of_its_own_at_once_where_an_operator_forces_it(self, world: World) -> None:
        old = left_behind(world, "SendEmail", Kind.DIES_BEFORE)
        lost = successor(world, old)
        world.change_address("alice", "new@example.com")

        summary = world.rotate({"users": ["alice"], "force": True})

        assert (summary["recovered"], summary["rotated"]) == (1, 1)
        assert lost not in world.keys("alice")
        assert all(lost not in mail.text for mail in world.people["alice"].mails)
        assert [mail.to for mail in world.misaddressed] == ["0@example.com"]
        assert world.orphans() == []

    def test_address_that_mail_came_back_from_gets_nothing_more(self, world: World) -> None:
        old = left_behind(world, "SendEmail", Kind.DIES_BEFORE)
        world.rewrite("alice", old, undeliverable="0@example.com")

        summary = world.rotate()

        assert (summary["recovered"], summary["skipped"]) == (1, {"undeliverable": 1})
        assert world.keys("alice") == {old: "Active"}
        assert world.parameters() == {}
        assert world.controller.counted["SendEmail"] == 1, "the one that was struck"

    def test_renamed_user_cannot_read_the_old_names_key_and_gets_another(self, world: World) -> None:
        old = left_behind(world, "SendEmail")
        lost = successor(world, old)
        world.rename("alice", "alice-smith")

        summary = world.rotate()

        assert (summary["recovered"], summary["rotated"]) == (1, 1)
        assert lost not in world.keys("alice-smith")
        assert set(world.parameters()) == {"/ikr/secret/iam/alice-smith"}
        assert world.orphans() == []


class TestProof:
    """Nothing is withdrawn on the word of one listing."""

    def test_successor_that_is_not_listed_and_exists_is_waited_for(self, world: World) -> None:
        old = left_behind(world, "SendEmail")
        new = successor(world, old)

        with world.unlisted(keys=[new]):
            assert world.rotate() == {}

        assert f"IAM does not list access key {new} of alice, and says it exists" in str(world.faults_seen[-1])
        assert (world.ledger()[old]["status"], list(world.keys("alice"))) == ("delivering", [old, new])
        world.wait(minutes=16)
        assert world.rotate()["recovered"] == 1
        assert (world.ledger()[old]["status"], list(world.keys("alice"))) == ("expiring", [old, new])

    def test_lost_key_is_not_given_up_for_a_listing_that_lacks_even_the_old_one(self, world: World) -> None:
        """It would be taken for a second key made by hand, and stay though nobody holds it."""
        old = left_behind(world, "CreateAccessKey")
        lost = successor(world, old)

        with world.unlisted(keys=[old, lost]):
            assert world.rotate() == {}

        assert (world.ledger()[old]["status"], list(world.keys("alice"))) == ("rotating", [old, lost])
        world.wait(minutes=16)
        assert world.rotate()["recovered"] == 1
        assert lost not in world.keys("alice")
        assert world.orphans() == []

    def test_old_key_that_is_proved_to_be_gone_ends_the_rotation(self, world: World) -> None:
        old = left_behind(world, "CreateAccessKey", Kind.DIES_BEFORE)
        world.iam.delete_access_key(UserName="alice", AccessKeyId=old)
        world.add_key("alice")

        summary = world.rotate()

        assert (summary["recovered"], summary["rotated"], summary["not_due"]) == (1, 0, 1)

    def test_successor_that_is_proved_to_be_gone_is_replaced(self, world: World) -> None:
        old = left_behind(world, "SendEmail")
        world.iam.delete_access_key(UserName="alice", AccessKeyId=successor(world, old))

        summary = world.rotate()

        assert (summary["recovered"], summary["rotated"]) == (1, 1)
        assert world.orphans() == []


class TestNobodyIsLockedOut:
    """A successor may go only while the old key is there and active."""

    @pytest.mark.parametrize("status", ["Inactive", "deleted"])
    def test_plain_successor_stays_when_the_old_key_does_not_work(self, plain_world: World, status: str) -> None:
        old = left_behind(plain_world, "SendEmail")
        new = successor(plain_world, old)
        if status == "deleted":
            plain_world.iam.delete_access_key(UserName="alice", AccessKeyId=old)
        else:
            plain_world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Inactive")

        assert plain_world.rotate() == {}

        assert plain_world.keys("alice")[new] == "Active"
        assert plain_world.locked_out() == []
        assert f"nobody may hold access key {new} of alice" in str(plain_world.faults_seen[-1])

    def test_plain_successor_is_taken_for_delivered_once_it_is_used(self, plain_world: World) -> None:
        old = left_behind(plain_world, "SendEmail")
        new = successor(plain_world, old)
        plain_world.iam.delete_access_key(UserName="alice", AccessKeyId=old)
        plain_world.rotate()

        plain_world.use_key("alice", new)
        plain_world.wait(minutes=16)

        assert plain_world.rotate()["recovered"] == 1

    def test_key_that_somebody_made_meanwhile_stays_when_it_is_the_only_one(self, world: World) -> None:
        """An administrator who replaces the key by hand, just then, made the user's only key."""
        old = left_behind(world, "CreateAccessKey", Kind.DIES_BEFORE)
        world.wait(minutes=-15)
        by_hand = world.add_key("alice")
        world.wait(minutes=15)
        world.iam.delete_access_key(UserName="alice", AccessKeyId=old)

        assert world.rotate() == {}

        assert world.keys("alice") == {by_hand: "Active"}
        assert by_hand in str(world.faults_seen[-1])

    def test_sealed_successor_stays_when_the_address_is_refused_and_the_old_key_is_gone(self, world: World) -> None:
        old = left_behind(world, "SendEmail")
        new = successor(world, old)
        world.iam.delete_access_key(UserName="alice", AccessKeyId=old)
        world.controller.outages["SendEmail"] = REFUSED_ADDRESS

        assert world.rotate() == {}

        assert world.keys("alice") == {new: "Active"}
        assert world.locked_out() == []


class TestLease:
    def test_rotation_under_way_is_left_to_its_run(self, world: World) -> None:
        world.add_user("alice")
        world.wait(days=81)
        world.controller.fault = Fault("CreateAccessKey", Kind.DIES_AFTER)
        world.rotate()
        before = world.keys("alice")
        world.wait(minutes=15)

        assert world.rotate()["skipped"] == {"under_way": 1}
        assert world.keys("alice") == before

    def test_encryption_switched_off_in_between_does_not_lose_the_sealed_block(self) -> None:
        with new_world() as world:
            old = left_behind(world, "SendEmail", Kind.DIES_BEFORE)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("ENCRYPT_KEY_PAIR", "false")

                summary = world.rotate()

            assert (summary["recovered"], summary["rotated"]) == (1, 0)
            assert world.ledger()[old]["status"] == "expiring"
            assert world.orphans() == []


class TestOutOfReach:
    """What the service may not touch any more is told to people, every day, until they have seen to it."""

    def test_leftover_of_a_user_who_lost_the_tag(self, world: World) -> None:
        old = left_behind(world, "CreateAccessKey")
        world.iam.untag_user(UserName="alice", TagKeys=["IKR:EMAIL"])

        assert world.rotate() == {}

        assert f"the replacement of access key {old} was cut short" in str(world.faults_seen[-1])
        assert len(world.keys("alice")) == 2

    def test_leftover_of_a_user_whom_the_stack_no_longer_serves(self) -> None:
        with new_world(USER_PATHS="/people/") as world:
            old = left_behind(world, "CreateAccessKey", path="/people/")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("USER_PATHS", "/bots/")

                assert world.rotate() == {}

            assert f"the replacement of access key {old} was cut short" in str(world.faults_seen[-1])
            assert len(world.keys("alice")) == 2

    def test_leftover_of_a_user_who_is_gone_is_forgotten(self, world: World) -> None:
        left_behind(world, "CreateAccessKey")
        world.delete_user("alice")

        world.rotate()

        assert world.ledger() == {}
