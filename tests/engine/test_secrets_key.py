"""Which KMS key secrets lie under, changed back and forth: the stack's own key opens mails that were sent before."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pulumi.runtime import rpc

from scripts.engine.workspace import Plan, Workspace
from scripts.local_cloud.clients import Clients

SEALING = {"rotator-access": "update", "rotator-function": "update", "destructor-function": "update"}
READING = {"decryption-policy": "update"}
OWN_KEY = {"secrets-key", "secrets-alias"}
ALIAS = "alias/iam-key-rotator-secrets"


@pytest.fixture(scope="module")
def project(new_stack: Callable[..., Workspace]) -> Workspace:
    project = new_stack()
    project.up().ok()
    return project


@pytest.fixture(scope="module")
def own(project: Workspace) -> str:
    """The key that the stack was deployed with."""
    arn: str = project.outputs()["secretsKeyArn"]
    return arn


@pytest.fixture(scope="module")
def customers(root: Clients) -> str:
    return root.kms.create_key(Description="A customer's")["KeyMetadata"]["Arn"]


def choose(project: Workspace, key: str | None) -> Plan:
    """Configure a key, None for the stack's own, and preview what that does."""
    if key is None:
        project.pulumi("config", "rm", "secretsKmsKeyArn").ok()
    else:
        project.configure(secretsKmsKeyArn=key)
    return project.preview()


def shows_everything(plan: Plan) -> bool:
    """Tell whether a preview knows all that it would send: what it does not show nobody can review."""
    return rpc.UNKNOWN not in json.dumps(dict(plan.steps))


def key(root: Clients, arn: str) -> dict[str, Any]:
    return dict(root.kms.describe_key(KeyId=arn)["KeyMetadata"])


def aliases(root: Clients) -> dict[str, str]:
    """Where each name of this stack's own key points."""
    found = root.kms.list_aliases()["Aliases"]
    return {alias["AliasName"]: alias["TargetKeyId"] for alias in found if alias["AliasName"] == ALIAS}


def readable(project: Workspace, root: Clients) -> list[str]:
    """Which keys the policy for decrypting opens."""
    arn = project.outputs()["decryptPolicyArn"]
    version = root.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document: Any = root.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    parsed = json.loads(document) if isinstance(document, str) else document
    (keys,) = [each["Resource"] for each in parsed["Statement"] if each["Sid"] == "OpenOwnEncryptionKey"]
    return list(keys)


class TestKept:
    """Whoever has not read their mail could otherwise never decrypt it."""

    def test_a_customers_key_comes_beside_it_even_if_up_fails_half_way(
        self, project: Workspace, own: str, customers: str, root: Clients
    ) -> None:
        """The second `up` must still know of the key that the first deployment made."""
        plan = choose(project, customers)
        project.orders.fail("update", ["rotator-access"])
        project.up("--continue-on-error").failed()

        project.up().ok()

        assert plan.changes == {**SEALING, **READING}
        assert shows_everything(plan)
        assert readable(project, root) == [customers, own]
        assert_untouched(project, own, root)

    def test_awss_key_is_warned_of_and_leaves_it_too(self, project: Workspace, own: str, root: Clients) -> None:
        plan = choose(project, "aws-managed")
        project.up().ok()

        assert plan.changes == {**SEALING, **READING}
        assert shows_everything(plan)
        (warning,) = plan.warnings
        assert "whoever may read parameters in SSM" in warning
        assert readable(project, root) == [own]
        assert_untouched(project, own, root)

    def test_it_is_used_again_when_nothing_else_is_asked_for(self, project: Workspace, own: str, root: Clients) -> None:
        plan = choose(project, None)
        project.up().ok()

        assert plan.changes == SEALING
        assert shows_everything(plan)
        assert plan.warnings == []
        assert_untouched(project, own, root)
        project.pulumi("refresh", "--yes", "--expect-no-changes").ok()


def assert_untouched(project: Workspace, own: str, root: Clients) -> None:
    touched = [call for call in project.orders.calls() if call.name in OWN_KEY and call.method != "create"]
    assert touched == []
    assert project.outputs()["secretsKeyArn"] == own
    assert key(root, own)["KeyState"] == "Enabled"
    assert list(aliases(root).values()) in ([own], [key(root, own)["KeyId"]])


class TestLetGo:
    def test_kms_deletes_it_after_thirty_days(
        self, project: Workspace, own: str, customers: str, root: Clients
    ) -> None:
        project.configure(keepDecryptionPolicy="false")
        plan = choose(project, customers)
        project.up().ok()

        assert plan.changes == {**SEALING, **READING, **dict.fromkeys(OWN_KEY, "delete")}
        assert readable(project, root) == [customers]
        assert "secretsKeyArn" not in project.outputs()
        assert aliases(root) == {}
        assert key(root, own)["KeyState"] == "PendingDeletion"
        assert key(root, own)["DeletionDate"] > datetime.now(UTC) + timedelta(days=29)

    def test_a_new_one_takes_its_name(self, project: Workspace, own: str, root: Clients) -> None:
        """A key that waits for its deletion keeps no name, or the stack could never have one again."""
        plan = choose(project, None)
        project.up().ok()

        assert plan.changes == {**SEALING, **READING, **dict.fromkeys(OWN_KEY, "create")}
        assert not shows_everything(plan), "only AWS can tell the new key's ARN"
        new = project.outputs()["secretsKeyArn"]
        assert new != own
        assert readable(project, root) == [new]
        assert key(root, new)["KeyState"] == "Enabled"
