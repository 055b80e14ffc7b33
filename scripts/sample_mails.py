"""Sample notices, one for every turn that a mail's wording can take. Nothing in them is real."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from functions.common.account import Account
from functions.common.keys import KeyUse, LastUse
from functions.common.terms import UNCONFIRMED_WINDOW, Terms
from functions.mail.notices import (
    AddressChanged,
    Cause,
    KeyDeactivated,
    KeyReactivated,
    KeyReminder,
    NewKey,
    Notice,
    OldKeyDeleted,
    PlainKey,
    RotationAhead,
    SealedKey,
)
from functions.mail.organisation import Organisation

RECIPIENT = "alice@example.com"

_ACCOUNT = Account(id="111122223333", alias="acme-prod")
_OLD, _NEW = "AKIAFAKE00000000OLD1", "AKIAFAKE00000000NEW1"
_END = datetime(2030, 3, 8, 12, 0, tzinfo=UTC)
_GONE = _END + timedelta(days=7)
_DEFAULT = Terms(
    recovery=timedelta(),
    extension=timedelta(days=14),
    delete_unconfirmed=False,
    address_hold=timedelta(days=2),
)
_GENTLE = replace(_DEFAULT, recovery=timedelta(days=7))
_STRICT = replace(_DEFAULT, delete_unconfirmed=True)
_CUT_SHORT = replace(_DEFAULT, extension=timedelta())
_LAST_USE = KeyUse(last=LastUse(at=_END - timedelta(days=14, hours=3), service="s3", region="eu-central-1"))
_INSTRUCTION = "The deploy pipeline takes its key from https://vault.example.com/deploy: change it there, too."

_new_key = NewKey(
    user="alice",
    account=_ACCOUNT,
    new_key_id=_NEW,
    old_key_id=_OLD,
    old_key_use=_LAST_USE,
    cause=Cause(age_days=81, limit_days=80),
    deadline=_END,
    outlook=_DEFAULT.outlook(_END),
    instruction=_INSTRUCTION,
    content=SealedKey(
        block=f"gAAAAAB{'NotARealBlock-' * 12}0==",
        parameter="/ikr/secret/iam/alice",
        region="eu-central-1",
        account=_ACCOUNT.id,
    ),
)
_new_plain_key = replace(_new_key, content=PlainKey(secret="not-a-real-secret-access-key"))  # noqa: S106 (as it says)
_reminder = KeyReminder(
    user="alice",
    account=_ACCOUNT,
    old_key_id=_OLD,
    new_key_id=_NEW,
    outlook=_DEFAULT.outlook(_END),
    extended=False,
    new_key_used=False,
    old_key_use=_LAST_USE,
    instruction=_INSTRUCTION,
)
_deactivated = KeyDeactivated(
    user="alice",
    account=_ACCOUNT,
    old_key_id=_OLD,
    new_key_id=_NEW,
    new_key_used=True,
    delete_on=_GONE,
    instruction=_INSTRUCTION,
)
_reactivated = KeyReactivated(
    user="alice",
    account=_ACCOUNT,
    old_key_id=_OLD,
    new_key_id=_NEW,
    delete_on=_GONE + timedelta(days=7),
    final=False,
    instruction=_INSTRUCTION,
)
_deleted = OldKeyDeleted(
    user="alice", account=_ACCOUNT, old_key_id=_OLD, new_key_id=_NEW, deleted_on=_GONE, instruction=_INSTRUCTION
)
_ahead = RotationAhead(
    user="alice",
    account=_ACCOUNT,
    old_key_id=_OLD,
    old_key_use=_LAST_USE,
    limit_days=80,
    rotates_on=_END - timedelta(days=5),
    grace_days=5,
    instruction=_INSTRUCTION,
)
_address_changed = AddressChanged(
    user="alice", account=_ACCOUNT, new_address="alice@example.org", key_id=_NEW, used_from=_END
)

NOTICES: dict[str, Notice] = {
    "new-key": _new_key,
    "new-key-asked-for": replace(_new_key, cause=Cause(age_days=12, limit_days=80), old_key_use=KeyUse(last=None)),
    "new-key-recoverable": replace(_new_key, outlook=_GENTLE.outlook(_END)),
    "new-key-whatever-happens": replace(_new_key, outlook=_STRICT.outlook(_END)),
    "new-key-whatever-happens-recoverable": replace(
        _new_key, outlook=replace(_STRICT, recovery=timedelta(days=7)).outlook(_END)
    ),
    "new-key-without-extension": replace(_new_key, outlook=_CUT_SHORT.outlook(_END)),
    "new-key-plain": _new_plain_key,
    "new-key-plain-recoverable": replace(_new_plain_key, outlook=_GENTLE.outlook(_END), instruction=""),
    "reminder-new-key-unused": _reminder,
    "reminder-neither-key-used": replace(_reminder, old_key_use=KeyUse(last=None), instruction=""),
    "reminder-use-not-known": replace(_reminder, old_key_use=KeyUse(last=None, known=False)),
    "reminder-old-key-in-use": replace(_reminder, new_key_used=True, outlook=_GENTLE.outlook(_END, confirmed=True)),
    "reminder-whatever-happens": replace(_reminder, new_key_used=True, outlook=_STRICT.outlook(_END, confirmed=True)),
    "reminder-in-extension": replace(_reminder, extended=True),
    "reminder-in-extension-recoverable": replace(_reminder, extended=True, outlook=_GENTLE.outlook(_END)),
    "reminder-in-extension-old-key-in-use": replace(
        _reminder, extended=True, new_key_used=True, outlook=_DEFAULT.outlook(_END, confirmed=True)
    ),
    "deactivated": _deactivated,
    "deactivated-new-key-unused": replace(_deactivated, new_key_used=False, delete_on=_END + UNCONFIRMED_WINDOW),
    "deactivated-without-successor": replace(_deactivated, new_key_id=None, new_key_used=False, instruction=""),
    "reactivated": _reactivated,
    "reactivated-for-the-last-time": replace(_reactivated, final=True),
    "reactivated-without-successor": replace(_reactivated, new_key_id=None, instruction=""),
    "deleted": _deleted,
    "deleted-without-successor": replace(_deleted, new_key_id=None, instruction=""),
    "address-changed": _address_changed,
    "rotation-ahead": _ahead,
    "rotation-ahead-without-grace": replace(_ahead, grace_days=0, old_key_use=KeyUse(last=None, known=False)),
    "rotation-ahead-of-a-key-never-used": replace(
        _ahead, old_key_use=KeyUse(last=None), grace_days=1, limit_days=3650, instruction=""
    ),
}
"""Each notice by a name for it."""

ORGANISATION = Organisation(
    help_url="https://wiki.example.com/aws/access-keys",
    support_contact="#cloud-help, or cloud-help@example.com",
    reply_to="cloud-help@example.com",
)
ORGANISATIONS: dict[str, Organisation] = {
    "described": ORGANISATION,
    "without-a-page": Organisation(
        script_url="https://git.example.com/acme/iam-key-rotator/raw/scripts/decryption.py",
        support_contact="your team lead",
    ),
    "with-a-page-alone": replace(ORGANISATION, support_contact=None),
    "silent": Organisation(),
}
"""Each kind of organisation, by what its stack says of it."""
