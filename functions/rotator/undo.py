"""Takes back a rotation whose mail was accepted, and whose new key nobody has used.

    reopen ─▶ delete the new key ─▶ withdraw

So it goes where mail came back, where the user's address was corrected, where the user was renamed, and where an
operator says that the mail was lost. After the first step the rotation looks like one that was cut short before its
mail, so that ``recover`` finishes what this run cannot. The old key works all the while.
"""

from __future__ import annotations

from functions.common import telemetry
from functions.common.entry import Entry
from functions.common.errors import KeyRotatorError, Refused
from functions.common.keys import AccessKey
from functions.rotator.census import User
from functions.rotator.recover import find
from functions.rotator.rotate import Tools, withdraw


def undo(user: User, entry: Entry, tools: Tools, *, anew: bool) -> AccessKey:
    """Take a rotation back.

    Args:
        user: the user.
        entry: the old key's.
        tools: what to work with.
        anew: whether another rotation follows at once. It overwrites the encryption key, which otherwise goes: SSM
            wants half a minute between deleting a parameter and making one of the same name.

    Returns:
        The old key, which is current again.

    Raises:
        Refused: the new key has been used, or the old one does not work; nothing is changed.
        LedgerConflict: another run, or the destructor, has the entry.
        ClientError, BotoCoreError, KeyRotatorError: something failed; a later run finishes.
    """
    keys = tools.keys.of(user.name) or []
    old, successor = find(keys, entry.key_id), find(keys, entry.new_key_id)
    if tools.keys.was_used(entry.new_key_id or ""):
        tools.ledger.confirm(entry, tools.now())
        raise Refused(f"access key {entry.new_key_id} has been used, so {user.name} has it")
    if old is None or not old.active:
        raise Refused(
            f"the old access key {entry.key_id} of {user.name} does not work, so nobody could open another mail: "
            "activate it first"
        )
    if successor is None and not tools.keys.is_gone(entry.new_key_id or "", keys):
        raise KeyRotatorError(f"IAM does not list access key {entry.new_key_id} of {user.name}, and says it exists")
    reopened = tools.ledger.reopen(entry, tools.now())
    if successor is not None:
        tools.keys.delete(user.name, successor.id)
    if anew:
        tools.ledger.withdraw(reopened)
    else:
        withdraw(user, reopened, tools)
    telemetry.info("rotation_taken_back", user=user.name, old_key=entry.key_id, new_key=entry.new_key_id)
    return old
