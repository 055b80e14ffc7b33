"""A fault strikes once, at any single call of a key's whole life, and the promise holds all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulation.branches import branch_at_every_call
from tests.simulation.faults import Kind
from tests.simulation.world import World, new_world

# When the rotator runs, in hours since the run before: the day the key is due, twice within the grace period, so that
# what was left behind can be recovered, after the grace, and twice more for deletions that had to be tried again.
RUNS = (0, 1, 5 * 24 + 1, 1, 24)
Life = Callable[[World], None]
RecordProperty = Callable[[str, object], None]
DEATHS = (Kind.DIES_BEFORE, Kind.DIES_AFTER)


# A stack that ends old keys gently, and a user who goes on with the old key: reminded, put off, deactivated, deleted.
GENTLE = {"RECOVERY_DAYS": "2", "REMINDER_DAYS": "1", "GRACE_EXTENSION_DAYS": "1"}
GENTLE_RUNS = (0, 1, 4 * 24, 24 + 1, 24 + 1, 1, 2 * 24 + 1, 1, 2 * 24 + 1)


# A stack with a recovery window, and somebody who brings the old key back once. From the end of the grace on, in hours:
# an hour after each step, whatever was cut short is begun again.
RECOVERY = {"RECOVERY_DAYS": "1", "REMINDER_DAYS": "0"}
RECOVERY_RUNS = (1, 1, 24 + 1, 1, 24 + 1, 1)
# To die before a call is to die after the one before it.
RECOVERY_KINDS = (Kind.DIES_AFTER, Kind.REFUSED, Kind.ANSWER_LOST)


def live_a_life(world: World, runs: tuple[int, ...] = RUNS) -> None:
    world.wait(days=81)
    for hours in runs:
        world.read_mail()
        world.wait(hours=hours)
        world.rotate()
        world.deliver_stream()


def live_on_with_the_old_key(world: World) -> None:
    world.wait(days=81)
    for hours in GENTLE_RUNS:
        world.read_mail()
        world.wait(hours=hours)
        for name in world.people:
            for key, status in list(world.keys(name).items())[:1]:
                if len(world.keys(name)) > 1 and status == "Active":
                    world.use_key(name, key)
        world.rotate()
        world.deliver_stream()


def live_through_the_grace(world: World) -> None:
    live_a_life(world, runs=(0,))
    world.wait(days=5)


def bring_the_old_key_back(world: World) -> None:
    """Whenever the first window has begun, somebody activates the key again."""
    for hours in RECOVERY_RUNS:
        world.read_mail()
        world.wait(hours=hours)
        world.rotate()
        world.deliver_stream()
        for key, item in world.ledger().items():
            if item["status"] == "inactive" and item["windows"] == "1":
                world.iam.update_access_key(UserName=item["user"], AccessKeyId=key, Status="Active")


def windows_waited_out(world: World) -> list[str]:
    """List the recovery windows that have passed, by the entries that have left the ledger at their ends, each once."""
    images = [record["dynamodb"]["OldImage"] for record in world.stream() if record["eventName"] == "REMOVE"]
    return list(dict.fromkeys(image["windows"]["N"] for image in images if image["status"]["S"] == "inactive"))


def kinds_of_mails(world: World) -> list[str]:
    """List the mails after the new key's by the last words of their subjects, each kind once."""
    return list(dict.fromkeys(mail.subject.rpartition(" ")[2] for mail in world.people["alice"].mails[1:]))


def assert_all_is_well(world: World, old_keys: dict[str, str]) -> None:
    """One key, active, held by its user; the old one gone; nothing left behind; nobody locked out on the way."""
    assert world.broken_promises == []
    assert world.orphans() == []
    assert world.parameters() == {}
    for name, old_key in old_keys.items():
        keys = world.keys(name)
        assert list(keys.values()) == ["Active"]
        assert old_key not in keys
        ledger = {key: (item["status"], item.get("replaces")) for key, item in world.ledger(name).items()}
        assert ledger == dict.fromkeys(keys, ("current", None))


def nothing(_: World) -> None:
    """Do nothing before a life begins."""


def strike_every_call(
    names: tuple[str, ...],
    kind: Kind,
    environment: dict[str, str],
    live: Life = live_a_life,
    before: Life = nothing,
    check: Life = nothing,
) -> int:
    """Live one life for each call, with the fault at that call, and one without; tell how many were struck."""
    with new_world(**environment) as world:
        old_keys = {name: next(iter(world.keys(world.add_user(name).name))) for name in names}
        before(world)

        def live_and_look() -> None:
            live(world)
            struck = world.controller.struck
            try:
                assert_all_is_well(world, old_keys)
                if world.controller.fault:
                    assert struck
                    check(world)
            except AssertionError as failure:
                failure.add_note(f"struck: {struck}; {world.ledger()}")
                raise

        return branch_at_every_call(world.controller, kind, live_and_look)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("encrypt", "name"), [("true", "alice"), ("true", "alice+test@example.com"), ("false", "alice+test@example.com")]
)
def test_one_user(encrypt: str, name: str, kind: Kind, record_property: RecordProperty) -> None:
    """Whatever happens at any one call, the user ends up with one key that they hold."""
    points = strike_every_call((name,), kind, {"ENCRYPT_KEY_PAIR": encrypt})

    record_property("fault points", points)


@pytest.mark.parametrize("kind", DEATHS)
def test_several_users_at_once(kind: Kind, record_property: RecordProperty) -> None:
    """A process that dies while it works on several users leaves each of them with a key that they hold."""
    points = strike_every_call(("alice", "carol@example.com"), kind, {})

    record_property("fault points", points)


@pytest.mark.parametrize("kind", Kind)
def test_gentle_end(kind: Kind, record_property: RecordProperty) -> None:
    """The steps between a rotation and a deletion, too, can each fail or be cut short, and nothing is lost."""
    points = strike_every_call(("alice",), kind, GENTLE, live_on_with_the_old_key)

    record_property("fault points", points)


@pytest.mark.parametrize("kind", RECOVERY_KINDS)
def test_key_that_is_brought_back(kind: Kind, record_property: RecordProperty) -> None:
    """Wherever a fault strikes, each recovery window is waited out, and the user is told of both and of the end."""

    def check(world: World) -> None:
        assert windows_waited_out(world) == ["1", "2"]
        if (kind, world.controller.struck) != (Kind.REFUSED, "SendEmail"):  # nobody sends again what was refused
            assert kinds_of_mails(world) == ["deactivated", "again", "deleted"]

    points = strike_every_call(
        ("alice",), kind, RECOVERY, bring_the_old_key_back, before=live_through_the_grace, check=check
    )

    record_property("fault points", points)


def test_gentle_end_has_all_its_steps() -> None:
    """The life that is struck above is the one that is meant: reminded, put off, deactivated, deleted."""
    with new_world(**GENTLE) as world:
        world.add_user("alice")

        live_on_with_the_old_key(world)

        subjects = [mail.subject.split(" of alice")[0].split(" for alice")[0] for mail in world.people["alice"].mails]
        assert subjects == [
            "New AWS access key",
            "Reminder: old AWS access key",
            "Old AWS access key",
            "Old AWS access key",
        ]
        assert world.people["alice"].mails[-2].subject.endswith("deactivated")
        assert world.people["alice"].mails[-1].subject.endswith("deleted")
