"""What AWS refuses and the stand-ins for it do not."""

from __future__ import annotations

import json
import re

from botocore.exceptions import ClientError

# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
_PARAMETER_NAME = re.compile(r"(?!/?(?:aws|ssm))/?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*", re.IGNORECASE)


def refuse_parameter_name(event_name: str, body: bytes | str) -> None:
    """Refuse what SSM would refuse of a parameter's name; moto and MiniStack take any.

    Raises:
        ClientError: the call is PutParameter, and AWS would answer it with a ValidationException.
    """
    operation = event_name.rpartition(".")[2]
    if operation != "PutParameter":
        return
    name = json.loads(body)["Name"]
    if len(name) > 1011 or not _PARAMETER_NAME.fullmatch(name):
        raise ClientError(
            {"Error": {"Code": "ValidationException", "Message": f"Parameter name: {name!r} is not allowed"}}, operation
        )
