"""How a key ends: the steps, in their order, each safe to repeat.

    due? ─▶ still wanted? ─┬▶ delete the key ─▶ delete its encryption key ─▶ mail ─▶ settle
      │           │        ├▶ a recovery window begins: written down ─▶ deactivate the key ─▶ mail ─▶ written down
      │           │        └▶ back into the ledger, for one more day
      └───────────┴─ no: cancel

A failure on the way puts the entry back into the ledger, for a later try.

The stream delivers a record at least once, and maybe late. An entry that was put back governs, and so does what has
become of it since: a record of an earlier one of the same key is then out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from functions.common import tags, telemetry
from functions.common.clients import Clients
from functions.common.entry import Entry, Status
from functions.common.environment import Environment
from functions.common.errors import KeyRotatorError, LedgerConflict, MalformedEntry, reason
from functions.common.keys import AccessKey, AccessKeys
from functions.common.ledger import Ledger
from functions.common.secrets import SecretStore
from functions.common.tags import Defaults, UserPolicy
from functions.common.users import tags_of
from functions.destructor.announce import Announcer
from functions.destructor.decide import End, decide, may_postpone, window_to_begin
from functions.destructor.removal import Removal


class Cancellation(StrEnum):
    """Why a key is kept after all."""

    REMOVED_EARLY = "its entry was taken out of the ledger before its time"
    OPTED_OUT = "the user no longer carries IKR:EMAIL"
    LAST_ACTIVE_KEY = "it would leave the user without an active key"


@dataclass(kw_only=True)
class Destroyer:
    """Carries out removals."""

    environment: Environment
    clients: Clients
    now: Callable[[], datetime]

    def handle(self, removal: Removal) -> None:
        """End a key whose entry has left the ledger, or keep it, or put the entry back for a later time.

        Raises:
            ClientError, BotoCoreError: the ledger could not be read or written: the record has to come again.
        """
        entry = removal.entry
        if self._is_out_of_date(removal):
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

    def _is_out_of_date(self, removal: Removal) -> bool:
        """Tell whether the key was entered again after this removal, even if it has been taken out once more since."""
        entry = removal.entry
        if self._ledger.holds(entry.user, entry.key_id):
            return True
        successor = self._waiting_successor(entry)
        if successor is None or successor.replaces_until is None:
            return False
        return successor.replaces_until > max(removal.removed_at, entry.delete_on or removal.removed_at)

    def _end(self, entry: Entry) -> None:
        user_tags = tags_of(self.clients.iam, entry.user)
        if user_tags is None:
            self._forget_user(entry)
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
                self._begin_window(entry, policy)
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
        return last_use is not None and last_use.at > successor.created_at

    # --- the ends -----------------------------------------------------------------------------------------------

    def _forget_user(self, entry: Entry) -> None:
        """Clear up after a user who was deleted, and with them the key.

        Raises:
            KeyRotatorError: the user has another name now, so the key still works.
        """
        owner = self._keys.owner(entry.key_id)
        if owner is not None and owner != entry.user:
            raise KeyRotatorError(
                f"IAM user {entry.user} was renamed to {owner}, who still has the key {entry.key_id}: "
                "delete it by hand, or give the user the old name again"
            )
        self._delete_parameter(entry)
        telemetry.info("user_gone", user=entry.user, key=entry.key_id)

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

    def _postpone(self, entry: Entry) -> None:
        """Give the user one more day: their old key is in use, and the new one has never been."""
        later, postponed = self._in(timedelta(days=1)), entry.postponed + 1
        telemetry.info("postponed", user=entry.user, key=entry.key_id, until=later.isoformat(), postponed=postponed)
        telemetry.count("Postponed")
        self._put_back(replace(entry, delete_on=later, postponed=postponed), until=later)

    def _begin_window(self, entry: Entry, policy: UserPolicy) -> None:
        """Begin a recovery window: the key stops working, and can still be brought back.

        Which window begins is written down first. Were it not, a process that dies on the way would leave an inactive
        key behind that looks as if its window had passed.
        """
        soon = self._in(timedelta(minutes=self.environment.retry_after_minutes))
        window = window_to_begin(entry)
        beginning = replace(entry, status=Status.EXPIRING, windows=window, delete_on=soon)
        if not self._put_back(beginning, until=soon):
            return
        try:
            self._deactivate(beginning, policy)
        except Exception as fault:  # noqa: BLE001 (whatever it is: it counts as an attempt)
            self._put_back_failed(beginning, fault, instead_of=beginning)

    def _deactivate(self, beginning: Entry, policy: UserPolicy) -> None:
        again = beginning.windows > 1
        delete_on = self._in(timedelta(days=self.environment.recovery_days))
        self._keys.deactivate(beginning.user, beginning.key_id)
        telemetry.info(
            "reactivated" if again else "deactivated",
            user=beginning.user,
            key=beginning.key_id,
            delete_on=delete_on.isoformat(),
            window=beginning.windows,
        )
        telemetry.count("Reactivated" if again else "Deactivated")
        tell = self._announcer.reactivated if again else self._announcer.deactivated
        tell(beginning, policy, delete_on)
        begun = replace(beginning, status=Status.INACTIVE, delete_on=delete_on, email=policy.email)
        self._put_back(begun, until=delete_on, instead_of=beginning)

    def _destroy(self, entry: Entry, policy: UserPolicy, *, deleted: bool) -> None:
        """Do what goes with a deletion. Delivered again, a record finds all of it done, and nobody is mailed twice."""
        self._delete_parameter(entry)
        if deleted or self._waiting_successor(entry):
            telemetry.info("destroyed", user=entry.user, key=entry.key_id, new_key=entry.new_key_id)
            telemetry.count("Destroyed")
            self._announcer.deleted(entry, policy, self.now())
        self._settle(entry)

    # --- the steps ----------------------------------------------------------------------------------------------

    def _delete_parameter(self, entry: Entry) -> None:
        if entry.parameter and entry.new_key_id:
            SecretStore(self.clients.ssm).remove_if_for(entry.parameter, entry.new_key_id)

    def _waiting_successor(self, entry: Entry) -> Entry | None:
        """Find the successor's entry, if it still waits for this key's end."""
        if entry.new_key_id is None:
            return None
        try:
            successor = self._ledger.find(entry.user, entry.new_key_id)
        except MalformedEntry as fault:
            telemetry.warning("ledger_item_malformed", reason=str(fault))
            return None
        return successor if successor is not None and successor.replaces == entry.key_id else None

    def _settle(self, entry: Entry) -> None:
        if entry.new_key_id:
            self._ledger.settle(entry.user, entry.new_key_id, replaces=entry.key_id)

    def _put_back(self, entry: Entry, *, until: datetime, instead_of: Entry | None = None) -> bool:
        """Enter a key again; should somebody have moved its entry, theirs counts. Tells whether it was entered."""
        try:
            self._ledger.put_back(entry, until=until, instead_of=instead_of)
        except LedgerConflict:
            telemetry.info("record_out_of_date", user=entry.user, key=entry.key_id)
            return False
        return True

    def _put_back_failed(self, entry: Entry, fault: Exception, instead_of: Entry | None = None) -> None:
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
        failed = replace(entry, attempts=attempts, last_error=reason(fault))
        if given_up:
            # A window that could not begin counts as none: the next try is to begin one, and not to delete.
            windows = entry.windows if entry.status is Status.INACTIVE else 0
            failed = replace(failed, status=Status.FAILED, windows=windows, delete_on=None)
            self._put_back(failed, until=self._in(timedelta()), instead_of=instead_of)
            return
        later = self._in(timedelta(minutes=self.environment.retry_after_minutes))
        self._put_back(replace(failed, delete_on=later), until=later, instead_of=instead_of)

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
    def _announcer(self) -> Announcer:
        return Announcer(environment=self.environment, clients=self.clients)
