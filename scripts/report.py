"""Report on the access keys of all tagged users: how old they are, and what the rotator is going to do about them."""

from __future__ import annotations

import sys
from pathlib import Path

# `python3 scripts/report.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from scripts import start

    start.run("scripts.report")

import argparse
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from functions.common import account, tags
from scripts import aws, deployed
from scripts.aws import Mishap
from scripts.reporting.exports import as_csv, as_json
from scripts.reporting.page import as_html
from scripts.reporting.standing import oldest_first, worst_first
from scripts.reporting.survey import Survey, Surveyor
from scripts.reporting.table import as_table, beside
from scripts.terminal import Terminal, complain, progress

DESCRIPTION = """\
Report on the access keys of all users with the tag IKR:EMAIL, the worst first:
age, last use, what the ledger says, what the rotator and the destructor decide
by their own code, and when. Users with keys who have no such tag are counted.
Nothing is changed.

The stack's limits, domains and table are those of the deployed rotator: they
are read from its environment, so that the report speaks of what is deployed,
whatever the configuration at hand says."""

EPILOG = """\
examples:
  .venv/bin/python scripts/report.py
      a table
  .venv/bin/python scripts/report.py --html keys.html
      the table, and a page to look at, sort, print or mail
  .venv/bin/python scripts/report.py --untagged
      the table, and below it the untagged users with keys
  .venv/bin/python scripts/report.py --json | jq '.users[].decision'
      for programs

You need lambda:GetFunctionConfiguration on the rotator, dynamodb:Scan on its
table, iam:GetAccountAuthorizationDetails, iam:ListAccessKeys,
iam:GetAccessKeyLastUsed; for the account's name iam:ListAccountAliases, and for
the addresses of users whose tags are wrong iam:GetUser.

exit codes: 0 no active key, of a tagged user or of any other, is older than
--max-age-days; 1 one is, some users could not be looked at, or the report could
not be made; 2 the command was not understood; 130 interrupted"""

STANDARD_OUTPUT = "-"
WIDE = 180
"""Columns of a table that goes to a file or a pipeline's log, where nothing wraps it better."""

FORMATS: Mapping[str, Callable[[Survey], str]] = {"json": as_json, "csv": as_csv, "html": as_html}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; argparse itself exits with 2 when it does not understand."""
    parser = _parser()
    options = parser.parse_args(arguments)
    targets = {name: target for name in FORMATS if (target := getattr(options, name)) is not None}
    printed = [name for name, target in targets.items() if target == STANDARD_OUTPUT]
    if len(printed) > 1:
        parser.error(f"--{' and --'.join(printed)} cannot both go to standard output: name a file")

    try:
        survey = _survey(options)
        contents = {target: FORMATS[name](survey) for name, target in targets.items()}
        for target, content in contents.items():
            _write(content, target)
    except aws.FAULTS as error:
        return _fail(aws.explain(error))
    except Mishap as mishap:
        return _fail(str(mishap))
    except KeyboardInterrupt:
        _fail("Interrupted. Nothing has been changed.")
        return 130

    if not printed:
        terminal = Terminal() if sys.stdout.isatty() or "COLUMNS" in os.environ else Terminal(width=WIDE)
        terminal.print(as_table(survey, terminal.width))
        if options.untagged:
            terminal.print(beside(survey))
    for fault in survey.malformed:
        complain(fault, style="yellow")
    beside_them = " (--untagged lists them)." if survey.bystanders and not options.untagged else "."
    complain(survey.conclusion.removesuffix(".") + beside_them, style="green" if survey.passed else "red")
    return 0 if survey.passed else 1


def _fail(line: str) -> int:
    complain(line)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="report.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--max-age-days",
        metavar="DAYS",
        type=_days,
        help="how old an active key may be (default: the stack's auditDays, 90 as CIS and AWS Config have it)",
    )
    parser.add_argument(
        "--untagged", action="store_true", help="list the users with keys who are not tagged, and when these were used"
    )
    output = parser.add_argument_group("instead of, or beside the table")
    for name, what in (("json", "everything as JSON"), ("csv", "a line per key as CSV")):
        output.add_argument(
            f"--{name}",
            metavar="FILE",
            type=_file,
            nargs="?",
            const=STANDARD_OUTPUT,
            help=f"{what}; without FILE to standard output, in the table's place",
        )
    output.add_argument("--html", metavar="FILE", type=_file, help="a self-contained page")
    deployed.add_options(parser)
    return parser


def _days(value: str) -> int:
    if not tags.is_day_count(value):
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number of days from 0 to {tags.HIGHEST_DAYS}")
    return int(value)


def _file(value: str) -> str:
    """Refuse a path that cannot be written before the account is read: that may take minutes."""
    if value != STANDARD_OUTPUT and (Path(value).is_dir() or not Path(value).resolve().parent.is_dir()):
        raise argparse.ArgumentTypeError(f"{value} cannot be written: it is a directory, or its folder does not exist")
    return value


def _survey(options: argparse.Namespace) -> Survey:
    session = aws.session(options)
    environment = deployed.environment_of(session.client("lambda", config=deployed.PATIENT), options.function)
    iam = session.client("iam", config=deployed.PATIENT)
    now = datetime.now(UTC)
    max_age_days = environment.audit_days if options.max_age_days is None else options.max_age_days
    surveyor = Surveyor(
        iam=iam,
        dynamodb=session.client("dynamodb", config=deployed.PATIENT),
        environment=environment,
        now=now,
        max_age_days=max_age_days,
    )
    with progress() as bar:
        task = bar.add_task("Reading users and ledger", total=None)
        found = surveyor.find()
        bar.update(task, description="Looking at keys", total=len(found.subjects) + len(found.others))
        users, others = [], []
        for user in surveyor.look_at(found.subjects):
            users.append(user)
            bar.advance(task)
        for other in surveyor.look_beside(found.others, with_use=options.untagged):
            others.append(other)
            bar.advance(task)
    return Survey(
        account=account.look_up(environment.account_id, iam),
        taken_at=now,
        max_age_days=max_age_days,
        users=worst_first(users, now),
        bystanders=oldest_first(others),
        malformed=found.malformed,
    )


def _write(content: str, target: str) -> None:
    if target == STANDARD_OUTPUT:
        sys.stdout.write(content)
        return
    try:
        file = Path(target).resolve()
        if file.exists() and not file.is_file():  # such as /dev/stderr, or a named pipe
            file.write_text(content, encoding="utf-8", newline="")
        else:
            _replace(file, content)
    except OSError as error:
        raise Mishap(f"{target} cannot be written ({error.strerror}): name another file.") from None


def _replace(file: Path, content: str) -> None:
    """Write a file beside, and put it in place when it is whole."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.touch()
        if file.exists():
            shutil.copymode(file, beside)
        beside.write_text(content, encoding="utf-8", newline="")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
