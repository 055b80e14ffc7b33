"""What is to change about users' tags: compared, shown, and done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from rich.table import Table
from rich.text import Text

from functions.common import tags
from scripts import aws
from scripts.terminal import printable

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

NO_SUCH_USER = "there is no such user"


@dataclass(frozen=True)
class Change:
    """A tag of a user, before and after; None means that the user does not have it."""

    tag: str
    before: str | None
    after: str


@dataclass(frozen=True)
class Plan:
    """What is to change for one user.

    Attributes:
        changes: the tags that are not yet as they are wanted.
        has_address: whether the user has IKR:EMAIL, or is going to; without it the service does nothing.
        failure: why the user cannot be tagged.
    """

    user: str
    changes: Sequence[Change] = ()
    has_address: bool = True
    failure: str | None = None


def compare(user: str, wanted: Mapping[str, str], present: Mapping[str, str]) -> Plan:
    """Compare a user's tags with the wanted ones, as IAM will: without regard to the case of their keys."""
    by_key = {key.upper(): value for key, value in present.items()}
    changes = [
        Change(tag, before, value) for tag, value in wanted.items() if (before := by_key.get(tag.upper())) != value
    ]
    return Plan(user, changes, has_address=tags.EMAIL in {*by_key, *map(str.upper, wanted)})


def look(iam: IAMClient, user: str, wanted: Mapping[str, str]) -> Plan:
    """Read a user's tags, and find out what is to change.

    Raises:
        ClientError, BotoCoreError: IAM could not be asked.
    """
    pages = iam.get_paginator("list_user_tags").paginate(UserName=user)
    return compare(user, wanted, {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]})


def carry_out(iam: IAMClient, plan: Plan) -> Plan:
    """Set the tags that are to change. IAM takes ``ikr:email`` for the ``IKR:EMAIL`` that is there.

    Raises:
        ClientError, BotoCoreError: IAM could not be asked.
    """
    iam.tag_user(UserName=plan.user, Tags=[{"Key": change.tag, "Value": change.after} for change in plan.changes])
    return plan


def one_by_one(step: Callable[[], Plan], user: str, *, first: bool) -> Plan:
    """Take a step for one user; a failure that is this user's alone becomes part of the plan.

    Args:
        step: what to do.
        user: for whom.
        first: whether it is the first call of all: what is refused then is refused for everybody.

    Raises:
        ClientError, BotoCoreError, ResponseParserError: it would fail for everybody.
    """
    try:
        return step()
    except aws.FAULTS as error:
        if not isinstance(error, ClientError) or aws.is_about_credentials(error) or (first and aws.is_denied(error)):
            raise
        return Plan(user, failure=_reason(error))


def _reason(error: ClientError) -> str:
    details = error.response.get("Error", {})
    if details.get("Code") == "NoSuchEntity":
        return NO_SUCH_USER
    return f"{details.get('Message', error)} ({details.get('Code', 'no code')})"


def as_table(plans: Iterable[Plan]) -> Table:
    """Show what would change, and for whom that cannot be."""
    table = Table()
    for title in ("User", "Tag", "Now", "Would be"):
        table.add_column(title, overflow="fold")  # what is confirmed is seen whole: keys are mailed to the address
    for plan in plans:
        rows = [(change.tag, "-" if change.before is None else change.before, change.after) for change in plan.changes]
        for number, (tag, before, after) in enumerate(rows):
            table.add_row(_text("" if number else plan.user), _text(tag), _text(before), _text(after, style="green"))
        if plan.failure:
            table.add_row(_text(plan.user), "", _text(plan.failure, style="red"), "")
        elif rows and not plan.has_address:
            warning = Text("missing: the user will be left alone", style="yellow")
            table.add_row("", tags.EMAIL, "-", warning)
        if rows or plan.failure:
            table.add_section()
    return table


def _text(words: str, style: str = "") -> Text:
    return Text(printable(words), style=style)
