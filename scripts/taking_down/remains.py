"""What AWS holds that Pulumi does not know of: holders of the decryption policy, users in grace, encryption keys.

And the stack's own KMS key, which outlives a take-down by 30 days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import boto3

from functions.common.entry import Entry, Status
from functions.common.ledger import Ledger
from functions.common.parameters import PARAMETERS_BY_ID, PARAMETERS_BY_NAME

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_ssm import SSMClient

Kind = Literal["group", "role", "user"]


@dataclass(frozen=True, order=True)
class Holder:
    """A group, role or user that the decryption policy is attached to."""

    kind: Kind
    name: str


@dataclass(frozen=True)
class SecretsKey:
    """The stack's own KMS key, and when KMS deletes it; None: that is not scheduled."""

    arn: str
    deleted_on: datetime | None


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What a take-down has to detach, and what it leaves behind.

    Attributes:
        holders: whoever has the decryption policy.
        unfinished: ledger items of keys that were to go, or whose rotation is under way.
        unreadable: how many items of the ledger cannot be read.
        encryption_keys: the parameters that open mails.
        secrets_key: the stack's own KMS key that they lie under; None: it has none, or has none any more.
    """

    holders: list[Holder]
    unfinished: list[Entry]
    unreadable: int
    encryption_keys: list[str]
    secrets_key: SecretsKey | None


def find(session: boto3.Session, *, table: str | None, policy_arn: str | None, secrets_key_arn: str | None) -> Remains:
    """Look in AWS; None stands for what the stack does not have.

    Raises:
        ClientError, BotoCoreError: AWS could not be asked.
    """
    entries, faults = Ledger(session.client("dynamodb"), table).scan() if table else ([], [])
    unfinished = [entry for entry in entries if entry.status is not Status.CURRENT]
    return Remains(
        holders=sorted(_holders(session.client("iam"), policy_arn)) if policy_arn else [],
        unfinished=sorted(unfinished, key=lambda entry: (entry.user, entry.key_id)),
        unreadable=len(faults),
        encryption_keys=sorted(_encryption_keys(session.client("ssm"))),
        secrets_key=secrets_key(session.client("kms"), secrets_key_arn) if secrets_key_arn else None,
    )


def secrets_key(kms: KMSClient, arn: str) -> SecretsKey | None:
    """Look for the stack's own key; None: KMS has deleted it.

    Raises:
        ClientError, BotoCoreError: KMS refused, or could not be asked.
    """
    try:
        key = kms.describe_key(KeyId=arn)["KeyMetadata"]
    except kms.exceptions.NotFoundException:
        return None
    return SecretsKey(arn, key.get("DeletionDate"))


def detach(iam: IAMClient, policy_arn: str, holder: Holder) -> None:
    """Take the policy from one holder.

    Raises:
        ClientError, BotoCoreError: IAM refused, or could not be asked.
    """
    match holder.kind:
        case "group":
            iam.detach_group_policy(GroupName=holder.name, PolicyArn=policy_arn)
        case "role":
            iam.detach_role_policy(RoleName=holder.name, PolicyArn=policy_arn)
        case "user":
            iam.detach_user_policy(UserName=holder.name, PolicyArn=policy_arn)


def _holders(iam: IAMClient, policy_arn: str) -> Iterator[Holder]:
    for page in iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=policy_arn):
        yield from (Holder("group", group["GroupName"]) for group in page["PolicyGroups"])
        yield from (Holder("role", role["RoleName"]) for role in page["PolicyRoles"])
        yield from (Holder("user", user["UserName"]) for user in page["PolicyUsers"])


def _encryption_keys(ssm: SSMClient) -> Iterator[str]:
    for path in (PARAMETERS_BY_NAME, PARAMETERS_BY_ID):
        pages = ssm.get_paginator("describe_parameters").paginate(
            ParameterFilters=[{"Key": "Path", "Option": "Recursive", "Values": [path]}]
        )
        for page in pages:
            yield from (parameter["Name"] for parameter in page["Parameters"])
