"""One destruction: the steps, in their order, each safe to repeat.

    due? ─▶ still wanted? ─▶ delete the key ─▶ delete its encryption key ─▶ mail ─▶ settle
      └───────────┴─ no: cancel

A failure on the way puts the entry back into the ledger, for a later try.

The stream delivers a record at least once, and maybe late. An entry that is in the ledger (again) governs: a record of
an earlier one of the same key is then out of date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from functions.common import account, tags, telemetry
from functions.common.account import Account
from functions.common.clients import Clients
from functions.common.entry import Entry, Status
from functions.common.environment import Environment
from functions.common.errors import KeyRotatorError, LedgerConflict, MalformedEntry, reason
from functions.common.keys import AccessKeys
from functions.common.ledger import Ledger
from functions.common.secrets import SecretStore
from functions.common.tags import Defaults, UserPolicy
from functions.common.users import tags_of
from functions.destructor.removal import Removal
from functions.mail.message import OldKeyDeleted, compose
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
        """End a key whose entry has left the ledger, or keep it, or put the entry back for a later try.

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
            self._put_back(entry, fault)

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

        keys = {key.id: key for key in self._keys.of(entry.user) or []}
        deleted = False
        if entry.key_id in keys:
            if not any(key.active for key in keys.values() if key.id != entry.key_id):
                self._cancel(entry, Cancellation.LAST_ACTIVE_KEY)
                return
            deleted = self._keys.delete(entry.user, entry.key_id)
        self._delete_parameter(entry)
        # Delivered a second time, a record finds all of this done, and nobody gets a second mail.
        if deleted or self._is_pending(entry):
            telemetry.info("destroyed", user=entry.user, key=entry.key_id, new_key=entry.new_key_id)
            telemetry.count("Destroyed")
            self._mail(entry, policy)
        self._settle(entry)

    def _policy(self, user_tags: dict[str, str]) -> UserPolicy | None:
        return tags.parse(
            user_tags,
            defaults=Defaults(
                rotate_after_days=self.environment.rotate_after_days,
                delete_after_days=self.environment.delete_after_days,
            ),
            allowed_email_domains=self.environment.allowed_email_domains,
        )

    def _cancel(self, entry: Entry, why: Cancellation) -> None:
        """Keep the key. It is entered as current, so that the next run knows of it, however old it is."""
        telemetry.warning("deletion_cancelled", user=entry.user, key=entry.key_id, reason=why)
        telemetry.count("DeletionsCancelled")
        if why is Cancellation.LAST_ACTIVE_KEY:
            telemetry.count("LastKeyProtected")
        self._settle(entry)
        kept = Entry(user=entry.user, key_id=entry.key_id, status=Status.CURRENT, created_at=entry.created_at)
        try:
            self._ledger.put(kept)
        except LedgerConflict:
            telemetry.info("record_out_of_date", user=entry.user, key=entry.key_id)

    def _delete_parameter(self, entry: Entry) -> None:
        if entry.parameter and entry.new_key_id:
            SecretStore(self.clients.ssm).remove_if_for(entry.parameter, entry.new_key_id)

    def _is_pending(self, entry: Entry) -> bool:
        """Tell whether the successor still waits for this key's end."""
        if entry.new_key_id is None:
            return False
        try:
            successor = self._ledger.find(entry.user, entry.new_key_id)
        except MalformedEntry as fault:
            telemetry.warning("ledger_item_malformed", reason=str(fault))
            return False
        return successor is not None and successor.replaces == entry.key_id

    def _mail(self, entry: Entry, policy: UserPolicy) -> None:
        """Tell the user. The key is gone either way, so a mail that fails is told to the operator and nothing else."""
        notice = OldKeyDeleted(
            user=entry.user,
            account=self._account,
            old_key_id=entry.key_id,
            new_key_id=entry.new_key_id,
            deleted_on=self.now(),
            instruction=policy.instruction,
        )
        try:
            deliver(self._mailer, compose(notice, policy.email))
        except KeyRotatorError as fault:
            telemetry.error("mail_failed", user=entry.user, key=entry.key_id, reason=reason(fault))
            telemetry.count("MailsFailed")

    def _settle(self, entry: Entry) -> None:
        if entry.new_key_id:
            self._ledger.settle(entry.user, entry.new_key_id, replaces=entry.key_id)

    def _put_back(self, entry: Entry, fault: Exception) -> None:
        """Enter a deletion that failed again, for a later try; after the last one it waits for the rotator's sweep."""
        attempts = entry.attempts + 1
        given_up = attempts >= self.environment.max_deletion_attempts
        later = (self.now() + timedelta(minutes=self.environment.retry_after_minutes)).replace(microsecond=0)
        telemetry.error(
            "deletion_given_up" if given_up else "deletion_failed",
            user=entry.user,
            key=entry.key_id,
            attempts=attempts,
            reason=reason(fault),
        )
        telemetry.count("DeletionsGivenUp" if given_up else "DeletionsFailed")
        put_back = replace(
            entry,
            status=Status.FAILED if given_up else entry.status,
            attempts=attempts,
            last_error=reason(fault),
            delete_on=None if given_up else later,
        )
        try:
            self._ledger.put(put_back)
        except LedgerConflict:
            telemetry.info("record_out_of_date", user=entry.user, key=entry.key_id)

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
