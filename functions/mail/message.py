"""A mail, and how a notice becomes one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from functions.common.errors import RecipientRefused
from functions.mail import calendar_entry
from functions.mail.notices import AddressChanged, Deadlined, Notice
from functions.mail.organisation import Organisation

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

    Attributes:
        tags: what it is about, in letters, digits, ``_`` and ``-``, for a service that reports mails that come back.
        thread: what all mails about one key have in common; mail programs show them together.
        reply_to: where an answer goes; None: to the sender.
        calendar: an entry for a calendar, which goes along as a file.

    Raises:
        RecipientRefused: ``to`` is not exactly one address.
        ValueError: ``subject`` is not a single printable line.
    """

    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)
    thread: str
    reply_to: str | None = None
    calendar: str | None = None

    def __post_init__(self) -> None:
        if not (self.to.isprintable() and _LONE_ADDRESS.fullmatch(self.to)):
            raise RecipientRefused(f"{self.to!r} is not one e-mail address")
        if not self.subject.isprintable():
            raise ValueError(f"the subject {self.subject!r} is not a single printable line")

    @property
    def headers(self) -> Mapping[str, str]:
        """What mail programs go by: no holiday notice answers this, and it joins the other mails about its key.

        The first mail of a thread has them, too: SES gives a mail an identifier of its own, so that all refer to one
        that no mail bears. https://docs.aws.amazon.com/ses/latest/dg/header-fields.html
        """
        reference = f"<{self.thread}@iam-key-rotator.invalid>"
        return {"Auto-Submitted": "auto-generated", "In-Reply-To": reference, "References": reference}


Part = Literal["txt", "html"]


def compose(
    notice: Notice,
    to: str,
    organisation: Organisation,
    *,
    user_id: str = "",
    folders: tuple[Path, ...] = (TEMPLATES,),
) -> Message:
    """Write the mail that tells ``to`` of a notice, as text and as HTML with the same facts.

    Args:
        notice: what is told.
        to: the one who is told.
        organisation: who tells it.
        user_id: IAM's id of the user it is about, for when it comes back.
        folders: where the templates are; of two with the same name, the one in the earlier folder counts.

    Raises:
        RecipientRefused: ``to`` is not exactly one address.
    """
    return Message(
        to=to,
        subject=_one_line(notice.subject),
        text=render(notice, organisation, "txt", folders),
        html=render(notice, organisation, "html", folders),
        tags=_tags(notice, user_id),
        thread=notice.key_id if isinstance(notice, AddressChanged) else notice.old_key_id,
        reply_to=organisation.reply_to,
        calendar=calendar_entry.write(notice) if isinstance(notice, Deadlined) else None,
    )


def render(notice: Notice, organisation: Organisation, part: Part, folders: tuple[Path, ...] = (TEMPLATES,)) -> str:
    """Write one part of a notice's mail."""
    template = _templates(folders).get_template(f"{notice.template}.{part}.j2")
    return template.render(notice=notice, organisation=organisation)


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
