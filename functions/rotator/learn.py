"""Brings the ledger up to date with what a run has listed, so that the next one asks less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from functions.common import telemetry
from functions.common.entry import Entry, Status
from functions.common.errors import LedgerConflict
from functions.common.keys import AccessKeys
from functions.common.ledger import Ledger
from functions.common.parameters import parameter_name
from functions.common.secrets import SecretStore
from functions.rotator.case import Case
from functions.rotator.decide import LEASE, UNDER_WAY, replaced


def learn(
    cases: Sequence[Case], ledger: Ledger, keys: AccessKeys, secrets: Callable[[], SecretStore], now: datetime
) -> None:
    """Enter keys seen for the first time, and drop entries of keys that are proved to be gone.

    A key that is due is entered by its rotation; and one that is with the destructor must not be entered here, or its
    end would be taken for called off. With an entry goes the encryption key of a mail that nobody needs to read any
    more.

    Raises:
        ClientError, BotoCoreError: AWS failed; what was entered until then stands.
    """
    listed = [case for case in cases if case.keys is not None and not case.is_due]
    ledger.learn([entry for case in listed for entry in unknown(case)])
    for case in listed:
        for entry in _outlived(case, now):
            if not keys.is_gone(entry.key_id, case.keys or ()):
                continue
            if entry.sealed_by:
                secrets().remove_if_for(parameter_name(case.user.name, case.user.id), entry.sealed_by)
            try:
                ledger.forget(entry)
            except LedgerConflict:
                telemetry.info("entry_moved_by_another_run", user=entry.user, key=entry.key_id)


def unknown(case: Case) -> list[Entry]:
    """Give the entries of keys that were listed, and of which the ledger does not know.

    A key that a rotation under way has made is entered by that rotation, or goes with it.
    """
    if any(entry.status in UNDER_WAY for entry in case.user.entries):
        return []
    known = {entry.key_id for entry in case.user.entries} | replaced(case.user.entries)
    return [
        Entry(
            user=case.user.name,
            user_id=case.user.id,
            key_id=key.id,
            status=Status.CURRENT,
            created_at=key.created_at,
            email=case.user.policy.email,
        )
        for key in case.keys or ()
        if key.id not in known
    ]


def _outlived(case: Case, now: datetime) -> list[Entry]:
    """Find entries whose key is gone; IAM may not list a key yet that was made a moment ago.

    A successor that was deleted by hand stays until the end of the old key: it vouches for that one.
    """
    existing = {key.id for key in case.keys or ()}
    return [
        entry
        for entry in case.user.entries
        if entry.status is Status.CURRENT
        and entry.replaces is None
        and entry.key_id not in existing
        and entry.created_at + LEASE < now
    ]
