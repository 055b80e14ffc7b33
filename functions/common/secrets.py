"""Sealing a key pair: Fernet around the pair, the Fernet key in an SSM SecureString that only its user can read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions.common.errors import SealingError, reason

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import PutParameterRequestTypeDef

    from functions.common.keys import KeyPair

PARAMETERS_BY_NAME = "/ikr/secret/iam"
PARAMETERS_BY_ID = "/ikr/secret/iam-id"

# What a parameter's name may hold: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
_PARAMETER_SAFE = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True)
class SealedPair:
    """A key pair that only its user can open: the Fernet token, and the name of the parameter with its key."""

    block: str
    parameter: str


def parameter_name(user: str, user_id: str) -> str:
    """Name the parameter that holds a user's encryption key.

    IAM allows ``+ = , @`` in a user's name, SSM does not in a parameter's: such a user's parameter is named by the
    immutable id. The two live below different paths, so that nobody can name a user after somebody else's id.
    """
    if _PARAMETER_SAFE.fullmatch(user):
        return f"{PARAMETERS_BY_NAME}/{user}"
    return f"{PARAMETERS_BY_ID}/{user_id}"


class SecretStore:
    """The encryption keys of sealed pairs, in SSM.

    Args:
        ssm: a client that retries.
        kms_key_arn: the customer's key for the parameters, or None for the AWS-managed one.
    """

    def __init__(self, ssm: SSMClient, kms_key_arn: str | None = None) -> None:
        self._ssm = ssm
        self._kms_key_arn = kms_key_arn

    def seal(self, user: str, user_id: str, pair: KeyPair) -> SealedPair:
        """Encrypt a pair with a fresh key, and store that key.

        Raises:
            SealingError: the pair could not be encrypted or the key not be stored. There is no fall-back.
        """
        from cryptography.fernet import Fernet  # noqa: PLC0415 (only an encrypting run pays for the import)

        parameter = parameter_name(user, user_id)
        encryption_key = Fernet.generate_key()
        content = {"user": user, "access_key_id": pair.id, "secret_access_key": pair.secret}
        block = Fernet(encryption_key).encrypt(json.dumps(content).encode()).decode()
        request: PutParameterRequestTypeDef = {
            "Name": parameter,
            "Description": _description(pair.id),
            "Value": encryption_key.decode(),
            "Type": "SecureString",
            "Overwrite": True,
        }
        if self._kms_key_arn:
            request["KeyId"] = self._kms_key_arn
        try:
            self._ssm.put_parameter(**request)
        except (BotoCoreError, ClientError) as exc:
            raise SealingError(f"the encryption key could not be stored as {parameter}: {reason(exc)}") from exc
        return SealedPair(block=block, parameter=parameter)

    def remove(self, parameter: str) -> None:
        """Delete a parameter; one that is gone already counts as done.

        Raises:
            ClientError: SSM refused.
        """
        try:
            self._ssm.delete_parameter(Name=parameter)
        except self._ssm.exceptions.ParameterNotFound:
            return

    def remove_if_for(self, parameter: str, key_id: str) -> bool:
        """Delete a parameter, but only if it still opens the pair of this access key.

        A late event must not destroy the encryption key of a newer rotation. A parameter's version cannot tell them
        apart, since it starts from 1 again once a parameter has been deleted; its description names the access key,
        and is metadata: no right to read the encryption key is needed.

        Returns:
            Whether it was deleted.

        Raises:
            ClientError: SSM refused.
        """
        pages = self._ssm.get_paginator("describe_parameters").paginate(
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [parameter]}]
        )
        descriptions = [metadata.get("Description") for page in pages for metadata in page["Parameters"]]
        if _description(key_id) not in descriptions:
            return False
        self.remove(parameter)
        return True


def _description(key_id: str) -> str:
    return f"Opens the sealed access key {key_id}"
