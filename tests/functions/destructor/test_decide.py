"""How a key ends whose time has come: the table of what its successor's use, its own use and the stack make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey, LastUse
from functions.common.terms import DAY, Terms
from functions.destructor.decide import (
    MOST_WINDOWS,
    End,
    Use,
    Verdict,
    Why,
    decide,
    grace_end,
    is_reminder_due,
    window_to_begin,
)
from tests.simulation.world import START

OLD, NEW, OTHER = "AKIAFAKE00000000OLD1", "AKIAFAKE00000000NEW1", "AKIAFAKE00000000OWN1"
GRACE_ENDED = START
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)

WITHIN = (0, 1, 6.5, 13, 13.99)
OVER = (14, 14.5, 20, 400)
IDLE, IN_USE = 25.0, 1.0
"""Hours since the old key's last use."""


def terms(*, recovery: int = 0, extension: int = 14, delete_unconfirmed: bool = False, hold: int = 2) -> Terms:
    """What a stack says, in days; without arguments, the defaults."""
    return Terms(
        recovery=recovery * DAY,
        extension=extension * DAY,
        delete_unconfirmed=delete_unconfirmed,
        address_hold=hold * DAY,
    )


def key(key_id: str = OLD, *, active: bool = True) -> AccessKey:
    return AccessKey(id=key_id, created_at=START - 86 * DAY, active=active)


def entry(status: Status = Status.EXPIRING, *, windows: int = 0, pending_since: datetime | None = None) -> Entry:
    return Entry(
        user="alice",
        key_id=OLD,
        status=status,
        created_at=START - 86 * DAY,
        email="alice@example.com",
        pending_email="alice@elsewhere.example" if pending_since else None,
        address_changed_at=pending_since,
        delete_on=GRACE_ENDED,
        new_key_id=NEW,
        windows=windows,
    )


def used(now: datetime, *, confirmed: bool, idle_hours: float | None = None) -> Use:
    """How the two keys were used: the old one so many hours ago, or never."""
    last_use = None if idle_hours is None else LastUse(at=now - idle_hours * HOUR, service="s3", region="eu-west-1")
    return Use(confirmed=confirmed, last_use=last_use)


def at(
    day: float,
    *,
    confirmed: bool,
    idle_hours: float | None = None,
    one: Entry | None = None,
    keys: list[AccessKey] | None = None,
    stack: Terms | None = None,
) -> Verdict:
    """Decide so many days after the grace period, with both keys active unless told otherwise."""
    now = GRACE_ENDED + day * DAY
    return decide(
        one or entry(),
        [key(), key(NEW)] if keys is None else keys,
        use=used(now, confirmed=confirmed, idle_hours=idle_hours),
        terms=stack or terms(),
        now=now,
    )


def window(verdict: Verdict, day: float) -> timedelta:
    """Tell how long a recovery window is that begins on that day."""
    assert verdict.end is End.DEACTIVATE
    assert verdict.until is not None
    return verdict.until - (GRACE_ENDED + day * DAY)


class TestSuccessorUsedAndOldKeyIdle:
    @pytest.mark.parametrize("idle_hours", [None, 24 + 1 / 3600, IDLE, 5000])
    @pytest.mark.parametrize("day", [*WITHIN, *OVER])
    def test_key_is_deleted(self, day: float, idle_hours: float | None) -> None:
        assert at(day, confirmed=True, idle_hours=idle_hours) == Verdict(end=End.DELETE)

    @pytest.mark.parametrize("day", [*WITHIN, *OVER])
    @pytest.mark.parametrize("recovery", [1, 2, 45])
    def test_key_is_deactivated_first_where_the_stack_has_a_recovery_window(self, day: float, recovery: int) -> None:
        verdict = at(day, confirmed=True, idle_hours=IDLE, stack=terms(recovery=recovery))

        assert window(verdict, day) == recovery * DAY
        assert verdict.why is None


class TestSuccessorUsedAndOldKeyInUse:
    @pytest.mark.parametrize("recovery", [0, 2])
    @pytest.mark.parametrize("idle_hours", [0, IN_USE, 24])
    @pytest.mark.parametrize("day", WITHIN)
    def test_end_is_put_off_within_the_extension(self, day: float, idle_hours: float, recovery: int) -> None:
        verdict = at(day, confirmed=True, idle_hours=idle_hours, stack=terms(recovery=recovery))

        assert (verdict.end, verdict.why) == (End.POSTPONE, Why.STILL_USED)

    @pytest.mark.parametrize(("recovery", "days"), [(0, 7), (2, 7), (7, 7), (8, 8), (45, 45)])
    @pytest.mark.parametrize("day", OVER)
    def test_key_is_deactivated_for_a_week_or_the_longer_recovery_once_it_is_over(
        self, day: float, recovery: int, days: int
    ) -> None:
        verdict = at(day, confirmed=True, idle_hours=IN_USE, stack=terms(recovery=recovery))

        assert window(verdict, day) == days * DAY
        assert verdict.why is Why.STILL_USED


class TestSuccessorNeverUsed:
    @pytest.mark.parametrize("recovery", [0, 2])
    @pytest.mark.parametrize("idle_hours", [None, IDLE, IN_USE])
    @pytest.mark.parametrize("day", WITHIN)
    def test_end_is_put_off_within_the_extension(self, day: float, idle_hours: float | None, recovery: int) -> None:
        verdict = at(day, confirmed=False, idle_hours=idle_hours, stack=terms(recovery=recovery))

        assert (verdict.end, verdict.why) == (End.POSTPONE, Why.UNCONFIRMED)

    @pytest.mark.parametrize("idle_hours", [None, IDLE, IN_USE])
    @pytest.mark.parametrize(("recovery", "days"), [(0, 30), (7, 30), (30, 30), (31, 31), (45, 45)])
    @pytest.mark.parametrize("day", OVER)
    def test_key_is_deactivated_for_thirty_days_or_the_longer_recovery_once_it_is_over(
        self, day: float, recovery: int, days: int, idle_hours: float | None
    ) -> None:
        verdict = at(day, confirmed=False, idle_hours=idle_hours, stack=terms(recovery=recovery))

        assert window(verdict, day) == days * DAY
        assert verdict.why is Why.UNCONFIRMED


class TestOldKeyDeactivatedByHand:
    """A key that does not work gains nothing by an extension; its user would be told that it does."""

    KEYS = (key(active=False), key(NEW))

    @pytest.mark.parametrize("day", [*WITHIN, *OVER])
    def test_gets_the_window_of_one_whose_successor_was_never_used(self, day: float) -> None:
        verdict = at(day, confirmed=False, keys=[*self.KEYS])

        assert window(verdict, day) == 30 * DAY
        assert verdict.why is Why.UNCONFIRMED

    @pytest.mark.parametrize("recovery", [0, 2])
    def test_ends_as_planned_if_its_successor_is_used(self, recovery: int) -> None:
        verdict = at(1, confirmed=True, keys=[*self.KEYS], stack=terms(recovery=recovery))

        assert verdict.end is (End.DEACTIVATE if recovery else End.DELETE)


class TestSuccessorGoneOrInactive:
    @pytest.mark.parametrize(
        "others", [[], [key(NEW, active=False)], [key(OTHER)], [key(OTHER), key(NEW, active=False)]]
    )
    @pytest.mark.parametrize(
        ("status", "windows"),
        [(Status.EXPIRING, 0), (Status.EXPIRING, 1), (Status.INACTIVE, 1), (Status.INACTIVE, MOST_WINDOWS)],
    )
    def test_key_is_kept_whatever_else_is_so(self, others: list[AccessKey], status: Status, windows: int) -> None:
        cases = product((0, 20), (True, False), (None, IN_USE), (True, False), (0, 2), (True, False))
        for day, confirmed, idle_hours, active, recovery, delete_unconfirmed in cases:
            verdict = at(
                day,
                confirmed=confirmed,
                idle_hours=idle_hours,
                one=entry(status, windows=windows),
                keys=[key(active=active), *others],
                stack=terms(recovery=recovery, delete_unconfirmed=delete_unconfirmed),
            )

            assert verdict == Verdict(end=End.KEEP)

    @pytest.mark.parametrize("confirmed", [True, False])
    @pytest.mark.parametrize("keys", [[], [key(NEW)], [key(NEW, active=False)], [key(NEW), key(OTHER)]])
    def test_key_that_is_gone_itself_is_gone(self, keys: list[AccessKey], confirmed: bool) -> None:
        for status, day, recovery in product((Status.EXPIRING, Status.INACTIVE), (0, 20), (0, 2)):
            verdict = at(
                day,
                confirmed=confirmed,
                one=entry(status, windows=int(status is Status.INACTIVE)),
                keys=keys,
                stack=terms(recovery=recovery),
            )

            assert verdict == Verdict(end=End.GONE)


class TestDeleteUnconfirmed:
    @pytest.mark.parametrize("confirmed", [True, False])
    @pytest.mark.parametrize("idle_hours", [None, IDLE, IN_USE])
    @pytest.mark.parametrize("day", [*WITHIN, *OVER])
    def test_first_row_of_the_table_holds_always(self, day: float, idle_hours: float | None, confirmed: bool) -> None:
        at_once = at(day, confirmed=confirmed, idle_hours=idle_hours, stack=terms(delete_unconfirmed=True))
        stack = terms(delete_unconfirmed=True, recovery=2)
        deactivated = at(day, confirmed=confirmed, idle_hours=idle_hours, stack=stack)

        assert at_once.end is End.DELETE
        assert window(deactivated, day) == 2 * DAY

    def test_pending_address_is_not_waited_for(self) -> None:
        one = entry(pending_since=GRACE_ENDED)

        assert at(0, confirmed=False, one=one, stack=terms(delete_unconfirmed=True)).end is End.DELETE


class TestRecoveryWindow:
    @pytest.mark.parametrize("windows", [1, 2, MOST_WINDOWS])
    @pytest.mark.parametrize("confirmed", [True, False])
    def test_key_is_deleted_when_it_is_over(self, confirmed: bool, windows: int) -> None:
        for day, recovery, delete_unconfirmed in product((2, 44), (0, 2), (True, False)):
            verdict = at(
                day,
                confirmed=confirmed,
                one=entry(Status.INACTIVE, windows=windows),
                keys=[key(active=False), key(NEW)],
                stack=terms(recovery=recovery, delete_unconfirmed=delete_unconfirmed),
            )

            assert verdict == Verdict(end=End.DELETE)

    @pytest.mark.parametrize("windows", range(1, MOST_WINDOWS))
    @pytest.mark.parametrize("day", [3, 44])
    @pytest.mark.parametrize(
        ("confirmed", "idle_hours", "recovery", "days"),
        [
            (False, IN_USE, 0, 30),
            (False, None, 45, 45),
            (True, IN_USE, 0, 7),
            (True, IN_USE, 8, 8),
            (True, IDLE, 2, 2),
        ],
    )
    def test_key_that_was_activated_again_gets_another_and_is_not_put_off(
        self, day: float, confirmed: bool, idle_hours: float | None, recovery: int, days: int, windows: int
    ) -> None:
        one = entry(Status.INACTIVE, windows=windows)

        verdict = at(day, confirmed=confirmed, idle_hours=idle_hours, one=one, stack=terms(recovery=recovery))

        assert window(verdict, day) == days * DAY

    def test_key_that_was_activated_again_and_whose_successor_is_used_by_now_ends_as_usual(self) -> None:
        verdict = at(44, confirmed=True, idle_hours=IDLE, one=entry(Status.INACTIVE, windows=1))

        assert verdict == Verdict(end=End.DELETE)

    @pytest.mark.parametrize("confirmed", [True, False])
    def test_last_one_ends_in_a_deletion_whoever_activated_the_key(self, confirmed: bool) -> None:
        one = entry(Status.INACTIVE, windows=MOST_WINDOWS)

        for recovery in (0, 2):
            verdict = at(44, confirmed=confirmed, idle_hours=IN_USE, one=one, stack=terms(recovery=recovery))

            assert verdict.end is End.DELETE

    @pytest.mark.parametrize("windows", range(1, MOST_WINDOWS + 1))
    @pytest.mark.parametrize("active", [True, False])
    @pytest.mark.parametrize(("confirmed", "days"), [(False, 30), (True, 7)])
    def test_one_that_was_cut_short_begins_again_and_is_not_put_off(
        self, confirmed: bool, days: int, active: bool, windows: int
    ) -> None:
        one = entry(Status.EXPIRING, windows=windows)

        verdict = at(1, confirmed=confirmed, idle_hours=IN_USE, one=one, keys=[key(active=active), key(NEW)])

        assert window(verdict, 1) == days * DAY

    @pytest.mark.parametrize(
        ("one", "number"),
        [
            (entry(), 1),
            (entry(Status.INACTIVE, windows=1), 2),
            (entry(Status.INACTIVE, windows=2), 3),
            (entry(Status.EXPIRING, windows=1), 1),
            (entry(Status.EXPIRING, windows=2), 2),
        ],
    )
    def test_one_that_was_cut_short_is_counted_once(self, one: Entry, number: int) -> None:
        assert window_to_begin(one) == number


class TestPendingAddress:
    """Somebody corrected the address late in the extension: a new key can only go there once the hold is over."""

    CHANGED = GRACE_ENDED + 13 * DAY
    WAITED_FOR = CHANGED + (2 + 1) * DAY

    def verdict(self, moment: datetime, *, confirmed: bool = False, hold: int = 2) -> Verdict:
        day = (moment - GRACE_ENDED) / DAY
        one = entry(pending_since=self.CHANGED)
        return at(day, confirmed=confirmed, idle_hours=IN_USE, one=one, stack=terms(hold=hold))

    def test_is_waited_for_beyond_the_extension(self) -> None:
        verdict = self.verdict(GRACE_ENDED + 14 * DAY)

        assert (verdict.end, verdict.until) == (End.POSTPONE, GRACE_ENDED + 15 * DAY - HOUR)

    def test_is_waited_for_a_day_longer_than_its_hold(self) -> None:
        last = self.verdict(self.WAITED_FOR - MINUTE)

        assert (last.end, last.until) == (End.POSTPONE, self.WAITED_FOR)
        assert self.verdict(self.WAITED_FOR).end is End.DEACTIVATE

    def test_is_waited_for_as_long_as_the_stack_holds_addresses(self) -> None:
        assert self.verdict(self.WAITED_FOR, hold=3).end is End.POSTPONE
        assert self.verdict(GRACE_ENDED + 14 * DAY, hold=0).end is End.DEACTIVATE

    def test_does_not_matter_to_whoever_has_the_new_key(self) -> None:
        assert self.verdict(GRACE_ENDED + 14 * DAY, confirmed=True).end is End.DEACTIVATE

    def test_makes_no_extension_shorter(self) -> None:
        verdict = at(13, confirmed=False, one=entry(pending_since=GRACE_ENDED - 30 * DAY))

        assert verdict.end is End.POSTPONE


def put_off(one: Entry, verdict: Verdict, now: datetime) -> Entry:
    """Enter a key for another day, as the destructor does."""
    assert verdict.until is not None
    return replace(one, delete_on=verdict.until, grace_ended_on=grace_end(one, now))


def lives(runs: Iterator[datetime], *, confirmed: bool, stack: Terms) -> tuple[list[datetime], datetime]:
    """Give the moments at which a key's end was put off that is in use all the time, and the one of its deactivation.

    Args:
        runs: when something looks for keys whose time has come.
        confirmed: whether its successor is in use as well.
        stack: what the stack says.
    """
    one = entry()
    put_off_at: list[datetime] = []
    for now in runs:
        if one.delete_on is None or one.delete_on > now:
            continue
        use = used(now, confirmed=confirmed, idle_hours=IN_USE)
        verdict = decide(one, [key(), key(NEW)], use=use, terms=stack, now=now)
        if verdict.end is not End.POSTPONE:
            assert verdict.end is End.DEACTIVATE
            return put_off_at, now
        one = put_off(one, verdict, now)
        put_off_at.append(now)
    raise AssertionError("it never ends")


def daily(first: datetime, drift: timedelta = timedelta()) -> Iterator[datetime]:
    """Give the times of 40 daily runs, each a little later in its day, or earlier."""
    return (first + number * (DAY + drift) for number in range(40))


@pytest.mark.parametrize("confirmed", [True, False])
class TestExtension:
    @pytest.mark.parametrize("late", [timedelta(), SECOND, HOUR, 23 * HOUR])
    @pytest.mark.parametrize("drift", [timedelta(), 20 * SECOND, -20 * SECOND])
    def test_daily_run_puts_an_end_off_day_by_day(self, late: timedelta, drift: timedelta, confirmed: bool) -> None:
        """No run finds the key still waiting, and none that comes seconds early misses its day."""
        first = GRACE_ENDED + late

        put_off_at, ended = lives(daily(first, drift), confirmed=confirmed, stack=terms())

        runs = list(daily(first, drift))
        days = sum(run < GRACE_ENDED + 14 * DAY for run in runs)
        assert days in {14, 15}
        assert [*put_off_at, ended] == runs[: days + 1]

    @pytest.mark.parametrize("extension", [1, 2, 14, 30])
    @pytest.mark.parametrize("every", [timedelta(minutes=7), HOUR, 5 * HOUR, 11 * HOUR, 23 * HOUR, 37 * HOUR])
    def test_whole_of_it_never_lasts_longer_than_the_stack_says(
        self, every: timedelta, extension: int, confirmed: bool
    ) -> None:
        """TTL comes when it comes: that the last day is over is found by the first look after it."""
        looks = (GRACE_ENDED + number * every for number in range(10_000))

        put_off_at, ended = lives(looks, confirmed=confirmed, stack=terms(extension=extension))

        assert put_off_at[-1] < GRACE_ENDED + extension * DAY <= ended < GRACE_ENDED + extension * DAY + every

    def test_no_end_is_put_off_beyond_its_last_moment(self, confirmed: bool) -> None:
        for hours in range(14 * 24):
            verdict = at(hours / 24, confirmed=confirmed, idle_hours=IN_USE)

            assert verdict.until == GRACE_ENDED + min(hours * HOUR + 23 * HOUR, 14 * DAY)

    def test_stack_without_one_puts_nothing_off(self, confirmed: bool) -> None:
        verdict = at(0, confirmed=confirmed, idle_hours=IN_USE, stack=terms(extension=0))

        assert verdict.end is End.DEACTIVATE

    def test_failures_in_between_make_it_no_longer(self, confirmed: bool) -> None:
        """A deletion that failed is tried again at a time of its own: the grace still ended when it ended."""
        one = replace(entry(), delete_on=GRACE_ENDED + 14 * DAY + 5 * MINUTE, grace_ended_on=GRACE_ENDED, attempts=3)

        verdict = at(14.1, confirmed=confirmed, idle_hours=IN_USE, one=one)

        assert verdict.end is End.DEACTIVATE


def test_key_that_nobody_misses_is_active_for_101_days_at_most_with_the_defaults() -> None:
    """80 days, the day of the run, 5 days' grace, and 14 more with the day of the run that ends them."""
    made = GRACE_ENDED - 86 * DAY
    for late in (timedelta(), 30 * SECOND, 23 * HOUR):
        _, ended = lives(daily(GRACE_ENDED + late), confirmed=False, stack=terms())

        assert 100 * DAY <= ended - made <= 101 * DAY


class TestReminder:
    def reminded_on(self, extension: int, days: Iterator[float], *, reminded_at: datetime | None = None) -> list[float]:
        """Give the days, of those with a run, on which a user is reminded."""
        one, found = replace(entry(), reminded_at=reminded_at), []
        for day in days:
            now = GRACE_ENDED + day * DAY
            if is_reminder_due(one, terms(extension=extension), now):
                found.append(day)
                one = replace(one, reminded_at=now)
        return found

    @pytest.mark.parametrize(
        ("extension", "days"), [(14, [0, 7, 13]), (30, [0, 15, 29]), (3, [0, 1, 2]), (2, [0, 1]), (1, [0]), (0, [])]
    )
    def test_is_due_on_the_first_the_middle_and_the_last_day(self, extension: int, days: list[float]) -> None:
        assert self.reminded_on(extension, iter(range(extension + 1))) == days

    def test_is_due_though_there_was_one_before_the_grace_ended(self) -> None:
        assert self.reminded_on(14, iter([0.0, 1.0]), reminded_at=GRACE_ENDED - DAY) == [0.0]

    def test_is_due_on_the_next_day_if_a_run_was_missed(self) -> None:
        assert self.reminded_on(14, iter([2, 3, 9, 10, 13.5])) == [2, 9, 13.5]

    def test_is_due_until_one_was_sent(self) -> None:
        for day in (0, 1, 6):
            assert is_reminder_due(entry(), terms(), GRACE_ENDED + day * DAY)
