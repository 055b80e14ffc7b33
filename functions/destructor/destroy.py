"""How a key ends: the steps, in their order, each safe to repeat.

    vouched for? ─▶ due? ─▶ whose? ─▶ still wanted? ─┬▶ delete the key ─▶ delete its encryption key ─▶ mail ─▶ settle
                      │       │           │          ├▶ a recovery window begins: written down ─▶ deactivate ─▶ mail
                      │       │           │          └▶ remind, where it is time ─▶ back into the ledger, for a day
                      └───────┴───────────┴─ no: cancel

A record is only what somebody says. What vouches for it is the ledger: the successor's entry names the key for as long
as it waits for its end. Without that nothing is done, and the record is parked.

The encryption key stays for as long as its mail may be unread: until the new key has been used.

A failure on the way puts the entry back into the ledger, for a later try.

The stream delivers a record at least once, and maybe late. An entry that was put back governs, and so does what has
become of it since: a record of an earlier round of the same key is then out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from functions.common import tags, telemetry, users
from functions.common.clients import Clients
from functions.common.entry import Entry, Status
from functions.common.environment import Environment
from functions.common.errors import KeyRotatorError, LedgerConflict, MalformedEntry, Unvouched, reason
from functions.common.keys import AccessKey, AccessKeys
from functions.common.ledger import Ledger
from functions.common.parameters import parameter_name
from functions.common.secrets import SecretStore
from functions.common.tags import Defaults, UserPolicy
from functions.common.terms import Terms
from functions.common.users import IamUser
from functions.destructor.announce import Announcer, Recipient
from functions.destructor.decide import (
    End,
    Use,
    Verdict,
    Why,
    decide,
    grace_end,
    is_reminder_due,
    window_to_begin,
)
from functions.destructor.removal import Removal


class Cancellation(StrEnum):
    """Why a key is kept after all."""

    REMOVED_EARLY = "its entry was taken out of the ledger before its time"
    OPTED_OUT = "the user no longer carries IKR:EMAIL"
    LAST_ACTIVE_KEY = "its successor is gone or inactive"


def vouches(successor: Entry | None, entry: Entry) -> bool:
    """Tell whether an entry in the ledger bears out that a key is to end: its successor's, of the same user."""
    # Items of older versions may lack the id.
    return successor is not None and (None in {successor.user_id, entry.user_id} or successor.user_id == entry.user_id)


@dataclass(kw_only=True)
class Destroyer:
    """Carries out removals."""

    environment: Environment
    clients: Clients
    now: Callable[[], datetime]

    def handle(self, removal: Removal) -> None:
        """End a key whose entry has left the ledger, or keep it, or put the entry back for a later time.

        Raises:
            Unvouched: the ledger never knew of this end. Nothing was done.
            ClientError, BotoCoreError: IAM or the ledger failed: the record has to come again.
        """
        entry = removal.entry
        successor = self._waiting_successor(entry)
        if self._is_out_of_date(entry, successor):
            telemetry.info("record_out_of_date", user=entry.user, key=entry.key_id)
            return
        if not vouches(successor, entry):
            self._pass_over(entry)
            return
        if not removal.is_due:
            if self._has_moved(entry):
                telemetry.info("record_out_of_date", user=entry.user, key=entry.key_id)
                return
            # Never put back: that would schedule what somebody has called off. If this fails, the record comes again.
            self._cancel(entry, Cancellation.REMOVED_EARLY)
            return
        try:
            self._end(entry)
        except Unvouched:
            raise
        except Exception as fault:  # noqa: BLE001 (whatever it is: the entry must not be lost)
            self._put_back_failed(entry, fault)

    def _is_out_of_date(self, entry: Entry, successor: Entry | None) -> bool:
        """Tell whether the key was entered again after this removal, even if it has been taken out once more since."""
        if self._ledger.holds(entry.user, entry.key_id):
            return True
        return successor is not None and successor.replaces_round > entry.round

    def _pass_over(self, entry: Entry) -> None:
        """Do nothing about a key whose end the ledger does not know of.

        A record that comes again may find the key gone. Where its user was renamed, the ledger's entries have moved
        with them, and what the rotator finds under the new name governs.

        Raises:
            Unvouched: somebody has the key, and nobody ever planned its end.
        """
        owner = self._keys.owner(entry.key_id)
        if owner is not None and not self._was_renamed(entry, owner):
            fault = "no successor in the ledger waits for its end"
            raise Unvouched(f"ledger item of user {entry.user}, key {entry.key_id}: {fault}")
        telemetry.info("record_out_of_date", user=entry.user, key=entry.key_id)

    def _has_moved(self, entry: Entry) -> bool:
        """Tell whether the entry was not taken out, but followed its user to a new name, before its successor did."""
        owner = self._keys.owner(entry.key_id)
        return owner not in {None, entry.user} and self._ledger.holds(owner or "", entry.key_id)

    def _was_renamed(self, entry: Entry, owner: str) -> bool:
        """Tell whether a key's owner is the user of an entry, under another name."""
        if owner == entry.user:
            return False
        found = users.find(self.clients.iam, owner)
        return found is not None and found.id == entry.user_id

    def _end(self, entry: Entry) -> None:
        user = users.find(self.clients.iam, entry.user)
        if user is None or entry.user_id not in {None, user.id}:
            self._follow_or_forget(entry)
            return
        policy = self._policy(user)
        if policy is None:
            self._cancel(entry, Cancellation.OPTED_OUT)
            return

        keys = self._keys.of(entry.user) or []
        use = self._use(entry, keys)
        person = Recipient(user_id=user.id, policy=policy)
        if use.confirmed and entry.confirmed_at is None:
            entry = replace(entry, confirmed_at=self._in(timedelta()))
        verdict = decide(entry, keys, use=use, terms=self._terms, now=self.now())
        if verdict.why is Why.UNCONFIRMED:
            telemetry.warning("unconfirmed", user=entry.user, key=entry.key_id, new_key=entry.new_key_id)
            telemetry.count("Unconfirmed")
        match verdict.end:
            case End.KEEP:
                self._keep(entry, keys)
            case End.POSTPONE:
                self._postpone(entry, person, use, verdict)
            case End.DEACTIVATE:
                self._begin_window(entry, person, use, verdict)
            case End.DELETE:
                self._destroy(entry, person, use, deleted=self._keys.delete(entry.user, entry.key_id))
            case End.GONE:
                self._prove_absence(entry, entry.key_id, keys)
                self._destroy(entry, person, use, deleted=False)

    def _policy(self, user: IamUser) -> UserPolicy | None:
        if not user.path.startswith(self.environment.user_paths):
            return None
        return tags.parse(
            user.tags,
            defaults=Defaults(
                rotate_after_days=self.environment.rotate_after_days,
                delete_after_days=self.environment.delete_after_days,
            ),
            allowed_email_domains=self.environment.allowed_email_domains,
        )

    def _use(self, entry: Entry, keys: Sequence[AccessKey]) -> Use:
        """Ask how the key and its successor were used, as far as the end of the key depends on it."""
        confirmed = entry.confirmed_at is not None
        if not confirmed and entry.new_key_id is not None:
            confirmed = self._keys.was_used(entry.new_key_id)
        works = any(key.active for key in keys if key.id == entry.key_id)
        asked = works and not self._terms.delete_unconfirmed
        return Use(confirmed=confirmed, last_use=self._keys.last_use(entry.key_id) if asked else None)

    def _prove_absence(self, entry: Entry, key_id: str | None, keys: Sequence[AccessKey]) -> None:
        """Make sure that a key which was not listed is gone.

        Raises:
            Unvouched: it is somebody else's.
            KeyRotatorError: IAM contradicts itself: a later try finds out.
        """
        if key_id is None or any(key.id == key_id for key in keys):
            return
        owner = self._keys.owner(key_id)
        if owner not in {None, entry.user}:
            raise Unvouched(f"ledger item of user {entry.user}, key {entry.key_id}: access key {key_id} is {owner}'s")
        if owner is not None:
            raise KeyRotatorError(f"IAM does not list access key {key_id} of {entry.user}, and says it exists")

    # --- the ends -----------------------------------------------------------------------------------------------

    def _follow_or_forget(self, entry: Entry) -> None:
        """Follow a user to a new name, or clear up after one who is gone; a new person may have the old name.

        Raises:
            Unvouched: the key is somebody else's.
            KeyRotatorError: IAM contradicts itself: a later try finds out.
        """
        owner = self._keys.owner(entry.key_id)
        if owner is None and entry.new_key_id is not None:
            # The old key may have been deleted by hand, and its user exist all the same.
            owner = self._keys.owner(entry.new_key_id)
        if owner == entry.user:
            raise KeyRotatorError(f"IAM does not find {entry.user}, and says that they have an access key")
        if owner is not None:
            if not self._was_renamed(entry, owner):
                raise Unvouched(f"ledger item of user {entry.user}, key {entry.key_id}: that key is {owner}'s")
            telemetry.info("user_renamed", user=owner, old_name=entry.user, key=entry.key_id)
            now = self._in(timedelta())
            followed = replace(entry.renamed(owner), delete_on=now, grace_ended_on=grace_end(entry, self.now()))
            self._put_back(followed, until=now)
            return
        if entry.user_id is not None:
            self._delete_encryption_key(entry, entry.user_id)
        telemetry.info("user_gone", user=entry.user, key=entry.key_id)

    def _keep(self, entry: Entry, keys: Sequence[AccessKey]) -> None:
        """Keep a key whose successor is gone or inactive, unless it was rotated anew since.

        Raises:
            KeyRotatorError: IAM contradicts itself: a later try finds out.
        """
        others = [key.id for key in keys if key.id not in {entry.key_id, entry.new_key_id}]
        if any(self._waiting_successor(replace(entry, new_key_id=other)) for other in others):
            telemetry.info("record_out_of_date", user=entry.user, key=entry.key_id)
            return
        self._prove_absence(entry, entry.new_key_id, keys)
        self._cancel(entry, Cancellation.LAST_ACTIVE_KEY)

    def _cancel(self, entry: Entry, why: Cancellation) -> None:
        """Keep the key. It is entered as current, so that the next run knows of it, however old it is."""
        telemetry.warning("deletion_cancelled", user=entry.user, key=entry.key_id, reason=why)
        telemetry.count("DeletionsCancelled")
        if why is Cancellation.LAST_ACTIVE_KEY:
            telemetry.count("LastKeyProtected")
        kept = Entry(
            user=entry.user,
            user_id=entry.user_id,
            key_id=entry.key_id,
            status=Status.CURRENT,
            created_at=entry.created_at,
            email=entry.email,
            pending_email=entry.pending_email,
            address_changed_at=entry.address_changed_at,
            undeliverable=entry.undeliverable,
            unconfirmed_since=entry.unconfirmed_since,
        )
        try:
            self._ledger.call_off(kept, entry.new_key_id)
        except LedgerConflict:
            telemetry.info("record_out_of_date", user=entry.user, key=entry.key_id)

    def _postpone(self, entry: Entry, person: Recipient, use: Use, verdict: Verdict) -> None:
        """Give the user one more day, and remind them of it on some of these days.

        The reminder comes first: should the process die right after it, the record comes again, and so does the
        reminder.
        """
        ended, until = grace_end(entry, self.now()), (verdict.until or self.now()).replace(microsecond=0)
        reminded_at = entry.reminded_at
        if is_reminder_due(entry, self._terms, self.now()) and self._announcer.reminder(entry, person, use, ended):
            telemetry.info("reminded", user=entry.user, old_key=entry.key_id, new_key=entry.new_key_id)
            telemetry.count("Reminded")
            reminded_at = self._in(timedelta())
        telemetry.info("postponed", user=entry.user, key=entry.key_id, until=until.isoformat(), reason=verdict.why)
        telemetry.count("Postponed")
        later = replace(entry, delete_on=until, grace_ended_on=ended, reminded_at=reminded_at, reminded_by=None)
        self._put_back(later, until=until)

    def _begin_window(self, entry: Entry, person: Recipient, use: Use, verdict: Verdict) -> None:
        """Begin a recovery window: the key stops working, and can still be brought back.

        Which window begins is written down first. Were it not, a process that dies on the way would leave an inactive
        key behind that looks as if its window had passed.
        """
        soon = self._in(timedelta(minutes=self.environment.retry_after_minutes))
        window = window_to_begin(entry)
        ended = grace_end(entry, self.now())
        beginning = replace(entry, status=Status.EXPIRING, windows=window, delete_on=soon, grace_ended_on=ended)
        if not self._put_back(beginning, until=soon):
            return
        try:
            self._deactivate(beginning, person, use, (verdict.until or soon).replace(microsecond=0))
        except Exception as fault:  # noqa: BLE001 (whatever it is: it counts as an attempt)
            self._put_back_failed(beginning, fault, instead_of=beginning)

    def _deactivate(self, beginning: Entry, person: Recipient, use: Use, delete_on: datetime) -> None:
        again = beginning.windows > 1
        self._keys.deactivate(beginning.user, beginning.key_id)
        telemetry.info(
            "reactivated" if again else "deactivated",
            user=beginning.user,
            key=beginning.key_id,
            delete_on=delete_on.isoformat(),
            window=beginning.windows,
        )
        telemetry.count("Reactivated" if again else "Deactivated")
        if again:
            self._announcer.reactivated(beginning, person, delete_on)
        else:
            self._announcer.deactivated(beginning, person, delete_on, confirmed=use.confirmed)
        begun = replace(beginning, status=Status.INACTIVE, delete_on=delete_on)
        self._put_back(begun, until=delete_on, instead_of=beginning)

    def _destroy(self, entry: Entry, person: Recipient, use: Use, *, deleted: bool) -> None:
        """Do what goes with a deletion. Delivered again, a record finds all of it done, and nobody is mailed twice."""
        if use.confirmed:
            self._delete_encryption_key(entry, person.user_id)
        if deleted or self._waiting_successor(entry):
            telemetry.info("destroyed", user=entry.user, key=entry.key_id, new_key=entry.new_key_id)
            telemetry.count("Destroyed")
            self._announcer.deleted(entry, person, self.now())
        self._settle(entry, confirmed=use.confirmed)

    # --- the steps ----------------------------------------------------------------------------------------------

    def _delete_encryption_key(self, entry: Entry, user_id: str) -> None:
        """Delete it under the name that follows from its user, and only if it is still this rotation's."""
        if entry.sealed_by:
            SecretStore(self.clients.ssm).remove_if_for(parameter_name(entry.user, user_id), entry.sealed_by)

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

    def _settle(self, entry: Entry, *, confirmed: bool) -> None:
        if entry.new_key_id:
            self._ledger.settle(entry.user, entry.new_key_id, replaces=entry.key_id, confirmed=confirmed)

    def _put_back(self, entry: Entry, *, until: datetime, instead_of: Entry | None = None) -> bool:
        """Enter a key for another round; should somebody have moved its entry, theirs counts. Tells whether it was."""
        try:
            self._ledger.put_back(replace(entry, round=entry.round + 1), until=until, instead_of=instead_of)
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
        ended = grace_end(entry, self.now())
        failed = replace(entry, attempts=attempts, last_error=reason(fault), grace_ended_on=ended)
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
    def _terms(self) -> Terms:
        return Terms.of(self.environment)

    @cached_property
    def _announcer(self) -> Announcer:
        return Announcer(environment=self.environment, clients=self.clients)
