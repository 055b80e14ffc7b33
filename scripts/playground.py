"""Keeps the embedded cloud running, with the service and some dozens of users in it, until Ctrl-C.

``make playground`` runs it. In a second terminal every command of the README that an operator or a recipient types can
then be tried, without an AWS account.
"""

from __future__ import annotations

import sys
from pathlib import Path

# `python3 scripts/playground.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from scripts import start

    start.run("scripts.playground")

import argparse
import contextlib
import shutil
import signal
import time
from collections.abc import Sequence
from datetime import datetime
from types import FrameType
from typing import NoReturn
from urllib.error import URLError

from rich.console import Console
from rich.markup import escape

from scripts.local_cloud import cloud
from scripts.local_cloud.errors import LocalCloudError
from scripts.sandbox import population, shell
from scripts.sandbox.mails import Postman

DESCRIPTION = """\
Keep an embedded cloud running, with the service and some dozens of users in
it, until Ctrl-C. A second terminal acts in it: `source` the file that is
named. Mails come into build/playground/mails/."""

EPILOG = """\
exit codes: 0 it ran, and was ended with Ctrl-C or SIGTERM; 1 it could not
start, or the embedded cloud ended by itself; 2 the command was not understood;
130 or 143 ended before it was ready"""

FOLDER = Path(__file__).resolve().parents[1] / "build" / "playground"
CONFIG = {
    "mailFrom": "Key Rotation <key-rotation@example.com>",
    "helpUrl": "https://wiki.example.com/access-keys",
    "supportContact": "#cloud-help",
}
LOOK_SECONDS = 0.5
"""How often it looks for mails."""

HINTS = """\
In a second terminal, in this folder:

  source build/playground/env.sh

and then, for example:

  .venv/bin/python scripts/report.py
  .venv/bin/python scripts/report.py --html build/playground/report.html
  .venv/bin/python scripts/invoke.py --dry-run
  .venv/bin/python scripts/invoke.py
  .venv/bin/python scripts/invoke.py --user ulla --again
  .venv/bin/python scripts/tag_iam_users.py --dry-run \\
      scripts/examples/iam_users.json
  .venv/bin/python scripts/take_down.py --dry-run

Each user is a profile too, with the key from before. Move Greg's to his new
one, from his mail:

  .venv/bin/python scripts/decryption.py --profile greg \\
      --file build/playground/mails/*-greg@example.com.txt

The schedule is off: a run of invoke.py is a day's run. Ctrl-C ends it all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the playground and return its exit code; argparse itself exits with 2 when it does not understand."""
    argparse.ArgumentParser(
        prog="playground.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    console = Console(highlight=False)
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "mails").mkdir(parents=True)
    try:
        with contextlib.ExitStack() as until_the_end:
            with console.status("Starting the embedded cloud, and playing four weeks in it"):
                account = until_the_end.enter_context(cloud.deployed(CONFIG, begins=population.BEGINS))
                script = shell.lay_out(account, FOLDER, population.settle(account))
                until_the_end.callback(script.unlink, missing_ok=True)
                postman = Postman(account, FOLDER / "mails")
                sent = len(list(postman.bring()))
            console.print(script.read_text(), soft_wrap=True, markup=False)
            console.print(HINTS, soft_wrap=True, markup=False)
            console.print(f"\n{sent} mails of the past weeks are in build/playground/mails/. New ones:", soft_wrap=True)
            return _stay(postman, console)
    except LocalCloudError as error:
        console.print(f"[bold red]The playground could not go on:[/] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130


def _stay(postman: Postman, console: Console) -> int:
    """Name the mails that come, until somebody ends it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            for stem, mail in postman.bring():
                at = datetime.now().astimezone()
                console.print(f"{at:%H:%M:%S}  {stem}.txt  {mail.subject}", soft_wrap=True, markup=False)
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        console.print("\nEnded. Nothing is left running; the mails stay in build/playground/mails/.")
        return 0
    except (URLError, ConnectionError):
        console.print("[bold red]The embedded cloud has ended by itself.[/]")
        return 1


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End as after an error, so that the embedded cloud ends as well."""
    sys.exit(128 + number)
