"""Reads what a report is about: the tagged users, all their keys, and what the rotator decides about them.

Nothing is changed. Decisions are the rotator's own, by ``functions.rotator.decide``. Where the rotator spares itself a
look at a user's keys because none can be due, the report looks all the same, and so may give a reason, such as a second
key made by hand, where the rotator just says "not due". What the rotator would do is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from functions.common.account import Account
from functions.common.entry import Entry, Status
from functions.common.environment import Environment
from functions.common.errors import MalformedEntry, reason
from functions.common.keys import AccessKey, AccessKeys, LastUse
from functions.common.ledger import Ledger
from functions.common.tags import UserPolicy
from functions.common.terms import Terms
from functions.destructor import decide as destructor
from functions.destructor.decide import End, Use
from functions.rotator import census, renames
from functions.rotator.decide import CLOCK_SKEW, ENDING, LEASE, Action, Decision, Reason, Rules, decide, is_due
from functions.rotator.workers import work_through

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient


@dataclass(frozen=True, kw_only=True)
class KeyReport:
    """One key.

    Attributes:
        last_use: None if it was never used.
        entry: what the ledger says about it.
        too_old: whether it is Active, and older than audits allow.
    """

    id: str
    active: bool
    created_at: datetime
    age: timedelta
    last_use: LastUse | None
    entry: Entry | None
    too_old: bool

    @property
    def is_ending(self) -> bool:
        """Tell whether it is to go."""
        return self.entry is not None and self.entry.status in ENDING

    @property
    def state(self) -> str:
        """Say where the ledger has it."""
        if self.entry is None:
            return "not in the ledger"
        match self.entry:
            case Entry(status=Status.FAILED, attempts=attempts, last_error=error):
                return f"failed {attempts} times: {error or 'no reason noted'}"
            case Entry(status=Status.CURRENT, replaces=str(replaced)):
                return f"current, replaces {replaced}"
            case Entry(status=status):
                return str(status)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What happens next to a user's keys, and when: None is the rotator's next run."""

    what: str
    on: datetime | None

    def announced(self, now: datetime) -> str:
        """Say it up to the date. What is due already waits for the rotator's next run, or for DynamoDB's TTL."""
        if self.on is None:
            return f"{self.what} at the next run"
        return f"{self.what} on" if self.on > now else f"{self.what} due since"


@dataclass(frozen=True, kw_only=True)
class UserReport:
    """One user.

    Attributes:
        policy: what the user's tags and the stack say; None if they contradict it.
        decision: the rotator's; None if it makes none.
        fault: why there is no decision: a tag that is wrong, or a refusal by AWS.
        unreadable: whether the keys could not be looked at.
    """

    name: str
    policy: UserPolicy | None = None
    decision: Decision | None = None
    fault: str | None = None
    unreadable: bool = False
    keys: tuple[KeyReport, ...] = ()
    step: Step | None = None

    @property
    def verdict(self) -> str:
        """Name the decision, or why there is none, in a word or two."""
        if self.unreadable:
            return "unreadable"
        if self.decision is None:
            return "misconfigured"
        return self.decision.action.replace("_", " ")

    @property
    def why(self) -> str:
        """Give the reason, where the verdict needs one."""
        if self.fault:
            return self.fault
        if self.decision is None or self.decision.reason is None:
            return ""
        return self.decision.reason.replace("_", " ")

    @property
    def notes(self) -> tuple[str, ...]:
        """Tell what in the user's tags was passed over."""
        return self.policy.warnings if self.policy else ()

    @property
    def oldest(self) -> timedelta:
        """Give the age of the oldest active key."""
        return max((key.age for key in self.keys if key.active), default=timedelta(0))


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The account at one moment.

    Attributes:
        max_age_days: an active key may not be older.
        users: all that are tagged, those with the oldest keys first.
        malformed: items of the ledger that do not parse.
    """

    account: Account
    taken_at: datetime
    max_age_days: int
    users: tuple[UserReport, ...]
    malformed: tuple[str, ...] = ()

    @property
    def too_old(self) -> list[tuple[UserReport, KeyReport]]:
        """List the keys that an audit would point out."""
        return [(user, key) for user in self.users for key in user.keys if key.too_old]

    @property
    def unreadable(self) -> list[UserReport]:
        """List the users of whom nothing can be said."""
        return [user for user in self.users if user.unreadable]

    @property
    def passed(self) -> bool:
        """Tell whether every key is known to be young enough."""
        return not self.too_old and not self.unreadable

    @property
    def conclusion(self) -> str:
        """Say in a line how it stands."""
        if self.passed:
            return f"No active key is older than {self.max_age_days} days."
        sentences = []
        if self.too_old:
            sentences.append(f"Active keys older than {self.max_age_days} days: {len(self.too_old)}.")
        if self.unreadable:
            sentences.append(f"Users who could not be looked at: {len(self.unreadable)}.")
        return " ".join(sentences)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A tagged user before the look at the keys: a policy, or the fault in it."""

    name: str
    id: str
    policy: UserPolicy | None
    fault: str | None
    entries: tuple[Entry, ...]


@dataclass(kw_only=True)
class Surveyor:
    """Looks, with clients that retry.

    Attributes:
        environment: the rotator's.
        now: the moment for which everything is decided.
        max_age_days: an active key may not be older.
    """

    iam: IAMClient
    dynamodb: DynamoDBClient
    environment: Environment
    now: datetime
    max_age_days: int

    def subjects(self) -> tuple[list[Subject], list[str]]:
        """Find the tagged users; beside them, the faults in the ledger.

        Raises:
            ClientError, BotoCoreError: the users or the ledger could not be read.
        """
        ledger = _ReadLedger(self.dynamodb, self.environment.table)
        found = renames.follow(census.take(self.iam, ledger, self.environment), None, self.now)
        subjects = [
            Subject(name=user.name, id=user.id, policy=user.policy, fault=None, entries=user.entries)
            for user in found.users
        ]
        for name, fault in found.misconfigured.items():
            entries = tuple(entry for entry in found.entries if entry.user == name)
            subjects.append(Subject(name=name, id=found.ids[name], policy=None, fault=fault, entries=entries))
        return subjects, [str(fault) for fault in ledger.faults]

    def look_at(self, subjects: Sequence[Subject]) -> Iterator[UserReport]:
        """Look at each user's keys, a few users at a time. One who cannot be read does not hide the others."""
        for outcome in work_through(self._look, subjects, may_start=lambda: True):
            if outcome.result:
                yield outcome.result
            elif outcome.fault:
                subject = outcome.item
                yield UserReport(name=subject.name, policy=subject.policy, fault=reason(outcome.fault), unreadable=True)

    def _look(self, subject: Subject) -> UserReport:
        listed = AccessKeys(self.iam).of(subject.name)
        keys = tuple(self._report(key, subject.entries) for key in listed or ())
        if subject.policy is None:
            return UserReport(name=subject.name, fault=subject.fault, keys=keys)
        if listed is None:
            decision = Decision(action=Action.SKIP, reason=Reason.NO_SUCH_USER)
        else:
            decision = decide(listed, subject.entries, self._rules(subject, subject.policy), self.now)
        return UserReport(
            name=subject.name,
            policy=subject.policy,
            decision=decision,
            keys=keys,
            step=self._next_step(decision, keys, subject),
        )

    def _rules(self, subject: Subject, policy: UserPolicy) -> Rules:
        return Rules(
            user=subject.name,
            user_id=subject.id,
            email=policy.email,
            rotate_after_days=policy.rotate_after_days,
            audit_days=self.environment.audit_days,
            address_hold=timedelta(days=self.environment.address_hold_days),
        )

    def _report(self, key: AccessKey, entries: Sequence[Entry]) -> KeyReport:
        return KeyReport(
            id=key.id,
            active=key.active,
            created_at=key.created_at,
            age=self.now - key.created_at,
            last_use=AccessKeys(self.iam).last_use(key.id),
            entry=next((entry for entry in entries if entry.key_id == key.id), None),
            too_old=key.active and is_due(key.created_at, self.max_age_days, self.now),
        )

    def _next_step(self, decision: Decision, keys: Sequence[KeyReport], subject: Subject) -> Step | None:
        match decision.action:
            case Action.ROTATE | Action.NOT_DUE if keys and subject.policy:
                due = keys[0].created_at + timedelta(days=subject.policy.rotate_after_days)
                return Step(what="rotation", on=due)
            case Action.RECOVER:
                return Step(what="recovery", on=None)
            case Action.TAKE_BACK:
                return Step(what="another new key" if decision.anew else "withdrawal of the new key", on=None)
            case Action.IN_GRACE:
                return self._end(keys)
            case Action.SKIP if decision.reason is Reason.UNDER_WAY:
                lease_ends = [entry.claimed_at + LEASE + CLOCK_SKEW for entry in subject.entries if entry.claimed_at]
                return Step(what="end of the rotation", on=max(lease_ends, default=None))
        return None

    def _end(self, keys: Sequence[KeyReport]) -> Step | None:
        """Tell what the destructor will do to the old key, if both keys go on being used as they are."""
        old = next((key for key in keys if key.is_ending), None)
        if old is None or old.entry is None:
            return None
        if old.entry.status is Status.FAILED or old.entry.delete_on is None:
            return Step(what="deletion", on=None)
        due = max(old.entry.delete_on, self.now)
        verdict = destructor.decide(
            old.entry,
            [AccessKey(id=key.id, active=key.active, created_at=key.created_at) for key in keys],
            use=_use_of(old, keys),
            terms=self._terms,
            now=due,
        )
        match verdict.end:
            case End.KEEP | End.GONE:
                return None
            case End.POSTPONE:
                return Step(what="deactivation", on=destructor.grace_end(old.entry, due) + self._terms.extension)
            case End.DEACTIVATE:
                return Step(what="deactivation", on=old.entry.delete_on)
            case End.DELETE:
                return Step(what="deletion", on=old.entry.delete_on)

    @cached_property
    def _terms(self) -> Terms:
        return Terms.of(self.environment)


def _use_of(old: KeyReport, keys: Sequence[KeyReport]) -> Use:
    successor = next((key for key in keys if old.entry and key.id == old.entry.new_key_id), None)
    return Use(confirmed=successor is not None and successor.last_use is not None, last_use=old.last_use)


class _ReadLedger(Ledger):
    """The ledger, whose faults are told in the report rather than in a function's log."""

    faults: Sequence[MalformedEntry] = ()

    def scan(self) -> tuple[list[Entry], list[MalformedEntry]]:
        entries, faults = super().scan()
        self.faults = faults
        return entries, []
