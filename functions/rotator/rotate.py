"""One rotation: the steps, in their order, and what takes them back.

    begin ─▶ prepare ─▶ create ─▶ deliver ─▶ mail ─▶ arm
             └────── a failure here takes it all back

What can fail for everybody comes before there is a key: the encryption key is stored, the mail is written once. Each
step can be repeated, and each write is conditional. Wherever the process dies, the ledger says how far it came, and
``recover`` goes on from there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import telemetry
from functions.common.account import Account
from functions.common.entry import Entry, Status
from functions.common.errors import (
    KeyCreationUnanswered,
    KeyRotatorError,
    LedgerConflict,
    MailError,
    MailUnanswered,
    SealingError,
    reason,
)
from functions.common.keys import AccessKey, AccessKeys, KeyMaker, KeyPair, KeyUse
from functions.common.ledger import Ledger
from functions.common.parameters import parameter_name
from functions.common.secrets import Seal, SealedPair, SecretStore
from functions.common.terms import Terms
from functions.mail.message import compose
from functions.mail.notices import Cause, NewKey, PlainKey, SealedKey
from functions.mail.organisation import Organisation
from functions.mail.sender import deliver
from functions.mail.transport import Mailer
from functions.rotator.addresses import SCHEDULE_SLACK
from functions.rotator.census import User
from functions.rotator.decide import lost_successor

_ARM_ATTEMPTS = 3

_PAUSE_DAYS = (1, 2, 4, 7)
"""How long a user waits whose mail failed: longer each time, so that a mailbox that is gone costs little."""

_NOBODYS = "AKIA0000000000000000"
_STAND_IN = KeyPair(id=_NOBODYS, secret=_NOBODYS, created_at=datetime.min.replace(tzinfo=UTC))


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the steps work with.

    Attributes:
        secrets: where encryption keys are kept; built when there is first something to store or to remove.
        encrypt: whether new pairs are sealed before they are mailed.
        region: where the encryption keys are, as the mail tells the user.
        organisation: what mails say of who sends them.
        terms: on which terms old keys end, as the mail tells the user.
        allowed_email_domains: where mail may go to; empty: anywhere.
        run: identifies this run.
        now: the clock.
        pause: how to wait, in seconds, before something is tried again.
    """

    keys: AccessKeys
    maker: KeyMaker
    ledger: Ledger
    secrets: Callable[[], SecretStore]
    encrypt: bool
    mailer: Mailer
    account: Account
    organisation: Organisation
    region: str
    terms: Terms
    allowed_email_domains: frozenset[str]
    run: str
    now: Callable[[], datetime]
    pause: Callable[[float], None] = time.sleep


def rotate(user: User, key: AccessKey, known: Entry | None, tools: Tools) -> None:
    """Give a user a new key, and schedule the end of the old one.

    Args:
        user: the user.
        key: the key that is due.
        known: what the ledger holds of it, if anything.
        tools: what to work with.

    Raises:
        LedgerConflict: another run has this user; nothing is changed.
        KeyLimitExceeded: somebody else has made a second key; nothing is changed.
        KeyCreationUnanswered: IAM gave no answer; the key it may have made is removed, now or by a later run.
        SealingError: the encryption key could not be stored; no key has been made.
        MailUnanswered: the mail may have been accepted: a later run finds out.
        MailError: the mail was not accepted; the new key is removed again.
        ClientError: AWS refused; the new key is removed again, or, once its mail is out, a later run finishes.
    """
    entry = tools.ledger.begin(
        known or _seen_first(user, key), now=tools.now(), email=user.policy.email, sealed=tools.encrypt
    )
    seal, use = _prepare(user, entry, tools)
    pair = _create(user, entry, tools)
    try:
        sealed = seal.close(user.name, pair) if seal else None
        entry = tools.ledger.deliver(
            entry,
            new_key_id=pair.id,
            sealed_block=sealed.block if sealed else None,
            parameter=sealed.parameter if sealed else None,
        )
        delete_on = end_of_grace(user, tools)
        mail(user, notice_of(user, entry, pair.id, sealed or pair, use, delete_on, tools), tools)
    except MailUnanswered:
        back_off(entry, tools)
        raise
    except Exception as fault:
        _take_back_or_leave(user, entry, pair.id, tools, fault)
        raise
    arm(entry, pair.id, pair.created_at, delete_on, tools)


def end_of_grace(user: User, tools: Tools) -> datetime:
    """Tell when the grace period of an old key ends whose successor is mailed now."""
    return (tools.now() + timedelta(days=user.policy.delete_after_days)).replace(microsecond=0)


def mail(user: User, notice: NewKey, tools: Tools) -> None:
    """Mail a user the new key.

    Raises:
        MailUnanswered: it may have been accepted.
        MailError: it was not accepted.
    """
    deliver(tools.mailer, compose(notice, user.policy.email, tools.organisation, user_id=user.id), pause=tools.pause)


def notice_of(
    user: User,
    entry: Entry,
    new_key_id: str,
    pair: KeyPair | SealedPair,
    use: KeyUse,
    delete_on: datetime,
    tools: Tools,
) -> NewKey:
    """Say what a user is told of the new key, sealed or plain; ``use`` is the old key's."""
    if isinstance(pair, SealedPair):
        content: SealedKey | PlainKey = SealedKey(
            block=pair.block, parameter=pair.parameter, region=tools.region, account=tools.account.id
        )
    else:
        content = PlainKey(secret=pair.secret)
    outlook = tools.terms.outlook(delete_on)
    return NewKey(
        user=user.name,
        account=tools.account,
        new_key_id=new_key_id,
        old_key_id=entry.key_id,
        old_key_use=use,
        cause=Cause(age_days=(tools.now() - entry.created_at).days, limit_days=user.policy.rotate_after_days),
        deadline=outlook.ends_on if user.policy.delete_after_days else outlook.deactivated_on,
        outlook=outlook,
        instruction=user.policy.instruction,
        content=content,
    )


def arm(entry: Entry, new_key_id: str, new_key_created_at: datetime, delete_on: datetime, tools: Tools) -> None:
    """Schedule the old key's end, now that the mail is out.

    Raises:
        ClientError, BotoCoreError: DynamoDB kept failing; a later run mails once more and finishes.
    """
    for attempt in range(1, _ARM_ATTEMPTS + 1):
        try:
            tools.ledger.arm(
                entry,
                new_key_id=new_key_id,
                new_key_created_at=new_key_created_at,
                delivered_at=tools.now(),
                delete_on=delete_on,
            )
        except LedgerConflict:
            telemetry.warning("rotation_moved_by_another_run", user=entry.user, key=entry.key_id)
            return
        except (BotoCoreError, ClientError):
            if attempt == _ARM_ATTEMPTS:
                raise
            tools.pause(float(attempt))
        else:
            telemetry.info(
                "rotated",
                user=entry.user,
                old_key=entry.key_id,
                new_key=new_key_id,
                delete_on=delete_on.isoformat(),
            )
            return


def take_back(user: User, entry: Entry, new_key_id: str, tools: Tools, fault: Exception | None = None) -> None:
    """Undo a rotation: the new key first, since it is what nobody may hold; the ledger's item last, since it tells.

    Args:
        user: the user.
        entry: the rotation.
        new_key_id: the key that it made.
        tools: what to work with.
        fault: what it failed for. After a mail that was not accepted, the next attempt waits.

    Raises:
        ClientError, BotoCoreError, KeyRotatorError: it could not be undone; the entry stays, for a later run.
    """
    if not tools.keys.delete(user.name, new_key_id):
        # IAM may not know yet of a key it has just made: only a later look can tell that it is gone.
        raise KeyRotatorError(f"IAM does not find access key {new_key_id}, which was just made")
    withdraw(user, entry, tools, fault)
    telemetry.info("rotation_taken_back", user=user.name, old_key=entry.key_id, new_key=new_key_id)


def withdraw(user: User, entry: Entry, tools: Tools, fault: Exception | None = None) -> None:
    """Take the entry back, and first the encryption key, with which nothing is encrypted any more.

    Args:
        user: the user.
        entry: the rotation; its new key is gone, or was never made.
        tools: what to work with.
        fault: what it failed for, if it did.

    Raises:
        LedgerConflict: another run has moved the entry.
        ClientError, BotoCoreError: SSM or DynamoDB failed; the entry stays, for a later run.
    """
    if entry.sealed_by:
        tools.secrets().remove_if_for(parameter_name(user.name, user.id), entry.sealed_by)
    if not isinstance(fault, MailError):
        tools.ledger.withdraw(entry)
        return
    tools.ledger.withdraw(entry, failures=entry.failures + 1, try_again_on=_next_attempt(entry, tools))


def back_off(entry: Entry, tools: Tools) -> None:
    """Let the next attempt to mail a new key wait; should that not be noted, it comes with the next run."""
    with contextlib.suppress(BotoCoreError, ClientError, LedgerConflict):
        tools.ledger.back_off(entry, failures=entry.failures + 1, try_again_on=_next_attempt(entry, tools))


def _next_attempt(entry: Entry, tools: Tools) -> datetime:
    days = _PAUSE_DAYS[min(entry.failures, len(_PAUSE_DAYS) - 1)]
    return (tools.now() + timedelta(days=days) - SCHEDULE_SLACK).replace(microsecond=0)


def _seen_first(user: User, key: AccessKey) -> Entry:
    return Entry(user=user.name, user_id=user.id, key_id=key.id, status=Status.CURRENT, created_at=key.created_at)


def _prepare(user: User, entry: Entry, tools: Tools) -> tuple[Seal | None, KeyUse]:
    """Try what could fail for everybody, while there is nothing to take back: store the key, write the mail.

    Returns:
        What seals the new pair, if anything does; and the old key's use, which the mail tells.
    """
    try:
        use = tools.keys.use_of(entry.key_id)
        seal = tools.secrets().prepare(user.name, user.id, entry.attempt or "") if tools.encrypt else None
        pair = SealedPair(block="none", parameter=seal.parameter) if seal else _STAND_IN
        notice = notice_of(user, entry, _STAND_IN.id, pair, use, end_of_grace(user, tools), tools)
        compose(notice, user.policy.email, tools.organisation, user_id=user.id)
    except SealingError:
        # Stored it may be all the same, if the answer was lost. It opens nothing, and the next rotation overwrites it.
        with contextlib.suppress(BotoCoreError, ClientError):
            tools.secrets().remove_if_for(parameter_name(user.name, user.id), entry.sealed_by or "")
        tools.ledger.withdraw(entry)
        raise
    except Exception:
        withdraw(user, entry, tools)
        raise
    return seal, use


def _create(user: User, entry: Entry, tools: Tools) -> KeyPair:
    """Make the new key; where none was made, or none that can be used, take the intent back."""
    try:
        return tools.maker.create(user.name)
    except KeyCreationUnanswered:
        keys = tools.keys.of(user.name) or []
        lost = lost_successor(entry, keys)
        old_key_works = any(key.active for key in keys if key.id == entry.key_id)
        if lost and old_key_works and not tools.keys.was_used(lost.id):
            _take_back_or_leave(user, entry, lost.id, tools)
        # A key that IAM does not list yet would be missed: the entry stays, and a later run looks again.
        raise
    except Exception:
        withdraw(user, entry, tools)
        raise


def _take_back_or_leave(
    user: User, entry: Entry, new_key_id: str, tools: Tools, fault: Exception | None = None
) -> None:
    """Undo a rotation that failed; what cannot be undone now is left to a later run, and the first fault is told."""
    try:
        take_back(user, entry, new_key_id, tools, fault)
    except (BotoCoreError, ClientError, KeyRotatorError) as obstacle:
        telemetry.error(
            "rotation_left_to_recovery",
            user=user.name,
            old_key=entry.key_id,
            new_key=new_key_id,
            reason=reason(obstacle),
        )
