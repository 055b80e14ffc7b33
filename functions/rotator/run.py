"""One run of the rotator: read the account, heal, decide, and serve those who are due, the oldest keys first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import account, telemetry
from functions.common.clients import Clients
from functions.common.entry import Entry
from functions.common.environment import Environment
from functions.common.errors import (
    KeyLimitExceeded,
    KeyRotatorError,
    LedgerConflict,
    MailServiceError,
    RecipientRefused,
    reason,
)
from functions.common.keys import AccessKeys, KeyMaker
from functions.common.ledger import Ledger
from functions.common.secrets import SecretStore
from functions.common.tags import Defaults
from functions.mail.sender import connect
from functions.rotator import census, followup, learn
from functions.rotator.case import Case
from functions.rotator.census import Census, User
from functions.rotator.decide import (
    Action,
    Decision,
    Reason,
    decide,
    decide_from_ledger,
    is_abandoned,
    is_due,
    needs_listing,
)
from functions.rotator.followup import FollowUp, Matter, follow_up
from functions.rotator.recover import recover
from functions.rotator.request import Request
from functions.rotator.rotate import Tools, rotate
from functions.rotator.summary import Summary
from functions.rotator.sweep import Chore, Sweeper, chores
from functions.rotator.workers import work_through

RESERVE = timedelta(minutes=4)
"""No user is started with less time left than this: it is enough to finish one, or to take it back, even while the mail
server lets each of its answers be waited for. ``rotatorTimeout`` in the stack's configuration leaves room for it."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """What became of a case: what was done, or why in the end nothing was."""

    rotated: bool = False
    recovered: bool = False
    instead: Decision | None = None


@dataclass(kw_only=True)
class Run:
    """A run, from the census to the summary.

    Attributes:
        request: what is asked for.
        now: the clock.
        time_left: how long the process still has.
    """

    request: Request
    environment: Environment
    clients: Clients
    now: Callable[[], datetime]
    time_left: Callable[[], timedelta]
    summary: Summary = field(default_factory=Summary)

    def __post_init__(self) -> None:
        self._ledger = Ledger(self.clients.dynamodb, self.environment.table)
        self._keys = AccessKeys(self.clients.iam)
        self._mail_is_down = threading.Event()
        self._mail_is_up = False

    def perform(self) -> Summary:
        """Do the whole run.

        Raises:
            ClientError, BotoCoreError: the account or the ledger could not be read.
            ConfigurationError: the mailer cannot be used; no key has been made.
        """
        found = self._census()
        if not self.request.dry_run:
            self._sweep(found)
        cases = self._examine(found.users)
        if self.request.dry_run:
            for case in cases:
                self.summary.note(case.user.name, case.decision)
            return self.summary

        due = sorted((case for case in cases if case.is_due), key=lambda case: case.born_at)
        told = [item for user in found.users for item in followup.due(user, self.environment.reminder_days, self.now())]
        if due or told:
            tools = self._tools(due)
            self._serve_all(due, tools)
            self._follow_up_all(told, tools)
        self._learn(cases)
        return self.summary

    def _census(self) -> Census:
        found = census.take(
            self.clients.iam,
            self._ledger,
            defaults=Defaults(
                rotate_after_days=self.environment.rotate_after_days,
                delete_after_days=self.environment.delete_after_days,
            ),
            allowed_email_domains=self.environment.allowed_email_domains,
        )
        if self.request.users is not None:
            found = census.restrict(found, self.request.users)
            served = {user.name for user in found.users} | set(found.misconfigured)
            for name in set(self.request.users) - served:
                self.summary.skip(Reason.NOT_TAGGED if name in found.names else Reason.NO_SUCH_USER)
        self.summary.malformed = found.malformed
        self.summary.misconfigured.update(found.misconfigured)
        for user, fault in found.misconfigured.items():
            telemetry.warning("user_misconfigured", user=user, reason=fault)
        for tagged in found.users:
            for ignored in tagged.policy.warnings:
                telemetry.warning("tag_ignored", user=tagged.name, reason=ignored)
        self._report_out_of_reach(found)
        return found

    def _report_out_of_reach(self, found: Census) -> None:
        """Fail for leftovers of users who lost their tag: the service may no longer touch them, so a person has to."""
        within_reach = {user.name for user in found.users} | set(found.misconfigured)
        for entry in found.entries:
            if entry.user in found.names - within_reach and is_abandoned(entry, self.now()):
                fault = KeyRotatorError(
                    f"the replacement of access key {entry.key_id} was cut short, and the user no longer carries "
                    "IKR:EMAIL: tag the user again, or delete the key that is not held and the ledger's item"
                )
                self._fail(entry.user, fault)

    def _sweep(self, found: Census) -> None:
        sweeper = Sweeper(keys=self._keys, ledger=self._ledger, now=self.now())
        users = {user.name: user for user in found.users}

        def sweep(item: tuple[Chore, Entry]) -> bool:
            chore, entry = item
            return sweeper.sweep(chore, entry, users.get(entry.user))

        for outcome in work_through(sweep, list(chores(found, sweeper.now)), may_start=self._has_time):
            chore, entry = outcome.item
            if outcome.fault:
                self._fail(entry.user, outcome.fault)
            elif outcome.result:
                self.summary.swept += 1
                self.summary.rearmed += chore is Chore.REARM

    def _examine(self, users: Sequence[User]) -> list[Case]:
        """Decide for every user, and count those for whom there is nothing to do."""
        cases = []
        for outcome in work_through(self._look, users, may_start=self._has_time):
            if outcome.fault:
                self._fail(outcome.item.name, outcome.fault)
            elif outcome.result is None:
                self.summary.remaining += 1
            else:
                cases.append(outcome.result)
                self.summary.count(outcome.result.decision)
                self._note_ages(outcome.result)
                self._warn_of_foreign_key(outcome.result)
        return cases

    def _look(self, user: User) -> Case:
        limit = user.policy.rotate_after_days
        if not self.request.force and not needs_listing(user.entries, limit, self.now()):
            return Case(user=user, keys=None, decision=decide_from_ledger(user.entries))
        keys = self._keys.of(user.name)
        if keys is None:
            return Case(user=user, keys=None, decision=Decision(action=Action.SKIP, reason=Reason.NO_SUCH_USER))
        decision = decide(keys, user.entries, limit, self.now(), force=self.request.force)
        return Case(user=user, keys=keys, decision=decision)

    def _serve_all(self, due: Sequence[Case], tools: Tools) -> None:
        """Serve those who are due, in this order: one by one until a mail has gone out, then several at once.

        Should the mail service be down, a single key that is made and taken back shows it.
        """
        waiting = deque(due)
        while waiting and not self._mail_is_up:
            self._serve_batch([waiting.popleft()], tools)
        self._serve_batch(list(waiting), tools)

    def _serve_batch(self, batch: Sequence[Case], tools: Tools) -> None:
        for outcome in work_through(lambda case: self._serve(case, tools), batch, may_start=self._may_start):
            self._mail_is_up |= isinstance(outcome.fault, RecipientRefused)
            if outcome.fault:
                self._fail(outcome.item.user.name, outcome.fault)
            elif outcome.result is None:
                self.summary.remaining += 1
            else:
                self._mail_is_up |= outcome.result.rotated
                if outcome.result.rotated or outcome.result.recovered:
                    self.summary.overdue.discard(outcome.item.user.name)
                self.summary.rotated += outcome.result.rotated
                self.summary.recovered += outcome.result.recovered
                if outcome.result.instead:
                    self.summary.count(outcome.result.instead)

    def _serve(self, case: Case, tools: Tools) -> Served:
        user, decision, recovered = case.user, case.decision, False
        try:
            if decision.entry:
                recovered = True
                if recover(user, decision.entry, tools):
                    return Served(recovered=True)
                others = [entry for entry in user.entries if entry != decision.entry]
                keys = tools.keys.of(user.name) or []
                decision = decide(keys, others, user.policy.rotate_after_days, self.now(), force=self.request.force)
            if decision.key is None:
                return Served(recovered=recovered, instead=decision)
            rotate(user, decision.key, tools)
        except LedgerConflict:
            return Served(instead=Decision(action=Action.SKIP, reason=Reason.UNDER_WAY))
        except KeyLimitExceeded:
            return Served(recovered=recovered, instead=Decision(action=Action.SKIP, reason=Reason.FOREIGN_KEY))
        except MailServiceError:
            self._mail_is_down.set()
            raise
        return Served(rotated=True, recovered=recovered)

    def _follow_up_all(self, told: Sequence[FollowUp], tools: Tools) -> None:
        for outcome in work_through(lambda item: self._follow_up(item, tools), told, may_start=self._may_start):
            if outcome.fault:
                self._fail(outcome.item.user.name, outcome.fault)
            else:
                self.summary.reminded += outcome.item.matter is Matter.REMINDER and outcome.result is True

    def _follow_up(self, item: FollowUp, tools: Tools) -> bool:
        try:
            return follow_up(item, tools)
        except MailServiceError:
            self._mail_is_down.set()
            raise

    def _tools(self, due: Sequence[Case]) -> Tools:
        """Build what the rotations need, and nothing that they do not."""
        encrypt = self.environment.encrypt_key_pair
        left_sealed = any(case.decision.entry and case.decision.entry.parameter for case in due)
        secrets = (
            SecretStore(self.clients.ssm, self.environment.secrets_kms_key_arn) if encrypt or left_sealed else None
        )
        return Tools(
            keys=self._keys,
            maker=KeyMaker(self.clients.iam_once),
            ledger=self._ledger,
            secrets=secrets,
            encrypt=encrypt,
            mailer=connect(self.environment, self.clients),
            account=account.look_up(self.environment.account_id, self.clients.iam),
            region=self.environment.region,
            recovery_days=self.environment.recovery_days,
            now=self.now,
        )

    def _learn(self, cases: Sequence[Case]) -> None:
        """Bring the ledger up to date with what was listed; should this fail, the next run asks more."""
        try:
            learn.learn(cases, self._ledger, self.now())
        except (BotoCoreError, ClientError) as fault:
            telemetry.error("ledger_not_updated", reason=reason(fault))

    def _fail(self, user: str, fault: Exception) -> None:
        self.summary.failed[user] = reason(fault)
        telemetry.error("user_failed", user=user, reason=reason(fault), kind=type(fault).__name__)

    def _note_ages(self, case: Case) -> None:
        made = case.made
        if made:
            self.summary.oldest_key_age = max(self.summary.oldest_key_age, self.now() - min(made))
            if is_due(max(made), case.user.policy.rotate_after_days, self.now()):
                self.summary.overdue.add(case.user.name)

    def _warn_of_foreign_key(self, case: Case) -> None:
        if case.decision.reason is Reason.FOREIGN_KEY:
            keys = [key.id for key in case.keys or ()]
            telemetry.warning("two_keys_made_by_hand", user=case.user.name, keys=keys)

    def _has_time(self) -> bool:
        return self.time_left() > RESERVE

    def _may_start(self) -> bool:
        return self._has_time() and not self._mail_is_down.is_set()
