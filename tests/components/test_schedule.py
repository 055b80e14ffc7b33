"""Schedules: a malformed one must not wait for EventBridge to be refused, and each has a period or says it has none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from components.schedule import longest_gap


@pytest.mark.parametrize(
    ("expression", "gap"),
    [
        ("rate(1 minute)", timedelta(minutes=1)),
        ("rate(90 minutes)", timedelta(minutes=90)),
        ("rate(1 day)", timedelta(days=1)),
        ("cron(0 12 * * ? *)", timedelta(days=1)),
        ("cron(0 12 ? * * *)", timedelta(days=1)),
        ("cron(0/15 * * * ? *)", timedelta(minutes=15)),
        ("cron(0,30 8-17 * * ? *)", timedelta(hours=14, minutes=30)),
        ("cron(0 12 ? * MON-FRI *)", timedelta(days=3)),
        ("cron(0 12 ? * 2,4 *)", timedelta(days=5)),
        ("cron(30 6 ? * SUN *)", timedelta(days=7)),
    ],
)
def test_longest_time_between_two_runs(expression: str, gap: timedelta) -> None:
    assert longest_gap(expression) == gap


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 12 1 * ? *)",
        "cron(0 12 L * ? *)",
        "cron(0 12 15W * ? *)",
        "cron(0 12 ? * TUE#2 *)",
        "cron(0 12 ? * 6L *)",
        "cron(0 12 * JAN,JUL ? *)",
        "cron(0 12 * * ? 2027-2030)",
    ],
)
def test_calendar_days_have_no_one_period(expression: str) -> None:
    assert longest_gap(expression) is None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "neither rate"),
        ("every day", "neither rate"),
        ("Rate(1 day)", "neither rate"),
        ("rate(1 day", "neither rate"),
        ("rate(0 days)", "positive whole number"),
        ("rate(-1 days)", "positive whole number"),
        ("rate(1.5 hours)", "positive whole number"),
        ("rate(30 seconds)", "minutes, hours or days"),
        ("rate(1 hours)", "hour for 1"),
        ("rate(2 hour)", "hours for more"),
        ("cron()", "has 0 fields"),
        ("cron(0 12 * * *)", "has 5 fields"),
        ("cron(0 12 * * * *)", "exactly one"),
        ("cron(0 12 ? * ? *)", "exactly one"),
        ("cron(60 12 * * ? *)", "from 0 to 59"),
        ("cron(0 24 * * ? *)", "from 0 to 23"),
        ("cron(0 12 0 * ? *)", "from 1 to 31"),
        ("cron(0 12 32W * ? *)", "from 1 to 31"),
        ("cron(0 12 * 13 ? *)", "from 1 to 12"),
        ("cron(0 12 * MON ? *)", "from 1 to 12"),
        ("cron(0 12 ? * 8 *)", "from 1 to 7"),
        ("cron(0 12 ? * TUE#6 *)", "from 1 to 7"),
        ("cron(0 12 * * ? 1969)", "from 1970 to 2199"),
        ("cron(0/0 12 * * ? *)", "no positive number"),
        ("cron(0 17-8 * * ? *)", "backwards"),
        ("cron(\u0660 12 * * ? *)", "from 0 to 59"),
    ],
)
def test_malformed_schedule_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        longest_gap(expression)
