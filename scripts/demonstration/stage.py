"""What all scenes of the demo share: the cloud, the screen, the keys that people hold, their mails, and the proofs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from scripts.demonstration.cast import Person
from scripts.invoking.answer import show
from scripts.local_cloud.clients import ROOT, Clients, Credentials
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.errors import FunctionFailed, UnreadableMail
from scripts.local_cloud.mailbox import Mail
from scripts.local_cloud.operators import Operators

_REPOSITORY = Path(__file__).parents[2]
_INDENT = 2
_NARROW = 76  # columns that a command takes, so that it can be copied from a narrow terminal


class Stage:
    """A deployed cloud on which a story is played.

    Args:
        cloud: the cloud.
        console: the screen.
        folder: where the mails are kept, and what else the story leaves behind.
    """

    def __init__(self, cloud: LocalCloud, console: Console, folder: Path) -> None:
        self.cloud = cloud
        self.console = console
        self.folder = folder
        self.operators = Operators.listening(cloud.root, cloud.outputs["alarmTopicArn"])
        self.old_keys: dict[str, Credentials] = {}
        self.new_keys: dict[str, Credentials] = {}
        self.proved: list[str] = []
        self.failed: list[str] = []
        self._clients: dict[str, Clients] = {}
        self._began = cloud.server.clock.now()
        self._mails_seen = 0

    def scene(self, what: str) -> None:
        """Begin a scene, on the day that the cloud's clock shows."""
        now = self.cloud.server.clock.now()
        day = round((now - self._began).total_seconds() / 86400)
        self.console.print()
        self.console.rule(f"[bold]Day {day}, {now.day} {now:%B}[/]", align="left")
        self.console.print(what, highlight=False)
        self.console.print()

    def prove(self, claim: str, holds: bool) -> None:  # noqa: FBT001 - reads as: prove that claim, holds
        """Show whether a claim holds, and remember it."""
        (self.proved if holds else self.failed).append(claim)
        mark = Text("proved", "green") if holds else Text("FAILED", "bold red")
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_row(mark, Text(claim))
        self.console.print(line)

    def say(self, words: str, style: str = "") -> None:
        """Print words below whatever they belong to."""
        self.console.print(Padding(Text(words, style), (0, 0, 0, _INDENT)))

    def show_command(self, who: str, command: str) -> None:
        """Print a command as somebody types it, in lines that a narrow terminal shows whole."""
        lines = textwrap.wrap(command, _NARROW - len(who), break_long_words=False, break_on_hyphens=False)
        for prompt, line, end in zip(
            [f"{who}$ ", *[" " * 4] * len(lines)], lines, [*[" \\"] * (len(lines) - 1), ""], strict=False
        ):
            self.console.print(Text(f"{prompt}{line}{end}", "cyan"), soft_wrap=True)

    def show_summary(self, summary: Mapping[str, Any]) -> None:
        """Show what a run of the rotator did, as invoke.py does."""
        self.console.print(Padding(show(summary), (0, 0, 0, _INDENT)))

    def show_failure(self, failure: FunctionFailed) -> None:
        """Show why a run of the rotator failed: the first words of it, for each user."""
        what, _, users = str(failure).partition(" served: ")
        self.say(f"{what} served:")
        for reason in users.split("; "):
            self.say(f"  {textwrap.shorten(reason, _NARROW, placeholder=' …')}", "yellow")

    def show_new_mails(self) -> None:
        """Name the mails that have come since the last time, and keep them as files."""
        mails = self.cloud.mails()
        for number, mail in enumerate(mails[self._mails_seen :], start=self._mails_seen + 1):
            stem = f"{number:02}-{mail.to}"
            (self.folder / f"{stem}.txt").write_text(mail.text)
            (self.folder / f"{stem}.html").write_text(mail.html)
            self.say(f"mail {number:02} to {mail.to}:")
            self.say(f"  {mail.subject}", "bold")
        self._mails_seen = len(mails)

    def mails_to(self, person: Person) -> list[Mail]:
        """Give the mails that somebody got so far, oldest first."""
        return [mail for mail in self.cloud.mails() if mail.to == person.address]

    def first_mail_to(self, person: Person) -> Mail:
        """Give the mail that brought somebody's new key.

        Raises:
            UnreadableMail: none has come.
        """
        mails = self.mails_to(person)
        if not mails:
            raise UnreadableMail(f"{person.name} has got no mail")
        return mails[0]

    def answers_as(self, pair: Credentials) -> str:
        """Ask the cloud who holds a pair: the user's name, or the code of the refusal."""
        if pair.access_key_id not in self._clients:
            self._clients[pair.access_key_id] = self.cloud.clients(pair)
        try:
            return self._clients[pair.access_key_id].sts.get_caller_identity()["Arn"].rpartition("/")[2]
        except ClientError as refusal:
            return refusal.response["Error"]["Code"]

    def encryption_keys(self) -> list[str]:
        """List the encryption keys of mails in SSM."""
        found = self.cloud.root.ssm.get_parameters_by_path(Path="/ikr/secret", Recursive=True)["Parameters"]
        return [parameter["Name"] for parameter in found]

    def ledger(self) -> dict[str, str]:
        """Read the ledger: status by access key id."""
        return {item["ak"]["S"]: item["status"]["S"] for item in self.cloud.ledger.items()}

    def run_script(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the operators' scripts, as one of them would."""
        return subprocess.run(
            [sys.executable, f"scripts/{name}", *arguments],
            cwd=_REPOSITORY,
            env=self.cloud.environment(ROOT),
            capture_output=True,
            text=True,
            check=False,
        )
