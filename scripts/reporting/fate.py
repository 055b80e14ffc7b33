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

_WORDS = {Why.UNCONFIRMED: "the new key was never used", Why.STILL_USED: "it is still in use"}


@dataclass(frozen=True, kw_only=True)
class Fate:
    """How an old key ends, if it and its successor go on being used as they are today.

    Attributes:
        end: what is done next.
        confirmed: whether the successor has been used.
        why: why it does not simply end as planned.
        on: when; None is the rotator's next run.
        at_last: of a key that is put off day by day, when it is deactivated.
    """

    end: End
    confirmed: bool
    why: Why | None = None
    on: datetime | None = None
    at_last: datetime | None = None

    @property
    def what(self) -> str:
        """Name what is done next."""
        match self.end:
            case End.POSTPONE:
                return "postponed by a day"
            case End.DEACTIVATE:
                return "deactivation"
            case End.KEEP:
                return "cancellation"
        return "deletion"

    @property
    def reason(self) -> str:
        """Say why, where it is not what was planned; also where a key simply goes whose successor was never used."""
        if self.end is End.KEEP:
            return "its successor is gone or inactive"
        why = self.why if self.confirmed else Why.UNCONFIRMED
        words = _WORDS[why] if why else ""
        return f"{words}; deactivated on {self.at_last:%Y-%m-%d} at the latest" if self.at_last else words


def foresee(old: Entry, keys: Sequence[AccessKey], use: Use, terms: Terms, now: datetime) -> Fate:
    """Ask the destructor's own code about the moment at which the key's time comes.

    A deletion that was given up is decided on anew in the rotator's next run, from where it stood.

    Args:
        old: the old key's entry.
        keys: all keys of the user.
        use: how the key and its successor have been used.
        terms: what the stack's configuration says about the ends of keys.
        now: the time of the report.
    """
    on = None if old.status is Status.FAILED else old.delete_on
    if on is None:
        old = replace(old, status=Status.INACTIVE if old.windows else Status.EXPIRING, delete_on=now)
    due = max(on or now, now)
    last_use = None if terms.delete_unconfirmed else use.last_use  # then the destructor does not ask for it
    lasting = replace(use, last_use=_going_on(last_use, now, due))
    verdict = destructor.decide(old, keys, use=lasting, terms=terms, now=due)
    postponed = verdict.why if verdict.end is End.POSTPONE else None
    return Fate(
        end=verdict.end,
        confirmed=use.confirmed,
        why=verdict.why,
        on=on,
        at_last=destructor.extension_end(old, postponed, terms, due) if postponed else None,
    )


def _going_on(last_use: LastUse | None, now: datetime, due: datetime) -> LastUse | None:
    """Presume that a key which works today will do so when its time comes; to decrypt the mail with it is no work."""
    if last_use is None or not last_use.is_work_since(now - IDLE):
        return last_use
    return replace(last_use, at=last_use.at + (due - now))
