"""The policies of the stack's own KMS keys, to the letter: they are the last word on who reads what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.components.recorder import ACCOUNT, EVERY_KIND, MAILERS, REGIONS, Deployment, deployed, deployed_in
from tests.components.test_policies import encryption_keys, via

PARTITIONS = pytest.mark.parametrize("partition", REGIONS)
READS_OR_WRITES = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}


def statements(stack: Deployment, name: str) -> dict[str, dict[str, Any]]:
    """The statements of a key's policy by Sid, without the Sid."""
    policy = stack.one("aws:kms/key:Key", f"{name}-key").policy
    return {
        statement["Sid"]: {key: value for key, value in statement.items() if key != "Sid"}
        for statement in policy["Statement"]
    }


def account_may(stack: Deployment, actions: list[str], **condition: object) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{stack.partition}:iam::{ACCOUNT}:root"},
        "Action": actions,
        "Resource": "*",
        "Condition": condition,
    }


@PARTITIONS
def test_secrets_key(partition: str) -> None:
    stack = deployed_in(partition)
    here = f"arn:{partition}:ssm:{stack.region}:{ACCOUNT}:parameter"
    through_ssm = {"kms:ViaService": via(stack, "ssm")}

    found = statements(stack, "secrets")

    del found["Administration"]
    mailers = found.pop("MailerSecret", None)
    assert found == {
        "RotatorEncrypts": account_may(
            stack,
            ["kms:Encrypt", "kms:GenerateDataKey"],
            ArnEquals={"aws:PrincipalArn": f"arn:{partition}:iam::{ACCOUNT}:role/iam-key-rotator-rotator"},
            StringEquals=through_ssm,
            StringLike={"kms:EncryptionContext:PARAMETER_ARN": encryption_keys(stack)},
        ),
        "UsersDecryptTheirOwn": account_may(
            stack,
            ["kms:Decrypt"],
            StringEquals={
                **through_ssm,
                "kms:EncryptionContext:PARAMETER_ARN": [
                    f"{here}/ikr/secret/iam/${{aws:username}}",
                    f"{here}/ikr/secret/iam-id/${{aws:userid}}",
                ],
            },
        ),
    }
    assert bool(mailers) is (partition == "aws-cn")


@PARTITIONS
@pytest.mark.parametrize(("mailer", "secret"), [("smtp", "smtp-password"), ("mailgun", "mailgun-api-key")])
def test_secrets_key_of_a_mailer_with_a_secret(partition: str, mailer: str, secret: str) -> None:
    stack = deployed_in(partition, **MAILERS[mailer])
    parameter = f"arn:{partition}:ssm:{stack.region}:{ACCOUNT}:parameter/iam-key-rotator/mailer/{secret}"

    assert statements(stack, "secrets")["MailerSecret"] == account_may(
        stack,
        ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
        StringEquals={"kms:ViaService": via(stack, "ssm"), "kms:EncryptionContext:PARAMETER_ARN": parameter},
    )


@PARTITIONS
def test_messages_key(partition: str) -> None:
    stack = deployed_in(partition)

    found = statements(stack, "messages")

    del found["Administration"]
    assert found == {
        "MessagesOfTheAccount": account_may(
            stack, ["kms:Decrypt", "kms:GenerateDataKey"], StringEquals={"kms:ViaService": via(stack, "sns")}
        ),
        "AlarmsOfThisAccount": {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        },
    }


@pytest.mark.parametrize("name", ["secrets", "messages"])
def test_whoever_keeps_a_key_reads_nothing_under_it(name: str, stack: Deployment) -> None:
    """Nor lets others read: a grant would."""
    administration = statements(stack, name)["Administration"]

    actions = set(administration["Action"])
    assert not actions & {*READS_OR_WRITES, "kms:CreateGrant", "kms:ReEncryptFrom", "kms:ReEncryptTo"}
    assert not [action for action in actions if "*" in action]
    assert {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"} <= actions
    assert administration["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


@pytest.mark.parametrize("kind", [kind for kind in EVERY_KIND if kind.endswith("own-keys")])
def test_nothing_is_read_or_written_without_a_condition(kind: str) -> None:
    stack = deployed(**EVERY_KIND[kind])

    using = [
        statement
        for key in stack.all("aws:kms/key:Key")
        for statement in key.policy["Statement"]
        if READS_OR_WRITES & set(statement["Action"])
    ]

    assert len(using) >= 2
    assert [statement["Sid"] for statement in using if not statement.get("Condition")] == []
