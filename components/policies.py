"""The IAM policy documents, as pure functions: what each role may do, to what, and on which condition.

Every statement has a Sid that says why it is there. No role gets a policy that AWS manages: those allow more than is
needed. What can be scoped to a resource is; the few actions that nobody can scope stand in statements of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from components.account import Account

Statement = dict[str, Any]

# True for users that carry the tag, in any spelling: IAM's tag keys are not case-sensitive. Without this condition the
# right to create access keys would be the right to become any user.
TAGGED_USERS_ONLY = {"Null": {"aws:ResourceTag/IKR:EMAIL": "false"}}

# An IAM path that begins with no other: all users.
ALL_USERS = ("/",)


def document(statements: Iterable[Statement]) -> str:
    """Write a policy document as the JSON that IAM takes."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def lambda_trust() -> str:
    """Let Lambda, and nobody else, assume a function's role."""
    return document(
        [
            {
                "Sid": "Lambda",
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            },
        ],
    )


def every_function(
    account: Account,
    *,
    log_group_arn: str,
    dead_letters_arn: str,
    table_kms_key_arn: str | None,
    traced: bool,
) -> list[Statement]:
    """What any of the functions needs to run at all: its own log group, and a place for what it could not do."""
    statements = [
        _allow("OwnLog", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_group_arn}:*"),
        # Lambda sends what failed with the function's own rights, so both functions need this one.
        _allow("ParkFailures", ["sqs:SendMessage"], dead_letters_arn),
        _allow("AccountAliasForMails", ["iam:ListAccountAliases"], "*"),
    ]
    if table_kms_key_arn:
        statements.append(
            _allow(
                "LedgerKey",
                ["kms:Decrypt", "kms:GenerateDataKey"],
                table_kms_key_arn,
                {"StringEquals": {"kms:ViaService": account.via("dynamodb")}},
            ),
        )
    if traced:
        statements.append(_allow("Traces", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"))
    return statements


def rotator(
    account: Account,
    *,
    table_arn: str,
    alarm_topic_arn: str,
    encrypted: bool,
    secrets_kms_key_arn: str | None,
    user_paths: Sequence[str] = ALL_USERS,
) -> list[Statement]:
    """What the rotator does: find users, make keys, and roll back; it never reads the encryption keys it stores."""
    statements = [
        _allow("Census", ["iam:GetAccountAuthorizationDetails"], "*"),
        *_keys_can_be_looked_at(account),
        _allow(
            "KeysOfTaggedUsers",
            ["iam:CreateAccessKey", "iam:DeleteAccessKey", "iam:UpdateAccessKey"],
            _users(account, user_paths),
            TAGGED_USERS_ONLY,
        ),
        # A transaction needs the rights of the writes that it consists of.
        _allow(
            "Ledger",
            ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"],
            table_arn,
        ),
        _allow("TellOperators", ["sns:Publish"], alarm_topic_arn),
        *_encryption_keys_can_go(account),
    ]
    if encrypted:
        statements.append(_allow("StoreEncryptionKeys", ["ssm:PutParameter"], _encryption_keys(account)))
    if encrypted and secrets_kms_key_arn:
        statements.append(
            _allow(
                "SealEncryptionKeys",
                ["kms:Encrypt", "kms:GenerateDataKey"],
                secrets_kms_key_arn,
                {"StringEquals": {"kms:ViaService": account.via("ssm")}},
            ),
        )
    return statements


def destructor(
    account: Account,
    *,
    table_arn: str,
    stream_arn: str,
    alarm_topic_arn: str,
    user_paths: Sequence[str] = ALL_USERS,
) -> list[Statement]:
    """What the destructor does: read the ledger's stream, deactivate and delete old keys; it can create none."""
    return [
        _allow(
            "LedgerStream",
            ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
            stream_arn,
        ),
        _allow("FindLedgerStream", ["dynamodb:ListStreams"], "*"),
        _allow("Ledger", ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], table_arn),
        # Unconditional, for it must see that a user's tag is gone, and who has a user's name now.
        _allow("TagsOfUsers", ["iam:GetUser"], account.iam_arn("user/*")),
        *_keys_can_be_looked_at(account),
        _allow(
            "KeysOfTaggedUsers",
            ["iam:DeleteAccessKey", "iam:UpdateAccessKey"],
            _users(account, user_paths),
            TAGGED_USERS_ONLY,
        ),
        _allow("TellOperators", ["sns:Publish"], alarm_topic_arn),
        *_encryption_keys_can_go(account),
    ]


def mail_through_ses(account: Account, sender: str) -> list[Statement]:
    """Send mail, from one address alone.

    The resources are all of the account's identities, for SES may ask for the right to the recipient's as well where
    that is verified in the same account; and the configuration sets, for an identity may have one by default.
    """
    return [
        _allow(
            "MailFromOneAddress",
            ["ses:SendEmail"],
            [account.arn("ses", "identity/*"), account.arn("ses", "configuration-set/*")],
            {"StringEquals": {"ses:FromAddress": sender}},
        ),
    ]


def mailer_secret(account: Account, *, parameter_arn: str, kms_key_arn: str | None) -> list[Statement]:
    """Read the mailer's own secret, and nothing else that the same key may protect."""
    statements = [_allow("MailerSecret", ["ssm:GetParameter"], parameter_arn)]
    if kms_key_arn:
        statements.append(
            _allow(
                "OpenMailerSecret",
                ["kms:Decrypt"],
                kms_key_arn,
                {
                    "StringEquals": {
                        "kms:ViaService": account.via("ssm"),
                        "kms:EncryptionContext:PARAMETER_ARN": parameter_arn,
                    },
                },
            ),
        )
    return statements


def decryption(account: Account, *, secrets_kms_key_arn: str | None) -> list[Statement]:
    """Let a user read the encryption key of their own mails, and nobody else's.

    ``${aws:username}`` and ``${aws:userid}`` are filled in by IAM, for the user who asks.
    """
    own = [
        account.arn("ssm", "parameter/ikr/secret/iam/${aws:username}"),
        account.arn("ssm", "parameter/ikr/secret/iam-id/${aws:userid}"),
    ]
    statements = [_allow("OwnEncryptionKey", ["ssm:GetParameter"], own)]
    if secrets_kms_key_arn:
        statements.append(
            _allow(
                "OpenOwnEncryptionKey",
                ["kms:Decrypt"],
                secrets_kms_key_arn,
                {
                    "StringEquals": {
                        "kms:ViaService": account.via("ssm"),
                        "kms:EncryptionContext:PARAMETER_ARN": own,
                    },
                },
            ),
        )
    return statements


def queue_takes_undelivered_events(*, queue_arn: str, rule_arns: Sequence[str]) -> str:
    """Let the stack's own EventBridge rules, and no other, park the events that they could not deliver."""
    return document(
        [
            {
                "Sid": "UndeliveredEvents",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": list(rule_arns)}},
            },
        ],
    )


def topic_takes_alarms(account: Account, *, topic_arn: str) -> str:
    """Let CloudWatch publish to the topic, for alarms of this account alone."""
    return document(
        [
            {
                "Sid": "AlarmsOfThisAccount",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {"StringEquals": {"aws:SourceAccount": account.id}},
            },
        ],
    )


def _keys_can_be_looked_at(account: Account) -> list[Statement]:
    """List keys and ask for their last use: of anybody, and whether or not they still carry the tag.

    A key counts as gone only once IAM says so. With a condition on the tag, IAM would refuse to say it of a user who is
    gone, for such a user has no tag; and a user who was renamed would look like one.
    """
    return [
        _allow("LookAtKeys", ["iam:GetAccessKeyLastUsed", "iam:ListAccessKeys"], account.iam_arn("user/*")),
    ]


def _users(account: Account, paths: Sequence[str]) -> list[str]:
    return [account.iam_arn(f"user{path}*") for path in paths]


def _encryption_keys_can_go(account: Account) -> list[Statement]:
    """Delete a rotation's encryption key, having seen from its metadata whose it is; it is never read.

    Granted whatever the stack's mode is now: a rotation may date from a time when mails were still encrypted.
    """
    return [
        _allow("DescribeEncryptionKeys", ["ssm:DescribeParameters"], "*"),
        _allow("DeleteEncryptionKeys", ["ssm:DeleteParameter"], _encryption_keys(account)),
    ]


def _encryption_keys(account: Account) -> list[str]:
    return [
        account.arn("ssm", "parameter/ikr/secret/iam/*"),
        account.arn("ssm", "parameter/ikr/secret/iam-id/*"),
    ]


def _allow(
    sid: str,
    actions: list[str],
    resources: str | list[str],
    condition: dict[str, Any] | None = None,
) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return statement | {"Condition": condition} if condition else statement
