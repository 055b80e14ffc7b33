"""Plays what happens to access keys on the embedded cloud, and proves on the way what the service promises.

``make demo`` runs it. No AWS account is needed: the Pulumi program is deployed into an emulator on this machine that
enforces IAM. Every mail that is sent is kept in ``build/demo/``, as text and as HTML, and so is the operators' report
of the last day. Exit code 1 means that a promise was not kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

# `python3 scripts/demo.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from scripts import start

    start.run("scripts.demo")

import argparse
import contextlib
import shutil
import signal
import time
from collections.abc import Sequence
from datetime import timedelta
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

from scripts.demonstration import story
from scripts.demonstration.stage import Stage
from scripts.local_cloud import cloud
from scripts.local_cloud.errors import LocalCloudError

DESCRIPTION = """\
Play on an embedded cloud what happens to access keys, and prove on the way
what the service promises. No AWS account is needed. The mails that are sent
and a report are kept in build/demo/."""

EPILOG = """\
exit codes: 0 every proof holds; 1 one does not, or the demo could not go on;
2 the command was not understood; 130 interrupted"""

FOLDER = Path(__file__).resolve().parents[1] / "build" / "demo"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo and return its exit code; argparse itself exits with 2 when it does not understand."""
    argparse.ArgumentParser(
        prog="demo.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    console = Console()
    started = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    try:
        stage = _play(console)
    except LocalCloudError as error:
        console.print(f"[bold red]The demo could not go on:[/] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    console.print()
    if stage.failed:
        console.print(f"[bold red]Not proved:[/] {escape('; '.join(stage.failed))}")
        return 1
    seconds = time.monotonic() - started
    console.print(f"[bold green]All {len(stage.proved)} proofs hold[/], after {seconds:.0f} s. To look at:")
    console.print("  build/demo/report.html   the report, in a browser")
    console.print("  build/demo/01-…          each mail, as text and as HTML")
    return 0


def _play(console: Console) -> Stage:
    with contextlib.ExitStack() as open_until_the_end:
        with console.status("Starting the embedded cloud and deploying the program into it"):
            deployed = cloud.deployed(story.CONFIG, begins=timedelta(days=story.DAYS))
            stage = Stage(open_until_the_end.enter_context(deployed), console, FOLDER)
        story.play(stage)
        return stage


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End as after an error, so that the embedded cloud ends as well."""
    sys.exit(128 + number)
