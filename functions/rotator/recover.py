"""Goes on with a rotation whose process died, once its lease is over.

What the ledger says tells how far it came; what IAM says tells the rest:

==========  =============================================  ==========================================
status      IAM                                            then
==========  =============================================  ==========================================
rotating    a second key from that time, never used        nobody holds it: delete it, begin anew
rotating    no such key                                    begin anew
delivering  the successor is proved to be gone             it was being taken back: finish that
delivering  the successor has been used                    it has arrived: arm
delivering  never used, and the sealed block is at hand    mail the same block again, arm
delivering  never used, and the secret is lost             nobody may hold it: delete it, begin anew
delivering  never used, and the address is another one     nothing is mailed there: delete it
==========  =============================================  ==========================================

A key is deleted only while the old one is there and active, so that nobody is left without a key; otherwise the run
tells the operators, and leaves everything as it is.
"""

from __future__ import annotations

from functions.common import telemetry
from functions.common.entry import Entry, Status
from functions.common.errors import KeyRotatorError, MailError, RecipientRefused
from functions.common.keys import AccessKey
from functions.common.parameters import parameter_name
from functions.common.secrets import SealedPair
from functions.common.tags import same_address
from functions.rotator.addresses import is_undeliverable
from functions.rotator.census import User
from functions.rotator.decide import lost_successor
from functions.rotator.rotate import Tools, arm, back_off, end_of_grace, mail, notice_of, take_back


def recover(user: User, entry: Entry, tools: Tools) -> bool:
    """Finish a rotation that was left behind, or take it back.

    Returns:
        Whether it is finished; if not, the old key is as it was before, and may be rotated anew. The encryption key is
        still there: a rotation that follows at once overwrites it, and SSM wants half a minute between deleting a
        parameter and making one of the same name.

    Raises:
        LedgerConflict: another run has taken it up.
        MailError: the mail was not accepted.
        ClientError, BotoCoreError, KeyRotatorError: something failed; the entry stays, for a later run.
    """
    entry = tools.ledger.claim(entry, tools.now())
    keys = tools.keys.of(user.name) or []
    telemetry.info("recovering", user=user.name, key=entry.key_id, status=entry.status)

    old = find(keys, entry.key_id)
    old_key_works = old is not None and old.active
    if entry.status is Status.ROTATING:
        if old is None:
            # A listing that lacks one key may lack the lost one, too.
            _prove_absence(user, entry.key_id, keys, tools)
        lost = lost_successor(entry, keys)
        if lost and not tools.keys.was_used(lost.id):
            _delete(user, entry, lost, tools, old_key_works=old_key_works)
        tools.ledger.withdraw(entry)
        return False

    successor = find(keys, entry.new_key_id)
    if successor is None:
        _prove_absence(user, entry.new_key_id or "", keys, tools)
        tools.ledger.withdraw(entry)
        return False
    if tools.keys.was_used(successor.id):
        arm(entry, successor.id, successor.created_at, end_of_grace(user, tools), tools)
        return True
    if entry.sealed_block and _may_mail_again(user, entry):
        _mail_again(user, entry, successor, tools, old_key_works=old_key_works)
        return True
    _delete(user, entry, successor, tools, old_key_works=old_key_works)
    tools.ledger.withdraw(entry)
    return False


def find(keys: list[AccessKey], key_id: str | None) -> AccessKey | None:
    """Find a key among those that were listed."""
    return next((key for key in keys if key.id == key_id), None)


def _prove_absence(user: User, key_id: str, keys: list[AccessKey], tools: Tools) -> None:
    """Make sure that a key which was not listed is gone.

    Raises:
        KeyRotatorError: IAM contradicts itself: a later run finds out.
    """
    if not tools.keys.is_gone(key_id, keys):
        raise KeyRotatorError(f"IAM does not list access key {key_id} of {user.name}, and says it exists")


def _may_mail_again(user: User, entry: Entry) -> bool:
    """Tell whether the same block can go to the same person: not to another address, nor under another name."""
    email = user.policy.email
    return (
        same_address(entry.email or email, email)
        and not is_undeliverable([entry], email)
        and entry.parameter == parameter_name(user.name, user.id)
    )


def _mail_again(user: User, entry: Entry, successor: AccessKey, tools: Tools, *, old_key_works: bool) -> None:
    """Mail the same block once more: at worst the user gets the same mail twice."""
    delete_on = end_of_grace(user, tools)
    pair = SealedPair(block=entry.sealed_block or "", parameter=entry.parameter or "")
    use = tools.keys.use_of(entry.key_id)
    try:
        mail(user, notice_of(user, entry, successor.id, pair, use, delete_on, tools), tools)
    except MailError as fault:
        if isinstance(fault, RecipientRefused) and old_key_works:
            take_back(user, entry, successor.id, tools, fault)
        else:
            back_off(entry, tools)
        raise
    arm(entry, successor.id, successor.created_at, delete_on, tools)


def _delete(user: User, entry: Entry, key: AccessKey, tools: Tools, *, old_key_works: bool) -> None:
    """Delete a key that nobody may hold.

    Raises:
        KeyRotatorError: it would be the user's only key that works, and somebody may hold it after all.
    """
    if not old_key_works:
        raise KeyRotatorError(
            f"nobody may hold access key {key.id} of {user.name}, and the older key {entry.key_id} does not work: "
            "ask the user, then delete the key that is not held, or activate the older one"
        )
    tools.keys.delete(user.name, key.id)
    telemetry.info("rotation_taken_back", user=user.name, old_key=entry.key_id, new_key=key.id)
