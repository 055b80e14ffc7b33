"""What a run has done, for its caller, its metrics and its end."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from functions.common import telemetry
from functions.common.errors import RunFailed
from functions.rotator.decide import Action, Decision, Reason


@dataclass(kw_only=True)
class Summary:
    """Counts, and for users who need somebody's attention their names with the reason. Never holds key material.

    Attributes:
        announced: users who were told that their key is going to be replaced.
        swept: chores of the sweep that were done.
        taken_back: rotations whose mail was accepted, and which were undone.
        remaining: users who were not served, for lack of time, of a mail service that works, or of IAM's patience.
        oldest_key_age: of all active keys of the users looked after, as far as the run has seen them.
        overdue: users with an active key older than audits allow, whoever made it; the oldest key's age in days.
        addresses_changed: users whose address is another one since this run.
        returned: users whose mail came back.
        dormant: users whose key was deactivated since it was never used.
        refused: users for whom an operator's wish was not followed, with the reason; also whoever was named and is
            not among the users to look after.
        malformed: ledger items that could not be read; a user's key with such an item is not rotated.
        unknown_keys: users with keys that the ledger did not know.
        out_of_step: whether the ledger knows so little that it must have been lost, or restored.
        names: who is behind the first counts, by the count's name.
    """

    rotated: int = 0
    recovered: int = 0
    taken_back: int = 0
    rearmed: int = 0
    swept: int = 0
    reminded: int = 0
    announced: int = 0
    in_grace: int = 0
    not_due: int = 0
    remaining: int = 0
    oldest_key_age: timedelta = timedelta()
    overdue: dict[str, int] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    addresses_changed: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    dormant: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    malformed: int = 0
    unknown_keys: set[str] = field(default_factory=set)
    out_of_step: bool = False
    misconfigured: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    names: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    decisions: dict[str, dict[str, Any]] | None = None

    def name(self, user: str, **happened: bool) -> None:
        """Note who is behind a count: of those given, the ones that are true."""
        for count in (count for count, is_so in happened.items() if is_so):
            self.names[count].add(user)

    def count(self, decision: Decision) -> None:
        """Count a user for whom nothing is to be done."""
        match decision.action:
            case Action.NOT_DUE:
                self.not_due += 1
            case Action.IN_GRACE:
                self.in_grace += 1
            case Action.SKIP:
                self.skip(decision.reason or Reason.UNDER_WAY)

    def skip(self, reason: Reason) -> None:
        """Count a user who is skipped."""
        self.skipped[reason] += 1

    def note(self, user: str, decision: Decision) -> None:
        """Write down what a real run would do for a user."""
        noted = {
            "action": decision.action,
            "reason": decision.reason,
            "key": decision.key.id if decision.key else decision.entry.key_id if decision.entry else None,
        }
        self.decisions = self.decisions or {}
        self.decisions[user] = {name: str(value) for name, value in noted.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """Give the summary as the function returns it."""
        result: dict[str, Any] = {
            "rotated": self.rotated,
            "recovered": self.recovered,
            "taken_back": self.taken_back,
            "rearmed": self.rearmed,
            "swept": self.swept,
            "reminded": self.reminded,
            "announced": self.announced,
            "in_grace": self.in_grace,
            "not_due": self.not_due,
            "remaining": self.remaining,
            "oldest_key_age_days": self.oldest_key_age.days,
            "overdue": dict(sorted(self.overdue.items())),
            "addresses_changed": sorted(self.addresses_changed),
            "returned": sorted(self.returned),
            "dormant": sorted(self.dormant),
            "refused": dict(sorted(self.refused.items())),
            "malformed": self.malformed,
            "out_of_step": self.out_of_step,
            "skipped": {str(reason): number for reason, number in sorted(self.skipped.items())},
            "misconfigured": dict(sorted(self.misconfigured.items())),
            "failed": dict(sorted(self.failed.items())),
            "names": {count: sorted(users) for count, users in sorted(self.names.items())},
        }
        if self.decisions is not None:
            result["decisions"] = dict(sorted(self.decisions.items()))
        return result

    def publish(self) -> None:
        """Log the summary, and count it in the metrics."""
        telemetry.info("summary", **self.to_json())
        telemetry.count("Rotated", self.rotated)
        telemetry.count("Recovered", self.recovered)
        telemetry.count("Rearmed", self.rearmed)
        telemetry.count("Reminded", self.reminded)
        telemetry.count("InGrace", self.in_grace)
        telemetry.count("RotationsFailed", len(self.failed))
        telemetry.count("UsersMisconfigured", len(self.misconfigured))
        telemetry.count("LedgerItemsMalformed", self.malformed)
        telemetry.count("Remaining", self.remaining)
        telemetry.count("KeysOverdue", len(self.overdue))
        telemetry.count("TakenBack", self.taken_back)
        telemetry.count("AddressesChanged", len(self.addresses_changed))
        telemetry.count("MailsReturned", len(self.returned))
        telemetry.count("Dormant", len(self.dormant))
        telemetry.count("LedgerOutOfStep", int(self.out_of_step))
        telemetry.count("OldestKeyAgeDays", self.oldest_key_age.days)

    def raise_if_failed(self) -> None:
        """End the run loudly if anyone could not be served.

        Raises:
            RunFailed: naming each user with the reason.
        """
        if self.failed:
            reasons = "; ".join(f"{user}: {reason}" for user, reason in sorted(self.failed.items()))
            raise RunFailed(f"{len(self.failed)} of this run's users could not be served: {reasons}")
