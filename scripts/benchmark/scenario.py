"""What is measured: accounts of several sizes, and the runs in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from scripts.benchmark import rotator
from scripts.benchmark.account import Account
from scripts.benchmark.rotator import Measured
from scripts.local_cloud import server
from scripts.local_cloud.clients import ROOT, Clients


class Incomplete(Exception):
    """A run did not do what there was to do, so that its figures mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """An account, and the runs to measure in it, one after the other.

    Attributes:
        users: how many users there are.
        tagged: how many of them the service looks after.
        due: how many of those have a key that is due, at each run.
        runs: names of the runs: the first one finds an empty ledger.
    """

    users: int
    tagged: int
    due: int
    runs: tuple[str, ...] = ("first", "steady")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of a scenario, and what it took."""

    scenario: Scenario
    name: str
    measured: Measured


STANDARD: tuple[Scenario, ...] = (
    Scenario(users=1000, tagged=1000, due=50),
    Scenario(users=5000, tagged=5000, due=250),
    Scenario(users=5000, tagged=10, due=0, runs=("first",)),
)


def play(scenario: Scenario, archive: Path, latency: float, progress: Progress) -> Iterator[Run]:
    """Make the account of a scenario, and measure its runs.

    Before a run after the first, those whose keys were rotated get the ordinary limit again: they are in their grace
    period, and other users, whom the ledger knows, are due.

    Args:
        scenario: what to play.
        archive: the folder with the unpacked archive.
        latency: how long a call takes at least, in seconds.
        progress: shows how far it has come.

    Raises:
        Incomplete: a run has not rotated exactly the keys that were due.
        LocalCloudError: the emulator or the rotator failed.
    """
    users = progress.add_task(f"{scenario.users:,} users, {scenario.tagged:,} tagged", total=scenario.users)
    with server.running() as emulator:
        account = Account(
            Clients(emulator.endpoint, ROOT),
            users=scenario.users,
            tagged=scenario.tagged,
            advance=lambda: progress.advance(users),
        )
        due: list[str] = []
        for turn, name in enumerate(scenario.runs):
            account.end_due(due)
            due = account.some(scenario.due, offset=turn)
            account.make_due(due)
            running = progress.add_task(f"  {name} run, {scenario.due:,} due", total=1)
            measured = rotator.run(emulator.endpoint, archive, latency)
            progress.advance(running)
            if measured.summary["rotated"] != scenario.due:
                raise Incomplete(f"of {scenario.due} keys that were due not all were rotated: {measured.summary}")
            yield Run(scenario=scenario, name=name, measured=measured)
