from __future__ import annotations

import pytest

from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey
from functions.destructor.decide import MOST_WINDOWS, End, decide, may_postpone, window_to_begin
from tests.simulation.world import START

OLD, NEW = "AKIAFAKE00000000OLD1", "AKIAFAKE00000000NEW1"


def key(key_id: str = OLD, *, active: bool = True) -> AccessKey:
    return AccessKey(id=key_id, created_at=START, active=active)


def entry(status: Status = Status.EXPIRING, *, windows: int = 0, postponed: int = 0) -> Entry:
    return Entry(
        user="alice",
        key_id=OLD,
        status=status,
        created_at=START,
        delete_on=START,
        new_key_id=NEW,
        windows=windows,
        postponed=postponed,
    )


@pytest.mark.parametrize(
    ("keys", "one", "recovery_days", "postpone", "end"),
    [
        ([key(), key(NEW)], entry(), 0, False, End.DELETE),
        ([key(), key(NEW)], entry(), 2, False, End.DEACTIVATE),
        ([key(), key(NEW)], entry(), 2, True, End.POSTPONE),
        ([key(), key(NEW)], entry(), 0, True, End.POSTPONE),
        ([key(active=False), key(NEW)], entry(), 2, False, End.DEACTIVATE),
        ([key(active=False), key(NEW)], entry(Status.INACTIVE, windows=1), 2, False, End.DELETE),
        ([key(), key(NEW)], entry(Status.INACTIVE, windows=1), 2, False, End.DEACTIVATE),
        ([key(), key(NEW)], entry(Status.INACTIVE, windows=2), 2, False, End.DEACTIVATE),
        ([key(), key(NEW)], entry(Status.INACTIVE, windows=MOST_WINDOWS), 2, False, End.DELETE),
        ([key(), key(NEW)], entry(Status.INACTIVE, windows=1), 0, False, End.DELETE),
        ([key(active=False), key(NEW)], entry(Status.EXPIRING, windows=1), 2, False, End.DEACTIVATE),
        ([key(), key(NEW)], entry(Status.EXPIRING, windows=MOST_WINDOWS), 2, False, End.DEACTIVATE),
        ([key(), key(NEW)], entry(Status.EXPIRING, windows=1), 0, False, End.DELETE),
        ([key()], entry(), 0, False, End.KEEP),
        ([key()], entry(), 2, True, End.KEEP),
        ([key(), key(NEW, active=False)], entry(), 0, False, End.KEEP),
        ([key(active=False)], entry(Status.INACTIVE, windows=1), 2, False, End.KEEP),
        ([key(NEW)], entry(), 2, False, End.GONE),
        ([], entry(), 2, False, End.GONE),
    ],
)
def test_table(keys: list[AccessKey], one: Entry, recovery_days: int, postpone: bool, end: End) -> None:
    assert decide(one, keys, recovery_days=recovery_days, postpone=postpone) is end


@pytest.mark.parametrize(
    ("one", "window"),
    [
        (entry(), 1),
        (entry(Status.INACTIVE, windows=1), 2),
        (entry(Status.EXPIRING, windows=1), 1),
        (entry(Status.EXPIRING, windows=2), 2),
    ],
)
def test_window_whose_beginning_was_cut_short_begins_again(one: Entry, window: int) -> None:
    assert window_to_begin(one) == window


@pytest.mark.parametrize(
    ("one", "days", "postponable"),
    [
        (entry(), 0, False),
        (entry(), 1, True),
        (entry(postponed=1), 1, False),
        (entry(postponed=1), 2, True),
        (entry(Status.INACTIVE, windows=1), 2, False),
    ],
)
def test_an_end_is_put_off_only_so_often_and_never_once_the_key_is_inactive(
    one: Entry,
    days: int,
    postponable: bool,
) -> None:
    assert may_postpone(one, days) is postponable
