"""IAM may lack a user or a key in one answer and have it in the next: nothing is taken for gone on the word of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from unittest import mock

import pytest

from functions.common.keys import AccessKey, AccessKeys
from tests.functions.destructor.conftest import Rotated, rotate_key, wait_and_run
from tests.simulation import world as simulation
from tests.simulation.faults import aws_error
from tests.simulation.world import new_world

ALARMING = {"DeletionsFailed", "DeletionsGivenUp", "DeletionsCancelled", "LastKeyProtected", "RecordsParked"}
"""What operators are alarmed of, or see counted, when an end has not gone as planned."""


@contextmanager
def user_not_found() -> Iterator[None]:
    """Let GetUser know nobody."""
    with mock.patch("functions.common.users.find", return_value=None):
        yield


@contextmanager
def nobody_listed() -> Iterator[None]:
    """Let ListAccessKeys know nobody."""
    with mock.patch.object(AccessKeys, "of", return_value=None):
        yield


def keys_listed(*absent: str) -> AbstractContextManager[object]:
    """Let ListAccessKeys lack some keys."""
    of = AccessKeys.of

    def most_of(self: AccessKeys, user: str) -> list[AccessKey] | None:
        return [key for key in of(self, user) or [] if key.id not in absent]

    return mock.patch.object(AccessKeys, "of", most_of)


@contextmanager
def telling_nothing_of(key_id: str, code: str) -> Iterator[None]:
    """Let GetAccessKeyLastUsed answer for one key as IAM does for a key that is gone."""
    iam = simulation._clients.iam
    tell = iam.get_access_key_last_used

    def tell_or_refuse(*, AccessKeyId: str) -> object:  # noqa: N803 (boto3's own name)
        if AccessKeyId == key_id:
            raise aws_error("GetAccessKeyLastUsed", code, 403)
        return tell(AccessKeyId=AccessKeyId)

    with mock.patch.object(iam, "get_access_key_last_used", tell_or_refuse):
        yield


LIES: dict[str, Callable[[Rotated], AbstractContextManager[object]]] = {
    "GetUser knows nobody": lambda _: user_not_found(),
    "ListAccessKeys knows nobody": lambda _: nobody_listed(),
    "ListAccessKeys lacks both keys": lambda rotated: keys_listed(rotated.old, rotated.new),
    "ListAccessKeys lacks the old key": lambda rotated: keys_listed(rotated.old),
    "ListAccessKeys lacks the new key": lambda rotated: keys_listed(rotated.new),
}


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("lie", LIES)
def test_user_or_key_that_is_absent_from_one_answer_loses_nothing(unread: Rotated, lie: str, reads: bool) -> None:
    """The end is tried again later, and then goes as it would have gone."""
    world = unread.world
    if reads:
        world.read_mail()
    unread.fall_due()

    with LIES[lie](unread):
        world.deliver_stream()
    after_the_lie = (world.keys("alice"), unread.item["status"], unread.parameter, unread.notices)
    attempts = unread.item["attempts"]
    replaces = world.ledger()[unread.new].get("replaces")
    world.read_mail()
    wait_and_run(world, 1)

    assert after_the_lie == ({unread.old: "Active", unread.new: "Active"}, "expiring", True, [])
    assert (replaces, attempts) == (unread.old, "1")
    assert world.keys("alice") == {unread.new: "Active"}
    assert not unread.parameter
    assert unread.notices == ["Done: old AWS access key of alice in 123456789012 deleted"]
    assert world.broken_promises == []


@pytest.mark.parametrize("lie", [lie for lie in LIES if lie != "ListAccessKeys lacks the old key"])
def test_unread_mail_can_still_be_read_after_such_an_answer_though_the_old_key_is_gone(
    unread: Rotated, lie: str
) -> None:
    world = unread.world
    world.iam.delete_access_key(UserName="alice", AccessKeyId=unread.old)
    unread.fall_due()

    with LIES[lie](unread):
        world.deliver_stream()
    wait_and_run(world, 1)
    still_there = unread.parameter
    world.read_mail()
    wait_and_run(world, 1)

    assert still_there
    assert not unread.parameter
    assert set(world.ledger()) == {unread.new}
    assert world.orphans() == []


@pytest.mark.parametrize("phase", ["grace", "recovery window"])
@pytest.mark.parametrize("code", ["NoSuchEntity", "AccessDenied"])
def test_user_who_deletes_their_own_old_key_rings_no_alarm_and_the_rest_is_tidied(
    code: str, phase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """IAM tells nothing of a key that is gone: it refuses, or says that it knows none, as the rights may be."""
    with new_world(RECOVERY_DAYS="2" if phase == "recovery window" else "0") as world:
        rotated = rotate_key(world)
        world.read_mail()
        if phase == "recovery window":
            wait_and_run(world, 6)
            assert rotated.item["status"] == "inactive"
        world.iam.delete_access_key(UserName="alice", AccessKeyId=rotated.old)
        capsys.readouterr()

        with telling_nothing_of(rotated.old, code):
            for days in (6, 1):
                wait_and_run(world, days)

        assert world.faults_seen == []
        assert [metric for metric in ALARMING if f'"{metric}":[1.0]' in capsys.readouterr().out] == []
        assert world.alarms() == []
        assert world.keys("alice") == {rotated.new: "Active"}
        assert set(world.ledger()) == {rotated.new}
        assert "replaces" not in world.ledger()[rotated.new]
        assert not rotated.parameter


def test_user_who_deletes_both_keys_rings_no_alarm_either(unread: Rotated, capsys: pytest.CaptureFixture[str]) -> None:
    world = unread.world
    for key in (unread.old, unread.new):
        world.iam.delete_access_key(UserName="alice", AccessKeyId=key)
    capsys.readouterr()

    for days in (6, 1, 1):
        wait_and_run(world, days)

    out = capsys.readouterr().out
    assert world.faults_seen == []
    assert [metric for metric in ALARMING if f'"{metric}":[1.0]' in out] == []
    assert unread.old not in world.ledger()
