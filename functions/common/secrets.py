"""Sealing a key pair: Fernet around the pair, the Fernet key in an SSM SecureString that only its user can read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions.common.errors import SealingError, reason
from functions.common.parameters import parameter_name

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import PutParameterRequestTypeDef

    from functions.common.keys import KeyPair


@dataclass(frozen=True, kw_only=True)
class SealedPair:
    """A key pair that only its user can open: the Fernet token, and the name of the parameter with its key."""

    block: str
    parameter: str


@dataclass(frozen=True, kw_only=True)
class Seal:
    """An encryption key that is safely stored, and not yet used."""

    parameter: str
    _key: str = field(repr=False)

    def close(self, user: str, pair: KeyPair) -> SealedPair:
        """Encrypt a pair, so that only who can read the parameter opens it."""
        from cryptography.fernet import Fernet  # noqa: PLC0415 (only an encrypting run pays for the import)

        content = {"user": user, "access_key_id": pair.id, "secret_access_key": pair.secret}
        block = Fernet(self._key).encrypt(json.dumps(content).encode()).decode()
        return SealedPair(block=block, parameter=self.parameter)


class SecretStore:
    """The encryption keys of sealed pairs, in SSM.

    Args:
        ssm: a client that retries.
        kms_key_arn: the customer's key for the parameters, or None for the AWS-managed one.
    """

    def __init__(self, ssm: SSMClient, kms_key_arn: str | None = None) -> None:
        self._ssm = ssm
        self._kms_key_arn = kms_key_arn

    def prepare(self, user: str, user_id: str, attempt: str) -> Seal:
        """Make a fresh encryption key and store it, before there is a pair to encrypt.

        Args:
            user: the user's name.
            user_id: IAM's id of the user.
            attempt: the rotation that it is for; the parameter's description names it.

        Raises:
            SealingError: the key could not be made or stored. There is no fall-back.
        """
        from cryptography.fernet import Fernet  # noqa: PLC0415 (only an encrypting run pays for the import)

        parameter = parameter_name(user, user_id)
        encryption_key = Fernet.generate_key().decode()
        request: PutParameterRequestTypeDef = {
            "Name": parameter,
            "Description": _description(attempt),
            "Value": encryption_key,
            "Type": "SecureString",
            "Overwrite": True,
        }
        if self._kms_key_arn:
            request["KeyId"] = self._kms_key_arn
        try:
            self._ssm.put_parameter(**request)
        except (BotoCoreError, ClientError) as exc:
            raise SealingError(f"the encryption key could not be stored as {parameter}: {reason(exc)}") from exc
        return Seal(parameter=parameter, _key=encryption_key)

    def remove(self, parameter: str) -> None:
        """Delete a parameter; one that is gone already counts as done.

        Raises:
            ClientError: SSM refused.
        """
        try:
            self._ssm.delete_parameter(Name=parameter)
        except self._ssm.exceptions.ParameterNotFound:
            return

    def remove_if_for(self, parameter: str, attempt: str) -> bool:
        """Delete a parameter, but only if it is still this attempt's.

        A late event must not destroy the encryption key of a newer rotation. A parameter's version cannot tell them
        apart, since it starts from 1 again once a parameter has been deleted; its description names the attempt, and is
        metadata: no right to read the encryption key is needed.

        Returns:
            Whether it was deleted.

        Raises:
            ClientError: SSM refused.
        """
        pages = self._ssm.get_paginator("describe_parameters").paginate(
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [parameter]}]
        )
        descriptions = [metadata.get("Description") for page in pages for metadata in page["Parameters"]]
        if _description(attempt) not in descriptions:
            return False
        self.remove(parameter)
        return True


def _description(attempt: str) -> str:
    return f"Opens the mail of key rotation {attempt}"
