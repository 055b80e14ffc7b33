"""The watch over addresses: whoever may tag a user could send that user's next key elsewhere.

Every entry of a living key carries the address that mail last went to. Another one in the tags is told to the old
address at once, and has to stand for a while before anything secret goes there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from functions.common.entry import Entry
from functions.common.tags import same_address

SCHEDULE_SLACK = timedelta(hours=1)
"""How much early a run may be for what is counted in days: a daily run must not miss a moment by seconds, and act a day
late."""


class Standing(StrEnum):
    """How the address in a user's tags stands to what the ledger knows."""

    SETTLED = "settled"
    """Mail went there before."""
    NEW = "new"
    """The ledger does not know where mail went, or whose key it is: the user or the key is seen for the first time, or
    an older version entered it."""
    CHANGED = "changed"
    """Nobody has noticed yet that it is another one."""
    HELD = "held"
    """It is another one, and has not stood long enough."""
    STOOD = "stood"
    """It is another one, and counts from now on."""
    PUT_BACK = "put_back"
    """It was another one for a while, and is the old one again."""


def standing(entries: Sequence[Entry], email: str, hold: timedelta, now: datetime) -> Standing:
    """Tell how a user's address stands.

    Args:
        entries: all ledger entries of the user.
        email: the address in the user's tags.
        hold: how long another address has to stand.
        now: the time.
    """
    known = [entry for entry in entries if entry.email is not None]
    others = [entry for entry in known if not same_address(entry.email or "", email)]
    if not others:
        if any(entry.pending_email for entry in known):
            return Standing.PUT_BACK
        complete = entries and all(entry.email and entry.user_id for entry in entries)
        return Standing.SETTLED if complete else Standing.NEW
    if not all(entry.pending_email and same_address(entry.pending_email, email) for entry in others):
        return Standing.CHANGED
    since = max(entry.address_changed_at or now for entry in others)
    return Standing.STOOD if now >= since + hold - min(hold, SCHEDULE_SLACK) else Standing.HELD


def former(entries: Sequence[Entry], email: str) -> list[str]:
    """Name the addresses that mail went to so far, other than this one."""
    addresses = {entry.email for entry in entries if entry.email}
    return sorted(address for address in addresses if not same_address(address, email))


def is_undeliverable(entries: Sequence[Entry], email: str) -> bool:
    """Tell whether mail to this address has come back."""
    return any(entry.undeliverable and same_address(entry.undeliverable, email) for entry in entries)
