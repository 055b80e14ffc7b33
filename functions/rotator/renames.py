"""Follows users to their new names: an entry belongs to the person whose id it carries, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from functions.common import telemetry
from functions.common.entry import Entry
from functions.common.errors import LedgerConflict
from functions.common.ledger import Ledger
from functions.common.parameters import parameter_name
from functions.common.secrets import SecretStore
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
        stored, readable = (parameter_name(user, entry.user_id or "") for user in (entry.user, name))
        if entry.sealed_by and stored != readable:
            self.secrets().remove_if_for(stored, entry.sealed_by)
        return self.ledger.move(entry, name)


def follow(census: Census, tools: Following | None, now: datetime) -> Census:
    """Move the entries of renamed users under their new names, in every phase.

    An encryption key that is named after the old name goes: its user cannot read it any more.

    Left where they are: an entry that a run may still be working on, until its lease is over; and one that somebody has
    moved on meanwhile. The next run looks again. In the census they count as the user's all the same: who seems to have
    no entries would be entered anew, and the entries under the old name could never follow.

    Args:
        census: the account, and the ledger as it was read.
        tools: what to move them with; None moves them in the census alone, for a run that changes nothing.
        now: the time of the run.

    Raises:
        ClientError, BotoCoreError: DynamoDB or SSM failed.
    """
    names = census.names()
    entries: list[Entry] = []
    renamed = False
    for entry in census.entries:
        name = names.get(entry.user_id or "")
        if name is None or name == entry.user:
            entries.append(entry)
            continue
        renamed = True
        at_work = entry.status in UNDER_WAY and not is_abandoned(entry, now)
        entries.append(entry.renamed(name) if at_work or tools is None else _moved(entry, name, tools))
        telemetry.info("user_renamed", user=name, old_name=entry.user, key=entry.key_id)
    return census.with_entries(entries) if renamed else census


def _moved(entry: Entry, name: str, tools: Following) -> Entry:
    try:
        return tools.move(entry, name)
    except LedgerConflict:
        return entry.renamed(name)
