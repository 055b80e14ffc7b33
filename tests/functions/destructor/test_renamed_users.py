"""An entry belongs to a person, whatever they are called: their key ends under the new name, and nobody else's does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tests.functions.destructor.conftest import Rotated, rotate_key, wait_and_run
from tests.simulation.faults import aws_error
from tests.simulation.world import START, World, new_world

GRACE_ENDS = int((START + timedelta(days=86)).timestamp())


@pytest.fixture
def world() -> Iterator[World]:
    with new_world(RECOVERY_DAYS="2", MAX_DELETION_ATTEMPTS="1") as world:
        yield world


def expiring(rotated: Rotated) -> None:
    """Leave the old key in its grace period."""


def inactive(rotated: Rotated) -> None:
    """Bring the old key into its recovery window."""
    wait_and_run(rotated.world, 6)


def failed(rotated: Rotated) -> None:
    """Let the old key's end be given up."""
    rotated.world.controller.outages["UpdateAccessKey"] = aws_error("UpdateAccessKey", "AccessDenied", 403)
    wait_and_run(rotated.world, 6)
    rotated.world.controller.outages.clear()


def failed_inactive(rotated: Rotated) -> None:
    """Let the old key's deletion be given up after its recovery window."""
    inactive(rotated)
    rotated.world.controller.outages["DeleteAccessKey"] = aws_error("DeleteAccessKey", "AccessDenied", 403)
    wait_and_run(rotated.world, 3)
    rotated.world.controller.outages.clear()


@pytest.mark.parametrize(
    ("phase", "status"),
    [(expiring, "expiring"), (inactive, "inactive"), (failed, "failed"), (failed_inactive, "failed")],
)
@pytest.mark.parametrize("new_name", ["alice-smith", "alice.smith@example.com"])
def test_key_ends_under_the_new_name(
    rotated: Rotated, phase: Callable[[Rotated], None], status: str, new_name: str
) -> None:
    """In every phase, an entry is followed, and so is all that belongs to it."""
    world = rotated.world
    phase(rotated)
    assert rotated.item["status"] == status
    world.rename("alice", new_name)

    for days in (6, 1, 3, 1):
        wait_and_run(world, days)

    assert world.keys(new_name) == {rotated.new: "Active"}
    assert world.ledger("alice") == {}
    assert {key: item["status"] for key, item in world.ledger(new_name).items()} == {rotated.new: "current"}
    assert {"replaces", "unconfirmed_since", "sealed_by"}.isdisjoint(world.ledger(new_name)[rotated.new])
    assert world.parameters() == {}
    assert rotated.notices[-1] == f"Done: old AWS access key of {new_name} in 123456789012 deleted"
    assert world.broken_promises == []


@pytest.mark.parametrize("phase", [expiring, inactive, failed])
def test_entry_that_follows_its_user_is_not_taken_for_a_cancellation(
    rotated: Rotated, phase: Callable[[Rotated], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """To move an item is to remove it under the old name, and the stream tells the destructor so."""
    world = rotated.world
    phase(rotated)
    status = rotated.item["status"]
    world.rename("alice", "alice-smith")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("functions.rotator.run.Run._sweep", lambda *_: None)
        world.rotate()

    world.deliver_stream()

    assert world.ledger("alice") == {}
    assert world.ledger("alice-smith")[rotated.old]["status"] == status
    assert world.ledger("alice-smith")[rotated.new]["replaces"] == rotated.old
    assert "DeletionsCancelled" not in capsys.readouterr().out


@pytest.mark.parametrize("phase", [expiring, inactive])
def test_key_whose_end_was_under_way_is_followed_by_the_destructor(
    rotated: Rotated, phase: Callable[[Rotated], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """The entry has left the ledger already when the name changes: no run can see it, and nothing fails."""
    world = rotated.world
    phase(rotated)
    world.wait(days=6)
    world.collect_by_ttl()
    world.rename("alice", "alice-smith")

    world.deliver_stream()
    followed = world.ledger("alice-smith")[rotated.old]
    for days in (1, 1, 3, 1):
        wait_and_run(world, days)

    assert rotated.old not in world.ledger("alice")
    assert (followed["status"], "attempts" in followed) == (phase.__name__, False)
    assert world.keys("alice-smith") == {rotated.new: "Active"}
    assert list(world.ledger()) == [rotated.new]
    assert world.parameters() == {}
    assert "DeletionsFailed" not in capsys.readouterr().out


class TestUnread:
    """A renamed user who has not read the mail, nor can: the encryption key bears the old name."""

    def test_rotation_begins_anew_under_the_new_name(self, unread: Rotated) -> None:
        world = unread.world
        world.rename("alice", "alice-smith")

        wait_and_run(world, 1)
        world.read_mail()
        for days in (6, 3):
            wait_and_run(world, days)

        (newest,) = world.keys("alice-smith").items()
        assert newest[0] not in {unread.old, unread.new}
        assert newest[1] == "Active"
        assert world.parameters() == {}
        assert world.broken_promises == []

    def test_extension_is_counted_from_the_end_of_the_grace_though_the_key_was_followed_late(
        self, unread: Rotated
    ) -> None:
        world = unread.world
        world.wait(days=9)
        world.collect_by_ttl()
        world.rename("alice", "alice-smith")

        world.deliver_stream()

        followed = world.ledger("alice-smith")[unread.old]
        assert int(followed["grace_ended_on"]) == GRACE_ENDS
        assert world.keys("alice-smith") == {unread.old: "Active", unread.new: "Active"}

    def test_encryption_key_stays_if_the_user_can_read_it_under_the_new_name(self, world: World) -> None:
        """It is named by the id where the name does not fit; that the old key is gone by now changes nothing."""
        unread = rotate_key(world, "alice+old@example.com")
        world.wait(days=6)
        world.collect_by_ttl()
        world.iam.delete_access_key(UserName="alice+old@example.com", AccessKeyId=unread.old)
        world.rename("alice+old@example.com", "alice+new@example.com")

        for days in (0, 1, 1):
            wait_and_run(world, days)
        still_there = unread.parameter
        world.read_mail()
        wait_and_run(world, 1)

        assert still_there
        assert world.parameters() == {}
        assert {key: item.get("replaces") for key, item in world.ledger().items()} == {unread.new: None}
        assert world.broken_promises == []


class TestNewPersonUnderTheOldName:
    def replace_alice(self, rotated: Rotated) -> None:
        """Let alice go with her keys, and hire another alice."""
        world = rotated.world
        world.delete_user("alice")
        world.add_user("alice", email="another@example.com")

    @pytest.mark.parametrize("phase", [expiring, inactive, failed, failed_inactive])
    def test_hears_nothing_of_the_old_ones_keys(self, rotated: Rotated, phase: Callable[[Rotated], None]) -> None:
        world = rotated.world
        phase(rotated)
        mails = list(rotated.person.mails)
        self.replace_alice(rotated)
        (own,) = world.keys("alice")

        for days in (6, 1, 3, 1):
            wait_and_run(world, days)

        assert world.people["alice"].mails == []
        assert world.misaddressed == []
        assert rotated.person.mails == mails
        assert world.keys("alice") == {own: "Active"}
        assert set(world.ledger()) == {own}
        assert world.parameters() == {}

    @pytest.mark.parametrize("reads", [True, False])
    def test_encryption_key_goes_with_the_one_whose_it_was(self, unread: Rotated, reads: bool) -> None:
        world = unread.world
        if reads:
            world.read_mail()
        world.wait(days=6)
        world.collect_by_ttl()
        self.replace_alice(unread)

        world.deliver_stream()

        assert world.parameters() == {}
        assert unread.old not in world.ledger()

    def test_keeps_an_encryption_key_of_their_own(self, rotated: Rotated) -> None:
        """Both lie under the same name; what was begun by the old one's rotation does not end the new one's."""
        world = rotated.world
        world.wait(days=6)
        world.collect_by_ttl()
        self.replace_alice(rotated)
        world.rotate({"users": ["alice"], "force": True})
        own = world.parameters()

        world.deliver_stream()

        assert world.parameters() == own != {}
        assert len(world.keys("alice")) == 2
        world.read_mail()
        assert len(world.people["alice"].secrets) == 2

    def test_hears_nothing_of_the_keys_of_one_who_was_renamed(self, rotated: Rotated) -> None:
        world = rotated.world
        world.rename("alice", "alice-smith")
        world.add_user("alice", email="another@example.com")
        (own,) = world.keys("alice")

        for days in (6, 1, 3, 1):
            wait_and_run(world, days)

        assert world.people["alice"].mails == []
        assert world.keys("alice") == {own: "Active"}
        assert world.keys("alice-smith") == {rotated.new: "Active"}
        assert {(item["user"], key) for key, item in world.ledger().items()} == {
            ("alice", own),
            ("alice-smith", rotated.new),
        }
