"""One run of the rotator: read the account, heal, tell, and serve those who are due, the oldest keys first."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import account, operators, telemetry
from functions.common.clients import Clients
from functions.common.entry import Entry
from functions.common.environment import Environment
from functions.common.errors import (
    ConfigurationError,
    KeyRotatorError,
    LedgerConflict,
    MailError,
    is_throttled,
    reason,
)
from functions.common.keys import AccessKeys, KeyMaker
from functions.common.ledger import TRANSACTION_LIMIT, Ledger
from functions.common.secrets import SecretStore
from functions.common.tags import same_address
from functions.common.terms import Terms
from functions.mail.organisation import Organisation
from functions.mail.sender import connect
from functions.rotator import audit, census, followup, learn, renames
from functions.rotator.case import Case
from functions.rotator.census import Census, User
from functions.rotator.decide import Reason, Rules, decide_from_ledger, is_abandoned, needs_listing
from functions.rotator.followup import FollowUp, Matter, follow_up
from functions.rotator.mail_health import MailHealth
from functions.rotator.order import in_order
from functions.rotator.renames import Following
from functions.rotator.request import Request
from functions.rotator.returned import Returned
from functions.rotator.rotate import Tools
from functions.rotator.serve import Served, Server
from functions.rotator.summary import Summary
from functions.rotator.sweep import Chore, Sweeper, chores
from functions.rotator.workers import Outcome, work_through

RESERVE = timedelta(minutes=4)
"""No user is started with less time left than this: it is enough to finish one, or to take it back, even while the mail
server lets each of its answers be waited for. ``rotatorTimeout`` in the stack's configuration leaves room for it."""


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
        self._id = uuid.uuid4().hex
        self._ledger = Ledger(self.clients.dynamodb, self.environment.table)
        self._keys = AccessKeys(self.clients.iam)
        self._health = MailHealth()
        self._building = threading.Lock()
        self._misconfigured: ConfigurationError | None = None

    def perform(self) -> Summary:
        """Do the whole run.

        Raises:
            ClientError, BotoCoreError: the account or the ledger could not be read.
            ConfigurationError: the mailer cannot be used; no key has been made.
        """
        found = self._census()
        if self.request.dry_run:
            self._preview(found)
            return self.summary
        if self.request.returned is not None:
            found = self._note_returned(found, self.request.returned)
        self._sweep(found)
        self._follow_up_all(found.users, Matter.ADDRESS_CHANGED, Matter.REMINDER)
        self._serve_all(found)
        # Last, since it can wait: a run that is short of time serves those who are due.
        self._follow_up_all(found.users, Matter.ANNOUNCEMENT)
        if self._misconfigured is not None:
            raise self._misconfigured
        return self.summary

    # --- the steps, in their order --------------------------------------------------------------------------------

    def _census(self) -> Census:
        found = census.take(self.clients.iam, self._ledger, self.environment)
        moving = None if self.request.dry_run else Following(ledger=self._ledger, secrets=self._secrets)
        found = renames.follow(found, moving, self.now())
        if self.request.users is not None:
            found = self._restrict(found, self.request.users)
        self.summary.malformed = found.malformed
        self.summary.misconfigured.update(found.misconfigured)
        for user, fault in found.misconfigured.items():
            telemetry.warning("user_misconfigured", user=user, reason=fault)
        for tagged in found.users:
            for ignored in tagged.policy.warnings:
                telemetry.warning("tag_ignored", user=tagged.name, reason=ignored)
        self._report_out_of_reach(found)
        return found

    def _restrict(self, found: Census, names: Sequence[str]) -> Census:
        """Narrow the census down to the users that an operator named, and say who of them is not served."""
        chosen = census.restrict(found, names)
        served = {user.name for user in chosen.users} | set(chosen.misconfigured)
        for name in set(names) - served:
            why = Reason.NO_SUCH_USER
            if name in found.ids:
                why = Reason.OUTSIDE_PATHS if name in found.outside else Reason.NOT_TAGGED
            self.summary.skip(why)
            self.summary.refused[name] = str(why).replace("_", " ")
        return chosen

    def _report_out_of_reach(self, found: Census) -> None:
        """Fail for leftovers of users who lost their tag: the service may no longer touch them, so a person has to."""
        within_reach = {user.name for user in found.users} | set(found.misconfigured)
        for entry in found.entries:
            if found.owns(entry) and entry.user not in within_reach and is_abandoned(entry, self.now()):
                fault = KeyRotatorError(
                    f"the replacement of access key {entry.key_id} was cut short, and the user no longer carries "
                    "IKR:EMAIL: tag the user again, or delete the key that is not held and the ledger's item"
                )
                self._fail(entry.user, fault)

    def _preview(self, found: Census) -> None:
        """Decide for everybody, and change nothing."""
        for user in found.users:
            if not self._needs_a_look(user):
                self._count(Case(user=user, keys=None, decision=decide_from_ledger(user.entries)))
        for outcome in work_through(self._server.look_at, self._to_look_at(found), may_start=self._has_time):
            if outcome.fault:
                self._fail(outcome.item.name, outcome.fault)
            elif outcome.result is None:
                self.summary.remaining += 1
            else:
                self._count(outcome.result)

    def _note_returned(self, found: Census, returned: Returned) -> Census:
        """Note that an address takes no mail, if it is still the user's, and look after that user alone."""
        name = found.names().get(returned.user_id)
        telemetry.warning("mail_returned", user=name, kind=returned.kind, notice=returned.notice, key=returned.key_id)
        users = [user for user in found.users if user.id == returned.user_id]
        if returned.final:
            self.summary.returned.add(name or returned.user_id)
        for user in users:
            theirs = any(same_address(address, user.policy.email) for address in returned.addresses)
            known = any(returned.key_id in {entry.key_id, entry.new_key_id} for entry in user.entries)
            if returned.final and theirs and known:
                self._ledger.note_returned(user.entries, user.policy.email)
                noted = [entry.returned(user.policy.email) for entry in user.entries]
                return census.restrict(found.with_entries(noted), [user.name])
        return census.restrict(found, [user.name for user in users])

    def _sweep(self, found: Census) -> None:
        sweeper = Sweeper(keys=self._keys, ledger=self._ledger, secrets=self._secrets, now=self.now())
        users = {user.name: user for user in found.users}

        def sweep(item: tuple[Chore, Entry]) -> bool:
            chore, entry = item
            return sweeper.sweep(chore, entry, users.get(entry.user))

        due = list(chores(found, self._rules, sweeper.now))
        for outcome in work_through(sweep, due, may_start=self._has_time):
            chore, entry = outcome.item
            if outcome.fault:
                self._fail(entry.user, outcome.fault)
            elif outcome.result:
                self.summary.swept += 1
                self.summary.rearmed += chore is Chore.REARM

    def _follow_up_all(self, users: Sequence[User], *matters: Matter) -> None:
        days, now = followup.Days.of(self.environment), self.now()
        due = [item for user in users for item in followup.due(user, self._rules(user), days, now)]
        asked = [item for item in due if item.matter in matters]
        for outcome in work_through(self._follow_up, asked, may_start=self._may_mail):
            item = outcome.item
            if item.matter is Matter.ADDRESS_CHANGED:
                self.summary.addresses_changed.add(item.user.name)
            if outcome.fault:
                self._fail(item.user.name, outcome.fault)
            else:
                reminded = item.matter is Matter.REMINDER and outcome.result is True
                announced = item.matter is Matter.ANNOUNCEMENT and outcome.result is True
                self.summary.reminded += reminded
                self.summary.announced += announced
                self.summary.name(item.user.name, reminded=reminded, announced=announced)

    def _follow_up(self, item: FollowUp) -> bool:
        try:
            told = follow_up(item, self._tools())
        except MailError as fault:
            self._health.note(item.user.name, fault)
            raise
        if told:
            self._health.accepted()
        return told

    def _serve_all(self, found: Census) -> None:
        """Look at those of whom the ledger cannot tell that nothing is due, and serve each of them at once."""
        listed: list[Case] = []
        for user in found.users:
            if not self._needs_a_look(user):
                self._count(Case(user=user, keys=None, decision=decide_from_ledger(user.entries)))
        try:
            for outcome in work_through(self._server.serve, self._to_look_at(found), may_start=self._has_time):
                listed += self._account_for(outcome)
                if len(listed) >= TRANSACTION_LIMIT:
                    self._learn(listed)
                    listed = []
        finally:
            self._learn(listed)
        audit.of_misconfigured(found, self.summary, self.environment.audit_days, self.now())
        if self.request.users is None and self.request.returned is None:
            self.summary.out_of_step = audit.is_out_of_step(found, self.summary)

    def _account_for(self, outcome: Outcome[User, Served]) -> list[Case]:
        """Enter into the summary what became of a user; give what there is to learn from it."""
        user, served = outcome.item, outcome.result
        if served is None:
            if outcome.fault is None:
                self.summary.remaining += 1
            else:
                self._fail(user.name, outcome.fault)
            self._note_ages(Case(user=user, keys=None, decision=decide_from_ledger(user.entries)))
            return []
        self.summary.rotated += served.rotated
        self.summary.recovered += served.recovered
        self.summary.taken_back += served.taken_back
        happened = {"rotated": served.rotated, "recovered": served.recovered, "taken_back": served.taken_back}
        self.summary.name(user.name, **happened)
        self.summary.remaining += served.waits
        if served.dormant:
            self.summary.dormant.add(user.name)
        if served.refused is not None:
            self.summary.refused[user.name] = served.refused
            telemetry.warning("again_refused", user=user.name, reason=served.refused)
        if served.instead is not None:
            self.summary.count(served.instead)
        self._count(served.case)
        return [served.case]

    # --- what the steps share -------------------------------------------------------------------------------------

    def _rules(self, user: User) -> Rules:
        return Rules(
            user=user.name,
            user_id=user.id,
            email=user.policy.email,
            rotate_after_days=user.policy.rotate_after_days,
            audit_days=self.environment.audit_days,
            address_hold=timedelta(days=self.environment.address_hold_days),
            force=self.request.force,
            again=self.request.again,
        )

    def _needs_a_look(self, user: User) -> bool:
        named = self.request.force or self.request.again
        return named or needs_listing(user.entries, self._rules(user), self.now())

    def _to_look_at(self, found: Census) -> list[User]:
        return in_order([user for user in found.users if self._needs_a_look(user)], self._rules, self.now())

    def _count(self, case: Case) -> None:
        """Enter into the summary what was found about a user, and what was decided."""
        if not case.is_due:
            self.summary.count(case.decision)
        if self.request.dry_run:
            self.summary.note(case.user.name, case.decision)
        self._note_ages(case)
        if learn.unknown(case):
            self.summary.unknown_keys.add(case.user.name)
        if case.decision.reason is Reason.FOREIGN_KEY:
            keys = [key.id for key in case.keys or ()]
            telemetry.warning("two_keys_made_by_hand", user=case.user.name, keys=keys)

    def _note_ages(self, case: Case) -> None:
        audit.note_ages(case.user.name, case.active, self.summary, self.environment.audit_days, self.now())

    def _learn(self, cases: Sequence[Case]) -> None:
        """Bring the ledger up to date with what was listed; should this fail, the next run asks more."""
        try:
            learn.learn(cases, self._ledger, self._keys, self._secrets, self.now())
        except (BotoCoreError, ClientError) as fault:
            telemetry.error("ledger_not_updated", reason=reason(fault))

    def _fail(self, user: str, fault: Exception) -> None:
        if isinstance(fault, LedgerConflict):
            telemetry.info("entry_moved_by_another_run", user=user)
            return
        if is_throttled(fault):
            telemetry.warning("throttled", user=user, reason=reason(fault))
            self.summary.remaining += 1
            return
        self.summary.failed[user] = reason(fault)
        telemetry.error("user_failed", user=user, reason=reason(fault), kind=type(fault).__name__)

    def _has_time(self) -> bool:
        return self.time_left() > RESERVE and self._misconfigured is None

    def _may_mail(self) -> bool:
        return self._has_time() and not self._health.is_down

    # --- what the steps work with ---------------------------------------------------------------------------------

    @cached_property
    def _server(self) -> Server:
        return Server(
            keys=self._keys,
            tools=self._tools,
            rules=self._rules,
            health=self._health,
            has_time=self._has_time,
            tell_operators=self._tell_operators,
            now=self.now,
        )

    def _tools(self) -> Tools:
        """Give what the steps work with. A run in which nothing is due never builds it; one worker does it for all."""
        with self._building:
            try:
                return self._built_tools
            except ConfigurationError as fault:
                self._misconfigured = fault
                raise

    @cached_property
    def _built_tools(self) -> Tools:
        return Tools(
            keys=self._keys,
            maker=KeyMaker(self.clients.iam_once),
            ledger=self._ledger,
            secrets=self._secrets,
            encrypt=self.environment.encrypt_key_pair,
            mailer=connect(self.environment, self.clients),
            account=account.look_up(self.environment.account_id, self.clients.iam),
            organisation=Organisation.of(self.environment),
            region=self.environment.region,
            terms=Terms.of(self.environment),
            allowed_email_domains=self.environment.allowed_email_domains,
            run=self._id,
            now=self.now,
        )

    def _secrets(self) -> SecretStore:
        with self._building:
            return SecretStore(self.clients.ssm, self.environment.secrets_kms_key_arn)

    def _tell_operators(self, subject: str, message: str) -> None:
        if self.environment.alarm_topic_arn is None:
            return
        with self._building:
            sns = self.clients.sns
        operators.tell(sns, self.environment.alarm_topic_arn, subject, message)
