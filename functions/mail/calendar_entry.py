"""A deadline as an entry for a calendar, which shows it in its reader's own time (RFC 5545).

Twelve lines that never change are no reason to carry a library into a function that holds secrets; the tests read them
with one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from functions.mail.notices import Deadlined

FILE_NAME = "deadline.ics"
MEDIA_TYPE = "text/calendar"

_LONGEST_LINE = 75
_ESCAPES = str.maketrans({"\\": r"\\", ";": r"\;", ",": r"\,"})
_SHOWN_FOR = timedelta(minutes=30)


def write(notice: Deadlined) -> str:
    """Write the deadline of a notice. Another one about the same key takes the place of the first in a calendar.

    The time of writing is the deadline's own: the same notice always gives the same entry, and a later deadline counts
    as the newer one.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//iam-key-rotator//deadline//EN",
        "BEGIN:VEVENT",
        f"UID:{notice.old_key_id}@iam-key-rotator",
        f"SEQUENCE:{int(notice.deadline.timestamp()) // 60}",
        f"DTSTAMP:{_moment(notice.deadline)}",
        f"DTSTART:{_moment(notice.deadline - _SHOWN_FOR)}",
        f"DTEND:{_moment(notice.deadline)}",
        f"SUMMARY:{_text(f'Switch to the new AWS access key of {notice.user} in {notice.account}')}",
        f"DESCRIPTION:{_text(f'New access key: {notice.new_key_id}. Old access key: {notice.old_key_id}.')}",
        "TRANSP:TRANSPARENT",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "DESCRIPTION:Switch to the new AWS access key",
        "TRIGGER:-P1D",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{folded}\r\n" for line in lines for folded in _fold(line))


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(words: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in words).translate(_ESCAPES)


def _fold(line: str) -> list[str]:
    """Break a line that is too long: what goes on begins with a space. An alias or a name is ASCII, as IAM has it."""
    first, rest = line[:_LONGEST_LINE], line[_LONGEST_LINE:]
    step = _LONGEST_LINE - 1
    return [first, *(f" {rest[at : at + step]}" for at in range(0, len(rest), step))]
