"""A fault strikes once, at any single call, while a key is on its way to somebody whom the first mail did not reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tests.faults.lives import STRIKING, Life, run, settle, strike_every_call
from tests.simulation.faults import Kind
from tests.simulation.world import Mail, World, new_world

RecordProperty = Callable[[str, object], None]

FIRST_ADDRESS, OTHER_ADDRESS = "0@example.com", "alice@example.com"
HOLD = timedelta(days=2)
SCHEDULE_SLACK = timedelta(hours=1)

NAME, NEW_NAME = "alice", "alice-smith"
# Names that do not fit into a parameter's: the encryption key bears the user's id.
ODD_NAME, NEW_ODD_NAME = "alice+old@example.com", "alice+new@example.com"


def almost_due(world: World) -> None:
    """Bring somebody to the day before their key is due; the ledger knows their address."""
    world.wait(days=79)
    world.rotate()
    world.wait(hours=23)


def mailed_to_nobody(world: World) -> None:
    """Mail a new key to an address that is wrong."""
    world.nobodys.add(FIRST_ADDRESS)
    mailed(world)


def mailed(world: World) -> None:
    """Mail a new key, which is not read."""
    world.wait(days=81)
    world.rotate()


def lost(world: World) -> None:
    """Mail a new key, and lose the mail."""
    mailed(world)
    world.people[NAME].mails.clear()


def lost_and_deleted(world: World) -> None:
    """Lose the mail; then an administrator deletes the key that nobody has."""
    lost(world)
    *_, new = world.keys(NAME)
    world.iam.delete_access_key(UserName=NAME, AccessKeyId=new)


def life_with_another_address(world: World) -> Iterator[None]:
    """Between two rotations the address changes: it is told, held, and accepted."""
    world.change_address(NAME, OTHER_ADDRESS)
    for days in (1, 1, 1):
        run(world, days=days)
        yield
    yield from read_and_go_on(world)


def life_with_the_address_corrected(world: World) -> Iterator[None]:
    """In the grace the address is corrected: the rotation is taken back, and the right person gets another key."""
    world.change_address(NAME, OTHER_ADDRESS)
    for hours in (1, 24, 25):
        run(world, hours=hours)
        yield
    yield from read_and_go_on(world)


def life_with_a_mail_that_comes_back(world: World) -> Iterator[None]:
    """The rotation is taken back; then the tag is corrected."""
    world.return_mail(world.misaddressed[-1])
    world.deliver_stream()
    yield
    run(world, days=1)
    yield
    yield from life_with_the_address_corrected(world)


def life_with_a_mail_that_was_lost(world: World) -> Iterator[None]:
    """An operator asks for the key again, and if need be once more."""
    while not world.rotate({"users": [NAME], "again": True}):
        pass
    world.deliver_stream()
    yield
    yield from read_and_go_on(world)


def life_under_another_name(world: World) -> Iterator[None]:
    """In the grace, the user is renamed, with the mail unread."""
    (name,) = world.people
    world.rename(name, NEW_NAME if name == NAME else NEW_ODD_NAME)
    run(world, hours=1)
    yield
    yield from read_and_go_on(world)


def read_and_go_on(world: World) -> Iterator[None]:
    """Let the mail be read, and the grace pass."""
    world.read_mail()
    for hours in (1, 5 * 24 + 1):
        run(world, hours=hours)
        yield


def assert_nothing_secret_went_there_too_early(world: World) -> None:
    """The old address heard of it first, and the new one got nothing before it had stood."""
    told = [mail for mail in world.misaddressed if mail.to == FIRST_ADDRESS and "another address" in mail.subject]
    received = [mail for mail in world.people[NAME].mails if mail.to == OTHER_ADDRESS]
    assert told
    assert all(mail.sent_at >= told[0].sent_at + HOLD - SCHEDULE_SLACK for mail in received)


def assert_right_person_got_it(world: World) -> None:
    """What the wrong address has got opens nothing."""
    assert [mail.to for mail in new_keys(world.people[NAME].mails)][-1:] == [OTHER_ADDRESS]
    assert new_keys(world.misaddressed)


def new_keys(mails: list[Mail]) -> list[Mail]:
    return [mail for mail in mails if ": new AWS access key for" in mail.subject]


@pytest.mark.parametrize("kind", STRIKING)
def test_address_that_changes_between_rotations(kind: Kind, record_property: RecordProperty) -> None:
    """Whatever fails, the old address is told, the new one held, and then it gets the key."""
    points = strike_every_call(
        kind, life_with_another_address, before=almost_due, check=assert_nothing_secret_went_there_too_early
    )

    record_property("fault points", points)
    assert points >= 30


@pytest.mark.parametrize("kind", STRIKING)
def test_address_that_is_corrected_in_the_grace(kind: Kind, record_property: RecordProperty) -> None:
    """Whatever fails, the key that went to the wrong address goes, and the right person gets another one."""
    points = strike_every_call(
        kind, life_with_the_address_corrected, before=mailed_to_nobody, check=assert_right_person_got_it
    )

    record_property("fault points", points)
    assert points >= 30


@pytest.mark.parametrize("kind", STRIKING)
def test_mail_that_comes_back(kind: Kind, record_property: RecordProperty) -> None:
    """Whatever fails, the key that nobody got goes, and its user gets another one when the address is corrected."""
    points = strike_every_call(
        kind, life_with_a_mail_that_comes_back, before=mailed_to_nobody, check=assert_right_person_got_it
    )

    record_property("fault points", points)
    assert points >= 30


@pytest.mark.parametrize("kind", STRIKING)
@pytest.mark.parametrize("before", [lost, lost_and_deleted])
def test_mail_that_was_lost(before: Callable[[World], None], kind: Kind, record_property: RecordProperty) -> None:
    """Whatever fails, an operator who asks for the key again gets the user one."""
    points = strike_every_call(kind, life_with_a_mail_that_was_lost, before=before)

    record_property("fault points", points)
    assert points >= 30


@pytest.mark.parametrize("kind", STRIKING)
@pytest.mark.parametrize("name", [NAME, ODD_NAME])
def test_user_who_is_renamed_with_the_mail_unread(name: str, kind: Kind, record_property: RecordProperty) -> None:
    """Whatever fails, the entries follow, and the user can read a mail under the new name."""
    points = strike_every_call(kind, life_under_another_name, names=(name,), before=mailed)

    record_property("fault points", points)
    assert points >= 20


@pytest.mark.parametrize(
    ("life", "before", "rotated", "taken_back"),
    [
        (life_with_another_address, almost_due, 1, 0),
        (life_with_the_address_corrected, mailed_to_nobody, 2, 1),
        (life_with_a_mail_that_comes_back, mailed_to_nobody, 2, 1),
        (life_with_a_mail_that_was_lost, lost, 2, 1),
        (life_with_a_mail_that_was_lost, lost_and_deleted, 2, 1),
        (life_under_another_name, mailed, 2, 1),
    ],
)
def test_lives_are_the_ones_that_are_meant(
    life: Life, before: Callable[[World], None], rotated: int, taken_back: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the lives that are struck above, so many keys are made and taken back."""
    with new_world() as world:
        world.add_user(NAME)
        before(world)

        for _ in life(world):
            pass

        logged = capsys.readouterr().out
        assert logged.count('"message":"rotated"') == rotated
        assert logged.count('"message":"rotation_taken_back"') == taken_back
        assert list(settle(world)) == []
