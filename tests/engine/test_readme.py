"""The README's first deployment, command by command, in a project in which nothing was ever built."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from scripts.engine.workspace import Outcome, Workspace
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.server import REGION
from tests.engine import readme

RESOURCES = 60
"""Those of the default stack as Pulumi counts them: 47 of AWS, 12 components, and the stack itself."""


@pytest.fixture(scope="module")
def played(clean_project: Workspace) -> Mapping[str, Outcome]:
    """Each command of the first deployment that is Pulumi's, and how it ended."""
    commands = [line for line in readme.commands("### First deployment") if line.startswith("pulumi ")]
    return {command: clean_project.typed(command).ok() for command in commands}


@pytest.fixture
def deployed(played: Mapping[str, Outcome], clean_project: Workspace) -> Workspace:
    assert played
    return clean_project


def test_every_command_works_as_it_stands(played: Mapping[str, Outcome]) -> None:
    assert [next(iter(played)), list(played)[-1]] == ["pulumi login", "pulumi up"]
    assert f"+ {RESOURCES} to create" in played["pulumi preview"].output
    assert f"+ {RESOURCES} created" in played["pulumi up"].output
    assert "warning" not in played["pulumi up"].said


def test_a_second_up_changes_nothing(deployed: Workspace) -> None:
    """A resource that differs each time is updated in every deployment, and hides what did change."""
    before = deployed.orders.calls()

    outcome = deployed.pulumi("up", "--yes", "--expect-no-changes").ok()

    assert f"{RESOURCES} unchanged" in outcome.output
    assert deployed.orders.calls() == before


def test_a_refresh_finds_what_was_deployed(deployed: Workspace) -> None:
    deployed.pulumi("refresh", "--yes", "--expect-no-changes").ok()


def test_what_somebody_deleted_by_hand_comes_back(deployed: Workspace, root: Clients) -> None:
    lost = "iam-key-rotator-rotator-errors"
    root.cloudwatch.delete_alarms(AlarmNames=[lost])

    deployed.pulumi("refresh", "--yes", "--skip-preview").ok()
    assert deployed.preview().changes == {"rotator-errors": "create", "dashboard-dashboard": "update"}
    deployed.up().ok()

    assert root.cloudwatch.describe_alarms(AlarmNames=[lost])["MetricAlarms"]


def test_everything_waits_for_the_ledger(deployed: Workspace) -> None:
    """SQS, SNS, EventBridge and CloudWatch hand a second stack what the first one has: only the ledger is refused."""
    state = {resource["urn"]: resource for resource in deployed.state()}
    (ledger,) = [urn for urn in state if urn.endswith("::ledger-table")]

    early = [
        urn
        for urn, resource in state.items()
        if resource["custom"] and urn != ledger and "pulumi:providers" not in urn
        if ledger not in resource.get("dependencies", [])
    ]

    assert early == []


def test_the_ledger_alone_is_protected(deployed: Workspace) -> None:
    protected = [resource["urn"].split("::")[-1] for resource in deployed.state() if resource.get("protect")]

    assert protected == ["ledger-table"]


def test_a_key_is_rotated_by_what_was_deployed(
    deployed: Workspace, as_cloud: Callable[[Workspace], LocalCloud]
) -> None:
    """The roles, the policies, the environment and the archive are those that the engine sent."""
    cloud = as_cloud(deployed)
    cloud.add_user("alice", {"IKR:EMAIL": "alice@example.com"})
    old = cloud.add_key("alice")

    summary = cloud.rotate({"users": ["alice"], "force": True})

    assert summary["rotated"] == 1
    assert len(cloud.keys("alice")) == 2
    assert [item["ak"]["S"] for item in cloud.ledger.pending()] == [old.access_key_id]
    assert [mail.to for mail in cloud.mails()] == ["alice@example.com"]


def test_users_are_tagged_as_it_stands(deployed: Workspace, root: Clients) -> None:
    """First without effect, as the README has it, and then in earnest."""
    (command,) = (line for line in readme.commands("### First deployment") if "tag_iam_users" in line)
    users = json.loads((deployed.project / command.split()[-1]).read_text())
    for name in users.keys() - {user["UserName"] for user in root.iam.list_users()["Users"]}:
        root.iam.create_user(UserName=name)

    # AWS's IAM has no region; to sign for an endpoint of its own, boto3 needs one.
    region = f"export AWS_DEFAULT_REGION={REGION}"

    deployed.typed(f"{region}; {command}").ok()
    assert _tags(root, "reporting-job") == {}

    deployed.typed(f"{region}; {command.replace('--dry-run', '--yes')}").ok()
    assert {name: _tags(root, name) for name in users} == users


def test_a_change_works_as_it_stands(deployed: Workspace, root: Clients) -> None:
    for command in readme.commands("### Change a stack"):
        deployed.typed(command).ok()

    function = root.functions.get_function_configuration(FunctionName="iam-key-rotator-rotator")
    assert function["Environment"]["Variables"]["ROTATE_AFTER_DAYS"] == "60"


def _tags(root: Clients, user: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in root.iam.list_user_tags(UserName=user)["Tags"]}
