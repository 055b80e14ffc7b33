"""Taking the service down, as the README has it: while users are in grace, and the decryption policy is in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from components import policies
from scripts.engine.workspace import Outcome, Workspace
from scripts.local_cloud import reader
from scripts.local_cloud.clients import Clients, Credentials
from scripts.local_cloud.cloud import LocalCloud
from tests.engine import readme


@dataclass(frozen=True)
class Service:
    """A service in use: alice is in grace, and may decrypt like all developers; bob was never rotated."""

    project: Workspace
    cloud: LocalCloud
    old: Credentials

    @property
    def policy_arn(self) -> str:
        arn: str = self.cloud.outputs["decryptPolicyArn"]
        return arn

    @property
    def key_arn(self) -> str:
        arn: str = self.cloud.outputs["secretsKeyArn"]
        return arn


@pytest.fixture(scope="module")
def service(new_stack: Callable[..., Workspace], as_cloud: Callable[[Workspace], LocalCloud], root: Clients) -> Service:
    project = new_stack(alarmEmail="ops@example.com")
    project.up().ok()
    cloud = as_cloud(project)
    for name in ("alice", "bob"):
        cloud.add_user(name, {"IKR:EMAIL": f"{name}@example.com"})
    old = cloud.add_key("alice")
    cloud.add_key("bob")
    root.iam.create_group(GroupName="developers")
    root.iam.attach_group_policy(GroupName="developers", PolicyArn=cloud.outputs["decryptPolicyArn"])
    root.iam.attach_user_policy(UserName="bob", PolicyArn=cloud.outputs["decryptPolicyArn"])
    assert cloud.rotate({"users": ["alice"], "force": True})["rotated"] == 1
    return Service(project, cloud, old)


@pytest.fixture(scope="module")
def dry_run(service: Service) -> Outcome:
    return service.project.typed(_commands()[0]).ok()


@pytest.fixture(scope="module")
def down(service: Service, dry_run: Outcome) -> Outcome:
    """The take-down itself, with a confirmation that a terminal would have asked for; it is interrupted once."""
    assert dry_run
    service.project.orders.fail("delete", ["ledger-table"])
    assert "Run this again" in service.project.typed(f"{_commands()[1]} --yes").failed().errors
    return service.project.typed(f"{_commands()[1]} --yes").ok()


def _commands() -> list[str]:
    return readme.commands("### Take the service down")


def _keeping(service: Service) -> list[str]:
    """What keeps the stack's own KMS key, as it would be typed."""
    return [f"aws kms {command} --key-id {service.key_arn}" for command in ("cancel-key-deletion", "enable-key")]


class TestBefore:
    def test_a_mistaken_destroy_stops_at_its_preview(self, service: Service) -> None:
        """It used to delete most of the stack before the ledger refused."""
        calls = service.project.orders.calls()

        refused = service.project.pulumi("destroy", "--yes").failed()

        assert "is protected" in refused.said
        assert service.project.orders.calls() == calls

    def test_a_destroy_without_preview_spares_the_ledger_and_up_brings_back_the_rest(self, service: Service) -> None:
        """Pulumi looks at what is protected in its preview; without one it deletes what it can."""
        items = service.cloud.ledger.items()

        service.project.pulumi("destroy", "--yes", "--skip-preview").failed()
        assert "rotator-function" not in {resource["urn"].split("::")[-1] for resource in service.project.state()}

        service.project.up().ok()
        assert service.cloud.ledger.items() == items
        service.project.pulumi("refresh", "--yes", "--expect-no-changes").ok()

    def test_the_dry_run_shows_all_and_does_nothing(self, service: Service, dry_run: Outcome, root: Clients) -> None:
        for line in (
            "detach the decryption policy from the group developers",
            "detach the decryption policy from the user bob",
            "lift the protection of the ledger iam-key-rotator",
            "48 resources",
            f"aws iam delete-access-key --user-name alice --access-key-id {service.old.access_key_id}",
            "aws ssm delete-parameter --name /ikr/secret/iam/alice",
            "KMS deletes 30 days after the take-down",
            *_keeping(service),
        ):
            assert line in dry_run.output
        holders = root.iam.list_entities_for_policy(PolicyArn=service.policy_arn)
        assert [group["GroupName"] for group in holders["PolicyGroups"]] == ["developers"]

    def test_nobody_to_confirm_it_means_no(self, service: Service) -> None:
        calls = service.project.orders.calls()

        refused = service.project.typed(_commands()[1]).failed()

        assert "nobody is here to confirm it" in refused.errors
        assert service.project.orders.calls() == calls


class TestAfter:
    def test_everything_that_the_stack_made_is_gone(self, service: Service, down: Outcome, root: Clients) -> None:
        assert "The service is down." in down.output
        assert service.project.state() == []
        assert _left(root) == {}

    def test_users_keep_their_keys(self, service: Service, down: Outcome) -> None:
        """A take-down that took the old key would leave without any whoever has not changed over."""
        assert down
        keys = service.cloud.keys("alice")

        assert len(keys) == 2
        assert keys[service.old.access_key_id] == "Active"
        assert len(service.cloud.keys("bob")) == 1

    def test_the_key_of_mails_that_were_not_read_has_thirty_days(
        self, service: Service, down: Outcome, root: Clients
    ) -> None:
        """Told by the run that came to the end, though an earlier one had deleted the key."""
        key = root.kms.describe_key(KeyId=service.key_arn)["KeyMetadata"]

        assert key["KeyState"] == "PendingDeletion"
        assert key["DeletionDate"] > datetime.now(UTC) + timedelta(days=29)
        assert f"KMS deletes on {key['DeletionDate']:%Y-%m-%d}" in down.output
        for command in _keeping(service):
            assert command in down.output

    def test_a_user_can_still_open_a_mail_as_the_script_has_it(
        self, service: Service, down: Outcome, root: Clients
    ) -> None:
        assert down
        root.kms.cancel_key_deletion(KeyId=service.key_arn)
        root.kms.enable_key(KeyId=service.key_arn)
        root.iam.put_user_policy(
            UserName="alice",
            PolicyName="read-own-encryption-key",
            PolicyDocument=policies.document(
                [
                    policies.allow("Read", ["ssm:GetParameter"], "arn:aws:ssm:*:*:parameter/ikr/secret/iam/alice"),
                    policies.allow("Open", ["kms:Decrypt"], service.key_arn),
                ]
            ),
        )
        (mail,) = service.cloud.mails()

        new = reader.open_sealed(mail, service.old, service.cloud.server)

        assert root.kms.describe_key(KeyId=service.key_arn)["KeyMetadata"]["KeyState"] == "Enabled"

        assert new.access_key_id in service.cloud.keys("alice")

    def test_again_says_that_there_is_nothing(self, service: Service, down: Outcome) -> None:
        assert down

        again = service.project.typed(f"{_commands()[1]} --yes").failed()

        assert again.errors.strip() == "This stack has nothing to take down."

    def test_the_stack_comes_back_under_another_name(self, service: Service, down: Outcome) -> None:
        """This is how a stack is renamed."""
        assert down

        for command in readme.commands("### Rename a stack")[1:]:
            service.project.typed(command).ok()

        assert service.project.outputs()["tableName"] == "key-rotation"


def _left(root: Clients) -> Mapping[str, list[str]]:
    """Whatever there is of the kinds that the stack makes."""
    found = {
        "tables": root.dynamodb.list_tables()["TableNames"],
        "functions": [each["FunctionName"] for each in root.functions.list_functions()["Functions"]],
        "mappings": [each["UUID"] for each in root.functions.list_event_source_mappings()["EventSourceMappings"]],
        "roles": [each["RoleName"] for each in root.iam.list_roles()["Roles"]],
        "policies": [each["PolicyName"] for each in root.iam.list_policies(Scope="Local")["Policies"]],
        "logs": [each["logGroupName"] for each in root.logs.describe_log_groups()["logGroups"]],
        "queues": root.sqs.list_queues().get("QueueUrls", []),
        "topics": [each["TopicArn"] for each in root.sns.list_topics()["Topics"]],
        "rules": [each["Name"] for each in root.events.list_rules()["Rules"]],
        "configuration sets": root.sesv2.list_configuration_sets()["ConfigurationSets"],
        "keys": _keys(root),
        "names of keys": [
            each["AliasName"]
            for each in root.kms.list_aliases()["Aliases"]
            if not each["AliasName"].startswith("alias/aws/")
        ],
        "alarms": [each["AlarmName"] for each in root.cloudwatch.describe_alarms()["MetricAlarms"]],
        "dashboards": [each["DashboardName"] for each in root.cloudwatch.list_dashboards()["DashboardEntries"]],
    }
    return {kind: names for kind, names in found.items() if names}


def _keys(root: Clients) -> list[str]:
    """The KMS keys of the account's own that are not on their way out."""
    found = [root.kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in root.kms.list_keys()["Keys"]]
    return [key["Arn"] for key in found if key["KeyManager"] == "CUSTOMER" and key["KeyState"] != "PendingDeletion"]
