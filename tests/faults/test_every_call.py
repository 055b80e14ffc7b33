"""A fault strikes once, at any single call of a key's whole life, and the promise holds all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.lives import STRIKING, Life, nothing, run, strike_every_call
from tests.simulation.faults import Kind
from tests.simulation.world import World, new_world

RecordProperty = Callable[[str, object], None]

# When the rotator runs, in hours since the run before: the day the key is due, twice within the grace period, so that
# what was left behind can be recovered, after the grace, and twice more for deletions that had to be tried again.
RUNS = (0, 1, 5 * 24 + 1, 1, 24)

# A stack that ends old keys gently, and a user who goes on with the old key: reminded, put off, deactivated, deleted.
GENTLE = {"RECOVERY_DAYS": "2", "REMINDER_DAYS": "1", "GRACE_EXTENSION_DAYS": "1"}
GENTLE_RUNS = (0, 4 * 24 + 1, 24 + 1, 24 + 1, 1, 7 * 24 + 1)

# A stack with a recovery window, and somebody who brings the old key back once. From the end of the grace on, in hours:
# an hour after each step, whatever was cut short is begun again.
RECOVERY = {"RECOVERY_DAYS": "1", "REMINDER_DAYS": "0"}
RECOVERY_RUNS = (1, 1, 24 + 1, 1, 24 + 1, 1)


def life_of_a_key(world: World, runs: tuple[int, ...] = RUNS) -> Iterator[None]:
    world.wait(days=81)
    for hours in runs:
        world.read_mail()
        run(world, hours=hours)
        yield


def live_a_life(world: World) -> None:
    for _ in life_of_a_key(world):
        pass


def life_with_the_old_key(world: World) -> Iterator[None]:
    world.wait(days=81)
    for hours in GENTLE_RUNS:
        world.read_mail()
        world.wait(hours=hours)
        for name in world.people:
            for key, status in list(world.keys(name).items())[:1]:
                if len(world.keys(name)) > 1 and status == "Active":
                    world.use_key(name, key)
        run(world)
        yield


def live_through_the_grace(world: World) -> None:
    for _ in life_of_a_key(world, runs=(0,)):
        world.wait(days=5)


def life_of_a_key_that_is_brought_back(world: World) -> Iterator[None]:
    """Whenever the first window has begun, somebody activates the key again."""
    for hours in RECOVERY_RUNS:
        world.read_mail()
        run(world, hours=hours)
        for key, item in world.ledger().items():
            if item["status"] == "inactive" and item["windows"] == "1":
                world.iam.update_access_key(UserName=item["user"], AccessKeyId=key, Status="Active")
        yield


def windows_waited_out(world: World) -> list[str]:
    """List the recovery windows that have passed, by the entries that have left the ledger at their ends, each once."""
    images = [record["dynamodb"]["OldImage"] for record in world.stream() if record["eventName"] == "REMOVE"]
    return list(dict.fromkeys(image["windows"]["N"] for image in images if image["status"]["S"] == "inactive"))


def kinds_of_mails(world: World) -> list[str]:
    """List the mails after the new key's by the last words of their subjects, each kind once."""
    return list(dict.fromkeys(mail.subject.rpartition(" ")[2] for mail in world.people["alice"].mails[1:]))


# A stack with a short extension, and somebody who is away until the middle of the window that follows.
AWAY = {"GRACE_EXTENSION_DAYS": "2", "REMINDER_DAYS": "1"}


def rotate_unread(world: World) -> None:
    """Mail everybody a new key, which nobody reads."""
    world.wait(days=81)
    world.rotate()


def life_of_somebody_away(world: World) -> Iterator[None]:
    """Reminded, put off, deactivated; after a month, an administrator activates the key, and the mail is read."""
    for days in (4, 1, 1):
        run(world, days=days, hours=0.5)
        yield
    world.excused.add("alice")  # from here on, the whole extension is over
    run(world, days=1, hours=0.5)
    yield
    run(world, days=20)
    yield
    old, *_ = world.keys("alice")
    world.iam.update_access_key(UserName="alice", AccessKeyId=old, Status="Active")
    world.excused.clear()
    world.read_mail()
    for days in (1, 10):
        run(world, days=days)
        yield


# A stack that announces rotations: a week before the day, and a day after that.
ANNOUNCED = {"ANNOUNCE_DAYS": "7"}


def wait_until_a_week_before(world: World) -> None:
    world.rotate()
    world.wait(days=73)


def life_of_an_announced_key(world: World) -> Iterator[None]:
    for days in (0, 1):
        run(world, days=days)
        yield
    world.wait(days=7)
    for hours in RUNS:
        world.read_mail()
        run(world, hours=hours)
        yield


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("encrypt", "name"), [("true", "alice"), ("true", "alice+test@example.com"), ("false", "alice+test@example.com")]
)
def test_one_user(encrypt: str, name: str, kind: Kind, record_property: RecordProperty) -> None:
    """Whatever happens at any one call, the user ends up with one key that they hold."""
    points = strike_every_call(kind, life_of_a_key, names=(name,), environment={"ENCRYPT_KEY_PAIR": encrypt})

    record_property("fault points", points)
    assert points >= (28 if encrypt == "false" else 30)


@pytest.mark.parametrize("kind", [Kind.DIES_BEFORE, Kind.DIES_AFTER])
def test_several_users_at_once(kind: Kind, record_property: RecordProperty) -> None:
    """A process that dies while it works on several users leaves each of them with a key that they hold."""
    points = strike_every_call(kind, life_of_a_key, names=("alice", "carol@example.com"))

    record_property("fault points", points)
    assert points >= 45


@pytest.mark.parametrize("kind", Kind)
def test_gentle_end(kind: Kind, record_property: RecordProperty) -> None:
    """The steps between a rotation and a deletion, too, can each fail or be cut short, and nothing is lost."""
    points = strike_every_call(kind, life_with_the_old_key, environment=GENTLE)

    record_property("fault points", points)
    assert points >= 45


@pytest.mark.parametrize("kind", STRIKING)
def test_announcement(kind: Kind, record_property: RecordProperty) -> None:
    """Wherever a fault strikes, the rotation comes; and unless the process dies as it tells the user, they are told."""
    points = strike_every_call(
        kind,
        life_of_an_announced_key,
        environment=ANNOUNCED,
        before=wait_until_a_week_before,
        check=assert_the_rotation_was_announced,
    )

    record_property("fault points", points)
    assert points >= 35


def assert_the_rotation_was_announced(world: World) -> None:
    fault = world.controller.fault
    told = [mail for mail in world.people["alice"].mails if mail.subject.startswith("Coming ")]
    died = fault is not None and fault.kind in {Kind.DIES_BEFORE, Kind.DIES_AFTER}
    assert len(told) == 1 or (died and not told)


@pytest.mark.parametrize("kind", STRIKING)
def test_key_that_is_brought_back(kind: Kind, record_property: RecordProperty) -> None:
    """Wherever a fault strikes, each recovery window is waited out, and the user is told of both and of the end."""
    points = strike_every_call(
        kind,
        life_of_a_key_that_is_brought_back,
        environment=RECOVERY,
        before=live_through_the_grace,
        check=assert_both_windows_were_waited_out,
    )

    record_property("fault points", points)
    assert points >= 45


def assert_both_windows_were_waited_out(world: World) -> None:
    fault = world.controller.fault
    assert windows_waited_out(world) == ["1", "2"]
    if fault is None or (fault.kind, world.controller.struck) != (Kind.REFUSED, "SendEmail"):  # that is not sent again
        # Where IAM will not tell of the new key's use, the user is reminded besides.
        assert [kind for kind in kinds_of_mails(world) if kind != "yet"] == ["deactivated", "again", "deleted"]


@pytest.mark.parametrize("kind", STRIKING)
def test_somebody_who_is_away_for_a_month(kind: Kind, record_property: RecordProperty) -> None:
    """Wherever a fault strikes, the old key works for the whole extension, and can then be brought back."""
    points = strike_every_call(kind, life_of_somebody_away, environment=AWAY, before=rotate_unread)

    record_property("fault points", points)
    assert points >= 45


@pytest.mark.parametrize(
    ("life", "before", "environment", "mails"),
    [
        (life_of_a_key, nothing, {}, ["deleted"]),
        (life_with_the_old_key, nothing, GENTLE, ["use", "deactivated", "deleted"]),
        (life_of_a_key_that_is_brought_back, live_through_the_grace, RECOVERY, ["deactivated", "again", "deleted"]),
        (life_of_somebody_away, rotate_unread, AWAY, ["yet", "deactivated", "deleted"]),
    ],
)
def test_lives_are_the_ones_that_are_meant(
    life: Life, before: Callable[[World], None], environment: dict[str, str], mails: list[str]
) -> None:
    """The lives that are struck above have all their steps, as their people are told of them."""
    with new_world(**environment) as world:
        world.add_user("alice")
        before(world)

        for _ in life(world):
            pass

        assert kinds_of_mails(world) == mails
