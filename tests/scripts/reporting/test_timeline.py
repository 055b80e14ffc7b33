"""The bars of the report's page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from functions.common.entry import Status
from functions.rotator.decide import Action
from scripts.reporting.survey import KeyReport
from scripts.reporting.timeline import Axis, axis_for, bar_of
from tests.scripts.reporting.people import NEW_KEY, NOW, entry, key, user

AXIS = Axis(100)


class TestAxis:
    def test_everything_fits(self) -> None:
        axis = axis_for([user(key(50)), user(key(130))], 90)

        assert axis.x(130) < 100

    def test_an_ancient_key_does_not_squeeze_the_others(self) -> None:
        axis = axis_for([user(key(4000)), user(key(50))], 90)

        assert axis.x(90) == 50

    @pytest.mark.parametrize("max_age_days", [0, 1, 90, 3650])
    def test_there_is_one_without_any_user(self, max_age_days: int) -> None:
        assert axis_for([], max_age_days).x(max_age_days) <= 100

    @pytest.mark.parametrize("days", [1, 6.6, 99, 180, 7300])
    def test_its_marks_can_be_read(self, days: float) -> None:
        """Neither too few to count by nor so many that they run into each other."""
        ticks = Axis(days).ticks()

        assert 2 <= len(ticks) <= 8
        assert ticks[0].x == 0
        assert ticks[-1].x <= 100


class TestBar:
    def test_a_young_key_against_its_limit(self) -> None:
        one = key(30)

        bar = bar_of(one, user(one), AXIS)

        assert (bar.kind, bar.age, bar.is_cut) == ("fine", 30, False)
        assert (bar.limit, bar.grace_start, bar.grace_width) == (80, 80, 5)

    def test_the_window_of_a_key_that_was_rotated_is_the_real_one(self) -> None:
        """From the making of its successor to the moment of its end, whatever the limits are today."""
        delete_on = NOW + timedelta(days=4)
        old = key(86, entry=entry(Status.EXPIRING, 86, delete_on=delete_on, new_key_id=NEW_KEY))
        new = key(3, NEW_KEY)

        bar = bar_of(old, user(old, new, action=Action.IN_GRACE), AXIS)

        assert (bar.kind, bar.grace_start, bar.grace_end) == ("ending", 83, 90)

    @pytest.mark.parametrize(
        ("one", "action", "kind"),
        [
            (key(85), Action.ROTATE, "due"),
            (key(85), Action.RECOVER, "due"),
            (key(95), Action.ROTATE, "old"),
            (key(95, active=False, too_old=False), Action.SKIP, "inactive"),
            (key(95, entry=entry(Status.FAILED, 95)), Action.IN_GRACE, "old"),
        ],
    )
    def test_its_colour_says_the_worst(self, one: KeyReport, action: Action, kind: str) -> None:
        assert bar_of(one, user(one, action=action), AXIS).kind == kind

    def test_what_lies_beyond_the_axis_is_cut(self) -> None:
        one = key(400)

        bar = bar_of(one, user(one), Axis(70))

        assert (bar.age, bar.is_cut, bar.limit) == (100, True, None)

    def test_a_misconfigured_user_has_no_limit(self) -> None:
        one = key(30)

        bar = bar_of(one, user(one, policy=None, decision=None, fault="IKR:EMAIL is wrong"), AXIS)

        assert (bar.limit, bar.grace_start) == (None, None)
