"""Ask the deployed rotator for a run, and show its answer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

# `python3 scripts/invoke.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import deployed
from scripts.deployed import Mishap
from scripts.terminal import printable

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

DESCRIPTION = """\
Ask the deployed rotator for a run now, and show its answer.

Without options it does what the schedule has it do: it looks after every
tagged user. With --dry-run it tells what it would do for each user, and
changes nothing."""

EPILOG = """\
examples:
  .venv/bin/python scripts/invoke.py --dry-run
      what would the next run do?
  .venv/bin/python scripts/invoke.py --user alice --user bob
      look after these two alone
  .venv/bin/python scripts/invoke.py --user alice --force
      rotate alice's key now, due or not
  .venv/bin/python scripts/invoke.py --user bob --again
      bob never got his new key: replace it, and mail the new one

You need lambda:InvokeFunction on the rotator.

exit codes: 0 the run went well; 1 it failed, was declined, refused a user, or
did not begin, and the message says why; 2 the command was not understood;
130 interrupted: a run that has begun goes on"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; argparse itself exits with 2 when it does not understand."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.force and not options.user:
        parser.error("--force needs --user: name those whose keys are to be rotated now")
    if options.again and not options.user:
        parser.error("--again needs --user: name those who never got their new keys")
    if options.again and options.dry_run:
        parser.error(
            "--again and --dry-run do not go together: --again only acts on users who never got their new keys"
        )
    complaints = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        summary = _run(options, parser)
    except (BotoCoreError, ClientError) as error:
        complaints.print(printable(deployed.explain(error)), markup=False)
        return 1
    except Mishap as mishap:
        complaints.print(printable(mishap), markup=False)
        return 1
    except KeyboardInterrupt:
        complaints.print("Interrupted. If the run had begun, it goes on without you: its summary is in the logs.")
        return 130
    if options.json:
        print(json.dumps(summary, indent=2))
    else:
        Console().print(show(summary))
    return 1 if summary.get("refused") else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="invoke.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run = parser.add_argument_group("the run")
    run.add_argument("--dry-run", action="store_true", help="decide for each user, and change nothing")
    run.add_argument("--user", metavar="NAME", action="append", help="only this user; may be given several times")
    run.add_argument("--force", action="store_true", help="rotate the named users' keys, due or not")
    run.add_argument(
        "--again", action="store_true", help="replace the named users' new keys, which they never got and never used"
    )
    run.add_argument("--yes", action="store_true", help="skip the confirmation prompt")
    deployed.add_options(parser)
    parser.add_argument("--json", action="store_true", help="print the answer as the function gave it")
    return parser


def event_of(options: argparse.Namespace) -> dict[str, Any]:
    """Write the event that asks for this run."""
    event: dict[str, Any] = {}
    if options.dry_run:
        event["dry_run"] = True
    if options.user:
        event["users"] = options.user
    if options.force:
        event["force"] = True
    if options.again:
        event["again"] = True
    return event


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Mapping[str, Any]:
    session = deployed.session(options)
    if not (options.dry_run or options.yes):
        if not sys.stdin.isatty():
            parser.error(
                "this run changes keys, and nobody is here to confirm it: add --yes, or --dry-run to look first"
            )
        account = session.client("sts", config=deployed.PATIENT).get_caller_identity()["Account"]
        if not _confirmed(options, account):
            raise Mishap("Nothing was done.")
    functions = session.client("lambda", config=deployed.ONE_RUN)
    with Console(stderr=True).status("The rotator is at work ..."):
        return invoke(functions, options.function, event_of(options))


def _confirmed(options: argparse.Namespace, account: str) -> bool:
    """Ask; anything but a yes is a no."""
    whose = f"of {', '.join(options.user)}" if options.user else "of every tagged user"
    if options.again:
        print(
            printable(f"This replaces the new keys {whose} that were never used, in account {account}."),
            file=sys.stderr,
        )
    else:
        which = "keys, due or not," if options.force else "keys that are due"
        print(printable(f"This rotates the {which} {whose} in account {account}."), file=sys.stderr)
    print("Go ahead? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def invoke(functions: LambdaClient, name: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Invoke the rotator, and wait for its summary.

    Raises:
        Mishap: the run failed; the message is the function's own.
        ClientError, BotoCoreError: there is no such function, or AWS could not be asked.
    """
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    payload = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise Mishap(f"The run failed. {payload.get('errorMessage') or payload.get('errorType') or payload}")
    if not isinstance(payload, dict):
        raise Mishap(f"{name} answered with no summary, so it is no rotator: name the right one with --function.")
    return payload


def show(summary: Mapping[str, Any]) -> Group:
    """Lay out a summary for people: the counts, then whatever names users."""
    counts = Table("Count", "Users", title="Summary", title_justify="left")
    counts.columns[1].justify = "right"
    by_user = []
    for name, value in summary.items():
        title = name.replace("_", " ")
        if name == "decisions":
            by_user.append(_decisions(value))
        elif name == "skipped":
            for reason, number in value.items():
                counts.add_row(_text(f"{title}: {reason.replace('_', ' ')}"), _text(number))
        elif isinstance(value, Mapping):
            counts.add_row(_text(title), str(len(value)))
            by_user.append(_reasons(title, _ages(value) if name == "overdue" else value))
        elif isinstance(value, list):
            counts.add_row(_text(title), str(len(value)))
            by_user.append(_names(title, value))
        elif isinstance(value, bool):
            counts.add_row(_text(title), "yes" if value else "no")
        else:
            counts.add_row(_text(title), _text(value))
    return Group(counts, *(table for table in by_user if table.row_count))


def _decisions(decisions: Mapping[str, Mapping[str, str]]) -> Table:
    table = Table("User", "Decision", "Reason", "Access key", title="What a run would do", title_justify="left")
    for user, decision in decisions.items():
        words = (_text(decision.get(part, "").replace("_", " ")) for part in ("action", "reason"))
        table.add_row(_text(user), *words, _text(decision.get("key", "")))
    return table


def _ages(days: Mapping[str, object]) -> Mapping[str, object]:
    return {user: f"an active key is {age} days old" for user, age in days.items()}


def _names(title: str, users: Sequence[object]) -> Table:
    table = Table("User", title=_text(title.capitalize()), title_justify="left")
    for user in users:
        table.add_row(_text(user))
    return table


def _reasons(title: str, reasons: Mapping[str, object]) -> Table:
    table = Table("User", "Reason", title=_text(title.capitalize()), title_justify="left")
    for user, reason in reasons.items():
        table.add_row(_text(user), _text(reason))
    return table


def _text(words: object) -> Text:
    return Text(printable(words))


if __name__ == "__main__":
    sys.exit(main())
