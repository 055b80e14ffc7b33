"""Who is told of a key's end, and what: its user, the address that was left for another, and the operators.

What was done stands whether or not anybody could be told of it, so a message that fails stops nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import account, telemetry
from functions.common.account import Account
from functions.common.clients import Clients
from functions.common.entry import Entry
from functions.common.environment import Environment
from functions.common.errors import reason
from functions.common.tags import UserPolicy
from functions.destructor.decide import MOST_WINDOWS
from functions.mail.message import AddressChanged, KeyDeactivated, KeyReactivated, Notice, OldKeyDeleted, compose
from functions.mail.sender import Mailer, connect, deliver


@dataclass(kw_only=True)
class Announcer:
    """Tells people. The mailer is built when there is first something to mail."""

    environment: Environment
    clients: Clients

    def deactivated(self, entry: Entry, policy: UserPolicy, delete_on: datetime) -> None:
        """Tell of the first recovery window."""
        notice = KeyDeactivated(
            user=entry.user,
            account=self._account,
            old_key_id=entry.key_id,
            new_key_id=entry.new_key_id,
            delete_on=delete_on,
            instruction=policy.instruction,
        )
        self._mail(entry, notice, policy, delete_on)

    def reactivated(self, entry: Entry, policy: UserPolicy, delete_on: datetime) -> None:
        """Tell of a further window, for a key that somebody brought back: the operators hear of that, too."""
        self._tell_operators(entry, delete_on)
        notice = KeyReactivated(
            user=entry.user,
            account=self._account,
            old_key_id=entry.key_id,
            new_key_id=entry.new_key_id,
            delete_on=delete_on,
            final=entry.windows == MOST_WINDOWS,
            instruction=policy.instruction,
        )
        self._mail(entry, notice, policy, delete_on)

    def deleted(self, entry: Entry, policy: UserPolicy, deleted_on: datetime) -> None:
        """Tell that the key is gone."""
        notice = OldKeyDeleted(
            user=entry.user,
            account=self._account,
            old_key_id=entry.key_id,
            new_key_id=entry.new_key_id,
            deleted_on=deleted_on,
            instruction=policy.instruction,
        )
        self._mail(entry, notice, policy, delete_on=None)

    def _mail(self, entry: Entry, notice: Notice, policy: UserPolicy, delete_on: datetime | None) -> None:
        """Tell the user; and first, where their mail went elsewhere so far, that address that it no longer does."""
        if entry.email and entry.email != policy.email:
            change = AddressChanged(
                user=entry.user,
                account=self._account,
                new_address=policy.email,
                old_key_id=entry.key_id,
                delete_on=delete_on,
            )
            self._send(entry, change, entry.email)
        self._send(entry, notice, policy.email)

    def _send(self, entry: Entry, notice: Notice, to: str) -> None:
        try:
            deliver(self._mailer, compose(notice, to))
        except Exception as fault:  # noqa: BLE001 (an operator's own template may fail in any way)
            telemetry.error("mail_failed", user=entry.user, key=entry.key_id, reason=reason(fault))
            telemetry.count("MailsFailed")

    def _tell_operators(self, entry: Entry, delete_on: datetime) -> None:
        if self.environment.alarm_topic_arn is None:
            return
        message = (
            f"The old access key {entry.key_id} of IAM user {entry.user} was re-activated within its recovery window. "
            f"It has been deactivated again (window {entry.windows} of {MOST_WINDOWS}) and is deleted on "
            f"{delete_on:%Y-%m-%d %H:%M} UTC. To keep it, delete its item from the ledger before then."
        )
        try:
            self.clients.sns.publish(
                TopicArn=self.environment.alarm_topic_arn, Subject="An old access key was re-activated", Message=message
            )
        except (BotoCoreError, ClientError) as fault:
            telemetry.error("operators_not_told", user=entry.user, key=entry.key_id, reason=reason(fault))

    @cached_property
    def _mailer(self) -> Mailer:
        return connect(self.environment, self.clients)

    @cached_property
    def _account(self) -> Account:
        return account.look_up(self.environment.account_id, self.clients.iam)
