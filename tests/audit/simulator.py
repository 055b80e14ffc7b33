"""Judges requests by IAM policies and KMS key policies, as AWS documents it, with the evaluator of the emulator.

The emulator's SSM does not ask its KMS. So what it takes to read a SecureString is put together here: the right to the
parameter, and, through SSM, the right to use its key. The evaluator knows no policy variables: they are filled in, and
one without a value matches nothing.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext

from tests.components.recorder import ACCOUNT, REGIONS

REGION = REGIONS["aws"]
_NOTHING = "\0"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Principal:
    """Somebody who makes requests: an IAM user, or a role's session.

    Attributes:
        arn: a user's, or a role's.
        policies: the policies that IAM attaches to them.
        keys: what IAM knows of them, such as ``aws:username``.
    """

    arn: str
    policies: Sequence[Document]
    keys: Mapping[str, str] = field(default_factory=dict)


def user(name: str, *policies: Document, user_id: str = "AIDAFAKE0000000000AB") -> Principal:
    """Make an IAM user."""
    return Principal(f"arn:aws:iam::{ACCOUNT}:user/{name}", policies, {"aws:username": name, "aws:userid": user_id})


def role(name: str, *policies: Document, function: str | None = None) -> Principal:
    """Make a role's session; with ``function``, that of a function's code."""
    keys = {"aws:userid": f"AROAFAKE0000000000AB:{name}"}
    if function:
        keys["lambda:SourceFunctionArn"] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    return Principal(f"arn:aws:iam::{ACCOUNT}:role/{name}", policies, keys)


def may(principal: Principal, action: str, resource: str, **context: Any) -> bool:
    """Tell whether a principal's own policies allow a request."""
    return bool(_by_identity(principal, action, resource, context).decision == "Allow")


def may_use_key(
    principal: Principal, action: str, key_arn: str, key_policy: Document, context: Mapping[str, Any]
) -> bool:
    """Tell whether both the key's policy and, where that one names the account, the principal's own allow its use."""
    asked = _asked(principal, action, key_arn, context)
    identity = _by_identity(principal, action, key_arn, context)
    policy = json.dumps(_filled_in(key_policy, principal))
    judged = iam_evaluator.combine_resource_policy(identity, asked, policy, ACCOUNT, required=True)
    return bool(judged.decision == "Allow")


def may_decrypt_parameter(principal: Principal, parameter: str, key: tuple[str, Document] | None) -> bool:
    """Tell whether a principal can read a SecureString: under a customer's key, or under AWS's own.

    The policy of AWS's own lets everybody in the account use it through SSM, whatever IAM says about KMS.
    """
    if not may(principal, "ssm:GetParameter", parameter):
        return False
    if key is None:
        return True
    through_ssm = {
        "kms:ViaService": f"ssm.{REGION}.amazonaws.com",
        "kms:EncryptionContext:PARAMETER_ARN": parameter,
    }
    return may_use_key(principal, "kms:Decrypt", *key, through_ssm)


def _by_identity(principal: Principal, action: str, resource: str, context: Mapping[str, Any]) -> Any:
    documents = [iam_evaluator.parse_policy_document(_filled_in(policy, principal)) for policy in principal.policies]
    return iam_evaluator.evaluate(_asked(principal, action, resource, context), documents)


def _asked(principal: Principal, action: str, resource: str, context: Mapping[str, Any]) -> EvalContext:
    return EvalContext(
        principal_arn=principal.arn,
        principal_type="User" if ":user/" in principal.arn else "AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resource,
        region=REGION,
        service_context={key.lower(): value for key, value in context.items()},
        principal_keys={key.lower(): value for key, value in principal.keys.items()},
    )


def _filled_in(document: Document, principal: Principal) -> dict[str, Any]:
    text = json.dumps(document)
    for variable in ("aws:username", "aws:userid"):
        text = text.replace(f"${{{variable}}}", principal.keys.get(variable, json.dumps(_NOTHING)[1:-1]))
    filled: dict[str, Any] = json.loads(text)
    return filled
