"""The stacks that the repository brings along, each used as the README says."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.engine.workspace import Workspace
from tests.engine import readme

EXAMPLES = sorted(path.stem for path in (Path(__file__).parents[2] / "examples").glob("*.yaml"))
SECRETS = {"smtp": "smtpPassword", "mailgun": "mailgunApiKey"}


def test_there_is_one_for_each_mailer_with_and_without_encryption() -> None:
    assert EXAMPLES == ["mailgun-encrypted", "mailgun-plain", "smtp-encrypted", "smtp-plain"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_deployed(example: str, new_project: Callable[[], Workspace]) -> None:
    project = new_project()
    mailer, mails = example.split("-")
    commands = readme.commands("### SMTP or Mailgun instead of SES")[-4:]
    assert commands[0].startswith("cp examples/")

    for command in commands[:-1]:
        mine = command.replace("smtp-encrypted", example).replace("smtpPassword", SECRETS[mailer])
        project.typed(mine, typed="not-a-real-secret").ok()
    plan = project.preview()

    assert set(plan.changes.values()) == {"create"}
    assert "mailer-secret" in plan.changes
    assert ("decryption-policy" in plan.changes) == (mails == "encrypted")
    assert plan.warnings == []


def test_the_dev_stack_can_be_deployed_and_keeps_its_file(new_project: Callable[[], Workspace]) -> None:
    """A file that the first command rewrites shows up in everybody's next commit."""
    project = new_project()
    file = project.project / "Pulumi.dev.yaml"
    before = file.read_text().splitlines()

    project.typed("pulumi stack init dev").ok()

    changes = [
        line
        for line in difflib.unified_diff(before, file.read_text().splitlines(), n=0, lineterm="")
        if line.startswith(("+", "-")) and not line.startswith(("+++", "---"))
    ]
    assert [line.split(":")[0] for line in changes] == ["+encryptionsalt"]
    assert set(project.preview().changes.values()) == {"create"}
