"""EventBridge's schedule expressions: whether one is well-formed, and how far apart its runs can lie.

See "Creating rules that run on a schedule" in the EventBridge user guide for the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from types import MappingProxyType

# EventBridge adds the year to what cron knows.
_CRON_FIELDS = 6
_UNITS = MappingProxyType(
    {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)},
)
_MONTHS = MappingProxyType(
    {"JAN": 1, "FEB": 2, "MAR": 3, "APR": 4, "MAY": 5, "JUN": 6}
    | {"JUL": 7, "AUG": 8, "SEP": 9, "OCT": 10, "NOV": 11, "DEC": 12},
)
_WEEKDAYS = MappingProxyType(
    {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7},
)
_NO_NAMES: Mapping[str, int] = MappingProxyType({})

_MINUTES, _HOURS, _DAYS = range(60), range(24), range(1, 32)
_MONTH_NUMBERS, _WEEKDAY_NUMBERS, _YEARS = range(1, 13), range(1, 8), range(1970, 2200)

# Days that only a calendar can name: the last of the month, the weekday nearest the 15th, the second Tuesday.
_CALENDAR_DAY = re.compile(r"L|LW|([1-9]|[12]\d|3[01])W")
_CALENDAR_WEEKDAY = re.compile(r"L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])")


def longest_gap(expression: str) -> timedelta | None:
    """Tell how far apart two runs of a schedule can lie.

    Returns:
        The longest time between one run and the next, or None where that depends on the calendar (days of the month,
        single months or years).

    Raises:
        ValueError: the expression is not one that EventBridge takes; the message says what is wrong with it.
    """
    kind, bracket, rest = expression.partition("(")
    if not bracket or not rest.endswith(")") or kind not in {"rate", "cron"}:
        raise ValueError("is neither rate(value unit) nor cron(six fields)")
    return _rate_gap(rest[:-1]) if kind == "rate" else _cron_gap(rest[:-1])


def _rate_gap(rate: str) -> timedelta:
    match = re.fullmatch(r"([1-9]\d{0,8}) (minute|hour|day)(s?)", rate, re.ASCII)
    if match is None:
        raise ValueError("needs a positive whole number and minutes, hours or days, as in rate(12 hours)")
    value, unit, plural = int(match[1]), match[2], match[3]
    if (value == 1) == bool(plural):
        raise ValueError(f"must say {unit} for 1 and {unit}s for more")
    return value * _UNITS[unit]


def _cron_gap(cron: str) -> timedelta | None:
    fields = cron.split()
    if len(fields) != _CRON_FIELDS:
        raise ValueError(f"has {len(fields)} fields, not six: minutes hours day-of-month month day-of-week year")
    minutes_field, hours_field, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise ValueError("must have ? as exactly one of day-of-month and day-of-week")
    minutes = _expand(minutes_field, _MINUTES)
    hours = _expand(hours_field, _HOURS)
    _expand(month, _MONTH_NUMBERS, _MONTHS)
    _expand(year, _YEARS)
    by_calendar = bool(_CALENDAR_DAY.fullmatch(day) or _CALENDAR_WEEKDAY.fullmatch(weekday))
    if day != "?" and not by_calendar:
        _expand(day, _DAYS)
    weekdays = _expand("*" if weekday == "?" or by_calendar else weekday, _WEEKDAY_NUMBERS, _WEEKDAYS)
    if by_calendar or not {day, month, year} <= {"*", "?"}:
        return None
    return _longest_gap_in_a_week(weekdays, hours, minutes)


def _longest_gap_in_a_week(weekdays: frozenset[int], hours: frozenset[int], minutes: frozenset[int]) -> timedelta:
    day, week = timedelta(days=1), timedelta(weeks=1)
    runs = sorted(
        weekday * day + timedelta(hours=hour, minutes=minute)
        for weekday in weekdays
        for hour in hours
        for minute in minutes
    )
    return max(later - earlier for earlier, later in pairwise([*runs, runs[0] + week]))


def _expand(field: str, allowed: range, names: Mapping[str, int] = _NO_NAMES) -> frozenset[int]:
    """List the values that a cron field stands for: ``*``, numbers, names, lists, ranges and steps of them."""

    def number(text: str) -> int:
        value = names.get(text, int(text) if re.fullmatch(r"\d{1,4}", text, re.ASCII) else None)
        if value is None or value not in allowed:
            raise ValueError(f"has {field!r} where values from {allowed[0]} to {allowed[-1]} belong")
        return value

    values: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        if slash and not re.fullmatch(r"[1-9]\d{0,3}", step, re.ASCII):
            raise ValueError(f"has {field!r}, whose step is no positive number")
        start, dash, end = span.partition("-")
        if span == "*":
            first, last = allowed[0], allowed[-1]
        else:
            first = number(start)
            last = number(end) if dash else allowed[-1] if slash else first
        if first > last:
            raise ValueError(f"has {field!r}, which runs backwards")
        values.update(range(first, last + 1, int(step) if slash else 1))
    return frozenset(values)
