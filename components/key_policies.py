"""The policies of the stack's own KMS keys, as pure functions: who may use which key, for what.

A KMS key policy is the last word: what it allows nobody, no IAM policy can allow. Where a statement names the account
as its principal, the caller's IAM policy must allow the action as well; so each statement is limited by its conditions,
and none grants ``kms:*``. Whoever may change the key policy is an administrator of all that it protects.
https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
"""

from __future__ import annotations

from typing import Any

from components.account import Account
from components.policies import Statement, document, encryption_keys, own_encryption_key, through_ssm

# What it takes to keep a key, and nothing that reads or writes under it: no grant either, which would let others do so.
_ADMINISTRATION = [
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListAliases",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
]


def secrets_key(account: Account, *, rotator_role_arn: str, mailer_secret_arn: str | None) -> str:
    """Write the policy of the key that users' encryption keys lie under.

    The rotator encrypts them, each user decrypts their own, and nobody else decrypts one, whatever their IAM policy
    says. The mailer's secret, if there is one, may be read and written by whoever IAM lets: the functions read it, and
    whoever deploys the stack writes it.
    """
    statements = [
        _administration(account),
        _allow_account(
            account,
            "RotatorEncrypts",
            ["kms:Encrypt", "kms:GenerateDataKey"],
            {
                "ArnEquals": {"aws:PrincipalArn": rotator_role_arn},
                "StringEquals": {"kms:ViaService": account.via("ssm")},
                "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": encryption_keys(account)},
            },
        ),
        _allow_account(
            account,
            "UsersDecryptTheirOwn",
            ["kms:Decrypt"],
            {"StringEquals": through_ssm(account, own_encryption_key(account))},
        ),
    ]
    if mailer_secret_arn:
        statements.append(
            _allow_account(
                account,
                "MailerSecret",
                ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
                {"StringEquals": through_ssm(account, mailer_secret_arn)},
            ),
        )
    return document(statements)


def messages_key(account: Account) -> str:
    """Write the policy of the key that alarms lie under on their way: for SNS alone, and for CloudWatch to ring it.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    return document(
        [
            _administration(account),
            _allow_account(
                account,
                "MessagesOfTheAccount",
                ["kms:Decrypt", "kms:GenerateDataKey"],
                {"StringEquals": {"kms:ViaService": account.via("sns")}},
            ),
            {
                "Sid": "AlarmsOfThisAccount",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:SourceAccount": account.id}},
            },
        ],
    )


def _administration(account: Account) -> Statement:
    return _allow_account(account, "Administration", _ADMINISTRATION, {})


def _allow_account(account: Account, sid: str, actions: list[str], condition: dict[str, Any]) -> Statement:
    """Allow something to those of the account's principals whose IAM policies allow it, too."""
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": account.iam_arn("root")},
        "Action": actions,
        # A key's policy is about that key alone.
        "Resource": "*",
    }
    return statement | {"Condition": condition} if condition else statement
