"""What an organization may deny to everybody but its administrators of access keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.audit.simulator import Principal, may, role
from tests.components.recorder import ACCOUNT, REGIONS, deployed, deployed_in, key_arn, redeployed

HERE = f"eu-central-1:{ACCOUNT}"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
FUNCTIONS, ROLES = (
    [f"arn:aws:{prefix}iam-key-rotator-{name}" for name in ("rotator", "destructor")]
    for prefix in (f"lambda:{HERE}:function:", f"iam::{ACCOUNT}:role/")
)
LEDGER = f"arn:aws:dynamodb:{HERE}:table/iam-key-rotator"

TAGGED = {"aws:TagKeys": ["IKR:EMAIL"]}
# Each of these redirects a key, or has the service do somebody else's work.
RIGHTS: list[tuple[str, str, dict[str, Any]]] = [
    ("iam:TagUser", ALICE, TAGGED),
    ("iam:TagUser", ALICE, {"aws:TagKeys": ["team", "iKr:Email"]}),
    ("iam:UntagUser", ALICE, TAGGED),
    ("iam:CreateUser", ALICE, TAGGED),
    *[
        (action, arn, {})
        for arn in FUNCTIONS
        for action in ("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:AddPermission")
    ],
    ("lambda:InvokeFunction", FUNCTIONS[0], {}),
    (
        "lambda:DeleteEventSourceMapping",
        f"arn:aws:lambda:{HERE}:event-source-mapping:1",
        {"lambda:FunctionArn": FUNCTIONS[1]},
    ),
    *[
        (f"events:{action}", f"arn:aws:events:{HERE}:rule/iam-key-rotator-schedule", {})
        for action in ("PutTargets", "PutRule")
    ],
    # Under Alice's name, her encryption key opens.
    ("iam:UpdateUser", ALICE, {}),
    *[
        (action, arn, {})
        for arn in ROLES
        for action in ("iam:PassRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:AttachRolePolicy")
    ],
    *[(f"dynamodb:{action}", LEDGER, {}) for action in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")],
    ("dynamodb:PartiQLUpdate", LEDGER, {}),
    ("kms:PutKeyPolicy", key_arn("aws", "secrets-key"), {}),
    ("kms:CreateGrant", key_arn("aws", "secrets-key"), {}),
]
HARMLESS: list[tuple[str, str, dict[str, Any]]] = [
    ("iam:TagUser", ALICE, {"aws:TagKeys": ["team"]}),
    ("iam:CreateUser", ALICE, {}),
    ("lambda:UpdateFunctionCode", f"arn:aws:lambda:{HERE}:function:another", {}),
    ("lambda:GetFunction", FUNCTIONS[0], {}),
    (
        "lambda:DeleteEventSourceMapping",
        f"arn:aws:lambda:{HERE}:event-source-mapping:1",
        {"lambda:FunctionArn": "another"},
    ),
    ("iam:CreateAccessKey", ALICE, {}),
    ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/another", {}),
    ("events:PutTargets", f"arn:aws:events:{HERE}:rule/another", {}),
    ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/another", {}),
    ("dynamodb:PutItem", f"arn:aws:dynamodb:{HERE}:table/another", {}),
    ("dynamodb:Scan", LEDGER, {}),
    ("kms:DescribeKey", key_arn("aws", "secrets-key"), {}),
]


def under_it(name: str, **config: str) -> Principal:
    """Somebody whom IAM lets do everything, in an account that the guardrail holds for."""
    guardrail = json.loads(deployed(**config).outputs["guardrailPolicy"])
    return role(name, {"Statement": [EVERYTHING, *guardrail["Statement"]]})


@pytest.mark.parametrize(("action", "resource", "context"), RIGHTS)
def test_takes_administrators_rights_from_everybody_else(action: str, resource: str, context: dict[str, Any]) -> None:
    administrators = '["arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Keys_*"]'
    chosen = "aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Keys_0123456789abcdef"

    assert not may(under_it("developer"), action, resource, **context)
    assert not may(
        under_it("developer", administratorArns=administrators),
        "iam:UpdateAssumeRolePolicy",
        f"arn:aws:iam::{ACCOUNT}:role/{chosen}",
    )
    assert may(under_it("iam-key-rotator-administrator"), action, resource, **context)
    assert may(under_it(chosen, administratorArns=administrators), action, resource, **context)
    assert not may(
        under_it("iam-key-rotator-administrator", administratorArns=administrators), action, resource, **context
    )


@pytest.mark.parametrize(
    "action", ["iam:CreateRole", "iam:UpdateAssumeRolePolicy", "iam:PassRole", "iam:PutRolePolicy"]
)
def test_nobody_makes_themselves_an_administrator(action: str) -> None:
    administrator = f"arn:aws:iam::{ACCOUNT}:role/iam-key-rotator-administrator"

    assert not may(under_it("developer"), action, administrator)
    assert may(under_it("iam-key-rotator-administrator"), action, administrator)


@pytest.mark.parametrize(("action", "resource", "context"), HARMLESS)
def test_leaves_all_else_alone(action: str, resource: str, context: dict[str, Any]) -> None:
    assert may(under_it("developer"), action, resource, **context)


@pytest.mark.parametrize("name", ["rotator", "destructor"])
def test_does_not_stop_the_functions(name: str) -> None:
    assert may(under_it(f"iam-key-rotator-{name}"), "dynamodb:UpdateItem", LEDGER)


@pytest.mark.parametrize("partition", REGIONS)
def test_fits_into_a_service_control_policy(partition: str) -> None:
    """Also with a long name, and administrators whose roles Identity Center has named."""
    arns = [f"arn:{partition}:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_{'x' * 32}_*"] * 2
    stack = deployed_in(partition, namePrefix="k" * 53, administratorArns=json.dumps(arns))

    guardrail = stack.outputs["guardrailPolicy"]

    assert len(guardrail) < 5120
    assert f"arn:{partition}:" in guardrail
    assert "arn:aws:" not in guardrail or partition == "aws"


def test_protects_a_key_that_is_kept_and_none_that_is_a_customers() -> None:
    key = "arn:aws:kms:eu-central-1:111122223333:key/customer"

    kept = redeployed({"tableName": "iam-key-rotator", "secretsKeyArn": "kept"}, secretsKmsKeyArn=key)
    without = deployed(secretsKmsKeyArn=key)

    assert key_arn("aws", "secrets-key") in kept.outputs["guardrailPolicy"]
    assert "kms:" not in without.outputs["guardrailPolicy"]
