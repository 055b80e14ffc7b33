"""The IAM policy documents, as pure functions: what each role may do, to what, and on which condition.

Every statement has a Sid that says why it is there. No role gets a policy that AWS manages: those allow more than is
needed. What can be scoped to a resource is; the few actions that nobody can scope stand in statements of their own.

The policies of the stack's own KMS keys are in ``key_policies.py``, and what an organization may deny to everybody
else is in ``guardrail.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from components.account import Account

Statement = dict[str, Any]

_EMAIL_TAG = "aws:ResourceTag/IKR:EMAIL"


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


def called_by(function_arn: str, statements: Iterable[Statement]) -> list[Statement]:
    """Grant what a function's code calls to that code alone: its role is of no use to anybody else.

    Not for the calls that Lambda makes with the role by itself, for destinations and streams, nor for KMS, which other
    services call for the function: they come without ``lambda:SourceFunctionArn``.
    https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
    """
    by_the_function = {"ArnEquals": {"lambda:SourceFunctionArn": function_arn}}
    return [
        {**statement, "Condition": {**statement.get("Condition", {}), **by_the_function}} for statement in statements
    ]


def lambda_itself(*, log_group_arn: str, dead_letters_arn: str, traced: bool) -> list[Statement]:
    """What Lambda does with any function's role: write its log, and park what failed."""
    statements = [
        allow("OwnLog", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_group_arn}:*"),
        allow("ParkFailures", ["sqs:SendMessage"], dead_letters_arn),
    ]
    if traced:
        statements.append(allow("Traces", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"))
    return statements


def stream_reader(stream_arn: str) -> list[Statement]:
    """What Lambda needs of a function's role in order to read the ledger's stream for it."""
    return [
        allow(
            "LedgerStream",
            ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
            stream_arn,
        ),
        allow("FindLedgerStream", ["dynamodb:ListStreams"], "*"),
    ]


def keys_of_services(
    account: Account, *, table_kms_key_arn: str | None, messages_kms_key_arn: str, queue_has_key: bool
) -> list[Statement]:
    """Let DynamoDB, SNS and SQS use the KMS keys of the table and the messages, on behalf of a function."""
    messengers = ["sns", "sqs"] if queue_has_key else ["sns"]
    statements = [
        allow(
            "MessagesKey",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            messages_kms_key_arn,
            {"StringEquals": {"kms:ViaService": [name for service in messengers for name in account.via(service)]}},
        ),
    ]
    if table_kms_key_arn:
        statements.append(
            allow(
                "LedgerKey",
                ["kms:Decrypt", "kms:GenerateDataKey"],
                table_kms_key_arn,
                {"StringEquals": {"kms:ViaService": account.via("dynamodb")}},
            ),
        )
    return statements


def rotator(
    account: Account,
    *,
    table_arn: str,
    alarm_topic_arn: str,
    encrypted: bool,
    user_paths: Sequence[str],
    email_domains: Sequence[str],
) -> list[Statement]:
    """What the rotator does: find users, make keys, and roll back; it never reads the encryption keys it stores."""
    statements = [
        allow("Census", ["iam:GetAccountAuthorizationDetails"], "*"),
        *_looks_and_tells(account, alarm_topic_arn),
        allow(
            "KeysOfTaggedUsers",
            ["iam:CreateAccessKey", "iam:DeleteAccessKey", "iam:UpdateAccessKey"],
            _users(account, user_paths),
            _tagged(email_domains),
        ),
        # A transaction needs the rights of the writes that it consists of.
        allow(
            "Ledger",
            ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"],
            table_arn,
        ),
        *_encryption_keys_can_go(account),
    ]
    if encrypted:
        statements.append(allow("StoreEncryptionKeys", ["ssm:PutParameter"], encryption_keys(account)))
    return statements


def seals(account: Account, secrets_kms_key_arn: str) -> list[Statement]:
    """Encrypt, and not decrypt, what SSM keeps of users."""
    return [
        allow(
            "SealEncryptionKeys",
            ["kms:Encrypt", "kms:GenerateDataKey"],
            secrets_kms_key_arn,
            {
                "StringEquals": {"kms:ViaService": account.via("ssm")},
                "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": encryption_keys(account)},
            },
        ),
    ]


def destructor(
    account: Account,
    *,
    table_arn: str,
    alarm_topic_arn: str,
    user_paths: Sequence[str],
    email_domains: Sequence[str],
) -> list[Statement]:
    """What the destructor does: deactivate and delete old keys; it can create none, and reads no encryption key."""
    return [
        *_looks_and_tells(account, alarm_topic_arn),
        allow("Ledger", ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], table_arn),
        # Unconditional, for it must see that a user's tag is gone, and who has a user's name now.
        allow("TagsOfUsers", ["iam:GetUser"], account.iam_arn("user/*")),
        allow(
            "KeysOfTaggedUsers",
            ["iam:DeleteAccessKey", "iam:UpdateAccessKey"],
            _users(account, user_paths),
            _tagged(email_domains),
        ),
        *_encryption_keys_can_go(account),
    ]


def mail_through_ses(account: Account, sender: str, email_domains: Sequence[str]) -> list[Statement]:
    """Send mail, from one address alone, and to the allowed domains; none means any.

    The resources are all of the account's identities, for SES may ask for the right to the recipient's as well where
    that is verified in the same account; and the configuration sets, for an identity may have one by default.
    """
    condition: dict[str, Any] = {"StringEquals": {"ses:FromAddress": sender}}
    if email_domains:
        condition["ForAllValues:StringLike"] = {"ses:Recipients": _addresses_in(email_domains)}
    return [
        allow(
            "MailFromOneAddress",
            # The second one is asked for where a mail has a file with it.
            ["ses:SendEmail", "ses:SendRawEmail"],
            [account.arn("ses", "identity/*"), account.arn("ses", "configuration-set/*")],
            condition,
        ),
    ]


def mailer_secret(parameter_arn: str) -> list[Statement]:
    """Read the mailer's own secret."""
    return [allow("MailerSecret", ["ssm:GetParameter"], parameter_arn)]


def opens_mailer_secret(account: Account, *, parameter_arn: str, kms_key_arn: str) -> list[Statement]:
    """Decrypt the mailer's own secret, and nothing else that the same key may protect."""
    return [
        allow(
            "OpenMailerSecret",
            ["kms:Decrypt"],
            kms_key_arn,
            {"StringEquals": through_ssm(account, parameter_arn)},
        ),
    ]


def decryption(account: Account, *, secrets_kms_key_arns: Sequence[str]) -> list[Statement]:
    """Let a user read the encryption key of their own mails, and nobody else's; and list their own access keys.

    With the list they see that a mail tells the truth. The name stands last in a user's ARN, after the path.
    """
    own = own_encryption_key(account)
    statements = [
        allow("OwnEncryptionKey", ["ssm:GetParameter"], own),
        allow(
            "OwnAccessKeys",
            ["iam:ListAccessKeys"],
            [account.iam_arn("user/${aws:username}"), account.iam_arn("user/*/${aws:username}")],
        ),
    ]
    if secrets_kms_key_arns:
        statements.append(
            allow(
                "OpenOwnEncryptionKey",
                ["kms:Decrypt"],
                list(secrets_kms_key_arns),
                {"StringEquals": through_ssm(account, own)},
            ),
        )
    return statements


def own_encryption_key(account: Account) -> list[str]:
    """Name the encryption key of whoever asks.

    ``${aws:username}`` and ``${aws:userid}`` are filled in by IAM. A role has no ``aws:username``: then nothing
    matches.
    """
    return [
        account.arn("ssm", "parameter/ikr/secret/iam/${aws:username}"),
        account.arn("ssm", "parameter/ikr/secret/iam-id/${aws:userid}"),
    ]


def encryption_keys(account: Account) -> list[str]:
    """Name everybody's encryption keys."""
    return [
        account.arn("ssm", "parameter/ikr/secret/iam/*"),
        account.arn("ssm", "parameter/ikr/secret/iam-id/*"),
    ]


def through_ssm(account: Account, parameter_arns: str | list[str]) -> dict[str, Any]:
    """Say that SSM uses a KMS key, for these parameters.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html
    """
    return {"kms:ViaService": account.via("ssm"), "kms:EncryptionContext:PARAMETER_ARN": parameter_arns}


def queue(*, queue_arn: str, rule_arns: Sequence[str]) -> str:
    """Let the stack's own EventBridge rules, and no other, park what they could not deliver; nobody without TLS."""
    return document(
        [
            _tls_only("sqs:*", queue_arn),
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


def topic(account: Account, *, topic_arn: str) -> str:
    """Let CloudWatch publish to the topic, for alarms of this account alone; nobody without TLS."""
    return document(
        [
            _tls_only("sns:Publish", topic_arn),
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


def _looks_and_tells(account: Account, alarm_topic_arn: str) -> list[Statement]:
    """What both functions do before and after all else: look at keys, and tell people.

    Keys may be looked at whoever has them, and whether or not they carry the tag. A key counts as gone only once IAM
    says so. With a condition on the tag, IAM would refuse to say it of a user who is gone, for such a user has no tag;
    and a user who was renamed would look like one.
    """
    return [
        allow("LookAtKeys", ["iam:GetAccessKeyLastUsed", "iam:ListAccessKeys"], account.iam_arn("user/*")),
        allow("AccountAliasForMails", ["iam:ListAccountAliases"], "*"),
        allow("TellOperators", ["sns:Publish"], alarm_topic_arn),
    ]


def _tagged(email_domains: Sequence[str]) -> dict[str, Any]:
    """Limit a statement to users whose tag names an address of an allowed domain; with none, to users with the tag.

    IAM's tag keys are not case-sensitive, so this holds for any spelling; values are. Without this condition the right
    to create access keys would be the right to become any user.
    """
    if not email_domains:
        return {"Null": {_EMAIL_TAG: "false"}}
    return {"StringLike": {_EMAIL_TAG: _addresses_in(email_domains)}}


def _addresses_in(email_domains: Sequence[str]) -> list[str]:
    return [f"*@{domain}" for domain in email_domains]


def _tls_only(action: str, resource: str) -> Statement:
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _users(account: Account, paths: Sequence[str]) -> list[str]:
    return [account.iam_arn(f"user{path}*") for path in paths]


def _encryption_keys_can_go(account: Account) -> list[Statement]:
    """Delete a rotation's encryption key, having seen from its metadata whose it is; it is never read.

    Granted whatever the stack's mode is now: a rotation may date from a time when mails were still encrypted.
    """
    return [
        allow("DescribeEncryptionKeys", ["ssm:DescribeParameters"], "*"),
        allow("DeleteEncryptionKeys", ["ssm:DeleteParameter"], encryption_keys(account)),
    ]


def allow(
    sid: str,
    actions: list[str],
    resources: str | list[str],
    condition: dict[str, Any] | None = None,
) -> Statement:
    """Write one statement."""
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return statement | {"Condition": condition} if condition else statement
