"""The deadline as calendars read it: a library for such files reads what the functions write."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import icalendar
import pytest

from functions.common.account import Account
from functions.mail import calendar_entry
from functions.mail.notices import Deadlined, KeyReminder, NewKey
from scripts.sample_mails import NOTICES

DEADLINE = datetime(2030, 3, 8, 12, 0, tzinfo=UTC)


T = TypeVar("T")


def sample(name: str, kind: type[T]) -> T:
    notice = NOTICES[name]
    assert isinstance(notice, kind)
    return notice


NEW_KEY = sample("new-key", NewKey)
REMINDER = sample("reminder-new-key-unused", KeyReminder)


def event_in(written: str) -> icalendar.Event:
    """Read the one event of a calendar, and take no fault in it."""
    calendar = icalendar.Calendar.from_ical(written)
    (event,) = calendar.events
    assert calendar.errors == []
    assert event.errors == []
    return event


@pytest.mark.parametrize("notice", [NEW_KEY, REMINDER])
def test_event_ends_at_the_deadline_with_a_word_the_day_before(notice: Deadlined) -> None:
    event = event_in(calendar_entry.write(notice))

    assert event.end == DEADLINE
    assert event.start == DEADLINE - timedelta(minutes=30)
    assert event["SUMMARY"] == "Switch to the new AWS access key of alice in acme-prod (111122223333)"
    assert event["TRANSP"] == "TRANSPARENT"
    assert event.alarms.times[0].trigger == event.start - timedelta(days=1)


def test_reminder_with_a_later_deadline_takes_the_place_of_the_first() -> None:
    """A calendar would else go on showing a deadline that has moved."""
    first = event_in(calendar_entry.write(NEW_KEY))
    later = event_in(calendar_entry.write(replace(REMINDER, extended=True)))

    assert first["UID"] == later["UID"]
    assert first.sequence < later.sequence
    assert later.end == DEADLINE + timedelta(days=14)


def test_another_key_has_an_event_of_its_own() -> None:
    other = replace(NEW_KEY, old_key_id="AKIAFAKE00000000OLD2")

    assert event_in(calendar_entry.write(other))["UID"] != event_in(calendar_entry.write(NEW_KEY))["UID"]


def test_names_with_marks_of_the_format_are_read_as_they_are() -> None:
    """IAM takes commas in names; and what never comes from IAM must not add lines to the file either."""
    name = "a,b;c\\d" + 60 * "x" + "\r\nEND:VEVENT"
    odd = replace(NEW_KEY, user=name, account=Account(id="111122223333", alias="x" * 63))

    written = calendar_entry.write(odd)

    assert event_in(written)["SUMMARY"] == (
        f"Switch to the new AWS access key of {name.replace(chr(13), ' ').replace(chr(10), ' ')} "
        f"in {'x' * 63} (111122223333)"
    )
    assert max(len(line) for line in written.split("\r\n")) == 75
    assert "\n" not in written.replace("\r\n", "")


def test_entry_holds_no_secret() -> None:
    assert "not-a-real-secret" not in calendar_entry.write(sample("new-key-plain", NewKey))
