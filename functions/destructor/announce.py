"""Who is told of a key's end, and what: its user, an address that was left for another, and the operators.

What was done stands whether or not anybody could be told of it, so a message that fails stops nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from functions.common import account, operators, telemetry
from functions.common.account import Account
from functions.common.clients import Clients
from functions.common.entry import Entry
from functions.common.environment import Environment
from functions.common.errors import reason
from functions.common.keys import KeyUse
from functions.common.tags import UserPolicy, is_allowed, same_address
from functions.common.terms import Terms
from functions.destructor.decide import MOST_WINDOWS, Use
from functions.mail.message import compose
from functions.mail.notices import KeyDeactivated, KeyReactivated, KeyReminder, Notice, OldKeyDeleted
from functions.mail.organisation import Organisation
from functions.mail.sender import connect, deliver
from functions.mail.transport import Mailer


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """The user whom a key's end is told: IAM's id, and what the tags say now."""

    user_id: str
    policy: UserPolicy


@dataclass(kw_only=True)
class Announcer:
    """Tells people. The mailer is built when there is first something to mail."""

    environment: Environment
    clients: Clients

    def reminder(self, entry: Entry, person: Recipient, use: Use, grace_ended: datetime) -> bool:
        """Remind a user whose old key lives on by extension; tell whether the mail was accepted."""
        notice = KeyReminder(
            user=entry.user,
            account=self._account,
            old_key_id=entry.key_id,
            new_key_id=entry.new_key_id or "",
            outlook=Terms.of(self.environment).outlook(grace_ended, confirmed=use.confirmed),
            extended=True,
            new_key_used=use.confirmed,
            old_key_use=KeyUse(last=use.last_use),
            instruction=person.policy.instruction,
        )
        return self._mail(entry, notice, person)

    def deactivated(self, entry: Entry, person: Recipient, delete_on: datetime, *, confirmed: bool) -> None:
        """Tell of the first recovery window; the operators, too, of a user who evidently does not have the new key."""
        if not confirmed:
            self._tell_operators(
                "An old access key was deactivated, and the new one was never used",
                f"IAM user {entry.user} was mailed the access key {entry.new_key_id} and has never used it. Their old "
                f"key {entry.key_id} has now been deactivated, so they may have no key that works. If they still need "
                f"it, activate it again before it is deleted on {delete_on:%Y-%m-%d %H:%M} UTC, and mail them another "
                f"new key with: scripts/invoke.py --user {entry.user} --again",
            )
        notice = KeyDeactivated(
            user=entry.user,
            account=self._account,
            old_key_id=entry.key_id,
            new_key_id=entry.new_key_id,
            new_key_used=confirmed,
            delete_on=delete_on,
            instruction=person.policy.instruction,
        )
        self._mail(entry, notice, person)

    def reactivated(self, entry: Entry, person: Recipient, delete_on: datetime) -> None:
        """Tell of a further window, for a key that somebody brought back: the operators hear of that, too."""
        self._tell_operators(
            "An old access key was reactivated",
            f"The old access key {entry.key_id} of IAM user {entry.user} was reactivated within its recovery window. "
            f"It has been deactivated again (window {entry.windows} of {MOST_WINDOWS}) and is deleted on "
            f"{delete_on:%Y-%m-%d %H:%M} UTC. To keep it, delete its item from the ledger before then.",
        )
        notice = KeyReactivated(
            user=entry.user,
            account=self._account,
            old_key_id=entry.key_id,
            new_key_id=entry.new_key_id,
            delete_on=delete_on,
            final=entry.windows == MOST_WINDOWS,
            instruction=person.policy.instruction,
        )
        self._mail(entry, notice, person)

    def deleted(self, entry: Entry, person: Recipient, deleted_on: datetime) -> None:
        """Tell that the key is gone."""
        notice = OldKeyDeleted(
            user=entry.user,
            account=self._account,
            old_key_id=entry.key_id,
            new_key_id=entry.new_key_id,
            deleted_on=deleted_on,
            instruction=person.policy.instruction,
        )
        self._mail(entry, notice, person)

    def _mail(self, entry: Entry, notice: Notice, person: Recipient) -> bool:
        """Tell the user; and, where their mail went elsewhere until now, that address as well. It holds no secret."""
        told = self._send(entry, notice, person.policy.email, person.user_id)
        former = entry.email
        if not former or same_address(former, person.policy.email):
            return told
        if is_allowed(former, self.environment.allowed_email_domains):
            told = self._send(entry, notice, former, person.user_id) or told
        return told

    def _send(self, entry: Entry, notice: Notice, to: str, user_id: str) -> bool:
        try:
            deliver(self._mailer, compose(notice, to, Organisation.of(self.environment), user_id=user_id))
        except Exception as fault:  # noqa: BLE001 (an operator's own template may fail in any way)
            telemetry.error("mail_failed", user=entry.user, key=entry.key_id, reason=reason(fault))
            telemetry.count("MailsFailed")
            return False
        return True

    def _tell_operators(self, subject: str, message: str) -> None:
        if self.environment.alarm_topic_arn is not None:
            operators.tell(self.clients.sns, self.environment.alarm_topic_arn, subject, message)

    @cached_property
    def _mailer(self) -> Mailer:
        return connect(self.environment, self.clients)

    @cached_property
    def _account(self) -> Account:
        return account.look_up(self.environment.account_id, self.clients.iam)
