"""The four things in the program's policies that MiniStack's IAM does not understand, and what stands in for them.

Everything else of a policy reaches the emulator as it was written. The documents as AWS gets them are asserted by
tests/components; this is the only place that changes one, and it never gives a principal a right over another user.
"""

from __future__ import annotations

import json
from typing import Any

_FROM_ADDRESS = "ses:FromAddress"
_LAST_USED = "iam:GetAccessKeyLastUsed"


def for_role(document: str) -> str:
    """Rewrite the statements that allow sending mail, or asking when a key was last used.

    MiniStack never matches a statement with the condition ``ses:FromAddress``, and it judges ``ses:SendEmail`` on the
    resource ``*``, not on the sender's identity. That the sender must be a verified identity, it does check.

    A request of ``iam:GetAccessKeyLastUsed`` names the key alone. IAM judges it on the key's user; MiniStack does not
    look up who that is, and so never matches a statement about users.
    """
    policy = json.loads(document)
    for statement in list(policy["Statement"]):
        if _take_out_from_address(statement.get("Condition", {})):
            statement["Resource"] = "*"
        if _LAST_USED in statement["Action"]:
            policy["Statement"].append({"Effect": "Allow", "Action": _LAST_USED, "Resource": "*"})
    return json.dumps(policy)


def for_user(document: str, *, user_name: str, user_id: str) -> str:
    """Fill in ``${aws:username}`` and ``${aws:userid}``: MiniStack takes policy variables in resources literally."""
    return document.replace("${aws:username}", user_name).replace("${aws:userid}", user_id)


def _take_out_from_address(condition: dict[str, Any]) -> bool:
    """Drop the sender from a condition, and say whether it was there."""
    operators = [operator for operator, keys in condition.items() if _FROM_ADDRESS in keys]
    for operator in operators:
        del condition[operator][_FROM_ADDRESS]
        if not condition[operator]:
            del condition[operator]
    return bool(operators)
