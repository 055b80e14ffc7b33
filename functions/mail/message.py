"""What is said: the notices that users get, and the mail that each of them becomes.

A new kind of notice is a dataclass with ``template`` and ``subject``, and two templates of that name: ``.txt.j2``
and ``.html.j2``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from functions.common.account import Account
from functions.common.errors import RecipientRefused
from functions.common.keys import LastUse
from functions.common.terms import Outlook

if TYPE_CHECKING:
    from functions.mail.wording import Wording

TEMPLATES = Path(__file__).parent / "templates"
"""The folder of the templates that mails are written with."""

NOTICE_TAG, USER_TAG, KEY_TAG = "ikr-notice", "ikr-user", "ikr-key"
"""Under which names a mail carries what it is: the kind of notice, IAM's id of the user, and the newest key's id."""

# One address and nothing beside it. A tag's value may hold two addresses or a line separator: either would send a
# secret where nobody meant it to go, or break a header.
_LONE_ADDRESS = re.compile(r"""[^\s@,;:<>()\[\]\\"]+@[^\s@,;:<>()\[\]\\"]+""")


@dataclass(frozen=True, kw_only=True)
class Message:
    """A mail that is safe to send: one recipient, and nothing in it that could break a header.

    ``tags`` say what it is about, in letters, digits, ``_`` and ``-``, for a service that reports mails that come back.

    Raises:
        RecipientRefused: ``to`` is not exactly one address.
        ValueError: ``subject`` is not a single printable line.
    """

    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.to.isprintable() and _LONE_ADDRESS.fullmatch(self.to)):
            raise RecipientRefused(f"{self.to!r} is not one e-mail address")
        if not self.subject.isprintable():
            raise ValueError(f"the subject {self.subject!r} is not a single printable line")


@dataclass(frozen=True, kw_only=True)
class SealedKey:
    """A key pair as a Fernet token; the key that opens it is in the SSM parameter of that name and region."""

    block: str
    parameter: str
    region: str

    @property
    def command(self) -> str:
        """The one line that decrypts the block, quoted for a shell.

        It asks for the block, which is half of a secret: a shell keeps what is typed into a command.
        """
        script = ["python3", "scripts/decryption.py"]
        return shlex.join([*script, "--region", self.region, "--parameter", self.parameter])


@dataclass(frozen=True, kw_only=True)
class PlainKey:
    """A secret access key as it is, for stacks that chose not to encrypt."""

    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A new access key was made; what becomes of the old one, and when, ``outlook`` tells."""

    template: ClassVar[str] = "new_key"

    user: str
    account: Account
    new_key_id: str
    old_key_id: str
    outlook: Outlook
    instruction: str
    content: SealedKey | PlainKey

    @property
    def subject(self) -> str:
        """Say whose key it is, and where."""
        return f"New AWS access key for {self.user} in {self.account}"

    @property
    def sealed(self) -> bool:
        """Whether the reader has to decrypt the key pair."""
        return isinstance(self.content, SealedKey)


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
    old_key_last_use: LastUse | None
    instruction: str

    @property
    def subject(self) -> str:
        """Say whose key it is, and where."""
        return f"Reminder: old AWS access key of {self.user} in {self.account} ends soon"


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
        """Say whose key it is, and where."""
        return f"Old AWS access key of {self.user} in {self.account} deactivated"


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
        """Say whose key it is, and where."""
        return f"Old AWS access key of {self.user} in {self.account} deactivated again"


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
        """Say whose key it was, and where."""
        return f"Old AWS access key of {self.user} in {self.account} deleted"


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
        """Say whose mail it is, and where."""
        return f"Mail about AWS access keys of {self.user} in {self.account} now goes elsewhere"


Part = Literal["txt", "html"]
Notice = NewKey | KeyReminder | KeyDeactivated | KeyReactivated | OldKeyDeleted | AddressChanged


def compose(notice: Notice, to: str, *, user_id: str = "", folders: tuple[Path, ...] = (TEMPLATES,)) -> Message:
    """Write the mail that tells ``to`` of a notice, as text and as HTML with the same facts.

    Args:
        notice: what is told.
        to: the one who is told.
        user_id: IAM's id of the user it is about, for when it comes back.
        folders: where the templates are; of two with the same name, the one in the earlier folder counts.

    Raises:
        RecipientRefused: ``to`` is not exactly one address.
    """
    return Message(
        to=to,
        subject=_one_line(notice.subject),
        text=render(notice, "txt", folders),
        html=render(notice, "html", folders),
        tags=_tags(notice, user_id),
    )


def render(notice: Notice, part: Part, folders: tuple[Path, ...] = (TEMPLATES,)) -> str:
    """Write one part of a notice's mail."""
    return _templates(folders).get_template(f"{notice.template}.{part}.j2").render(notice=notice)


def _tags(notice: Notice, user_id: str) -> dict[str, str]:
    """Say what a mail is about. A user's name may hold characters that SES takes in no tag; the id does not.

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html
    """
    key_id = notice.key_id if isinstance(notice, AddressChanged) else notice.new_key_id or notice.old_key_id
    about = {NOTICE_TAG: notice.template, USER_TAG: user_id, KEY_TAG: key_id}
    return {name: value for name, value in about.items() if value}


@cache
def _templates(folders: tuple[Path, ...]) -> Wording:
    """Load Jinja2 when the first mail is written: most runs write none, and all of them start faster without it."""
    import jinja2  # noqa: PLC0415 # see above: what a cold start costs is owed to Lambda

    from functions.mail.wording import Wording  # noqa: PLC0415 # as above

    return Wording(jinja2.FileSystemLoader(folders))


def _one_line(words: str) -> str:
    """Put a space for whatever cannot be printed, line breaks of every script among it."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())
