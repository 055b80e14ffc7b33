"""Ask the deployed rotator for a run, and show its answer."""

from __future__ import annotations

import sys
from pathlib import Path

# `python3 scripts/invoke.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from scripts import start

    start.run("scripts.invoke")

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3

from scripts import aws, consent, deployed
from scripts.aws import Mishap
from scripts.invoking import names, question
from scripts.invoking.answer import is_summary, show
from scripts.terminal import Terminal, complain

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

DESCRIPTION = """\
Ask the deployed rotator for a run now, and show its answer.

Without options it does what the schedule has it do: it looks after every
tagged user. With --dry-run it tells what it would do for each user, and
changes nothing. Before it changes keys, it counts them by a dry run, and asks."""

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

You need lambda:InvokeFunction on the rotator. With iam:ListUsers, a misspelt
name is told with the one that is nearest.

exit codes: 0 the run went well; 1 it failed, was declined, refused a user, or
did not begin, and the message says why; 2 the command was not understood;
130 interrupted: a run that has begun goes on"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; argparse itself exits with 2 when it does not understand."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _refuse_contradictions(options, parser)
    try:
        answer = _run(options)
    except aws.FAULTS as error:
        complain(aws.explain(error))
        return 1
    except Mishap as mishap:
        for line in str(mishap).splitlines():
            complain(line)
        return 1
    except KeyboardInterrupt as interruption:
        complain(str(interruption) or "Interrupted. Nothing was done.")
        return 130
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        Terminal().print(show(answer))
    return 1 if answer.get("refused") else 0


def _refuse_contradictions(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    if options.force and not options.user:
        parser.error("--force needs --user: name those whose keys are to be rotated now")
    if options.again and not options.user:
        parser.error("--again needs --user: name those who never got their new keys")
    if options.again and options.dry_run:
        parser.error(
            "--again and --dry-run do not go together: --again only acts on users who never got their new keys"
        )
    if not (options.dry_run or options.yes or consent.can_be_asked()):
        parser.error("this run changes keys, and nobody is here to confirm it: add --yes, or --dry-run to look first")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="invoke.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run = parser.add_argument_group("the run")
    run.add_argument("--dry-run", action="store_true", help="decide for each user, and change nothing")
    run.add_argument(
        "--user", metavar="NAME", type=_name, action="append", help="only this user; may be given several times"
    )
    run.add_argument("--force", action="store_true", help="rotate the named users' keys, due or not")
    run.add_argument(
        "--again", action="store_true", help="replace the named users' new keys, which they never got and never used"
    )
    run.add_argument("--yes", action="store_true", help="skip the confirmation prompt")
    deployed.add_options(parser)
    parser.add_argument("--json", action="store_true", help="print the answer as the function gave it")
    return parser


def _name(value: str) -> str:
    if not value.strip():
        raise argparse.ArgumentTypeError("the user name is empty")
    return value


def event_of(options: argparse.Namespace, *, dry_run: bool) -> dict[str, Any]:
    """Write the event that asks for this run, or for a look at what it would do."""
    event: dict[str, Any] = {}
    if dry_run:
        event["dry_run"] = True
    if options.user:
        event["users"] = list(dict.fromkeys(options.user))
    if options.force:
        event["force"] = True
    if options.again and not dry_run:
        event["again"] = True
    return event


def _run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Look ahead where somebody is to be asked or was named, ask, and run."""
    session = aws.session(options)
    functions = session.client("lambda", config=deployed.ONE_RUN)
    if options.dry_run:
        decided = _look_ahead(functions, options)
        _refuse_wrong_names(options, decided, session)
        return decided
    foreseen: Mapping[str, Any] | None = None
    if options.user or not options.yes:
        try:
            foreseen = _look_ahead(functions, options)
        except Failed as failure:  # it may be for one user alone, and the run serves all others
            complain(f"The dry run failed, so nothing is counted. {failure}")
    if foreseen is not None:
        _refuse_wrong_names(options, foreseen, session)
    if not options.yes:
        _ask(options, foreseen, session)
    with Terminal(stderr=True).status("The rotator is at work ..."):
        try:
            return invoke(functions, options.function, event_of(options, dry_run=False))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                "Interrupted. If the run had begun, it goes on without you: its summary is in the logs."
            ) from None


def _look_ahead(functions: LambdaClient, options: argparse.Namespace) -> Mapping[str, Any]:
    with Terminal(stderr=True).status("The rotator looks at what there is to do ..."):
        return invoke(functions, options.function, event_of(options, dry_run=True))


def _refuse_wrong_names(options: argparse.Namespace, foreseen: Mapping[str, Any], session: boto3.Session) -> None:
    named = dict.fromkeys(options.user or ())
    wrong = names.faults(named, foreseen, lambda: _all_names(session), again=options.again)
    if wrong:
        raise Mishap("\n".join([*wrong, "Nothing was done."]))


def _all_names(session: boto3.Session) -> list[str]:
    """Read the names of all users; who may not, gets no guess at what was meant."""
    try:
        pages = session.client("iam", config=deployed.PATIENT).get_paginator("list_users").paginate()
        return [user["UserName"] for page in pages for user in page["Users"]]
    except aws.FAULTS:
        return []


def _ask(options: argparse.Namespace, foreseen: Mapping[str, Any] | None, session: boto3.Session) -> None:
    for line in _what_it_means(options, foreseen, _account(session)):
        complain(line)
    if not consent.is_given("Go on?"):
        raise Mishap("Nothing was done.")


def _what_it_means(options: argparse.Namespace, foreseen: Mapping[str, Any] | None, account_id: str) -> Iterator[str]:
    if foreseen is None:
        return question.about_what_could_not_be_counted(options.user or (), account_id, again=options.again)
    if options.again:
        return question.about_unused_keys(dict.fromkeys(options.user), foreseen, account_id, force=options.force)
    return question.about_due_keys(foreseen, account_id, force=options.force)


def _account(session: boto3.Session) -> str:
    return session.client("sts", config=deployed.PATIENT).get_caller_identity()["Account"]


class Failed(Mishap):
    """The rotator ran, and its run failed."""


def invoke(functions: LambdaClient, name: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Invoke the rotator, and wait for its answer.

    Raises:
        Failed: the run failed; the message is the function's own.
        Mishap: what answers is no rotator.
        ClientError, BotoCoreError: there is no such function, or AWS could not be asked.
    """
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    try:
        payload: Any = json.load(answer["Payload"])
    except ValueError:
        payload = None
    if "FunctionError" in answer:
        told = payload if isinstance(payload, dict) else {}
        raise Failed(f"The run failed. {told.get('errorMessage') or told.get('errorType') or payload}")
    if not is_summary(payload):
        raise Mishap(f"{name} answered with no summary, so it is not a rotator: name the right one with --function.")
    summary: Mapping[str, Any] = payload
    return summary
