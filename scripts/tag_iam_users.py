"""Tag many IAM users with their rotation policy: from a file, or all of a group or a path.

What is wanted is checked as a whole first, and compared with the tags that are there. Then each user who lacks some
gets them in one call; a user for whom that fails stops nobody else. Running it twice does no harm.
"""

from __future__ import annotations

import sys
from pathlib import Path

# `python3 scripts/tag_iam_users.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from scripts import start

    start.run("scripts.tag_iam_users")

import argparse
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.config import Config

from functions.common import tags
from scripts import aws, consent
from scripts.at_once import at_once
from scripts.aws import Mishap
from scripts.tagging import members, plan
from scripts.tagging.plan import NO_SUCH_USER, Plan
from scripts.tagging.tag_file import TagFileError, Wanted, check, load
from scripts.terminal import Terminal, complain, did_you_mean, printable, progress

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

# IAM's request rate belongs to the whole account and cannot be raised: everybody else's calls need room as well.
WORKERS = 4
PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 6}, max_pool_connections=WORKERS)

DEFAULT_FILE = Path("iam-user-tags.json")
"""The file's name in aws-iam-key-rotator, whose layout is the same."""

USER = "{user}"

DESCRIPTION = """\
Tag IAM users with the policy by which iam-key-rotator replaces their access
keys. FILE is a JSON object of users, each with the tags it is to get:

  {"alice": {"IKR:EMAIL": "alice@example.com", "IKR:ROTATE_AFTER_DAYS": 30}}

  IKR:EMAIL                  where mail about the user's keys goes
  IKR:ROTATE_AFTER_DAYS      how old a key may grow, 0 to 3650
  IKR:DELETE_AFTER_DAYS      how long the old key lives on, 0 to 3650
  IKR:INSTRUCTION_0, _1, …   help text for the mail

or, if its name ends in .csv, a table with a line per user:

  user,email,rotate_after_days,delete_after_days,instruction_0
  alice,alice@example.com,30,,

Tags that the file does not name stay as they are. It is checked as a whole
and compared with the tags that are there, and what would change is shown,
before you are asked."""

EPILOG = """\
examples:
  .venv/bin/python scripts/tag_iam_users.py --dry-run users.csv
      what would change?
  .venv/bin/python scripts/tag_iam_users.py \\
      --group developers --email '{user}@example.com'
      everybody in a group; --path /developers/ for everybody below a path

You need iam:ListUserTags and iam:TagUser; for --group iam:GetGroup, for --path
iam:ListUsers. With iam:ListUsers and iam:ListGroups, a misspelt name is told
with the one that is nearest.

exit codes: 0 every user has the tags; 1 the file is wrong, you declined, or
some users could not be tagged; 2 the command was not understood;
130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; argparse itself exits with 2 when it does not understand."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _refuse_contradictions(options, parser)
    try:
        return _run(options)
    except aws.FAULTS as error:
        return _fail(aws.explain(error))
    except Mishap as mishap:
        return _fail(*str(mishap).splitlines())
    except KeyboardInterrupt as interruption:
        _fail(str(interruption) or "Interrupted. Nothing was changed.")
        return 130


def _fail(*lines: str) -> int:
    for line in lines:
        complain(line)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tag_iam_users.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", help=f"the file of users and tags (default: {DEFAULT_FILE})"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    parser.add_argument("--yes", action="store_true", help="skip the confirmation prompt")
    instead = parser.add_argument_group("instead of a file")
    whom = instead.add_mutually_exclusive_group()
    whom.add_argument("--group", metavar="NAME", help="all users of this group")
    whom.add_argument("--path", type=_path, help="all users whose IAM path begins so, such as /developers/")
    instead.add_argument(
        "--email", metavar="TEMPLATE", type=_template, help="their address, in which {user} stands for the user's name"
    )
    for tag, option in (
        (tags.ROTATE_AFTER_DAYS, "--rotate-after-days"),
        (tags.DELETE_AFTER_DAYS, "--delete-after-days"),
    ):
        instead.add_argument(option, metavar="DAYS", type=_days, help=f"their {tag} (default: not set)")
    aws.add_options(parser, region="a region of the partition, where it is not AWS's main one")
    return parser


def _template(value: str) -> str:
    """Refuse here what would be wrong for everybody; a user's name may be an address itself."""
    if value != USER and not tags.is_address(value.replace(USER, "user")):
        raise argparse.ArgumentTypeError(f"{value!r} is not an e-mail address template; try '{{user}}@example.com'")
    return value


def _days(value: str) -> str:
    if not tags.is_day_count(value):
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number from 0 to {tags.HIGHEST_DAYS}")
    return value


def _path(value: str) -> str:
    if not (value.startswith("/") and value.endswith("/")):
        raise argparse.ArgumentTypeError(f"{value!r} is not an IAM path: it begins and ends with /, as in /developers/")
    return value


def _refuse_contradictions(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    together = options.group is not None or options.path is not None
    if together and options.file:
        parser.error("a file and --group or --path do not go together: name one of them")
    if together and not options.email:
        parser.error("--group and --path need --email, such as --email '{user}@example.com'")
    if not together and (options.email or options.rotate_after_days or options.delete_after_days):
        parser.error("--email, --rotate-after-days and --delete-after-days need --group or --path")
    if not (options.dry_run or options.yes or consent.can_be_asked()):
        parser.error(
            "this changes users' tags, and nobody is here to confirm it: add --yes, or --dry-run to look first"
        )


def _run(options: argparse.Namespace) -> int:
    together = options.group is not None or options.path is not None
    file: Path = options.file or DEFAULT_FILE
    from_file = None if together else _checked(f"{file} cannot be used", lambda: load(file))
    iam: IAMClient = aws.session(options).client("iam", config=PATIENT)
    wanted = from_file or _checked(
        "These options do not fit every user", lambda: check(_for_all(options, _whom(iam, options)))
    )
    for note in (*wanted.notes, *(_one_mailbox(options.email, len(wanted.users)) if together else ())):
        complain(f"Note: {note}")

    plans = _look(iam, wanted)
    changing = [each for each in plans if each.changes]
    failed = [each for each in plans if each.failure]
    if changing or failed:
        Terminal().print(plan.as_table(plans))
    print(_in_short(len(changing), len(failed), of=len(plans)))
    if changing and not options.dry_run:
        if not (options.yes or consent.is_given("Go on?")):
            raise Mishap("Nothing was changed.")
        done = _carry_out(iam, changing)
        failed += [each for each in done if each.failure]
        print(f"{sum(not each.failure for each in done):,} of {len(changing):,} users tagged.")
    return _fail(*(f"  - {each.user}: {each.failure}" for each in failed)) if failed else 0


def _one_mailbox(template: str, users: int) -> Iterator[str]:
    if USER not in template and users > 1:
        yield f"all {users:,} users get the address {template}: {USER} in --email stands for the user's name."


def _checked(fault: str, read: Callable[[], Wanted]) -> Wanted:
    try:
        return read()
    except TagFileError as error:
        faults = (printable(f"  - {fault}") for fault in error.faults)
        heading = printable(f"{fault}, and nothing was changed:")
        raise Mishap("\n".join([heading, *faults])) from None


def _whom(iam: IAMClient, options: argparse.Namespace) -> list[str]:
    return members.of_group(iam, options.group) if options.group is not None else members.below_path(iam, options.path)


def _for_all(options: argparse.Namespace, users: Sequence[str]) -> list[tuple[str, object]]:
    """Write down what everybody is to get, in the form of a file."""
    days = ((tags.ROTATE_AFTER_DAYS, options.rotate_after_days), (tags.DELETE_AFTER_DAYS, options.delete_after_days))
    of_all = [(tag, value) for tag, value in days if value is not None]
    return [(user, ((tags.EMAIL, options.email.replace(USER, user)), *of_all)) for user in users]


def _look(iam: IAMClient, wanted: Wanted) -> list[Plan]:
    """Compare what is wanted with what is there, in the file's order."""
    plans = _for_each(wanted.users, lambda user: plan.look(iam, user, wanted.users[user]), "Reading tags")
    if any(each.failure == NO_SUCH_USER for each in plans):
        plans = _with_guesses(plans, _known(iam))
    return plans


def _with_guesses(plans: Sequence[Plan], known: Sequence[str]) -> list[Plan]:
    return [
        replace(each, failure=f"{NO_SUCH_USER}{did_you_mean(each.user, known)}")
        if each.failure == NO_SUCH_USER
        else each
        for each in plans
    ]


def _known(iam: IAMClient) -> list[str]:
    """Name all users, for a guess at what was meant; who may not read them gets no guess."""
    try:
        return members.all_users(iam)
    except aws.FAULTS:
        return []


def _carry_out(iam: IAMClient, changing: Sequence[Plan]) -> list[Plan]:
    plans = {each.user: each for each in changing}
    try:
        return _for_each(plans, lambda user: plan.carry_out(iam, plans[user]), "Tagging users")
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Interrupted: some users have their tags, others do not. Running it again does no harm."
        ) from None
    except aws.FAULTS as error:
        raise Mishap(f"{aws.explain(error)} Some users may have their tags already: run this again then.") from None


def _for_each(users: Collection[str], step: Callable[[str], Plan], what: str) -> list[Plan]:
    """Take the step for every user, the first one alone: what is refused then is refused for everybody.

    Raises:
        ClientError, BotoCoreError, ResponseParserError: it would fail for everybody. Nobody else is started.
    """
    first, *others = users
    with progress() as bar:
        task = bar.add_task(what, total=len(users))
        outcomes = {first: plan.one_by_one(lambda: step(first), first, first=True)}
        bar.advance(task)

        def attempt(user: str) -> Plan:
            return plan.one_by_one(lambda: step(user), user, first=False)

        for outcome in at_once(attempt, others, workers=WORKERS):
            outcomes[outcome.user] = outcome
            bar.advance(task)
    return [outcomes[user] for user in users]


def _in_short(changing: int, failed: int, *, of: int) -> str:
    """Count what would change, and only that."""
    if not changing and not failed:
        return (
            f"Nothing to do: all {of:,} users have these tags already."
            if of > 1
            else "Nothing to do: the user has these tags already."
        )
    parts = [f"{changing:,} of {of:,} users would be tagged"]
    if same := of - changing - failed:
        parts.append(f"{same:,} have these tags already")
    if failed:
        parts.append(f"{failed:,} cannot be tagged")
    return "; ".join(parts) + "."
