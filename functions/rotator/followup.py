"""What is mailed besides new keys: a reminder before the grace period ends, and a word to an address that was left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import telemetry
from functions.common.entry import Entry, Status
from functions.common.errors import LedgerConflict, MailError, MailUnanswered, RecipientRefused, reason
from functions.common.tags import is_allowed
from functions.mail.message import AddressChanged, KeyReminder, Notice, compose
from functions.mail.sender import deliver
from functions.rotator.addresses import SCHEDULE_SLACK, Standing, former, is_undeliverable
from functions.rotator.census import User
from functions.rotator.decide import Rules
from functions.rotator.rotate import Tools


class Matter(StrEnum):
    """What there is to tell."""

    REMINDER = "reminder"
    ADDRESS_CHANGED = "address_changed"


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """Somebody to be told something about an entry."""

    matter: Matter
    user: User
    entry: Entry


def due(user: User, rules: Rules, reminder_days: int, now: datetime) -> Iterator[FollowUp]:
    """Find what a user may have to be told now. Whether a reminder is called for, the keys' use tells."""
    if rules.standing(user.entries, now) is Standing.CHANGED:
        yield FollowUp(matter=Matter.ADDRESS_CHANGED, user=user, entry=_last_of(user.entries))
    for entry in user.entries:
        if (
            entry.status is Status.EXPIRING
            and reminder_days > 0
            and entry.reminded_at is None
            and entry.grace_ended_on is None
            and entry.new_key_id is not None
            and entry.delete_on is not None
            and entry.delete_on - timedelta(days=reminder_days) - SCHEDULE_SLACK <= now < entry.delete_on
        ):
            yield FollowUp(matter=Matter.REMINDER, user=user, entry=entry)


def follow_up(item: FollowUp, tools: Tools) -> bool:
    """Tell somebody; tell whether there was something to tell.

    A reminder is noted in the ledger first, so that of several runs one mails; the note is taken off should the mail
    fail. That an address was left is noted last: whoever is cut off must hear of it, if need be twice.

    Raises:
        MailError: the mail was not accepted.
        ClientError, BotoCoreError: AWS refused.
    """
    if item.matter is Matter.REMINDER:
        return _remind(item.user, item.entry, tools)
    return _tell_old_address(item.user, item.entry, tools)


def _remind(user: User, entry: Entry, tools: Tools) -> bool:
    new_key_id, delete_on = entry.new_key_id or "", entry.delete_on or tools.now()
    successor = next((other for other in user.entries if other.key_id == new_key_id), None)
    new_key_used = tools.keys.was_used(new_key_id)
    last_use = tools.keys.last_use(entry.key_id)
    still_used = bool(last_use and successor and last_use.is_work_since(successor.created_at))
    if new_key_used and not still_used:
        return False

    _note_reminder(entry, tools)
    notice = KeyReminder(
        user=user.name,
        account=tools.account,
        old_key_id=entry.key_id,
        new_key_id=new_key_id,
        outlook=tools.terms.outlook(delete_on, confirmed=new_key_used),
        extended=False,
        new_key_used=new_key_used,
        old_key_last_use=last_use,
        instruction=user.policy.instruction,
    )
    try:
        deliver(tools.mailer, compose(notice, user.policy.email, user_id=user.id), pause=tools.pause)
    except MailUnanswered:
        raise
    except Exception:
        tools.ledger.not_reminded(entry, tools.run)
        raise
    for old_address in former(user.entries, user.policy.email):
        # Whoever changed the tag must not keep the reminder from the user. It holds no secret.
        with contextlib.suppress(MailError):
            _tell(old_address, notice, user, entry, tools)
    telemetry.info("reminded", user=user.name, old_key=entry.key_id, new_key=new_key_id, new_key_used=new_key_used)
    return True


def _note_reminder(entry: Entry, tools: Tools) -> None:
    """Note a reminder before it is sent. A note whose answer was lost is taken off, so that a later run reminds.

    Raises:
        LedgerConflict: another run reminds, or the entry has moved.
        ClientError, BotoCoreError: DynamoDB failed.
    """
    try:
        tools.ledger.remind(entry, tools.now(), tools.run)
    except (BotoCoreError, ClientError):
        with contextlib.suppress(BotoCoreError, ClientError, LedgerConflict):
            tools.ledger.not_reminded(entry, tools.run)
        raise


def _tell_old_address(user: User, entry: Entry, tools: Tools) -> bool:
    notice = AddressChanged(
        user=user.name,
        account=tools.account,
        new_address=user.policy.email,
        key_id=entry.key_id,
        used_from=tools.now() + tools.terms.address_hold,
    )
    for old_address in former(user.entries, user.policy.email):
        _tell(old_address, notice, user, entry, tools)
    try:
        tools.ledger.note_address(user.entries, user.policy.email, tools.now())
    except LedgerConflict:
        return False
    telemetry.warning("address_changed", user=user.name, key=entry.key_id)
    return True


def _tell(old_address: str, notice: Notice, user: User, entry: Entry, tools: Tools) -> None:
    if not is_allowed(old_address, tools.allowed_email_domains):
        telemetry.warning("old_address_not_allowed", user=user.name, key=entry.key_id)
        return
    if is_undeliverable(user.entries, old_address):
        telemetry.warning("old_address_undeliverable", user=user.name, key=entry.key_id)
        return
    try:
        deliver(tools.mailer, compose(notice, old_address, user_id=user.id), pause=tools.pause)
    except RecipientRefused as fault:
        telemetry.warning("old_address_refused", user=user.name, key=entry.key_id, reason=reason(fault))


def _last_of(entries: tuple[Entry, ...]) -> Entry:
    return max(entries, key=lambda entry: entry.created_at)
