"""What is said between the rotation and the old key's end: a reminder, and a word to an address that was left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from functions.common import telemetry
from functions.common.entry import Entry, Status
from functions.common.errors import LedgerConflict, MailServiceError, RecipientRefused, reason
from functions.mail.message import AddressChanged, KeyReminder, compose
from functions.mail.sender import deliver
from functions.rotator.census import User
from functions.rotator.decide import ENDING
from functions.rotator.rotate import Tools

SCHEDULE_SLACK = timedelta(hours=1)
"""How much early a reminder may be: a daily run must not miss the moment by seconds and come a day too late."""


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


def due(user: User, reminder_days: int, now: datetime) -> Iterator[FollowUp]:
    """Find what a user may have to be told now. Whether a reminder is called for, the keys' use tells."""
    for entry in user.entries:
        if entry.status not in ENDING:
            continue
        if entry.email is not None and entry.email != user.policy.email:
            yield FollowUp(matter=Matter.ADDRESS_CHANGED, user=user, entry=entry)
        if (
            entry.status is Status.EXPIRING
            and reminder_days > 0
            and entry.reminded_at is None
            and entry.new_key_id is not None
            and entry.delete_on is not None
            and entry.delete_on - timedelta(days=reminder_days) - SCHEDULE_SLACK <= now < entry.delete_on
        ):
            yield FollowUp(matter=Matter.REMINDER, user=user, entry=entry)


def follow_up(item: FollowUp, tools: Tools) -> bool:
    """Tell somebody; tell whether there was something to tell.

    A reminder is noted in the ledger first, so that of several runs one mails; the note is taken off should the mail
    service fail. That an address was left is noted last: whoever is cut off must hear of it, if need be twice.

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
    still_used = last_use.at if last_use and successor and last_use.is_work_since(successor.created_at) else None
    if new_key_used and still_used is None:
        return False

    try:
        tools.ledger.remind(entry, tools.now())
    except LedgerConflict:
        return False
    notice = KeyReminder(
        user=user.name,
        account=tools.account,
        old_key_id=entry.key_id,
        new_key_id=new_key_id,
        delete_on=delete_on,
        recovery_days=tools.recovery_days,
        new_key_used=new_key_used,
        old_key_last_used=still_used,
        instruction=user.policy.instruction,
    )
    try:
        deliver(tools.mailer, compose(notice, user.policy.email), pause=tools.pause)
    except MailServiceError:
        tools.ledger.remind(entry, None)
        raise
    telemetry.info("reminded", user=user.name, old_key=entry.key_id, new_key=new_key_id, new_key_used=new_key_used)
    return True


def _tell_old_address(user: User, entry: Entry, tools: Tools) -> bool:
    old_address, new_address = entry.email or "", user.policy.email
    notice = AddressChanged(
        user=user.name,
        account=tools.account,
        new_address=new_address,
        old_key_id=entry.key_id,
        delete_on=entry.delete_on,
    )
    try:
        deliver(tools.mailer, compose(notice, old_address), pause=tools.pause)
    except RecipientRefused as fault:
        telemetry.warning("old_address_refused", user=user.name, old_key=entry.key_id, reason=reason(fault))
    try:
        tools.ledger.readdress(entry, old_address, new_address)
    except LedgerConflict:
        return False
    telemetry.info("address_changed", user=user.name, old_key=entry.key_id)
    return True
