"""What the SSM parameter of a user's encryption key is called."""

from __future__ import annotations

import re

PARAMETERS_BY_NAME = "/ikr/secret/iam"
PARAMETERS_BY_ID = "/ikr/secret/iam-id"

# What a parameter's name may hold: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
_PARAMETER_SAFE = re.compile(r"[A-Za-z0-9_.-]+")


def parameter_name(user: str, user_id: str) -> str:
    """Name the parameter that holds a user's encryption key.

    IAM allows ``+ = , @`` in a user's name, SSM does not in a parameter's: such a user's parameter is named by the
    immutable id. The two live below different paths, so that nobody can name a user after somebody else's id.
    """
    if _PARAMETER_SAFE.fullmatch(user):
        return f"{PARAMETERS_BY_NAME}/{user}"
    return f"{PARAMETERS_BY_ID}/{user_id}"
