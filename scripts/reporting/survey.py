"""Reads what a report is about: the tagged users, all their keys, and what the rotator decides about them.

Nothing is changed. Decisions are the rotator's own, by ``functions.rotator.decide``. Where the rotator spares itself a
look at a user's keys because none can be due, the report looks all the same, and so may give a reason, such as a second
key made by hand, where the rotator just says "not due". What the rotator would do is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import tags, users
from functions.common.account import Account
from functions.common.clients import WORKERS
from functions.common.entry import Entry, Status
from functions.common.environment import Environment
from functions.common.errors import MalformedEntry, reason
from functions.common.keys import AccessKey, AccessKeys, LastUse
from functions.common.ledger import Ledger
from functions.common.tags import UserPolicy
from functions.common.terms import Terms
from functions.destructor.decide import End, Use
from functions.rotator import census, renames
from functions.rotator.decide import CLOCK_SKEW, ENDING, LEASE, Action, Decision, Reason, Rules, decide, is_due
from scripts.at_once import at_once
from scripts.aws import FAULTS
from scripts.reporting.fate import Fate, foresee

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
        fate: of a key that is to go, what the destructor would do with it.
        is_use_known: whether its last use was asked for.
    """

    id: str
    active: bool
    created_at: datetime
    age: timedelta
    last_use: LastUse | None
    entry: Entry | None
    too_old: bool
    fate: Fate | None = None
    is_use_known: bool = True

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
    """What happens next to a user's keys, and when: None is the rotator's next run; why, where that was not planned."""

    what: str
    on: datetime | None
    why: str = ""

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
        email: where mail goes; of a user whose tags are wrong, what the tag says.
    """

    name: str
    email: str | None = None
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
        return _oldest(self.keys)


@dataclass(frozen=True, kw_only=True)
class Bystander:
    """A user whom the service leaves alone.

    Attributes:
        why: why it does.
        keys: the user's keys; the last use of each only where it was asked for.
        fault: why the keys could not be looked at.
        unreadable: whether that is so.
    """

    name: str
    why: Reason
    fault: str | None = None
    keys: tuple[KeyReport, ...] = ()
    unreadable: bool = False

    @property
    def oldest(self) -> timedelta:
        """Give the age of the oldest active key."""
        return _oldest(self.keys)

    @property
    def has_old_key(self) -> bool:
        """Tell whether an active key is older than audits allow."""
        return any(key.too_old for key in self.keys)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The account at one moment.

    Attributes:
        max_age_days: an active key may not be older.
        users: all that are tagged, the worst first.
        bystanders: those of the others who have keys, or could not be looked at; the oldest keys first.
        malformed: items of the ledger that do not parse.
    """

    account: Account
    taken_at: datetime
    max_age_days: int
    users: tuple[UserReport, ...]
    bystanders: tuple[Bystander, ...] = ()
    malformed: tuple[str, ...] = ()

    @property
    def too_old(self) -> list[tuple[UserReport, KeyReport]]:
        """List the keys that an audit would point out."""
        return [(user, key) for user in self.users for key in user.keys if key.too_old]

    @property
    def unreadable(self) -> list[str]:
        """Name the users of whom nothing can be said."""
        tagged = [user.name for user in self.users if user.unreadable]
        return tagged + [user.name for user in self.bystanders if user.unreadable]

    @property
    def untagged(self) -> list[Bystander]:
        """List the users with keys whom nobody has tagged, or who are outside the stack's paths."""
        return [user for user in self.bystanders if user.keys]

    @property
    def untagged_too_old(self) -> list[Bystander]:
        """List those of them whom an audit would point out."""
        return [user for user in self.bystanders if user.has_old_key]

    @property
    def passed(self) -> bool:
        """Tell whether every key is known to be young enough, rotated or not."""
        return not (self.too_old or self.unreadable or self.untagged_too_old)

    @property
    def conclusion(self) -> str:
        """Say in a line how it stands."""
        sentences = []
        if self.passed:
            sentences.append(f"No active key is older than {self.max_age_days} days.")
        if self.too_old:
            sentences.append(f"Active keys older than {self.max_age_days} days: {len(self.too_old)}.")
        if self.unreadable:
            sentences.append(f"Users who could not be looked at: {len(self.unreadable)}.")
        if self.untagged:
            sentences.append(self._on_untagged())
        return " ".join(sentences)

    def _on_untagged(self) -> str:
        number, old = len(self.untagged), len(self.untagged_too_old)
        who = f"{number} users with keys are" if number > 1 else "1 user with keys is"
        whose = f"{old} of them {'has' if old == 1 else 'have'}" if number > 1 else "the user has"
        return f"{who} not tagged{f'; {whose} a key older than {self.max_age_days} days' if old else ''}."


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A tagged user before the look at the keys: a policy, or the fault in it."""

    name: str
    id: str
    policy: UserPolicy | None
    fault: str | None
    entries: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Whom there is to look at.

    Attributes:
        subjects: the tagged users.
        others: all other users, each with the reason for which the service leaves them alone.
        malformed: items of the ledger that do not parse.
    """

    subjects: list[Subject]
    others: dict[str, Reason]
    malformed: tuple[str, ...]


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

    def find(self) -> Found:
        """Find all users, and beside them the faults in the ledger.

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
            entries = tuple(entry for entry in found.entries if entry.user == name and found.owns(entry))
            subjects.append(Subject(name=name, id=found.ids[name], policy=None, fault=fault, entries=entries))
        served = {subject.name for subject in subjects}
        others = {
            name: Reason.OUTSIDE_PATHS if name in found.outside else Reason.NOT_TAGGED
            for name in found.ids
            if name not in served
        }
        return Found(subjects=subjects, others=others, malformed=tuple(str(fault) for fault in ledger.faults))

    def look_at(self, subjects: Sequence[Subject]) -> Iterator[UserReport]:
        """Look at each user's keys, a few users at a time. One who cannot be read does not hide the others."""

        def look(subject: Subject) -> UserReport:
            try:
                return self._look(subject)
            except Exception as fault:  # noqa: BLE001 (whatever goes wrong with one user must not stop the others)
                return UserReport(
                    name=subject.name,
                    email=subject.policy.email if subject.policy else None,
                    policy=subject.policy,
                    fault=reason(fault),
                    unreadable=True,
                )

        return at_once(look, subjects, workers=WORKERS)

    def look_beside(self, others: Mapping[str, Reason], *, with_use: bool) -> Iterator[Bystander]:
        """Look at the keys of users whom the service leaves alone; when they were last used, only if asked to."""

        def look(name: str) -> Bystander:
            try:
                listed = AccessKeys(self.iam).of(name) or ()
                keys = tuple(self._report(key, (), is_use_known=with_use) for key in listed)
            except FAULTS as fault:
                return Bystander(name=name, why=others[name], fault=reason(fault), unreadable=True)
            return Bystander(name=name, why=others[name], keys=keys)

        return at_once(look, list(others), workers=WORKERS)

    def _look(self, subject: Subject) -> UserReport:
        listed = AccessKeys(self.iam).of(subject.name)
        keys = tuple(self._report(key, subject.entries) for key in listed or ())
        if subject.policy is None:
            return UserReport(name=subject.name, email=self._address_of(subject.name), fault=subject.fault, keys=keys)
        if listed is None:
            decision = Decision(action=Action.SKIP, reason=Reason.NO_SUCH_USER)
        else:
            decision = decide(listed, subject.entries, self._rules(subject, subject.policy), self.now)
        if decision.action is Action.IN_GRACE:
            keys = tuple(replace(key, fate=self._fate(key, listed or (), keys)) for key in keys)
        return UserReport(
            name=subject.name,
            email=subject.policy.email,
            policy=subject.policy,
            decision=decision,
            keys=keys,
            step=self._next_step(decision, keys, subject),
        )

    def _address_of(self, name: str) -> str | None:
        """Read the address that a user's tag has, whatever it is worth; None without a tag, or without the right."""
        try:
            found = users.find(self.iam, name)
        except (BotoCoreError, ClientError):
            return None
        return next((value for key, value in found.tags.items() if key.upper() == tags.EMAIL), None) if found else None

    def _rules(self, subject: Subject, policy: UserPolicy) -> Rules:
        return Rules(
            user=subject.name,
            user_id=subject.id,
            email=policy.email,
            rotate_after_days=policy.rotate_after_days,
            audit_days=self.environment.audit_days,
            address_hold=timedelta(days=self.environment.address_hold_days),
        )

    def _report(self, key: AccessKey, entries: Sequence[Entry], *, is_use_known: bool = True) -> KeyReport:
        return KeyReport(
            id=key.id,
            active=key.active,
            created_at=key.created_at,
            age=self.now - key.created_at,
            last_use=AccessKeys(self.iam).last_use(key.id) if is_use_known else None,
            entry=next((entry for entry in entries if entry.key_id == key.id), None),
            too_old=key.active and is_due(key.created_at, self.max_age_days, self.now),
            is_use_known=is_use_known,
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
                fate = next((key.fate for key in keys if key.fate), None)
                return Step(what=fate.what, on=fate.on, why=fate.reason) if fate and fate.end is not End.GONE else None
            case Action.SKIP if decision.reason is Reason.UNDER_WAY:
                lease_ends = [entry.claimed_at + LEASE + CLOCK_SKEW for entry in subject.entries if entry.claimed_at]
                return Step(what="end of the rotation", on=max(lease_ends, default=None))
        return None

    def _fate(self, key: KeyReport, listed: Sequence[AccessKey], keys: Sequence[KeyReport]) -> Fate | None:
        """Tell what the destructor would do with a key that is to go."""
        if key.entry is None or not key.is_ending:
            return None
        return foresee(key.entry, listed, _use_of(key, key.entry, keys), self._terms, self.now)

    @cached_property
    def _terms(self) -> Terms:
        return Terms.of(self.environment)


def _oldest(keys: Sequence[KeyReport]) -> timedelta:
    return max((key.age for key in keys if key.active), default=timedelta(0))


def _use_of(old: KeyReport, entry: Entry, keys: Sequence[KeyReport]) -> Use:
    successor = next((key for key in keys if key.id == entry.new_key_id), None)
    is_used = successor is not None and successor.last_use is not None
    return Use(confirmed=is_used or entry.confirmed_at is not None, last_use=old.last_use if old.active else None)


class _ReadLedger(Ledger):
    """The ledger, whose faults are told in the report rather than in a function's log."""

    faults: Sequence[MalformedEntry] = ()

    def scan(self) -> tuple[list[Entry], list[MalformedEntry]]:
        entries, faults = super().scan()
        self.faults = faults
        return entries, []
