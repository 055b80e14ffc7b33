from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from functions.common.environment import parse
from functions.common.terms import Outlook, Terms

ENDS = datetime(2030, 3, 8, 12, tzinfo=UTC)
TERMS = Terms(
    recovery=timedelta(),
    extension=timedelta(days=14),
    delete_unconfirmed=False,
    address_hold=timedelta(days=2),
)
STRICT = replace(TERMS, delete_unconfirmed=True)


def days(number: int) -> timedelta:
    return timedelta(days=number)


def test_terms_are_those_of_the_stack() -> None:
    environment = {
        "IAM_KEY_ROTATOR_TABLE": "key-ledger",
        "MAIL_FROM": "keys@example.com",
        "RECOVERY_DAYS": "7",
        "GRACE_EXTENSION_DAYS": "3",
        "DELETE_UNCONFIRMED": "true",
        "ADDRESS_HOLD_DAYS": "4",
    }

    assert Terms.of(parse(environment)) == Terms(
        recovery=days(7), extension=days(3), delete_unconfirmed=True, address_hold=days(4)
    )


class TestWindow:
    """For how long a key stays deactivated, which can be undone, before it is deleted, which cannot."""

    @pytest.mark.parametrize(
        ("confirmed", "idle", "recovery", "window"),
        [
            # The user has evidently switched: as the stack says.
            (True, True, 0, 0),
            (True, True, 60, 60),
            # Something still uses the old key: a week at least.
            (True, False, 0, 7),
            (True, False, 7, 7),
            (True, False, 8, 8),
            # The user does not seem to have the new key: a month at least, whatever the old one does.
            (False, True, 0, 30),
            (False, False, 0, 30),
            (False, False, 30, 30),
            (False, True, 31, 31),
        ],
    )
    def test_is_longer_for_who_may_need_the_key(
        self, *, confirmed: bool, idle: bool, recovery: int, window: int
    ) -> None:
        terms = replace(TERMS, recovery=days(recovery))

        assert terms.window(confirmed=confirmed, idle=idle) == days(window)

    @pytest.mark.parametrize("confirmed", [True, False])
    @pytest.mark.parametrize("idle", [True, False])
    @pytest.mark.parametrize("recovery", [0, 7])
    def test_is_the_stacks_alone_where_keys_end_unconfirmed(
        self, *, confirmed: bool, idle: bool, recovery: int
    ) -> None:
        terms = replace(STRICT, recovery=days(recovery))

        assert terms.window(confirmed=confirmed, idle=idle) == days(recovery)


class TestOutlook:
    @pytest.mark.parametrize(
        ("terms", "confirmed", "gone", "deactivated", "lost"),
        [
            pytest.param(TERMS, False, 0, 14, 14 + 30, id="default"),
            pytest.param(TERMS, True, 0, 14, 14 + 7, id="default-confirmed"),
            pytest.param(replace(TERMS, recovery=days(10)), False, 10, 14, 14 + 30, id="recovery"),
            pytest.param(replace(TERMS, recovery=days(10)), True, 10, 14, 14 + 10, id="recovery-confirmed"),
            pytest.param(replace(TERMS, extension=days(0)), False, 0, 0, 30, id="no-extension"),
            pytest.param(STRICT, False, 0, 0, 0, id="whatever-happens"),
            pytest.param(replace(STRICT, recovery=days(10)), False, 10, 0, 10, id="whatever-happens-recovery"),
        ],
    )
    def test_tells_what_becomes_of_who_switches_and_of_who_does_not(
        self, *, terms: Terms, confirmed: bool, gone: int, deactivated: int, lost: int
    ) -> None:
        assert terms.outlook(ENDS, confirmed=confirmed) == Outlook(
            ends_on=ENDS,
            gone_on=ENDS + days(gone),
            deactivated_on=ENDS + days(deactivated),
            lost_on=ENDS + days(lost),
        )


class TestReminders:
    @pytest.mark.parametrize(
        ("extension", "on"),
        [
            (0, []),
            (1, [0]),
            (2, [0, 1]),
            (3, [0, 1, 2]),
            (4, [0, 2, 3]),
            (14, [0, 7, 13]),
        ],
    )
    def test_come_on_the_first_the_middle_and_the_last_day(self, extension: int, on: list[int]) -> None:
        """Each on a day of its own, and the last one while there is still a day to act."""
        terms = replace(TERMS, extension=days(extension))

        assert terms.reminders(ENDS) == [ENDS + days(day) for day in on]
