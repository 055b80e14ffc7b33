"""One user in one run: what was found, and what is to be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.common.entry import Status
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
        """Whether there is a rotation to begin or to go on with."""
        return self.decision.action in {Action.ROTATE, Action.RECOVER}

    @property
    def born_at(self) -> float:
        """When the key that is due was made, in epoch seconds; the oldest goes first."""
        subject = self.decision.key or self.decision.entry
        return subject.created_at.timestamp() if subject else 0.0

    @property
    def made(self) -> list[datetime]:
        """When the user's active keys were made, as far as the run has looked: from IAM, or else from the ledger."""
        if self.keys is not None:
            return [key.created_at for key in self.keys if key.active]
        return [entry.created_at for entry in self.user.entries if entry.status is not Status.INACTIVE]
