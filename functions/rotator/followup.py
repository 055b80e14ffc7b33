"""What is mailed besides new keys: that one is coming, that an old one ends soon, and that an address was left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import telemetry
from functions.common.entry import Entry, Status
from functions.common.environment import Environment
from functions.common.errors import LedgerConflict, MailError, MailUnanswered, RecipientRefused, reason
from functions.common.tags import is_allowed
from functions.mail.message import compose
from functions.mail.notices import AddressChanged, KeyReminder, Notice, RotationAhead
from functions.mail.sender import deliver
from functions.rotator.addresses import SCHEDULE_SLACK, Standing, former, is_undeliverable
from functions.rotator.census import User
from functions.rotator.decide import Rules
from functions.rotator.rotate import Tools


class Matter(StrEnum):
    """What there is to tell."""

    ANNOUNCEMENT = "announcement"
    REMINDER = "reminder"
    ADDRESS_CHANGED = "address_changed"


@dataclass(frozen=True, kw_only=True)
class Days:
    """How many days ahead a user is told: of a rotation, and of the end of a grace period. With 0, not at all."""

    announce: int
    remind: int

    @classmethod
    def of(cls, environment: Environment) -> Days:
        """Read them from a function's environment."""
        return cls(announce=environment.announce_days, remind=environment.reminder_days)


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """Somebody to be told something about an entry."""

    matter: Matter
    user: User
    entry: Entry


def due(user: User, rules: Rules, days: Days, now: datetime) -> Iterator[FollowUp]:
    """Find what a user may have to be told now. Whether a mail is called for, the keys and their use tell."""
    if rules.standing(user.entries, now) is Standing.CHANGED:
        yield FollowUp(matter=Matter.ADDRESS_CHANGED, user=user, entry=_last_of(user.entries))
    for entry in user.entries:
        if entry.reminded_at is not None:
            continue
        if _ends_soon(entry, days.remind, now):
            yield FollowUp(matter=Matter.REMINDER, user=user, entry=entry)
        elif _is_due_soon(user, entry, rules, days.announce, now):
            yield FollowUp(matter=Matter.ANNOUNCEMENT, user=user, entry=entry)


def follow_up(item: FollowUp, tools: Tools) -> bool:
    """Tell somebody; tell whether there was something to tell.

    What is coming is noted in the ledger first, so that of several runs one mails; the note is taken off should the
    mail fail. That an address was left is noted last: whoever is cut off must hear of it, if need be twice.

    Raises:
        MailError: the mail was not accepted.
        ClientError, BotoCoreError: AWS refused.
    """
    match item.matter:
        case Matter.ANNOUNCEMENT:
            return _announce(item.user, item.entry, tools)
        case Matter.REMINDER:
            return _remind(item.user, item.entry, tools)
        case Matter.ADDRESS_CHANGED:
            return _tell_old_address(item.user, item.entry, tools)


def _ends_soon(entry: Entry, days: int, now: datetime) -> bool:
    return (
        entry.status is Status.EXPIRING
        and days > 0
        and entry.grace_ended_on is None
        and entry.new_key_id is not None
        and entry.delete_on is not None
        and entry.delete_on - timedelta(days=days) - SCHEDULE_SLACK <= now < entry.delete_on
    )


def _is_due_soon(user: User, entry: Entry, rules: Rules, days: int, now: datetime) -> bool:
    """Tell whether the key will be replaced soon, as far as the ledger knows: it is the user's only one there."""
    due_on = entry.created_at + timedelta(days=rules.rotate_after_days)
    return (
        user.entries == (entry,)
        and entry.status is Status.CURRENT
        and days > 0
        and due_on - timedelta(days=days) - SCHEDULE_SLACK <= now < due_on
        and rules.standing(user.entries, now) not in {Standing.CHANGED, Standing.HELD}
        and not is_undeliverable(user.entries, user.policy.email)
    )


def _announce(user: User, entry: Entry, tools: Tools) -> bool:
    keys = tools.keys.of(user.name) or []
    if [(key.id, key.active) for key in keys] != [(entry.key_id, True)]:
        return False
    use = tools.keys.use_of(entry.key_id)
    if entry.unconfirmed_since is not None and use.last is None:
        # It is going to be deactivated rather than replaced, unless it is used until then.
        return False
    notice = RotationAhead(
        user=user.name,
        account=tools.account,
        old_key_id=entry.key_id,
        old_key_use=use,
        limit_days=user.policy.rotate_after_days,
        rotates_on=entry.created_at + timedelta(days=user.policy.rotate_after_days),
        grace_days=user.policy.delete_after_days,
        instruction=user.policy.instruction,
    )
    _tell_once(user, entry, notice, tools)
    telemetry.info("announced", user=user.name, key=entry.key_id, rotates_on=notice.rotates_on.isoformat())
    return True


def _remind(user: User, entry: Entry, tools: Tools) -> bool:
    new_key_id, delete_on = entry.new_key_id or "", entry.delete_on or tools.now()
    successor = next((other for other in user.entries if other.key_id == new_key_id), None)
    new_key_used = tools.keys.was_used(new_key_id)
    use = tools.keys.use_of(entry.key_id)
    still_used = bool(use.last and successor and use.last.is_work_since(successor.created_at))
    if new_key_used and not still_used:
        return False
    listed = {key.id: key.active for key in tools.keys.of(user.name) or []}
    if new_key_id not in listed or not listed.get(entry.key_id):
        # Somebody has ended one of the two by hand: what a reminder says would not be so.
        return False

    notice = KeyReminder(
        user=user.name,
        account=tools.account,
        old_key_id=entry.key_id,
        new_key_id=new_key_id,
        outlook=tools.terms.outlook(delete_on, confirmed=new_key_used),
        extended=False,
        new_key_used=new_key_used,
        old_key_use=use,
        instruction=user.policy.instruction,
    )
    _tell_once(user, entry, notice, tools)
    for old_address in former(user.entries, user.policy.email):
        # Whoever changed the tag must not keep the reminder from the user. It holds no secret.
        with contextlib.suppress(MailError):
            _tell(old_address, notice, user, entry, tools)
    telemetry.info("reminded", user=user.name, old_key=entry.key_id, new_key=new_key_id, new_key_used=new_key_used)
    return True


def _tell_once(user: User, entry: Entry, notice: Notice, tools: Tools) -> None:
    """Note that the user is told, and tell; should the mail fail, take the note off, so that a later run tells.

    Raises:
        LedgerConflict: another run tells, or the entry has moved.
        MailError: the mail was not accepted.
        ClientError, BotoCoreError: DynamoDB failed.
    """
    _note(entry, tools)
    try:
        _mail(user.policy.email, notice, user, tools)
    except MailUnanswered:
        raise
    except Exception:
        tools.ledger.not_reminded(entry, tools.run)
        raise


def _note(entry: Entry, tools: Tools) -> None:
    """Note that a user is told. A note whose answer was lost is taken off, so that a later run tells.

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
        _mail(old_address, notice, user, tools)
    except RecipientRefused as fault:
        telemetry.warning("old_address_refused", user=user.name, key=entry.key_id, reason=reason(fault))


def _mail(to: str, notice: Notice, user: User, tools: Tools) -> None:
    deliver(tools.mailer, compose(notice, to, tools.organisation, user_id=user.id), pause=tools.pause)


def _last_of(entries: tuple[Entry, ...]) -> Entry:
    return max(entries, key=lambda entry: entry.created_at)
