"""An entry belongs to the person whose id it carries: it follows them to a new name, and stays behind for nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from functions.common.entry import Entry, Status, to_item
from functions.common.ledger import Ledger
from functions.rotator import renames
from tests.functions.rotator.alice import DAY, ID, NAME, NEW, census, entry, successor
from tests.simulation.faults import Fault, Kind, aws_error
from tests.simulation.world import START, TABLE, World, new_world

NEW_NAME = "alice-smith"
OF_ALICE, OF_SMITH = "/ikr/secret/iam/alice", "/ikr/secret/iam/alice-smith"


def hired(world: World, name: str = "alice") -> str:
    """Somebody whose only key is known to the ledger, and due since yesterday; gives its id."""
    world.add_user(name)
    world.rotate()
    world.wait(days=81)
    (key,) = world.keys(name)
    return key


def rotated(world: World, name: str = "alice", *, read: bool = True) -> str:
    """Somebody with an old and a new key; gives the old one."""
    old = hired(world, name)
    assert world.rotate()["rotated"] == 1
    if read:
        world.read_mail()
    return old


def day(world: World) -> dict[str, object]:
    world.wait(days=1)
    summary = world.rotate()
    world.deliver_stream()
    return summary


def owners(world: World) -> list[tuple[str, str]]:
    """All items of the ledger, by their user's name and status."""
    items = world.dynamodb.scan(TableName=TABLE)["Items"]
    return sorted((item["user"]["S"], item["status"]["S"]) for item in items)


def died_at(world: World, operation: str) -> str:
    key = hired(world)
    world.controller.fault = Fault(operation, Kind.DIES_AFTER)
    world.rotate()
    world.wait(minutes=16)
    world.faults_seen.clear()
    return key


def inactive(world: World) -> str:
    old = rotated(world)
    for _ in range(6):
        day(world)
    return old


def failed(world: World) -> str:
    old = rotated(world)
    world.controller.outages["UpdateAccessKey"] = aws_error("UpdateAccessKey", "AccessDenied", 403)
    for _ in range(6):
        day(world)
    return old


PHASES: dict[Status, Callable[[World], str]] = {
    Status.CURRENT: hired,
    Status.ROTATING: lambda world: died_at(world, "CreateAccessKey"),
    Status.DELIVERING: lambda world: died_at(world, "SendEmail"),
    Status.EXPIRING: rotated,
    Status.INACTIVE: inactive,
    Status.FAILED: failed,
}


@contextmanager
def recovering_world() -> Iterator[World]:
    """A world in which old keys are deactivated for a week, and given up at the first failure."""
    with new_world(RECOVERY_DAYS="7", MAX_DELETION_ATTEMPTS="1") as world:
        yield world


class TestEveryPhase:
    @pytest.mark.parametrize("status", list(Status))
    def test_entries_follow_and_life_goes_on(self, status: Status) -> None:
        """In the end there is one key that works, and nothing is left under either name."""
        with recovering_world() as world:
            old = PHASES[status](world)
            assert ("alice", status) in owners(world)
            world.rename("alice", NEW_NAME)
            world.controller.outages.clear()

            world.rotate()
            world.deliver_stream()

            assert {name for name, _ in owners(world)} == {NEW_NAME}
            for _ in range(21):
                world.read_mail()
                day(world)
            assert old not in world.keys(NEW_NAME)
            assert owners(world) == [(NEW_NAME, "current")]
            assert world.parameters() == {}
            assert (world.broken_promises, world.orphans(), world.faults_seen) == ([], [], [])

    @pytest.mark.parametrize("status", list(Status))
    def test_run_that_changes_nothing_moves_nothing(self, status: Status) -> None:
        """It decides as if it had."""
        with recovering_world() as world:
            PHASES[status](world)
            world.rename("alice", NEW_NAME)
            world.controller.outages.clear()
            before, parameters = owners(world), world.parameters()

            previewed = world.rotate({"dry_run": True})["decisions"][NEW_NAME]["action"]

            assert (owners(world), world.parameters()) == (before, parameters)
            # Whether the new key has been used, so that nothing is taken back, only a real run asks.
            expected = {
                Status.CURRENT: "rotate",
                Status.ROTATING: "recover",
                Status.DELIVERING: "recover",
                Status.EXPIRING: "take_back",
            }
            assert previewed == expected.get(status, "in_grace")

    def test_move_is_no_cancellation(self, world: World) -> None:
        """The stream tells the destructor that an item went before its time, which else means that the key is kept."""
        old = rotated(world)
        world.rename("alice", NEW_NAME)

        world.rotate()
        world.deliver_stream()

        assert owners(world) == [(NEW_NAME, "current"), (NEW_NAME, "expiring")]
        assert world.ledger()[old]["status"] == "expiring"

    def test_cancellation_under_a_new_name_is_one(self, world: World) -> None:
        old = rotated(world)
        world.rename("alice", NEW_NAME)
        world.rotate()
        world.deliver_stream()

        world.remove_item(NEW_NAME, old)
        world.deliver_stream()

        assert world.ledger()[old]["status"] == "current"
        assert world.keys(NEW_NAME)[old] == "Active"


class TestSealedMail:
    def test_what_the_user_cannot_open_under_the_new_name_becomes_a_new_one(self, world: World) -> None:
        """The right to read an encryption key hangs on the name."""
        old = rotated(world, read=False)
        lost = next(key for key in world.keys("alice") if key != old)
        world.rename("alice", NEW_NAME)

        summary = world.rotate()

        assert (summary["taken_back"], summary["rotated"]) == (1, 1)
        assert set(world.parameters()) == {OF_SMITH}
        assert lost not in world.keys(NEW_NAME)
        assert world.keys(NEW_NAME)[old] == "Active"
        assert len(world.people[NEW_NAME].mails) == 2
        assert world.orphans() == []

    def test_what_was_opened_before_needs_no_new_one(self, world: World) -> None:
        rotated(world)
        made = world.keys("alice")
        world.rename("alice", NEW_NAME)

        summary = world.rotate()

        assert (summary["taken_back"], summary["rotated"], summary["in_grace"]) == (0, 0, 1)
        assert world.keys(NEW_NAME) == made
        assert world.parameters() == {}

    @pytest.mark.parametrize("crash", ["DeleteParameter", "TransactWriteItems"])
    def test_follow_that_is_cut_short_is_followed_up(self, world: World, crash: str) -> None:
        rotated(world, read=False)
        world.rename("alice", NEW_NAME)
        world.controller.fault = Fault(crash, Kind.DIES_AFTER)
        world.rotate()
        assert world.controller.struck == crash

        world.rotate()
        world.deliver_stream()

        assert {name for name, _ in owners(world)} == {NEW_NAME}
        assert set(world.parameters()) == {OF_SMITH}
        assert world.orphans() == []

    def test_what_is_named_by_the_id_can_still_be_opened(self, world: World) -> None:
        rotated(world, "a+b", read=False)
        made, parameters = world.keys("a+b"), world.parameters()
        world.rename("a+b", "a,b")

        summary = world.rotate()

        assert (summary["taken_back"], summary["rotated"]) == (0, 0)
        assert (world.keys("a,b"), world.parameters()) == (made, parameters)
        assert world.orphans() == []

    def test_plain_mail_opens_under_any_name(self, plain_world: World) -> None:
        rotated(plain_world, read=False)
        made = plain_world.keys("alice")
        plain_world.rename("alice", NEW_NAME)

        assert plain_world.rotate()["taken_back"] == 0

        assert plain_world.keys(NEW_NAME) == made


class TestNewPerson:
    """Somebody else has the old name now."""

    def test_gets_none_of_the_entries_of_who_was_renamed(self, world: World) -> None:
        old = rotated(world, read=False)
        world.rename("alice", NEW_NAME)
        world.add_user("alice")
        (own,) = world.keys("alice")

        for _ in range(3):
            day(world)

        assert {key for key, item in world.ledger().items() if item["user"] == "alice"} == {own}
        assert world.ledger()[old]["user"] == NEW_NAME
        assert world.people["alice"].mails == []
        assert world.keys("alice") == {own: "Active"}
        assert OF_ALICE not in world.parameters()

    @pytest.mark.parametrize("status", [Status.CURRENT, Status.DELIVERING, Status.EXPIRING])
    def test_gets_none_of_the_entries_of_who_is_gone(self, status: Status) -> None:
        with recovering_world() as world:
            PHASES[status](world)
            world.delete_user("alice")
            world.add_user("alice", email="new@example.com")
            (own,) = world.keys("alice")

            for _ in range(9):
                day(world)

            assert set(world.ledger()) == {own}
            assert world.ledger()[own]["status"] == "current"
            assert world.people["alice"].mails == []
            assert world.parameters() == {}
            assert world.faults_seen == []

    def test_is_rotated_in_their_own_right(self, world: World) -> None:
        rotated(world, read=False)
        world.rename("alice", NEW_NAME)
        world.add_user("alice", ROTATE_AFTER_DAYS="0")

        assert world.rotate()["rotated"] == 2

        assert set(world.parameters()) == {OF_ALICE, OF_SMITH}
        assert world.orphans() == []


class TestRunAtWork:
    def test_its_entry_stays_until_its_lease_is_over(self, world: World) -> None:
        """Nor is its user taken for somebody of whom nothing is known, whose keys have to be entered."""
        old = hired(world)
        world.controller.fault = Fault("CreateAccessKey", Kind.DIES_AFTER)
        world.rotate()
        world.rename("alice", NEW_NAME)

        summary = world.rotate()

        assert summary["skipped"] == {"under_way": 1}
        assert owners(world) == [("alice", "rotating")]
        world.wait(minutes=16)
        assert world.rotate()["recovered"] == 1
        assert owners(world) == [(NEW_NAME, "current"), (NEW_NAME, "expiring")]
        assert len(world.keys(NEW_NAME)) == 2
        assert world.keys(NEW_NAME)[old] == "Active"
        assert world.orphans() == []

    def test_of_two_runs_one_moves_the_entries_and_neither_fails(self, world: World) -> None:
        rotated(world)
        world.rename("alice", NEW_NAME)

        with world.overtaken():
            summary = world.rotate()

        assert (summary["failed"], world.faults_seen) == ({}, [])
        assert owners(world) == [(NEW_NAME, "current"), (NEW_NAME, "expiring")]


class TestCensusAlone:
    def test_entries_without_an_id_stay_with_the_name(self) -> None:
        """Those of older versions: nobody can tell whose they are."""
        found = census(entry(user_id=None), ids={"somebody": ID})

        assert renames.follow(found, None, START) is found

    def test_nobody_renamed_means_nothing_to_do(self) -> None:
        found = census(entry(), entry(user_id="AIDAFAKE00000FORMER1"))

        assert renames.follow(found, None, START) is found

    def test_user_comes_by_the_entries(self) -> None:
        found = census(entry(user="alice-miller"))
        assert found.users[0].entries == (entry(user="alice-miller"),)

        followed = renames.follow(found, None, START)

        assert [user.entries for user in followed.users] == [(entry(user=NAME),)]


LEFT = entry(Status.ROTATING, attempt="1", started_at=START - DAY, claimed_at=START - DAY)
EXPIRING = entry(Status.EXPIRING, attempt="1", delete_on=START + DAY, new_key_id=NEW)


@pytest.mark.parametrize(
    ("known", "changed"),
    [
        (entry(), LEFT),
        (LEFT, replace(LEFT, attempt="2", claimed_at=START)),
        (EXPIRING, replace(EXPIRING, delete_on=START + 2 * DAY)),
        (successor(replaces_until=START + DAY), successor(replaces_until=START + 2 * DAY)),
    ],
)
def test_entry_that_changed_meanwhile_is_not_overwritten(world: World, known: Entry, changed: Entry) -> None:
    """What another run, or the destructor, wrote in between must not be lost with the move."""
    world.add_user("alice")
    user_id = world.user_id("alice")
    world.put_item(to_item(replace(known, user_id=user_id)))
    world.rename("alice", NEW_NAME)
    written = replace(changed, user_id=user_id)
    world.meanwhile("GetAccountAuthorizationDetails", lambda: world.put_item(to_item(written)))

    world.rotate()

    assert Ledger(world.dynamodb, TABLE).find("alice", known.key_id) == written
    assert Ledger(world.dynamodb, TABLE).find(NEW_NAME, known.key_id) is None
