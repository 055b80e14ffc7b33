"""No one principal but the user can read both a sealed key pair and what opens it.

The block lies in the ledger's table for as long as its mail is not known to be out, and so in the table's stream and
backups; the encryption key lies in SSM.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from tests.audit.simulator import Document, Principal, may, may_decrypt_parameter, may_use_key, role, user
from tests.components.recorder import ACCOUNT, EVERY_KIND, Deployment, deployed, key_arn

HERE = f"eu-central-1:{ACCOUNT}"
ALICES, CAROLS = (
    f"arn:aws:ssm:{HERE}:parameter/ikr/secret/{name}" for name in ("iam/alice", "iam-id/AIDAFAKE0000000CAROL")
)
TABLE = f"arn:aws:dynamodb:{HERE}:table/iam-key-rotator"
# Each of these shows items of the table, as they are, as they were, or as they left.
READS_OF_ITEMS = {
    "dynamodb:GetItem": TABLE,
    "dynamodb:BatchGetItem": TABLE,
    "dynamodb:Query": TABLE,
    "dynamodb:Scan": TABLE,
    "dynamodb:PartiQLSelect": TABLE,
    "dynamodb:ExportTableToPointInTime": TABLE,
    "dynamodb:RestoreTableToPointInTime": TABLE,
    "dynamodb:GetRecords": f"{TABLE}/stream/2026-01-01T00:00:00.000",
}
EVERYTHING: Document = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
# From those who look at everything to those who may do everything, with the right to change a key's policy apart.
AWS_MANAGED = [
    *("ReadOnlyAccess", "SecurityAudit", "AmazonDynamoDBFullAccess", "AmazonSSMFullAccess", "AmazonSSMReadOnlyAccess"),
    *("AWSKeyManagementServicePowerUser", "PowerUserAccess", "AdministratorAccess"),
]


def aws_managed(name: str) -> Document:
    """Give a policy as AWS writes it."""
    document: Document = json.loads(aws_managed_policies_data)[name]["Document"]
    return document


def key_of(stack: Deployment) -> tuple[str, Document] | None:
    """Give the ARN and the policy of the key that encryption keys lie under; None for AWS's own."""
    keys = [key for key in stack.all("aws:kms/key:Key") if key.name == "secrets-key"]
    return (key_arn("aws", "secrets-key"), keys[0].policy) if keys else None


def policy_of(stack: Deployment, name: str) -> Document:
    """Give a policy of the stack's."""
    return {"Statement": list(stack.statements(name).values())}


def reads_blocks(principal: Principal) -> bool:
    """Tell whether somebody can read an item of the ledger in any way."""
    return any(may(principal, action, resource) for action, resource in READS_OF_ITEMS.items())


def others(stack: Deployment) -> Mapping[str, Principal]:
    """Everybody who may try: auditors, administrators, the functions, and another user of the service."""
    decrypt = policy_of(stack, "decryption-policy")
    return {
        **{f"a role with {name}": role("auditor", aws_managed(name)) for name in AWS_MANAGED},
        **{f"a user with {name}": user("auditor", aws_managed(name)) for name in AWS_MANAGED},
        "bob, an auditor": user("bob", decrypt, aws_managed("ReadOnlyAccess")),
        "bob, an administrator": user("bob", decrypt, EVERYTHING),
        "a role that was given the users' policy": role("auditor", decrypt, EVERYTHING),
        **{
            name: role(
                f"iam-key-rotator-{name}", policy_of(stack, f"{name}-access"), function=f"iam-key-rotator-{name}"
            )
            for name in ("rotator", "destructor")
        },
    }


def readers(stack: Deployment) -> list[str]:
    """Name those who can read both."""
    key = key_of(stack)
    return [
        name
        for name, principal in others(stack).items()
        if reads_blocks(principal) and any(may_decrypt_parameter(principal, own, key) for own in (ALICES, CAROLS))
    ]


@pytest.mark.parametrize("mailer", ["ses", "smtp", "mailgun"])
def test_nobody_else_reads_both(mailer: str) -> None:
    stack = deployed(**EVERY_KIND[f"{mailer}-encrypted-own-keys"])

    assert readers(stack) == []


def test_awss_own_key_opens_for_every_reader() -> None:
    """This is what the attack looked like, and why a warning comes with the choice."""
    stack = deployed(**EVERY_KIND["ses-encrypted-aws-keys"])

    assert {"a role with ReadOnlyAccess", "bob, an auditor"} <= set(readers(stack))


def test_so_many_may_read_blocks_that_the_key_is_what_counts() -> None:
    """Else the tests above would show nothing."""
    stack = deployed()

    assert sum(reads_blocks(principal) for principal in others(stack).values()) > 8


def test_users_read_their_own_and_no_others(stack: Deployment) -> None:
    decrypt = policy_of(stack, "decryption-policy")
    alice = user("alice", decrypt)
    carol = user("carol@example.com", decrypt, user_id="AIDAFAKE0000000CAROL")

    readable = [
        [may_decrypt_parameter(person, own, key_of(stack)) for own in (ALICES, CAROLS)] for person in (alice, carol)
    ]

    assert readable == [[True, False], [False, True]]


@pytest.mark.parametrize("path", ["", "people/", "people/dev/"])
def test_users_list_their_own_access_keys_and_no_others(path: str, stack: Deployment) -> None:
    """The mail has its reader ask AWS whether it tells the truth."""
    alice = user("alice", policy_of(stack, "decryption-policy"))

    listed = [
        name
        for name in ("alice", "malice", "alice2", "alice/bob", "bob")
        if may(alice, "iam:ListAccessKeys", f"arn:aws:iam::{ACCOUNT}:user/{path}{name}")
    ]

    assert listed == ["alice"]


def test_user_without_the_policy_reads_nothing(stack: Deployment) -> None:
    """The key's policy allows nobody anything that IAM does not."""
    assert not may_decrypt_parameter(user("alice"), ALICES, key_of(stack))
    assert not may_decrypt_parameter(user("alice", aws_managed("ReadOnlyAccess")), ALICES, key_of(stack))


@pytest.mark.parametrize(("name", "encrypts"), [("rotator", True), ("destructor", False)])
def test_functions_decrypt_none_and_the_rotator_alone_encrypts(name: str, encrypts: bool, stack: Deployment) -> None:
    function, key = others(stack)[name], key_of(stack)
    assert key is not None
    context: dict[str, Any] = {
        "kms:ViaService": "ssm.eu-central-1.amazonaws.com",
        "kms:EncryptionContext:PARAMETER_ARN": ALICES,
    }

    assert may_use_key(function, "kms:Encrypt", *key, context) is encrypts
    assert not may_use_key(function, "kms:Decrypt", *key, context)


def test_key_is_of_no_use_but_through_ssm(stack: Deployment) -> None:
    """Whoever had stolen a parameter's ciphertext could otherwise have KMS decrypt it."""
    alice, key = user("alice", EVERYTHING), key_of(stack)
    assert key is not None

    assert not may_use_key(alice, "kms:Decrypt", *key, {"kms:EncryptionContext:PARAMETER_ARN": ALICES})
    assert not may_use_key(alice, "kms:CreateGrant", *key, {})


def test_administrators_can_keep_the_key(stack: Deployment) -> None:
    """A key whose policy nobody could change would be lost."""
    key = key_of(stack)
    assert key is not None

    assert all(
        may_use_key(role("administrator", EVERYTHING), action, *key, {})
        for action in ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DescribeKey", "kms:TagResource")
    )
    assert not may_use_key(role("auditor", aws_managed("ReadOnlyAccess")), "kms:PutKeyPolicy", *key, {})


def test_mailers_secret_is_readable_for_the_functions_and_whoever_deploys() -> None:
    stack = deployed(**EVERY_KIND["smtp-encrypted-own-keys"])
    secret, key = f"arn:aws:ssm:{HERE}:parameter/iam-key-rotator/mailer/smtp-password", key_of(stack)

    may_read = [name for name, person in others(stack).items() if may_decrypt_parameter(person, secret, key)]

    assert {"rotator", "destructor", "a role with AdministratorAccess"} <= set(may_read)
    assert not {"a role with ReadOnlyAccess", "a user with ReadOnlyAccess", "bob, an auditor"} & set(may_read)


def test_a_role_is_of_no_use_to_another_function(stack: Deployment) -> None:
    """Whoever may pass roles could otherwise write a function of their own that makes keys."""
    makes_keys = policy_of(stack, "rotator-access")
    alice = f"arn:aws:iam::{ACCOUNT}:user/alice"
    tag = {"aws:ResourceTag/IKR:EMAIL": "alice@example.com"}
    own, another, stolen = (
        role("iam-key-rotator-rotator", makes_keys, function=function)
        for function in ("iam-key-rotator-rotator", "another", None)
    )

    assert may(own, "iam:CreateAccessKey", alice, **tag)
    assert not any(may(thief, "iam:CreateAccessKey", alice, **tag) for thief in (another, stolen))
    assert not may(own, "iam:CreateAccessKey", alice, **{"aws:ResourceTag/IKR:EMAIL": "alice@elsewhere.example"})
