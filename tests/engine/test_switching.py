"""Mailers and encryption switched back and forth on a deployed stack: what is shown, what is changed, what is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scripts.engine.workspace import Workspace
from scripts.local_cloud.clients import Clients
from tests.engine import readme

BOTH_FUNCTIONS = {"rotator-function": "update", "destructor-function": "update"}
BOTH_POLICIES = {"rotator-access": "update", "destructor-access": "update"}
# What only AWS can tell of a parameter that takes the place of another.
OF_A_NEW_PARAMETER = ("~ id", "~ arn", "~ version")
# With SES alone, AWS tells the rotator of mails that come back.
RETURNED_MAILS = (
    "mailer-mails",
    "mailer-returned",
    *(f"rotator-returned{part}" for part in ("", "-permission", "-target")),
)
SECRETS = {"smtp": ("smtpPassword", "not-a-real-password"), "mailgun": ("mailgunApiKey", "not-a-real-api-key")}


@pytest.fixture(scope="module")
def project(new_stack: Callable[..., Workspace]) -> Workspace:
    project = new_stack()
    project.up().ok()
    return project


def switch_mailer(project: Workspace, mailer: str) -> None:
    """Play the README's commands for a mailer; going back to SES means to remove them."""
    for key in ("mailer", "smtpServer", "smtpPassword", "mailgunApiUrl", "mailgunApiKey"):
        project.pulumi("config", "rm", key)
    for command in readme.commands("### SMTP or Mailgun instead of SES"):
        if command.startswith("pulumi config set") and mailer in command.lower():
            project.typed(command, typed=SECRETS[mailer][1] if "--secret" in command else "").ok()


@pytest.mark.parametrize(
    ("mailer", "secret", "returned_mails", "parameter"),
    [
        ("smtp", ["create"], ["delete"], "/iam-key-rotator/mailer/smtp-password"),
        ("mailgun", ["create", "delete"], [], "/iam-key-rotator/mailer/mailgun-api-key"),
        ("ses", ["delete"], ["create"], None),
    ],
)
def test_a_mailer_switch_is_readable_and_complete(
    mailer: str,
    secret: list[str],
    returned_mails: list[str],
    parameter: str | None,
    project: Workspace,
    root: Clients,
) -> None:
    """What a preview does not show nobody can review; a parameter that stays behind is a password that does."""
    switch_mailer(project, mailer)
    before = len(project.orders.calls())

    shown = project.pulumi("preview", "--diff").ok().output
    project.up().ok()

    in_the_dark = [line.strip() for line in shown.splitlines() if "[unknown]" in line]
    assert [line for line in in_the_dark if not line.startswith(OF_A_NEW_PARAMETER)] == []
    assert {"smtp": "MailerSecret", "mailgun": "mailgun-api-key", "ses": "MailFromOneAddress"}[mailer] in shown
    changed = [(call.name, call.method) for call in project.orders.calls()[before:]]
    assert sorted(changed) == sorted(
        [
            *(("mailer-secret", method) for method in secret),
            *((name, method) for name in RETURNED_MAILS for method in returned_mails),
            *(("rotator-undelivered", "update") for _ in returned_mails),
            # Who may read the mailer's secret stands in the key's policy, too.
            ("secrets-key", "update"),
            *BOTH_POLICIES.items(),
            *BOTH_FUNCTIONS.items(),
        ]
    )
    assert ("MailerSecret" in _key_policy(project, root)) == (parameter is not None)
    parameters = [each["Name"] for each in root.ssm.describe_parameters()["Parameters"]]
    assert parameters == [parameter] * (parameter is not None)
    sets = root.sesv2.list_configuration_sets()["ConfigurationSets"]
    assert sets == ["iam-key-rotator"] * (mailer == "ses")
    for role in ("rotator", "destructor"):
        function = root.functions.get_function_configuration(FunctionName=f"iam-key-rotator-{role}")
        assert function["Environment"]["Variables"]["MAIL_CLIENT"] == mailer


class TestEncryption:
    """Users decrypt mails that were sent before, whatever the stack does now."""

    def test_turned_off_it_leaves_the_policy_to_whoever_has_it(self, project: Workspace, root: Clients) -> None:
        """IAM does not delete a policy that is attached: `up` used to fail, half-way."""
        before = project.outputs()
        arn = before["decryptPolicyArn"]
        root.iam.create_group(GroupName="developers")
        root.iam.attach_group_policy(GroupName="developers", PolicyArn=arn)
        project.configure(encryptKeyPair="false")

        plan = project.preview()
        project.up().ok()

        assert plan.changes == {"rotator-access": "update", **BOTH_FUNCTIONS}
        assert any("in plain text" in warning for warning in plan.warnings)
        assert root.iam.list_attached_group_policies(GroupName="developers")["AttachedPolicies"]
        assert project.outputs() == before
        assert root.kms.describe_key(KeyId=before["secretsKeyArn"])["KeyMetadata"]["KeyState"] == "Enabled"

    def test_the_policy_stays_in_every_deployment_after_that(self, project: Workspace) -> None:
        project.pulumi("up", "--yes", "--expect-no-changes").ok()

    def test_turned_on_again_it_changes_back(self, project: Workspace) -> None:
        project.configure(encryptKeyPair="true")

        assert project.preview().changes == {"rotator-access": "update", **BOTH_FUNCTIONS}
        project.up().ok()

    def test_policy_and_key_go_as_the_readme_has_it(self, project: Workspace, root: Clients) -> None:
        key = project.outputs()["secretsKeyArn"]

        for command in readme.commands("### Turn encryption off"):
            confirmed = f"{command} --yes" if "take_down" in command else command
            project.typed(confirmed).ok()

        assert root.iam.list_policies(Scope="Local")["Policies"] == []
        assert project.outputs().keys().isdisjoint({"decryptPolicyArn", "secretsKeyArn"})
        assert root.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"

    def test_it_can_be_turned_on_anew(self, project: Workspace) -> None:
        project.configure(encryptKeyPair="true")

        assert project.preview().changes == {
            "decryption-policy": "create",
            "secrets-key": "create",
            "secrets-alias": "create",
            "rotator-access": "update",
            **BOTH_FUNCTIONS,
        }
        project.up().ok()


def _key_policy(project: Workspace, root: Clients) -> str:
    return root.kms.get_key_policy(KeyId=project.outputs()["secretsKeyArn"])["Policy"]
