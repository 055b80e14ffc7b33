"""Tag many IAM users with their rotation policy, from one JSON file.

The file is checked as a whole first. Then each user gets its tags in one call; a user for whom that fails stops nobody
else. Setting a tag that is there already changes its value, so running it twice does no harm.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

# `python3 scripts/tag_iam_users.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from functions.common import tags
from scripts.tag_file import TagFileError, TagsByUser, load
from scripts.terminal import printable

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

# IAM's request rate belongs to the whole account and cannot be raised: everybody else's calls need room as well.
WORKERS = 4

DESCRIPTION = """\
Tag IAM users with the policy by which iam-key-rotator replaces their access
keys. FILE is a JSON object of users, each with the tags it is to get:

  {"alice": {"IKR:EMAIL": "alice@example.com", "IKR:ROTATE_AFTER_DAYS": "30"}}

  IKR:EMAIL                  where mail about the user's keys goes
  IKR:ROTATE_AFTER_DAYS      how old a key may grow, 0 to 3650
  IKR:DELETE_AFTER_DAYS      how long the old key lives on, 0 to 3650
  IKR:INSTRUCTION_0, _1, …   help text for the mail

Tags that the file does not name stay as they are. The whole file is checked
before anything is changed."""

EPILOG = """\
You need iam:TagUser, and for --dry-run iam:ListUserTags.

exit codes: 0 every user is tagged; 1 the file is wrong, or some users could
not be tagged; 2 the command was not understood; 130 interrupted"""


@dataclass(frozen=True)
class Change:
    """A tag of a user, before and after; None means that the user does not have it."""

    tag: str
    before: str | None
    after: str | None


# What is done for one user and the tags it is to get.
Step = Callable[[str, Mapping[str, str]], Sequence[Change]]


@dataclass(frozen=True)
class Outcome:
    """How it went with one user: what changes, or why nothing did."""

    user: str
    changes: Sequence[Change] = ()
    failure: str | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; argparse itself exits with 2 when it does not understand."""
    parser = argparse.ArgumentParser(
        prog="tag_iam_users.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the JSON file of users and tags")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    parser.add_argument("--aws-profile", metavar="NAME", help="the AWS profile to use (default: your usual one)")
    options = parser.parse_args(arguments)
    complaints = Console(stderr=True, highlight=False, soft_wrap=True)

    try:
        tags_by_user = load(options.file)
    except TagFileError as error:
        complaints.print(printable(f"{options.file} cannot be used, and nothing was changed:"), markup=False)
        for fault in error.faults:
            complaints.print(printable(f"  - {fault}"), markup=False)
        return 1

    try:
        iam = _connect(options.aws_profile)
    except BotoCoreError as error:
        complaints.print(printable(f"AWS cannot be called, and nothing was changed: {error}"), markup=False)
        return 1
    if iam is None:
        complaints.print("No AWS credentials found: set them up with `aws configure`, or use --aws-profile.")
        return 1

    try:
        outcomes = _for_each_user(tags_by_user, _preview(iam) if options.dry_run else _apply(iam))
    except KeyboardInterrupt:
        complaints.print("Interrupted: some users have their tags, others do not. Running it again does no harm.")
        return 130

    if options.dry_run:
        Console().print(_table(outcomes))
    return _summarise(outcomes, "would be tagged" if options.dry_run else "tagged", complaints)


def _connect(profile: str | None) -> IAMClient | None:
    """Build the client, or return None where there are no credentials: every user would fail for the same reason."""
    session = boto3.Session(profile_name=profile)
    if session.get_credentials() is None:
        return None
    retries = Config(retries={"mode": "standard", "total_max_attempts": 6}, max_pool_connections=WORKERS)
    return session.client("iam", config=retries)


def _for_each_user(tags_by_user: TagsByUser, step: Step) -> list[Outcome]:
    """Take the step for every user, several at a time; the outcomes are in the file's order."""

    def attempt(user: str) -> Outcome:
        try:
            return Outcome(user, changes=step(user, tags_by_user[user]))
        except ClientError as error:
            return Outcome(user, failure=_reason(error))
        except BotoCoreError as error:
            return Outcome(user, failure=str(error))

    columns = (TextColumn("Users"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        pool = ThreadPoolExecutor(WORKERS)
        try:
            outcomes = {user: pool.submit(attempt, user) for user in tags_by_user}
            for _ in progress.track(as_completed(outcomes.values()), total=len(outcomes)):
                pass
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C nobody wants the rest to be tagged
    return [outcome.result() for outcome in outcomes.values()]


def _reason(error: ClientError) -> str:
    details = error.response.get("Error", {})
    if details.get("Code") == "NoSuchEntity":
        return "there is no such user"
    return f"{details.get('Message', error)} ({details.get('Code', 'no code')})"


def _apply(iam: IAMClient) -> Step:
    """Set a user's tags. IAM compares keys without case: ``ikr:email`` changes an ``IKR:EMAIL`` that is there."""

    def apply(user: str, wanted: Mapping[str, str]) -> Sequence[Change]:
        iam.tag_user(UserName=user, Tags=[{"Key": key, "Value": value} for key, value in wanted.items()])
        return ()

    return apply


def _preview(iam: IAMClient) -> Step:
    """Compare a user's tags with the wanted ones, as IAM will: without regard to the case of their keys."""

    def preview(user: str, wanted: Mapping[str, str]) -> Sequence[Change]:
        pages = iam.get_paginator("list_user_tags").paginate(UserName=user)
        present = {tag["Key"].upper(): tag["Value"] for page in pages for tag in page["Tags"]}
        changes = [Change(tag, present.get(tag.upper()), value) for tag, value in wanted.items()]
        if tags.EMAIL not in {*present, *map(str.upper, wanted)}:
            changes.append(Change(tags.EMAIL, None, None))
        return changes

    return preview


def _table(outcomes: Iterable[Outcome]) -> Table:
    table = Table("User", "Tag", "Now", "Would be")
    for outcome in outcomes:
        for row, change in enumerate(outcome.changes):
            table.add_row(_text("" if row else outcome.user), _text(change.tag), _now(change), _would_be(change))
        if outcome.failure:
            table.add_row(_text(outcome.user), "", _text(outcome.failure, style="red"), "")
        table.add_section()
    return table


def _now(change: Change) -> Text:
    return _text("-" if change.before is None else change.before)


def _would_be(change: Change) -> Text:
    if change.after is None:
        return Text("missing: the user will be left alone", style="yellow")
    if change.before == change.after:
        return Text("unchanged", style="dim")
    return _text(change.after, style="green")


def _text(words: str, style: str = "") -> Text:
    return Text(printable(words), style=style)


def _summarise(outcomes: Sequence[Outcome], done: str, complaints: Console) -> int:
    failed = [outcome for outcome in outcomes if outcome.failure]
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} users {done}.")
    for outcome in failed:
        complaints.print(printable(f"  - {outcome.user}: {outcome.failure}"), markup=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
