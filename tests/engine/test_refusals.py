"""What a preview refuses, before anything is touched; each remedy that it names works as it is written."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from scripts.engine.workspace import Workspace


@pytest.fixture(scope="module")
def project(new_stack: Callable[..., Workspace]) -> Workspace:
    project = new_stack()
    project.up().ok()
    return project


def test_a_deployed_stack_is_not_renamed(project: Workspace) -> None:
    """A second ledger would know of no key that is still to be deleted, and nobody would look at the first any more."""
    calls = project.orders.calls()
    project.configure(namePrefix="another-name")

    for command in ("preview", "up"):
        refused = project.pulumi(command, *(("--yes", "--skip-preview") if command == "up" else ())).failed().said

        assert "namePrefix is 'another-name', but this stack is deployed as 'iam-key-rotator'" in refused
        assert "scripts/take_down.py" in refused
    assert project.orders.calls() == calls
    _carry_out(r"Keep the name: (.*)", refused, project)
    project.pulumi("preview", "--expect-no-changes").ok()


def test_all_faults_are_reported_together(project: Workspace) -> None:
    """Pulumi checks declared types itself, one value at a time: whoever makes six mistakes would deploy seven times."""
    faults = {
        "rotateAfterDays": "soon",
        "encryptKeyPair": "maybe",
        "memorySize": "12",
        "schedule": "daily",
        "tags": "plain",
        "allowedEmailDomains": "example.com",
        "rotateAfterDay": "7",
    }
    project.configure(**faults)

    refused = project.pulumi("preview").failed().said

    assert [key for key in faults if not re.search(rf"  - {key} is ", refused)] == []
    for key in faults:
        project.pulumi("config", "rm", key).ok()


@pytest.mark.parametrize(
    ("mistake", "remedy"),
    [
        ("pulumi config set --path tags.CostCenter 4711", r"set it with: (pulumi config set --path tags\..*)"),
        ("pulumi config set tags plain", r"tags is 'plain'.* set it with: (.*)"),
        ("pulumi config set allowedEmailDomains example.com", r"allowedEmailDomains .* set it with: (.*)"),
        ("pulumi config set helpDesk somewhere", r"helpDesk .* remove it with: (.*)"),
        ("pulumi config set mailgunApiUrl https://api.mailgun.net", r"mailgunApiUrl .* remove it with: (.*)"),
        ("pulumi config rm mailFrom", r"mailFrom is missing.* set it with: (.*)"),
    ],
)
def test_a_remedy_works_as_it_is_written(mistake: str, remedy: str, project: Workspace) -> None:
    project.typed(mistake).ok()

    _carry_out(remedy, project.pulumi("preview").failed().said, project)

    project.preview()


def _carry_out(pattern: str, said: str, project: Workspace) -> None:
    found = re.search(pattern, said)
    assert found, said
    project.typed(found[1]).ok()


def test_an_archive_that_cannot_be_built_stops_everything(new_stack: Callable[..., Workspace]) -> None:
    """A resource that was created before the archive failed would be left behind in the account."""
    project = new_stack(namePrefix="without-archive")
    (project.project / "build" / "bundles").unlink()
    lock = project.project / "functions" / "requirements.txt"
    lock.write_text(f"no-such-package==1.0 --hash=sha256:{'0' * 64}\n")

    refused = project.up().failed().said

    assert "could not be installed from functions/requirements.txt" in refused
    assert project.orders.calls() == []
    assert [resource for resource in project.state() if not resource["type"].startswith("pulumi:")] == []


def test_a_stack_without_region_is_told_so(new_stack: Callable[..., Workspace]) -> None:
    project = new_stack(namePrefix="without-region")
    project.pulumi("config", "rm", "aws:region").ok()

    assert "region" in project.pulumi("preview").failed().said
