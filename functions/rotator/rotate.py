"""One rotation: the steps, in their order, and what takes them back.

    begin ─▶ create ─▶ seal ─▶ deliver ─▶ mail ─▶ arm
             └──── a failure here takes it all back

Each step can be repeated, and each write is conditional. Wherever the process dies, the ledger says how far it came,
and ``recover`` goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from functions.common import telemetry
from functions.common.account import Account
from functions.common.entry import Entry
from functions.common.errors import KeyCreationUnanswered, KeyRotatorError, LedgerConflict, SealingError, reason
from functions.common.keys import AccessKey, AccessKeys, KeyMaker, KeyPair
from functions.common.ledger import Ledger
from functions.common.secrets import SealedPair, SecretStore, parameter_name
from functions.mail.message import NewKey, PlainKey, SealedKey, compose
from functions.mail.sender import Mailer, deliver
from functions.rotator.census import User
from functions.rotator.decide import lost_successor

_ARM_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the steps work with.

    Attributes:
        secrets: where encryption keys are kept; None on a run that has no use for them.
        encrypt: whether new pairs are sealed before they are mailed.
        region: where the encryption keys are, as the mail tells the user.
        recovery_days: how long an old key stays Inactive before it is deleted, as the mail tells the user.
        now: the clock.
        pause: how to wait, in seconds, before something is tried again.
    """

    keys: AccessKeys
    maker: KeyMaker
    ledger: Ledger
    secrets: SecretStore | None
    encrypt: bool
    mailer: Mailer
    account: Account
    region: str
    recovery_days: int
    now: Callable[[], datetime]
    pause: Callable[[float], None] = time.sleep


def rotate(user: User, key: AccessKey, tools: Tools) -> None:
    """Give a user a new key, and schedule the end of the old one.

    Raises:
        LedgerConflict: another run has this user; nothing is changed.
        KeyLimitExceeded: somebody else has made a second key; nothing is changed.
        KeyCreationUnanswered: IAM gave no answer; the key it may have made is removed, now or by a later run.
        SealingError: the pair could not be sealed; the new key is removed again.
        MailError: the mail was not accepted; the new key is removed again.
        ClientError: AWS refused; the new key is removed again, or, once its mail is out, a later run finishes.
    """
    entry = tools.ledger.begin(user.name, key.id, created_at=key.created_at, now=tools.now(), email=user.policy.email)
    pair = _create(user, entry, tools)
    try:
        sealed = _seal(user, pair, tools)
        entry = tools.ledger.deliver(
            entry,
            new_key_id=pair.id,
            sealed_block=sealed.block if sealed else None,
            parameter=sealed.parameter if sealed else None,
        )
        delete_on = end_of_grace(user, tools)
        mail(user, entry, pair.id, sealed or pair, delete_on, tools)
    except Exception:
        _take_back_or_leave(user, entry, pair.id, tools)
        raise
    arm(entry, pair.id, pair.created_at, delete_on, tools)


def end_of_grace(user: User, tools: Tools) -> datetime:
    """Tell when an old key goes whose successor is mailed now."""
    return (tools.now() + timedelta(days=user.policy.delete_after_days)).replace(microsecond=0)


def mail(
    user: User, entry: Entry, new_key_id: str, pair: KeyPair | SealedPair, delete_on: datetime, tools: Tools
) -> None:
    """Mail a user the new key, sealed or plain.

    Raises:
        MailError: it was not accepted.
    """
    if isinstance(pair, SealedPair):
        content: SealedKey | PlainKey = SealedKey(block=pair.block, parameter=pair.parameter, region=tools.region)
    else:
        content = PlainKey(secret=pair.secret)
    notice = NewKey(
        user=user.name,
        account=tools.account,
        new_key_id=new_key_id,
        old_key_id=entry.key_id,
        delete_on=delete_on,
        recovery_days=tools.recovery_days,
        instruction=user.policy.instruction,
        content=content,
    )
    deliver(tools.mailer, compose(notice, user.policy.email), pause=tools.pause)


def arm(entry: Entry, new_key_id: str, new_key_created_at: datetime, delete_on: datetime, tools: Tools) -> None:
    """Schedule the old key's end, now that the mail is out.

    Raises:
        ClientError, BotoCoreError: DynamoDB kept failing; a later run mails once more and finishes.
    """
    for attempt in range(1, _ARM_ATTEMPTS + 1):
        try:
            tools.ledger.arm(entry, new_key_id=new_key_id, new_key_created_at=new_key_created_at, delete_on=delete_on)
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


def take_back(user: User, entry: Entry, new_key_id: str, tools: Tools) -> None:
    """Undo a rotation: the new key first, since it is what nobody may hold; the ledger's item last, since it tells.

    Raises:
        ClientError, BotoCoreError, KeyRotatorError: it could not be undone; the entry stays, for a later run.
    """
    if not tools.keys.delete(user.name, new_key_id):
        # IAM may not know yet of a key it has just made: only a later look can tell that it is gone.
        raise KeyRotatorError(f"IAM does not find access key {new_key_id}, which was just made")
    if tools.secrets:
        tools.secrets.remove_if_for(parameter_name(user.name, user.id), new_key_id)
    tools.ledger.withdraw(entry)
    telemetry.info("rotation_taken_back", user=user.name, old_key=entry.key_id, new_key=new_key_id)


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
        tools.ledger.withdraw(entry)
        raise


def _seal(user: User, pair: KeyPair, tools: Tools) -> SealedPair | None:
    if not tools.encrypt:
        return None
    if tools.secrets is None:
        raise SealingError("pairs are to be sealed, and there is no place for their keys")
    return tools.secrets.seal(user.name, user.id, pair)


def _take_back_or_leave(user: User, entry: Entry, new_key_id: str, tools: Tools) -> None:
    """Undo a rotation that failed; what cannot be undone now is left to a later run, and the first fault is told."""
    try:
        take_back(user, entry, new_key_id, tools)
    except (BotoCoreError, ClientError, KeyRotatorError) as fault:
        telemetry.error(
            "rotation_left_to_recovery", user=user.name, old_key=entry.key_id, new_key=new_key_id, reason=reason(fault)
        )
