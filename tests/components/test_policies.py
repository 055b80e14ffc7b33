"""What each role may do. A statement too many here is somebody's key stolen; one too few is a run that fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.components.recorder import (
    ACCOUNT,
    EVERY_KIND,
    KMS_KEYS,
    MAILERS,
    REGIONS,
    Deployment,
    deployed,
    deployed_in,
    key_arn,
)

Statements = Mapping[str, Mapping[str, Any]]

ROLE_POLICIES = ("rotator-access", "destructor-access")
PARTITIONS = pytest.mark.parametrize("partition", REGIONS)

# What AWS lets nobody scope to a resource.
ONLY_ON_EVERYTHING = {
    "dynamodb:ListStreams",
    "iam:GetAccountAuthorizationDetails",
    "iam:ListAccountAliases",
    "ssm:DescribeParameters",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allow(actions: list[str], resource: str | list[str], condition: object = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | {"Condition": condition} if condition else statement


def granted(stack: Deployment, policy: str) -> dict[str, dict[str, Any]]:
    """The statements of a policy by Sid, without the Sid."""
    return {
        sid: {key: value for key, value in statement.items() if key != "Sid"}
        for sid, statement in stack.statements(policy).items()
    }


def by(stack: Deployment, function: str, **condition: object) -> dict[str, Any]:
    """A condition that only the function's own code meets."""
    arn = f"arn:{stack.partition}:lambda:{stack.region}:{ACCOUNT}:function:iam-key-rotator-{function}"
    return {**condition, "ArnEquals": {"lambda:SourceFunctionArn": arn}}


def encryption_keys(stack: Deployment) -> list[str]:
    here = f"arn:{stack.partition}:ssm:{stack.region}:{ACCOUNT}"
    return [f"{here}:parameter/ikr/secret/iam/*", f"{here}:parameter/ikr/secret/iam-id/*"]


def via(stack: Deployment, service: str) -> list[str]:
    name = f"{service}.{stack.region}.amazonaws.com"
    return [name, f"{name}.cn"] if stack.partition == "aws-cn" else [name]


def mailers_statements(stack: Deployment, function: str) -> dict[str, Any]:
    arn = f"arn:{stack.partition}"
    here = f"{stack.region}:{ACCOUNT}"
    if stack.partition == "aws-cn":
        secret = f"{arn}:ssm:{here}:parameter/iam-key-rotator/mailer/smtp-password"
        context = {"kms:ViaService": via(stack, "ssm"), "kms:EncryptionContext:PARAMETER_ARN": secret}
        return {
            "MailerSecret": allow(["ssm:GetParameter"], secret, by(stack, function)),
            "OpenMailerSecret": allow(
                ["kms:Decrypt"], key_arn(stack.partition, "secrets-key"), {"StringEquals": context}
            ),
        }
    condition = {
        "StringEquals": {"ses:FromAddress": "keys@example.com"},
        "ForAllValues:StringLike": {"ses:Recipients": ["*@example.com"]},
    }
    return {
        "MailFromOneAddress": allow(
            ["ses:SendEmail", "ses:SendRawEmail"],
            [f"{arn}:ses:{here}:identity/*", f"{arn}:ses:{here}:configuration-set/*"],
            by(stack, function, **condition),
        )
    }


def shared_statements(stack: Deployment, function: str) -> dict[str, dict[str, Any]]:
    here = f"{stack.region}:{ACCOUNT}"
    arn = f"arn:{stack.partition}"
    return {
        **mailers_statements(stack, function),
        "OwnLog": allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"{arn}:logs:{here}:log-group:/aws/lambda/iam-key-rotator-{function}:*",
        ),
        "ParkFailures": allow(["sqs:SendMessage"], f"{arn}:sqs:{here}:iam-key-rotator-dead-letters"),
        "MessagesKey": allow(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            key_arn(stack.partition, "messages-key"),
            {"StringEquals": {"kms:ViaService": via(stack, "sns")}},
        ),
        "AccountAliasForMails": allow(["iam:ListAccountAliases"], "*", by(stack, function)),
        "LookAtKeys": allow(
            ["iam:GetAccessKeyLastUsed", "iam:ListAccessKeys"], f"{arn}:iam::{ACCOUNT}:user/*", by(stack, function)
        ),
        "TellOperators": allow(["sns:Publish"], f"{arn}:sns:{here}:iam-key-rotator-alarms", by(stack, function)),
        "DescribeEncryptionKeys": allow(["ssm:DescribeParameters"], "*", by(stack, function)),
        "DeleteEncryptionKeys": allow(["ssm:DeleteParameter"], encryption_keys(stack), by(stack, function)),
    }


def without_tls(action: str, resource: str) -> dict[str, Any]:
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


@PARTITIONS
class TestTheWholePolicies:
    """Every statement of the default stack, to the letter: whatever is added must be added here too."""

    def test_rotator(self, partition: str) -> None:
        stack = deployed_in(partition)
        here = f"{stack.region}:{ACCOUNT}"

        statements = granted(stack, "rotator-access")

        assert statements == {
            **shared_statements(stack, "rotator"),
            "Census": allow(["iam:GetAccountAuthorizationDetails"], "*", by(stack, "rotator")),
            "KeysOfTaggedUsers": allow(
                ["iam:CreateAccessKey", "iam:DeleteAccessKey", "iam:UpdateAccessKey"],
                [f"arn:{partition}:iam::{ACCOUNT}:user/*"],
                by(stack, "rotator", StringLike={"aws:ResourceTag/IKR:EMAIL": ["*@example.com"]}),
            ),
            "Ledger": allow(
                ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"],
                f"arn:{partition}:dynamodb:{here}:table/iam-key-rotator",
                by(stack, "rotator"),
            ),
            "StoreEncryptionKeys": allow(["ssm:PutParameter"], encryption_keys(stack), by(stack, "rotator")),
            "SealEncryptionKeys": allow(
                ["kms:Encrypt", "kms:GenerateDataKey"],
                key_arn(partition, "secrets-key"),
                {
                    "StringEquals": {"kms:ViaService": via(stack, "ssm")},
                    "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": encryption_keys(stack)},
                },
            ),
        }

    def test_destructor(self, partition: str) -> None:
        stack = deployed_in(partition)
        here = f"{stack.region}:{ACCOUNT}"

        statements = granted(stack, "destructor-access")

        assert statements == {
            **shared_statements(stack, "destructor"),
            "LedgerStream": allow(
                ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
                f"arn:{partition}:dynamodb:{here}:table/iam-key-rotator/stream/2026-01-01T00:00:00.000",
            ),
            "FindLedgerStream": allow(["dynamodb:ListStreams"], "*"),
            "Ledger": allow(
                ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
                f"arn:{partition}:dynamodb:{here}:table/iam-key-rotator",
                by(stack, "destructor"),
            ),
            "TagsOfUsers": allow(["iam:GetUser"], f"arn:{partition}:iam::{ACCOUNT}:user/*", by(stack, "destructor")),
            "KeysOfTaggedUsers": allow(
                ["iam:DeleteAccessKey", "iam:UpdateAccessKey"],
                [f"arn:{partition}:iam::{ACCOUNT}:user/*"],
                by(stack, "destructor", StringLike={"aws:ResourceTag/IKR:EMAIL": ["*@example.com"]}),
            ),
        }

    def test_decryption(self, partition: str) -> None:
        stack = deployed_in(partition)
        here = f"{stack.region}:{ACCOUNT}"
        own = [
            f"arn:{partition}:ssm:{here}:parameter/ikr/secret/iam/${{aws:username}}",
            f"arn:{partition}:ssm:{here}:parameter/ikr/secret/iam-id/${{aws:userid}}",
        ]

        statements = granted(stack, "decryption-policy")

        assert statements == {
            "OwnEncryptionKey": allow(["ssm:GetParameter"], own),
            "OwnAccessKeys": allow(
                ["iam:ListAccessKeys"],
                [
                    f"arn:{partition}:iam::{ACCOUNT}:user/${{aws:username}}",
                    f"arn:{partition}:iam::{ACCOUNT}:user/*/${{aws:username}}",
                ],
            ),
            "OpenOwnEncryptionKey": allow(
                ["kms:Decrypt"],
                [key_arn(partition, "secrets-key")],
                {
                    "StringEquals": {
                        "kms:ViaService": via(stack, "ssm"),
                        "kms:EncryptionContext:PARAMETER_ARN": own,
                    }
                },
            ),
        }

    def test_roles_are_lambdas_alone(self, partition: str) -> None:
        stack = deployed_in(partition)

        trust = {role.name: role.policy["Statement"] for role in stack.all("aws:iam/role:Role")}

        lambda_alone = {
            "Sid": "Lambda",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        assert trust == {"rotator-role": [lambda_alone], "destructor-role": [lambda_alone]}

    def test_queue_takes_events_of_the_stacks_own_rules_alone(self, partition: str) -> None:
        stack = deployed_in(partition)
        here = f"{stack.region}:{ACCOUNT}"

        tls_only, statement = stack.one("aws:sqs/queuePolicy:QueuePolicy", "rotator-undelivered").policy["Statement"]

        queue = f"arn:{partition}:sqs:{here}:iam-key-rotator-dead-letters"
        rules = ["schedule"] if partition == "aws-cn" else ["schedule", "returned-mails"]
        assert tls_only == without_tls("sqs:*", queue)
        assert statement == {
            "Sid": "UndeliveredEvents",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {
                "ArnEquals": {
                    "aws:SourceArn": [f"arn:{partition}:events:{here}:rule/iam-key-rotator-{rule}" for rule in rules]
                }
            },
        }

    def test_topic_takes_alarms_of_this_account_alone(self, partition: str) -> None:
        stack = deployed_in(partition)

        tls_only, statement = stack.one("aws:sns/topicPolicy:TopicPolicy", "alarms-policy").policy["Statement"]

        topic = f"arn:{partition}:sns:{stack.region}:{ACCOUNT}:iam-key-rotator-alarms"
        assert tls_only == without_tls("sns:Publish", topic)
        assert statement == {
            "Sid": "AlarmsOfThisAccount",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic,
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        }

    def test_every_arn_is_of_this_partition(self, partition: str) -> None:
        """An ARN with ``aws`` written into it grants nothing in China or GovCloud."""
        stack = deployed_in(partition, **MAILERS["smtp"])

        resources = [arn for _, statement in stack.policies() for arn in as_list(statement["Resource"]) if arn != "*"]

        assert [arn for arn in resources if not arn.startswith(f"arn:{partition}:")] == []


class TestNobodyBecomesAnyUser:
    """The right to create keys for any user is the right to be any user; scanners overlook it on ``user/*``."""

    def test_keys_are_touched_only_for_tagged_users(self, any_stack: Deployment) -> None:
        changing = [
            statement
            for _, statement in any_stack.policies()
            if any(action.endswith("AccessKey") for action in statement["Action"])
        ]

        of_the_domain = {"StringLike": {"aws:ResourceTag/IKR:EMAIL": ["*@example.com"]}}
        assert [statement["Condition"] for statement in changing] == [
            by(any_stack, function, **of_the_domain) for function in ("rotator", "destructor")
        ]
        assert [statement["Resource"] for statement in changing] == [[f"arn:aws:iam::{ACCOUNT}:user/*"]] * 2

    def test_keys_of_users_in_other_paths_are_not_touched(self) -> None:
        """Whoever may tag users could otherwise have an administrator's key replaced, and mailed to themselves."""
        stack = deployed(userPaths='["/developers/", "/service/ci/"]')

        changing = [
            statement["Resource"]
            for _, statement in stack.policies()
            if any(action.endswith("AccessKey") for action in statement["Action"])
        ]

        mine = f"arn:aws:iam::{ACCOUNT}:user"
        assert changing == [[f"{mine}/developers/*", f"{mine}/service/ci/*"]] * 2

    @pytest.mark.parametrize(
        ("configured", "patterns"),
        [
            ('["example.org", "Mail.Example.com"]', ["*@example.org", "*@mail.example.com"]),
            ('["*"]', None),
        ],
    )
    def test_a_tag_reaches_as_far_as_the_allowed_domains(self, configured: str, patterns: list[str] | None) -> None:
        """In the roles' policies as in the code: so a fault of the code alone redirects nothing."""
        stack = deployed(allowedEmailDomains=configured)

        for policy in ROLE_POLICIES:
            keys, mail = (
                stack.statements(policy)[sid]["Condition"] for sid in ("KeysOfTaggedUsers", "MailFromOneAddress")
            )
            if patterns:
                assert keys["StringLike"] == {"aws:ResourceTag/IKR:EMAIL": patterns}
                assert mail["ForAllValues:StringLike"] == {"ses:Recipients": patterns}
            else:
                assert keys["Null"] == {"aws:ResourceTag/IKR:EMAIL": "false"}
                assert "ForAllValues:StringLike" not in mail

    def test_the_rotator_alone_creates_keys(self, any_stack: Deployment) -> None:
        creators = [name for name, statement in any_stack.policies() if "iam:CreateAccessKey" in statement["Action"]]

        assert creators == ["rotator-access"]

    def test_no_action_is_a_wildcard(self, any_stack: Deployment) -> None:
        actions = [action for _, statement in any_stack.policies() for action in as_list(statement["Action"])]

        assert [action for action in actions if "*" in action] == []

    def test_only_what_cannot_be_scoped_is_unscoped(self, any_stack: Deployment) -> None:
        unscoped = {
            action
            for _, statement in any_stack.policies()
            if "*" in as_list(statement["Resource"])
            for action in statement["Action"]
        }

        assert unscoped <= ONLY_ON_EVERYTHING

    def test_no_policy_of_aws_is_attached(self, any_stack: Deployment) -> None:
        attached = [resource.type for resource in any_stack.resources if "Attachment" in resource.type]

        assert attached == []

    def test_every_statement_says_why(self, any_stack: Deployment) -> None:
        for policy in (*ROLE_POLICIES, *(resource.name for resource in any_stack.all("aws:iam/policy:Policy"))):
            statements = [statement for name, statement in any_stack.policies() if name == policy]
            sids = [statement["Sid"] for statement in statements]

            assert len(set(sids)) == len(sids) > 0
            assert all(sid.isalnum() for sid in sids)


class TestSecretsStayApart:
    """A role that can read another's secrets makes one leaked function the leak of every key."""

    def test_functions_read_no_encryption_key(self, any_stack: Deployment) -> None:
        readable = [
            arn
            for name, statement in any_stack.policies()
            if name in ROLE_POLICIES and any(action.startswith("ssm:Get") for action in statement["Action"])
            for arn in as_list(statement["Resource"])
        ]

        assert [arn for arn in readable if "/ikr/secret/" in arn] == []

    @pytest.mark.parametrize(("mailer", "secret"), [("smtp", "smtp-password"), ("mailgun", "mailgun-api-key")])
    @pytest.mark.parametrize("policy", ROLE_POLICIES)
    def test_functions_read_their_mailers_secret(self, mailer: str, secret: str, policy: str) -> None:
        stack = deployed(**MAILERS[mailer])

        statements = granted(stack, policy)

        arn = f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/iam-key-rotator/mailer/{secret}"
        assert statements["MailerSecret"] == allow(["ssm:GetParameter"], arn, by(stack, policy.removesuffix("-access")))
        assert "MailFromOneAddress" not in statements

    @pytest.mark.parametrize("policy", ROLE_POLICIES)
    def test_ses_has_no_secret_to_read(self, policy: str) -> None:
        statements = granted(deployed(**MAILERS["ses"]), policy)

        assert "MailerSecret" not in statements

    def test_display_name_is_no_part_of_the_sender(self) -> None:
        """SES compares the bare address; a policy with a display name in it would refuse every mail."""
        stack = deployed(mailFrom="Key Rotation <keys@example.com>")

        statement = stack.statements("rotator-access")["MailFromOneAddress"]

        assert statement["Condition"]["StringEquals"] == {"ses:FromAddress": "keys@example.com"}

    def test_without_encryption_there_is_nothing_to_seal_or_open(self) -> None:
        stack = deployed(**EVERY_KIND["smtp-plain-customer-keys"])

        statements = granted(stack, "rotator-access")

        assert statements.keys().isdisjoint({"StoreEncryptionKeys", "SealEncryptionKeys"})
        assert stack.all("aws:iam/policy:Policy") == []

    @pytest.mark.parametrize("policy", ROLE_POLICIES)
    def test_encryption_keys_can_go_after_encryption_was_turned_off(self, policy: str) -> None:
        stack = deployed(**EVERY_KIND["smtp-plain-own-keys"])

        assert {"DescribeEncryptionKeys", "DeleteEncryptionKeys"} <= stack.statements(policy).keys()


class TestCustomerKeys:
    """With the customer's key, who may use it is what keeps readers apart."""

    def test_rotator_seals_but_never_opens(self) -> None:
        stack = deployed(**EVERY_KIND["ses-encrypted-customer-keys"])

        statements = granted(stack, "rotator-access")

        assert statements["SealEncryptionKeys"] == allow(
            ["kms:Encrypt", "kms:GenerateDataKey"],
            KMS_KEYS["secretsKmsKeyArn"],
            {
                "StringEquals": {"kms:ViaService": ["ssm.eu-central-1.amazonaws.com"]},
                "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": encryption_keys(stack)},
            },
        )
        opened = [statement["Resource"] for statement in statements.values() if "kms:Decrypt" in statement["Action"]]
        assert opened == [KMS_KEYS["messagesKmsKeyArn"], KMS_KEYS["tableKmsKeyArn"]]

    @pytest.mark.parametrize("policy", ROLE_POLICIES)
    def test_functions_open_their_mailers_secret_alone(self, policy: str) -> None:
        stack = deployed(**EVERY_KIND["smtp-encrypted-customer-keys"])

        statement = granted(stack, policy)["OpenMailerSecret"]

        assert statement == allow(
            ["kms:Decrypt"],
            KMS_KEYS["secretsKmsKeyArn"],
            {
                "StringEquals": {
                    "kms:ViaService": ["ssm.eu-central-1.amazonaws.com"],
                    "kms:EncryptionContext:PARAMETER_ARN": (
                        f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/iam-key-rotator/mailer/smtp-password"
                    ),
                },
            },
        )

    def test_users_open_their_own_encryption_key_alone(self) -> None:
        stack = deployed(**EVERY_KIND["ses-encrypted-customer-keys"])

        statement = granted(stack, "decryption-policy")["OpenOwnEncryptionKey"]

        assert statement == allow(
            ["kms:Decrypt"],
            [KMS_KEYS["secretsKmsKeyArn"]],
            {
                "StringEquals": {
                    "kms:ViaService": ["ssm.eu-central-1.amazonaws.com"],
                    "kms:EncryptionContext:PARAMETER_ARN": [
                        f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/ikr/secret/iam/${{aws:username}}",
                        f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/ikr/secret/iam-id/${{aws:userid}}",
                    ],
                },
            },
        )

    @pytest.mark.parametrize("policy", ROLE_POLICIES)
    def test_functions_use_the_tables_key_through_dynamodb_alone(self, policy: str) -> None:
        stack = deployed(**EVERY_KIND["ses-encrypted-customer-keys"])

        statement = granted(stack, policy)["LedgerKey"]

        assert statement == allow(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            KMS_KEYS["tableKmsKeyArn"],
            {"StringEquals": {"kms:ViaService": ["dynamodb.eu-central-1.amazonaws.com"]}},
        )

    @pytest.mark.parametrize("policy", ROLE_POLICIES)
    def test_functions_use_the_messages_key_through_the_messengers_alone(self, policy: str) -> None:
        stack = deployed(messagesKmsKeyArn=KMS_KEYS["messagesKmsKeyArn"])

        assert granted(stack, policy)["MessagesKey"] == allow(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            KMS_KEYS["messagesKmsKeyArn"],
            {"StringEquals": {"kms:ViaService": ["sns.eu-central-1.amazonaws.com", "sqs.eu-central-1.amazonaws.com"]}},
        )

    def test_china_has_a_domain_of_its_own(self) -> None:
        stack = deployed("aws-cn", **EVERY_KIND["smtp-encrypted-customer-keys"])

        statement = stack.statements("rotator-access")["LedgerKey"]

        assert statement["Condition"]["StringEquals"]["kms:ViaService"] == [
            "dynamodb.cn-north-1.amazonaws.com",
            "dynamodb.cn-north-1.amazonaws.com.cn",
        ]

    def test_keys_are_used_on_condition_alone(self, any_stack: Deployment) -> None:
        about_kms = [
            statement
            for _, statement in any_stack.policies()
            if any(action.startswith("kms:") for action in statement["Action"])
        ]

        assert all("kms:ViaService" in statement["Condition"]["StringEquals"] for statement in about_kms)


class TestTracing:
    """X-Ray's rights are not scoped, so they are given only to stacks that trace."""

    @pytest.mark.parametrize("policy", ROLE_POLICIES)
    def test_active(self, policy: str) -> None:
        stack = deployed(tracing="Active")

        assert granted(stack, policy)["Traces"] == allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*")

    @pytest.mark.parametrize("policy", ROLE_POLICIES)
    def test_pass_through(self, policy: str, stack: Deployment) -> None:
        assert "Traces" not in granted(stack, policy)
