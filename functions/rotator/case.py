"""One user in one run: what was found, and what is to be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.common.entry import Entry, Status
from functions.common.keys import AccessKey
from functions.rotator.census import User
from functions.rotator.decide import Action, Decision


@dataclass(frozen=True, kw_only=True)
class Case:
    """See the module. ``keys`` is None where no listing was needed or possible."""

    user: User
    keys: Sequence[AccessKey] | None
    decision: Decision

    @property
    def is_due(self) -> bool:
        """Whether there is a rotation to begin, to go on with or to take back."""
        return self.decision.action in {Action.ROTATE, Action.RECOVER, Action.TAKE_BACK}

    @property
    def active(self) -> dict[str, datetime]:
        """When the user's active keys were made, by id, as far as the run has looked: from IAM, or else the ledger."""
        if self.keys is not None:
            return {key.id: key.created_at for key in self.keys if key.active}
        return dict(active_in_ledger(self.user.entries))


def active_in_ledger(entries: Sequence[Entry]) -> Iterator[tuple[str, datetime]]:
    """Give the keys that are active for all that the ledger knows, and when they were made."""
    for entry in entries:
        if entry.status is not Status.INACTIVE and entry.dormant_since is None:
            yield entry.key_id, entry.created_at
