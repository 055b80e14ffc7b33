"""Counts the calls of a run of the rotator, and takes its time, in accounts of several sizes.

``make bench`` runs it. The account is an emulator on this machine, in a process of its own; the rotator runs in
another, from the archive that is deployed. What costs in AWS is the calls, and their numbers are the same on every
machine. The times are this machine's, with each call made to take as long as chosen: that of a network.
"""

from __future__ import annotations

import sys
from pathlib import Path

# `python3 scripts/bench.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from scripts import start

    start.run("scripts.bench")

import argparse
import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from components.bundle import BundleFailed, Target
from scripts.benchmark import footprint, tables
from scripts.benchmark.scenario import STANDARD, Incomplete, Run, Scenario, play
from scripts.local_cloud.errors import LocalCloudError

Number = TypeVar("Number", int, float)

DEPLOYED = Target.lambda_runtime("arm64")
HIGHEST_SHARE = 0.5  # the first and the steady run need different users

DESCRIPTION = """\
Measure runs of the rotator against an emulator on this machine: calls by
operation, wall and processor time, peak memory; and the archive's size and how
long its handlers take to import.

A first run finds an empty ledger. A steady run comes after it: the ledger
knows every key, those just rotated are in their grace period, and as many
other keys are due."""

EPILOG = """\
The emulator gives all users, and all of the ledger, in one page each. AWS
gives 1,000 users and 1 MB a page: up to 5 calls more for 5,000 users.

exit codes: 0 measured; 1 a run did not do its work; 2 the command was not
understood; 130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; argparse itself exits with 2 when it does not understand."""
    options = _parse(arguments)
    scenarios = STANDARD
    if options.users:
        scenarios = (Scenario(users=options.users, tagged=options.users, due=round(options.users * options.due)),)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with tempfile.TemporaryDirectory() as folder, Progress(*columns, console=console) as progress:
            host, deployed = Path(folder, "host"), Path(folder, "deployed")
            footprint.unpack(Target.host(), host)
            size = footprint.unpack(DEPLOYED, deployed)
            task = progress.add_task("imports", total=footprint.IMPORTS)
            imports = footprint.import_seconds(host, advance=lambda: progress.advance(task))
            runs = [run for scenario in scenarios for run in play(scenario, host, options.latency / 1000, progress)]
    except (Incomplete, LocalCloudError, BundleFailed) as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130

    console.print(tables.calls(runs), tables.costs(runs), tables.footprint(size, imports))
    if options.json:
        options.json.write_text(_to_json(options.latency, runs, size, imports), encoding="utf-8")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--latency",
        metavar="MS",
        type=_milliseconds,
        default=50.0,
        help="how long a call takes at least, in ms (default: 50)",
    )
    parser.add_argument(
        "--users",
        metavar="N",
        type=_users,
        help="measure one account with so many users, all of them tagged (default: 1,000; 5,000; 5,000 with 10 tagged)",
    )
    parser.add_argument(
        "--due",
        metavar="SHARE",
        type=_share,
        default=0.05,
        help=f"with --users: the share that is due at each run, 0 to {HIGHEST_SHARE} (default: 0.05)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures to this file as well")
    return parser.parse_args(arguments)


def _milliseconds(value: str) -> float:
    return _between(0.0, 10_000.0, float, value)


def _users(value: str) -> int:
    return _between(1, 5000, int, value)


def _share(value: str) -> float:
    return _between(0.0, HIGHEST_SHARE, float, value)


def _between(lowest: Number, highest: Number, convert: Callable[[str], Number], value: str) -> Number:
    with contextlib.suppress(ValueError):
        number = convert(value)
        if lowest <= number <= highest:
            return number
    raise argparse.ArgumentTypeError(f"{value} is not a number from {lowest:g} to {highest:g}")


def _to_json(latency: float, runs: Sequence[Run], size: int, imports: Mapping[str, float]) -> str:
    report = {
        "latency_ms": latency,
        "runs": [asdict(run) for run in runs],
        "import_seconds": imports,
        "archive_bytes": size,
    }
    return json.dumps(report, indent=2) + "\n"
