"""Plays the whole life of an access key on the embedded cloud, and proves on the way what the service promises.

``make demo`` runs it. No AWS account is needed: the Pulumi program is deployed into an emulator on this machine that
enforces IAM. Every mail that is sent is kept in ``build/demo/``, as text and as HTML. Exit code 1 means that a promise
was not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from botocore.exceptions import ClientError
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

# `python3 scripts/demo.py` puts the folder of this file on the path, not the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.local_cloud import cloud, reader
from scripts.local_cloud.clients import Credentials
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.errors import LocalCloudError
from scripts.local_cloud.mailbox import Mail
from scripts.local_cloud.operators import Operators

GRACE_DAYS, EXTENSION_DAYS, WINDOW_DAYS = 5, 14, 30
CONFIG = {
    "mailFrom": "Key Rotation <key-rotation@example.com>",
    "rotateAfterDays": "0",  # keys made here are seconds old: with 0 each of them is due
    "deleteAfterDays": str(GRACE_DAYS),
    "graceExtensionDays": str(EXTENSION_DAYS),
}
DESCRIPTION = """\
Play the whole life of an access key on an embedded cloud, and prove on the way
what the service promises. No AWS account is needed. The mails that are sent are
kept in build/demo/."""

EPILOG = """\
exit codes: 0 every proof holds; 1 one does not, or the demo could not go on;
2 the command was not understood; 130 interrupted"""

MAIL_FOLDER = Path(__file__).parents[1] / "build" / "demo"


@dataclass(frozen=True, kw_only=True)
class Person:
    """An IAM user of the demo, and what should become of them."""

    name: str
    fate: str
    due: bool = False
    away: bool = False
    keys: int = 1
    inactive: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


PEOPLE = (
    Person(name="ana", fate="new key", due=True, tags={"IKR:EMAIL": "ana@example.com"}),
    Person(
        name="ben.ito@example.com",
        fate="new key",
        due=True,
        tags={
            "ikr:email": "ben.ito@example.com",
            "IKR:INSTRUCTION_0": "Put it into the deployment settings",
            "IKR:INSTRUCTION_1": "and tell the platform team.",
        },
    ),
    Person(
        name="hal",
        fate="new key, and is away: does not open the mail",
        due=True,
        away=True,
        tags={"IKR:EMAIL": "hal@example.com"},
    ),
    Person(
        name="chloe",
        fate="nothing: not due",
        tags={"IKR:EMAIL": "chloe@example.com", "IKR:ROTATE_AFTER_DAYS": "365"},
    ),
    Person(name="dev", fate="nothing: two keys, made by hand", keys=2, tags={"IKR:EMAIL": "dev@example.com"}),
    Person(name="eli", fate="nothing: key is Inactive", inactive=True, tags={"IKR:EMAIL": "eli@example.com"}),
    Person(name="fay", fate="nothing: not tagged"),
    Person(
        name="gus",
        fate="nothing: misconfigured",
        tags={"IKR:EMAIL": "gus@example.com", "IKR:ROTATE_AFTER_DAYS": "soon"},
    ),
)
READERS = tuple(person for person in PEOPLE if person.due and not person.away)
(HAL,) = (person for person in PEOPLE if person.away)
OTHERS = tuple(person for person in PEOPLE if not person.due)


class Demo:
    """The stage: a deployed cloud, the screen, the keys that people hold, and the proofs so far."""

    def __init__(self, stage: LocalCloud, console: Console) -> None:
        self.cloud = stage
        self.console = console
        self.operators = Operators.listening(stage.root, stage.outputs["alarmTopicArn"])
        self.old_keys: dict[str, Credentials] = {}
        self.new_keys: dict[str, Credentials] = {}
        self.parameters: list[str] = []
        self.failed: list[str] = []
        self._mails_seen = 0

    def play(self) -> None:
        """Play all scenes, in order."""
        self.people_arrive()
        before = self.keys_of_the_others()
        self.the_rotator_runs()
        self.readers_open_their_mail()
        self.both_keys_work()
        self.the_rotator_runs_again()
        self.the_grace_period_ends()
        self.the_old_keys_are_gone()
        self.nothing_is_left_behind()
        self.hal_does_not_come_back()
        self.hal_comes_back()
        self.prove(5, "Nobody else's keys have changed", self.keys_of_the_others() == before)

    # The scenes

    def people_arrive(self) -> None:
        """Create the users, their tags and keys."""
        self._scene("Day 0", "Eight people work in this account")
        table = Table("user and tags", Column("access keys", no_wrap=True), "what should happen", box=box.SIMPLE_HEAD)
        for person in PEOPLE:
            self.cloud.add_user(person.name, person.tags)
            held = [self.cloud.add_key(person.name) for _ in range(person.keys)]
            self.old_keys[person.name] = held[0]
            if person.inactive:
                self.cloud.deactivate_key(person.name, held[0].access_key_id)
            tags = [f"[dim]{key} {value}[/]" for key, value in person.tags.items()]
            listed = [f"{key} {status}" for key, status in self.cloud.keys(person.name).items()]
            table.add_row("\n".join([person.name, *tags]), "\n".join(listed), person.fate)
        self.console.print(table)

    def the_rotator_runs(self) -> None:
        """Rotate for the first time."""
        self._scene("Day 0, 12:00", "The rotator runs")
        self._show_summary(self.cloud.rotate())
        self._show_new_mails()

    def readers_open_their_mail(self) -> None:
        """Decrypt each mail with the reader's old key."""
        self._scene("Day 0, 12:05", "Ana and Ben decrypt their new keys with the old ones")
        for person in READERS:
            mail = self._mail_to(person)
            command = reader.decrypt_command(mail)
            self.console.print(f"{person.name}$ {_shortened(command)}", soft_wrap=True, highlight=False, markup=False)
            pair = reader.open_sealed(mail, self.old_keys[person.name], self.cloud.server)
            self.new_keys[person.name] = pair
            self.parameters.append(reader.parameter(mail))
            self.console.print(f"  {pair.access_key_id} and its secret …")
            self.prove(
                1,
                f"{person.name}: the mail's block, opened with the old key, holds a working key",
                self._answers_as(pair) == person.name and pair.access_key_id in self.cloud.keys(person.name),
            )

    def both_keys_work(self) -> None:
        """Use old and new keys side by side."""
        for person in READERS:
            pairs = self.old_keys[person.name], self.new_keys[person.name]
            self.prove(
                2,
                f"{person.name}: both keys work in the grace period",
                [self._answers_as(pair) for pair in pairs] == [person.name, person.name],
            )

    def the_rotator_runs_again(self) -> None:
        """Show that a second run leaves everyone alone."""
        self._scene("Day 1, 12:00", "The rotator runs again: no third key, no second mail")
        self._show_summary(self.cloud.rotate())
        self._show_new_mails()

    def the_grace_period_ends(self) -> None:
        """Let the grace period pass."""
        self._scene(f"Day {GRACE_DAYS}", "The grace period ends, and the destructor deletes the old keys")
        self.cloud.ledger.pass_days(GRACE_DAYS)
        self._show_new_mails()

    def the_old_keys_are_gone(self) -> None:
        """Try the old keys, and the new ones."""
        for person in READERS:
            self.prove(
                2,
                f"{person.name}: now the old key is refused, and the new one works",
                self._answers_as(self.old_keys[person.name]) == "InvalidClientTokenId"
                and self._answers_as(self.new_keys[person.name]) == person.name,
            )

    def nothing_is_left_behind(self) -> None:
        """Look for what should be gone, and for what should have arrived."""
        kept = self.cloud.root.ssm.get_parameters(Names=self.parameters)["Parameters"]
        self.prove(3, "The encryption keys are deleted", not kept)
        for person in READERS:
            old = self.old_keys[person.name].access_key_id
            self.prove(
                3,
                f"{person.name}: the deletion mail has arrived",
                any("deleted" in mail.subject and old in mail.text for mail in self._mails_to(person)),
            )
        pending = {item["user"]["S"] for item in self.cloud.ledger.pending()}
        self.prove(3, "The ledger holds no pending item of theirs", pending == {HAL.name})

    def hal_does_not_come_back(self) -> None:
        """Let the time pass in which a user can still switch."""
        old = self.old_keys[HAL.name]
        self.prove(
            4,
            "hal has not used his new key: the old one is put off, and he is reminded",
            self._answers_as(old) == HAL.name and "Reminder" in self._mails_to(HAL)[-1].subject,
        )
        self._scene(f"Day {GRACE_DAYS + EXTENSION_DAYS}", "Hal is still away, and the operators hear of it")
        for days in (EXTENSION_DAYS // 2, EXTENSION_DAYS - EXTENSION_DAYS // 2):
            self.cloud.ledger.pass_days(days)
        self._show_new_mails()
        heard = self.operators.heard()
        for message in heard:
            self.console.print(f"the operators hear: [bold]{message['Subject']}[/]", highlight=False)
            self.console.print(f"  {message['Message']}", highlight=False)
        self.prove(
            4,
            "hal's old key is deactivated and not deleted, and the operators are told his name",
            self.cloud.keys(HAL.name)[old.access_key_id] == "Inactive"
            and any(f"IAM user {HAL.name} " in message["Message"] for message in heard),
        )

    def hal_comes_back(self) -> None:
        """Bring the old key back, so that its user can open the mail after all."""
        self._scene(f"Day {GRACE_DAYS + EXTENSION_DAYS + 10}", "Hal is back, and an operator activates the old key")
        old = self.old_keys[HAL.name]
        self.cloud.activate_key(HAL.name, old.access_key_id)
        new = reader.open_sealed(self._mail_to(HAL), old, self.cloud.server)
        self.prove(
            4,
            "hal: the mail's block still opens with the old key, and the new key works",
            self._answers_as(new) == HAL.name,
        )
        self.cloud.ledger.pass_days(WINDOW_DAYS)
        self._show_new_mails()
        self.prove(
            4,
            "hal: now the old key is gone, and the new one works",
            list(self.cloud.keys(HAL.name)) == [new.access_key_id] and self._answers_as(new) == HAL.name,
        )

    # What the scenes share

    def prove(self, number: int, claim: str, holds: bool) -> None:  # noqa: FBT001 - reads as: prove that claim, holds
        """Show whether a claim holds, and remember one that does not."""
        if not holds:
            self.failed.append(claim)
        mark = "[green]proved[/]" if holds else "[bold red]FAILED[/]"
        self.console.print(f"{mark} {number}  {claim}", highlight=False)

    def keys_of_the_others(self) -> dict[str, dict[str, str]]:
        """List the keys of everyone who is not due."""
        return {person.name: self.cloud.keys(person.name) for person in OTHERS}

    def _scene(self, when: str, what: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{when}[/]  {what}", align="left")

    def _show_summary(self, summary: Mapping[str, Any]) -> None:
        table = Table("the rotator's summary", "", box=box.SIMPLE_HEAD)
        for name, value in summary.items():
            details = [f"{key}: {detail}" for key, detail in value.items()] if isinstance(value, dict) else [str(value)]
            if value:
                table.add_row(name, "\n".join(details))
        self.console.print(table)

    def _show_new_mails(self) -> None:
        """Name the mails that have come since the last time, and keep them as files."""
        mails = self.cloud.mails()
        for number, mail in enumerate(mails[self._mails_seen :], start=self._mails_seen + 1):
            stem = f"{number:02}-{mail.to}"
            (MAIL_FOLDER / f"{stem}.txt").write_text(mail.text)
            (MAIL_FOLDER / f"{stem}.html").write_text(mail.html)
            self.console.print(f"mail to {mail.to}: [bold]{mail.subject}[/]", highlight=False)
            self.console.print(f"  [dim]build/demo/{stem}.txt and .html[/]", highlight=False)
        self._mails_seen = len(mails)

    def _mails_to(self, person: Person) -> list[Mail]:
        address = next(value for key, value in person.tags.items() if key.upper() == "IKR:EMAIL")
        return [mail for mail in self.cloud.mails() if mail.to == address]

    def _mail_to(self, person: Person) -> Mail:
        return self._mails_to(person)[0]

    def _answers_as(self, pair: Credentials) -> str:
        """Ask the cloud who holds a pair: the user's name, or the code of the refusal."""
        try:
            return self.cloud.clients(pair).sts.get_caller_identity()["Arn"].rpartition("/")[2]
        except ClientError as refusal:
            return refusal.response["Error"]["Code"]


def _shortened(command: str) -> str:
    head, _, block = command.rpartition(" ")
    return f"{head} {block[:24]}…"


def main(arguments: Sequence[str] = ()) -> int:
    """Play the demo and return its exit code; argparse itself exits with 2 when it does not understand."""
    argparse.ArgumentParser(
        prog="demo.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    console = Console()
    started = time.monotonic()
    MAIL_FOLDER.mkdir(parents=True, exist_ok=True)
    for leftover in MAIL_FOLDER.iterdir():
        leftover.unlink()
    try:
        failed = _play(console)
    except LocalCloudError as error:
        console.print(f"[bold red]The demo could not go on:[/] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    console.print()
    if failed:
        console.print(f"[bold red]Not proved:[/] {escape('; '.join(failed))}")
        return 1
    seconds = time.monotonic() - started
    console.print(f"[bold green]Every proof holds[/], after {seconds:.0f} s. The mails are in build/demo/.")
    return 0


def _play(console: Console) -> list[str]:
    with contextlib.ExitStack() as stage:
        with console.status("Starting the embedded cloud and deploying the program into it"):
            demo = Demo(stage.enter_context(cloud.deployed(CONFIG)), console)
        demo.play()
        return demo.failed


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End as after an error, so that the embedded cloud ends as well."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
