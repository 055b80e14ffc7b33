"""How a key ends: the steps, in their order, each safe to repeat.

    due? ─▶ still wanted? ─┬▶ delete the key ─▶ delete its encryption key ─▶ mail ─▶ settle
      │           │        ├▶ deactivate the key ─▶ mail ─▶ back into the ledger, for the recovery window
      │           │        └▶ back into the ledger, for one more day
      └───────────┴─ no: cancel

A failure on the way puts the entry back into the ledger, for a later try.

The stream delivers a record at least once, and maybe late. An entry that is in the ledger (again) governs: a record of
an earlier one of the same key is then out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import account, tags, telemetry
from functions.common.account import Account
from functions.common.clients import Clients
from functions.common.entry import Entry, Status
from functions.common.environment import Environment
from functions.common.errors import KeyRotatorError, LedgerConflict, MalformedEntry, reason
from functions.common.keys import AccessKey, AccessKeys
from functions.common.ledger import Ledger
from functions.common.secrets import SecretStore
from functions.common.tags import Defaults, UserPolicy
from functions.common.users import tags_of
from functions.destructor.decide import MOST_WINDOWS, End, decide, may_postpone
from functions.destructor.removal import Removal
from functions.mail.message import KeyDeactivated, KeyReactivated, Notice, OldKeyDeleted, compose
from functions.mail.sender import Mailer, connect, deliver


class Cancellation(StrEnum):
    """Why a key is kept after all."""

    REMOVED_EARLY = "its entry was taken out of the ledger before its time"
    OPTED_OUT = "the user no longer carries IKR:EMAIL"
    LAST_ACTIVE_KEY = "it would leave the user without an active key"


@dataclass(kw_only=True)
class Destroyer:
    """Carries out removals. Clients and the mailer are built when a step first needs them."""

    environment: Environment
    clients: Clients
    now: Callable[[], datetime]

    def handle(self, removal: Removal) -> None:
        """End a key whose entry has left the ledger, or keep it, or put the entry back for a later time.

        Raises:
            ClientError, BotoCoreError: the ledger could not be read or written: the record has to come again.
        """
        entry = removal.entry
        if self._ledger.holds(entry.user, entry.key_id):
            telemetry.info("record_out_of_date", user=entry.user, key=entry.key_id)
            return
        if not removal.is_due:
            # Never put back: that would schedule what somebody has called off. If this fails, the record comes again.
            self._cancel(entry, Cancellation.REMOVED_EARLY)
            return
        try:
            self._end(entry)
        except Exception as fault:  # noqa: BLE001 (whatever it is: the entry must not be lost)
            self._put_back_failed(entry, fault)

    def _end(self, entry: Entry) -> None:
        user_tags = tags_of(self.clients.iam, entry.user)
        if user_tags is None:
            self._delete_parameter(entry)
            telemetry.info("user_gone", user=entry.user, key=entry.key_id)
            return
        policy = self._policy(user_tags)
        if policy is None:
            self._cancel(entry, Cancellation.OPTED_OUT)
            return

        keys = self._keys.of(entry.user) or []
        recovery_days = self.environment.recovery_days
        match decide(entry, keys, recovery_days=recovery_days, postpone=self._is_still_needed(entry, keys)):
            case End.KEEP:
                self._cancel(entry, Cancellation.LAST_ACTIVE_KEY)
            case End.POSTPONE:
                self._postpone(entry)
            case End.DEACTIVATE:
                self._deactivate(entry, policy)
            case End.DELETE:
                self._destroy(entry, policy, deleted=self._keys.delete(entry.user, entry.key_id))
            case End.GONE:
                self._destroy(entry, policy, deleted=False)

    def _policy(self, user_tags: dict[str, str]) -> UserPolicy | None:
        return tags.parse(
            user_tags,
            defaults=Defaults(
                rotate_after_days=self.environment.rotate_after_days,
                delete_after_days=self.environment.delete_after_days,
            ),
            allowed_email_domains=self.environment.allowed_email_domains,
        )

    def _is_still_needed(self, entry: Entry, keys: Sequence[AccessKey]) -> bool:
        """Tell whether the user has evidently not changed over, where the stack would put the end off for it."""
        successor = next((key for key in keys if key.id == entry.new_key_id), None)
        if successor is None or not may_postpone(entry, self.environment.grace_extension_days):
            return False
        if self._keys.was_used(successor.id):
            return False
        last_use = self._keys.last_use(entry.key_id)
        return last_use is not None and last_use.is_work_since(successor.created_at)

    # --- the ends -----------------------------------------------------------------------------------------------

    def _cancel(self, entry: Entry, why: Cancellation) -> None:
        """Keep the key. It is entered as current, so that the next run knows of it, however old it is."""
        telemetry.warning("deletion_cancelled", user=entry.user, key=entry.key_id, reason=why)
        telemetry.count("DeletionsCancelled")
        if why is Cancellation.LAST_ACTIVE_KEY:
            telemetry.count("LastKeyProtected")
        self._settle(entry)
        self._put_back(Entry(user=entry.user, key_id=entry.key_id, status=Status.CURRENT, created_at=entry.created_at))

    def _postpone(self, entry: Entry) -> None:
        """Give the user one more day: their old key is in use, and the new one has never been."""
        later, postponed = self._in(timedelta(days=1)), entry.postponed + 1
        telemetry.info("postponed", user=entry.user, key=entry.key_id, until=later.isoformat(), postponed=postponed)
        telemetry.count("Postponed")
        self._put_back(replace(entry, delete_on=later, postponed=postponed))

    def _deactivate(self, entry: Entry, policy: UserPolicy) -> None:
        """Begin a recovery window: the key stops working, and can still be brought back."""
        again, window = entry.windows > 0, entry.windows + 1
        delete_on = self._in(timedelta(days=self.environment.recovery_days))
        self._keys.deactivate(entry.user, entry.key_id)
        telemetry.info(
            "reactivated" if again else "deactivated",
            user=entry.user,
            key=entry.key_id,
            delete_on=delete_on.isoformat(),
            window=window,
        )
        telemetry.count("Reactivated" if again else "Deactivated")
        notice: Notice
        if again:
            notice = KeyReactivated(
                user=entry.user,
                account=self._account,
                old_key_id=entry.key_id,
                new_key_id=entry.new_key_id,
                delete_on=delete_on,
                final=window == MOST_WINDOWS,
                instruction=policy.instruction,
            )
            self._tell_operators(entry, window, delete_on)
        else:
            notice = KeyDeactivated(
                user=entry.user,
                account=self._account,
                old_key_id=entry.key_id,
                new_key_id=entry.new_key_id,
                delete_on=delete_on,
                instruction=policy.instruction,
            )
        self._mail(entry, notice, policy)
        self._put_back(replace(entry, status=Status.INACTIVE, delete_on=delete_on, windows=window))

    def _destroy(self, entry: Entry, policy: UserPolicy, *, deleted: bool) -> None:
        """Do what goes with a deletion. Delivered again, a record finds all of it done, and nobody is mailed twice."""
        self._delete_parameter(entry)
        if deleted or self._is_awaited(entry):
            telemetry.info("destroyed", user=entry.user, key=entry.key_id, new_key=entry.new_key_id)
            telemetry.count("Destroyed")
            notice = OldKeyDeleted(
                user=entry.user,
                account=self._account,
                old_key_id=entry.key_id,
                new_key_id=entry.new_key_id,
                deleted_on=self.now(),
                instruction=policy.instruction,
            )
            self._mail(entry, notice, policy)
        self._settle(entry)

    # --- the steps ----------------------------------------------------------------------------------------------

    def _delete_parameter(self, entry: Entry) -> None:
        if entry.parameter and entry.new_key_id:
            SecretStore(self.clients.ssm).remove_if_for(entry.parameter, entry.new_key_id)

    def _is_awaited(self, entry: Entry) -> bool:
        """Tell whether the successor still waits for this key's end."""
        if entry.new_key_id is None:
            return False
        try:
            successor = self._ledger.find(entry.user, entry.new_key_id)
        except MalformedEntry as fault:
            telemetry.warning("ledger_item_malformed", reason=str(fault))
            return False
        return successor is not None and successor.replaces == entry.key_id

    def _mail(self, entry: Entry, notice: Notice, policy: UserPolicy) -> None:
        """Tell the user. What was done stands either way, so a mail that fails is told to the operators, no more."""
        try:
            deliver(self._mailer, compose(notice, policy.email))
        except (BotoCoreError, ClientError, KeyRotatorError) as fault:
            telemetry.error("mail_failed", user=entry.user, key=entry.key_id, reason=reason(fault))
            telemetry.count("MailsFailed")

    def _tell_operators(self, entry: Entry, window: int, delete_on: datetime) -> None:
        """Tell the alarms' topic of a key that somebody brought back; the user is told either way."""
        if self.environment.alarm_topic_arn is None:
            return
        message = (
            f"The old access key {entry.key_id} of IAM user {entry.user} was re-activated within its recovery window. "
            f"It has been deactivated again (window {window} of {MOST_WINDOWS}) and is deleted on "
            f"{delete_on:%Y-%m-%d %H:%M} UTC. To keep it, delete its item from the ledger before then."
        )
        try:
            self.clients.sns.publish(
                TopicArn=self.environment.alarm_topic_arn, Subject="An old access key was re-activated", Message=message
            )
        except (BotoCoreError, ClientError) as fault:
            telemetry.error("operators_not_told", user=entry.user, key=entry.key_id, reason=reason(fault))

    def _settle(self, entry: Entry) -> None:
        if entry.new_key_id:
            self._ledger.settle(entry.user, entry.new_key_id, replaces=entry.key_id)

    def _put_back(self, entry: Entry) -> None:
        """Enter a key again; should somebody have done so already, theirs counts."""
        try:
            self._ledger.put(entry)
        except LedgerConflict:
            telemetry.info("record_out_of_date", user=entry.user, key=entry.key_id)
            return
        if entry.delete_on and entry.new_key_id:
            self._ledger.extend(entry.user, entry.new_key_id, replaces=entry.key_id, until=entry.delete_on)

    def _put_back_failed(self, entry: Entry, fault: Exception) -> None:
        """Enter a deletion that failed again, for a later try; after the last one it waits for the rotator's sweep."""
        attempts = entry.attempts + 1
        given_up = attempts >= self.environment.max_deletion_attempts
        telemetry.error(
            "deletion_given_up" if given_up else "deletion_failed",
            user=entry.user,
            key=entry.key_id,
            attempts=attempts,
            reason=reason(fault),
        )
        telemetry.count("DeletionsGivenUp" if given_up else "DeletionsFailed")
        later = self._in(timedelta(minutes=self.environment.retry_after_minutes))
        self._put_back(
            replace(
                entry,
                status=Status.FAILED if given_up else entry.status,
                attempts=attempts,
                last_error=reason(fault),
                delete_on=None if given_up else later,
            )
        )

    def _in(self, period: timedelta) -> datetime:
        return (self.now() + period).replace(microsecond=0)

    # --- what the steps work with -------------------------------------------------------------------------------

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(self.clients.dynamodb, self.environment.table)

    @cached_property
    def _keys(self) -> AccessKeys:
        return AccessKeys(self.clients.iam)

    @cached_property
    def _mailer(self) -> Mailer:
        return connect(self.environment, self.clients)

    @cached_property
    def _account(self) -> Account:
        return account.look_up(self.environment.account_id, self.clients.iam)
