"""Follows users to their new names: an entry belongs to the person whose id it carries, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from functions.common import telemetry
from functions.common.entry import Entry
from functions.common.errors import LedgerConflict
from functions.common.ledger import Ledger
from functions.common.secrets import SecretStore, parameter_name
from functions.rotator.census import Census
from functions.rotator.decide import UNDER_WAY, is_abandoned


@dataclass(frozen=True, kw_only=True)
class Following:
    """What entries are moved with. The secret store is built when there is first something to remove."""

    ledger: Ledger
    secrets: Callable[[], SecretStore]

    def move(self, entry: Entry, name: str) -> Entry:
        """Move one entry.

        Raises:
            LedgerConflict: somebody has moved it on meanwhile.
            ClientError, BotoCoreError: DynamoDB or SSM failed.
        """
        readable = parameter_name(name, entry.user_id or "")
        if entry.parameter and entry.sealed_by and entry.parameter != readable:
            self.secrets().remove_if_for(entry.parameter, entry.sealed_by)
        return self.ledger.move(entry, name)


def follow(census: Census, tools: Following | None, now: datetime) -> Census:
    """Move the entries of renamed users under their new names, in every phase.

    An encryption key that is named after the old name goes: its user cannot read it any more.

    Left where they are: an entry that a run may still be working on, until its lease is over; and one that somebody has
    moved on meanwhile. The next run looks again.

    Args:
        census: the account, and the ledger as it was read.
        tools: what to move them with; None moves them in the census alone, for a run that changes nothing.
        now: the time of the run.

    Raises:
        ClientError, BotoCoreError: DynamoDB or SSM failed.
    """
    names = census.names()
    entries: list[Entry] = []
    moved = False
    for entry in census.entries:
        name = names.get(entry.user_id or "")
        if name is None or name == entry.user or (entry.status in UNDER_WAY and not is_abandoned(entry, now)):
            entries.append(entry)
            continue
        try:
            entries.append(tools.move(entry, name) if tools else entry.renamed(name))
        except LedgerConflict:
            entries.append(entry)
            continue
        moved = True
        telemetry.info("user_renamed", user=name, old_name=entry.user, key=entry.key_id)
    return census.with_entries(entries) if moved else census
