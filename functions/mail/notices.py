"""What is said: the notices that users get.

A new kind of notice is a dataclass with ``template`` and ``subject``, and two templates of that name: ``.txt.j2``
and ``.html.j2``.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

from functions.common.account import Account
from functions.common.keys import KeyUse
from functions.common.terms import Outlook


@dataclass(frozen=True, kw_only=True)
class SealedKey:
    """A key pair as a Fernet token; the key that opens it is in the SSM parameter of that name, region and account."""

    block: str
    parameter: str
    region: str
    account: str

    @property
    def command(self) -> str:
        """The one line that decrypts the block, quoted for a shell.

        It writes the pair into a profile, so that no secret is shown, and asks for the block, which is half of a
        secret: a shell keeps what is typed into a command.
        """
        where = ["--region", self.region, "--parameter", self.parameter, "--account", self.account]
        return shlex.join(["uv", "run", "decryption.py", "--profile", "default", *where])


@dataclass(frozen=True, kw_only=True)
class PlainKey:
    """A secret access key as it is, for stacks that chose not to encrypt."""

    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a key is replaced: it is ``age_days`` old, and the organisation replaces keys after ``limit_days``."""

    age_days: int
    limit_days: int

    @property
    def asked_for(self) -> bool:
        """Whether the key had not reached its limit, so that an administrator must have asked."""
        return self.age_days < self.limit_days


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A new access key was made; what becomes of the old one, and when, ``outlook`` tells.

    ``deadline`` is when the reader has to be done: without a grace period there is the extension left.
    """

    template: ClassVar[str] = "new_key"

    user: str
    account: Account
    new_key_id: str
    old_key_id: str
    old_key_use: KeyUse
    cause: Cause
    deadline: datetime
    outlook: Outlook
    instruction: str
    content: SealedKey | PlainKey

    @property
    def subject(self) -> str:
        """Say what to do and by when first: a phone shows no more."""
        return f"Action needed by {day(self.deadline)}: new AWS access key for {self.user} in {self.account.name}"

    @property
    def sealed(self) -> bool:
        """Whether the reader has to decrypt the key pair."""
        return isinstance(self.content, SealedKey)


@dataclass(frozen=True, kw_only=True)
class RotationAhead:
    """A key is going to be replaced, in a run after ``rotates_on``. Nothing has happened yet."""

    template: ClassVar[str] = "rotation_ahead"
    new_key_id: ClassVar[None] = None

    user: str
    account: Account
    old_key_id: str
    old_key_use: KeyUse
    limit_days: int
    rotates_on: datetime
    grace_days: int
    instruction: str

    @property
    def subject(self) -> str:
        """Say what is coming, and when."""
        return f"Coming {day(self.rotates_on)}: new AWS access key for {self.user} in {self.account.name}"


@dataclass(frozen=True, kw_only=True)
class KeyReminder:
    """An old access key ends soon, and its user does not seem to have switched to the new one.

    Either the new key was never used, or the old one still is. ``extended`` means that the grace period is over, and
    that the old key only works on because of that.
    """

    template: ClassVar[str] = "key_reminder"

    user: str
    account: Account
    old_key_id: str
    new_key_id: str
    outlook: Outlook
    extended: bool
    new_key_used: bool
    old_key_use: KeyUse
    instruction: str

    @property
    def subject(self) -> str:
        """Say what to do and by when, and what it is that was noticed."""
        key, use = ("old", "still in use") if self.new_key_used else ("new", "not used yet")
        what = f"{key} AWS access key of {self.user} in {self.account.name} {use}"
        return f"Action needed by {day(self.deadline)}: {what}"

    @property
    def deadline(self) -> datetime:
        """When the reader has to be done: when the old key ends, or is deactivated."""
        return self.outlook.deactivated_on if self.extended else self.outlook.ends_on


@dataclass(frozen=True, kw_only=True)
class KeyDeactivated:
    """An old access key no longer works; until it is deleted at ``delete_on``, an administrator can bring it back.

    ``new_key_used`` tells whether the user evidently has the new key.
    """

    template: ClassVar[str] = "key_deactivated"

    user: str
    account: Account
    old_key_id: str
    new_key_id: str | None
    new_key_used: bool
    delete_on: datetime
    instruction: str

    @property
    def subject(self) -> str:
        """Say what to do and by when, if there is something to do."""
        what = f"old AWS access key of {self.user} in {self.account.name} deactivated"
        return f"{'To be deleted' if self.new_key_used else 'Action needed by'} {day(self.delete_on)}: {what}"


@dataclass(frozen=True, kw_only=True)
class KeyReactivated:
    """Somebody brought a deactivated key back; it has been deactivated once more and is deleted at ``delete_on``.

    ``final`` means that it goes then, whatever anybody does to it meanwhile.
    """

    template: ClassVar[str] = "key_reactivated"

    user: str
    account: Account
    old_key_id: str
    new_key_id: str | None
    delete_on: datetime
    final: bool
    instruction: str

    @property
    def subject(self) -> str:
        """Say what to do, and by when."""
        what = f"old AWS access key of {self.user} in {self.account.name} deactivated again"
        return f"Action needed by {day(self.delete_on)}: {what}"


@dataclass(frozen=True, kw_only=True)
class OldKeyDeleted:
    """An old access key is gone; ``new_key_id`` is its successor, where that one still exists."""

    template: ClassVar[str] = "old_key_deleted"

    user: str
    account: Account
    old_key_id: str
    new_key_id: str | None
    deleted_on: datetime
    instruction: str

    @property
    def subject(self) -> str:
        """Say that this is the end of it."""
        return f"Done: old AWS access key of {self.user} in {self.account.name} deleted"


@dataclass(frozen=True, kw_only=True)
class AddressChanged:
    """Somebody changed the address that mail about a user's keys goes to. This is for the old address.

    ``used_from`` is when the new address counts, unless it is put back; ``key_id`` is the user's newest key.
    """

    template: ClassVar[str] = "address_changed"
    # What administrators write into a user's tags is for whoever has the user's mail now.
    instruction: ClassVar[str] = ""

    user: str
    account: Account
    new_address: str
    key_id: str
    used_from: datetime

    @property
    def subject(self) -> str:
        """Say by when a mistake, or worse, has to be noticed."""
        what = f"mail about AWS access keys of {self.user} in {self.account.name} now goes to another address"
        return f"Check by {day(self.used_from)}: {what}"


Notice = NewKey | RotationAhead | KeyReminder | KeyDeactivated | KeyReactivated | OldKeyDeleted | AddressChanged
Deadlined = NewKey | KeyReminder
"""What asks its reader to do something by a certain time."""


def day(time: datetime) -> str:
    """Write a day for a subject, where every letter counts: ``8 March``, by UTC."""
    time = time.astimezone(UTC)
    return f"{time.day} {time:%B}"
