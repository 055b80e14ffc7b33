"""What an auditor would point out, and what an operator must hear of: keys too old, a ledger that knows too little."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from functions.rotator.case import active_in_ledger
from functions.rotator.census import Census
from functions.rotator.decide import is_due
from functions.rotator.summary import Summary

_FEW_USERS = 10
_A_FIFTH = 5


def note_ages(user: str, active: Mapping[str, datetime], summary: Summary, audit_days: int, now: datetime) -> None:
    """Note the age of a user's oldest active key, and whether it is older than audits allow, whoever made it.

    Args:
        user: the user's name.
        active: when the user's active keys were made, by id.
        summary: where it is noted.
        audit_days: the age, in days, from which a key is too old.
        now: the time of the run.
    """
    if not active:
        return
    oldest = min(active.values())
    summary.oldest_key_age = max(summary.oldest_key_age, now - oldest)
    if is_due(oldest, audit_days, now):
        summary.overdue[user] = (now - oldest) // timedelta(days=1)


def of_misconfigured(found: Census, summary: Summary, audit_days: int, now: datetime) -> None:
    """Note the same for users whose tags are wrong, from the ledger: whoever breaks their tags evades rotation."""
    for user in found.misconfigured:
        entries = [entry for entry in found.entries if entry.user == user and found.owns(entry)]
        note_ages(user, dict(active_in_ledger(entries)), summary, audit_days, now)


def is_out_of_step(found: Census, summary: Summary) -> bool:
    """Tell whether the ledger must have been lost, or restored to an earlier state.

    In ordinary life a run meets few keys that the ledger does not know: of new users, or made by hand. Where it knows
    nothing at all, or where every fifth user has such a key, rotations may have been forgotten. So it is at the very
    first run of a new stack.
    """
    if not summary.unknown_keys:
        return False
    if not found.entries:
        return True
    many = len(summary.unknown_keys) * _A_FIFTH >= len(found.users)
    return many and len(summary.unknown_keys) >= _FEW_USERS
