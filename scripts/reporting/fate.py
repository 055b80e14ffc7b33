"""What the destructor would really do with an old key when its time comes: by its own code, told in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey, LastUse
from functions.common.terms import IDLE, Terms
from functions.destructor import decide as destructor
from functions.destructor.decide import End, Use, Why


@dataclass(frozen=True, kw_only=True)
class Fate:
    """How an old key ends, if it and its successor go on being used as they are today.

    Attributes:
        end: what is done next.
        why: why it does not simply end as planned.
        on: when; None is the rotator's next run.
        at_last: of a key that is put off day by day, when it is deactivated.
    """

    end: End
    why: Why | None = None
    on: datetime | None = None
    at_last: datetime | None = None

    @property
    def what(self) -> str:
        """Name what is done next."""
        match self.end:
            case End.POSTPONE:
                return "extension by a day"
            case End.DEACTIVATE:
                return "deactivation"
            case End.KEEP:
                return "cancellation"
        return "deletion"

    @property
    def reason(self) -> str:
        """Say why, where it is not what was planned."""
        if self.end is End.KEEP:
            return "its successor is gone or inactive"
        if self.at_last:
            return f"{self.why}; deactivated on {self.at_last:%Y-%m-%d} at the latest"
        return str(self.why or "")


def foresee(old: Entry, keys: Sequence[AccessKey], use: Use, terms: Terms, now: datetime) -> Fate:
    """Ask the destructor's own code about the moment at which the key's time comes.

    Args:
        old: the old key's entry.
        keys: all keys of the user.
        use: how the key and its successor have been used.
        terms: what the stack's configuration says about the ends of keys.
        now: the time of the report.
    """
    if old.status is Status.FAILED or old.delete_on is None:
        return Fate(end=End.DELETE)
    due = max(old.delete_on, now)
    lasting = replace(use, last_use=_going_on(use.last_use, now, due))
    verdict = destructor.decide(old, keys, use=lasting, terms=terms, now=due)
    postponed = verdict.end is End.POSTPONE
    return Fate(
        end=verdict.end,
        why=verdict.why,
        on=old.delete_on,
        at_last=destructor.grace_end(old, due) + terms.extension if postponed else None,
    )


def _going_on(last_use: LastUse | None, now: datetime, due: datetime) -> LastUse | None:
    """Presume that a key which works today will do so when its time comes; to decrypt the mail with it is no work."""
    if last_use is None or not last_use.is_work_since(now - IDLE):
        return last_use
    return replace(last_use, at=last_use.at + (due - now))
