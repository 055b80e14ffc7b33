"""What an organization may deny to everybody but its administrators of access keys, as a service control policy.

Some rights over the service are administrator's rights, whatever its own roles may do: whoever may write an ``IKR:``
tag says where a user's new key goes, and whoever may change a function, its role or the ledger can do what they do. IAM
grants such rights in many policies; one deny takes them back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product

from components.account import Account
from components.policies import Statement

# Values of aws:TagKeys are compared by case, though IAM's tag keys are not: so each spelling of the prefix.
_OUR_TAGS = ["".join(letters) + ":*" for letters in product("Ii", "Kk", "Rr")]

_FUNCTIONS = [
    *("lambda:AddPermission", "lambda:DeleteFunction*", "lambda:Invoke*", "lambda:Publish*", "lambda:PutFunction*"),
    "lambda:Update*",
]
# Whoever could make, or become, an exempt principal would be exempt.
_ROLES_AND_ADMINISTRATORS = [
    *("iam:AttachRolePolicy", "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:CreateRole", "iam:DeleteRole*"),
    *("iam:DetachRolePolicy", "iam:PassRole", "iam:PutRole*", "iam:UpdateAssumeRolePolicy", "iam:UpdateLoginProfile"),
    "iam:UpdateRole*",
]
_LEDGER = [
    *("dynamodb:BatchWriteItem", "dynamodb:Delete*", "dynamodb:PartiQL*", "dynamodb:Put*", "dynamodb:Restore*"),
    "dynamodb:Update*",
]
# A rule starts the rotator with whatever its target says.
_RULES = ["events:Delete*", "events:DisableRule", "events:Put*", "events:RemoveTargets"]
_KEY = ["kms:CreateGrant", "kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]


def guardrail(account: Account, name_prefix: str, *, key_arn: str | None, administrators: Sequence[str]) -> str:
    """Write the policy: minified, for a service control policy takes 5,120 characters.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html

    Args:
        account: where the stack is.
        name_prefix: what the stack's names begin with.
        key_arn: the stack's own KMS key for secrets, if it has one.
        administrators: the ARNs that are exempt, wildcards allowed; none: the role NAMEPREFIX-administrator. The two
            functions always are.
    """
    functions = [account.arn("lambda", f"function:{name_prefix}-{role}*") for role in ("rotator", "destructor")]
    roles = [account.iam_arn(f"role/{name_prefix}-{role}") for role in ("rotator", "destructor")]
    table = account.arn("dynamodb", f"table/{name_prefix}")
    rules = account.arn("events", f"rule/{name_prefix}-*")
    administrators = administrators or [account.iam_arn(f"role/{name_prefix}-administrator")]
    exempt = {"ArnNotLike": {"aws:PrincipalArn": [*roles, *administrators]}}
    statements = [
        _deny(
            "KeepIkrTags",
            ["iam:CreateUser", "iam:TagUser", "iam:UntagUser"],
            "*",
            {**exempt, "ForAnyValue:StringLike": {"aws:TagKeys": _OUR_TAGS}},
        ),
        # A user's name says which encryption key is theirs, and their path whether they are served.
        _deny("KeepNamesOfUsers", ["iam:UpdateUser"], account.iam_arn("user/*"), exempt),
        # In one statement, for each repeats the exemption. An action that is none of a resource's denies nothing.
        _deny(
            "KeepService",
            [*_FUNCTIONS, *_ROLES_AND_ADMINISTRATORS, *_LEDGER, *_RULES, *(_KEY if key_arn else [])],
            [*functions, *roles, *administrators, table, f"{table}/*", rules, *([key_arn] if key_arn else [])],
            exempt,
        ),
        _deny(
            "KeepStream",
            ["lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"],
            "*",
            {"ArnLike": {"lambda:FunctionArn": functions}, **exempt},
        ),
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _deny(sid: str, actions: list[str], resources: str | list[str], condition: Statement) -> Statement:
    return {"Sid": sid, "Effect": "Deny", "Action": actions, "Resource": resources, "Condition": condition}
