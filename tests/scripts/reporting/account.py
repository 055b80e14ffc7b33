"""An account that moto plays: the deployed rotator's environment, tagged users, and keys of any age."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import AccessKeyLastUsed, iam_backends

from functions.common.entry import Entry, Status
from functions.common.environment import Environment, parse
from functions.common.ledger import Ledger
from scripts.deployed import ROTATOR

TABLE = "key-ledger"
VARIABLES = {"IAM_KEY_ROTATOR_TABLE": TABLE, "MAIL_FROM": "keys@example.com", "ACCOUNT_ID": DEFAULT_ACCOUNT_ID}
_ASSUME = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


class Account:
    """See the module. ``now`` is the moment from which ages are counted, in whole seconds as IAM's are."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.iam = boto3.client("iam")
        self.dynamodb = boto3.client("dynamodb")
        self.dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}, {"AttributeName": "ak", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "user", "AttributeType": "S"},
                {"AttributeName": "ak", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        self.ledger = Ledger(self.dynamodb, TABLE)

    @property
    def environment(self) -> Environment:
        """What the rotator is configured with."""
        return parse(VARIABLES)

    def deploy(self, variables: dict[str, str] | None = None) -> None:
        """Deploy a rotator: its environment is all that the report reads of it."""
        role = self.iam.create_role(RoleName="rotator", AssumeRolePolicyDocument=json.dumps(_ASSUME))["Role"]["Arn"]
        boto3.client("lambda").create_function(
            FunctionName=ROTATOR,
            Role=role,
            Code={"ZipFile": b"none"},
            Handler="functions.rotator.handler.handler",
            Runtime="python3.13",
            Environment={"Variables": VARIABLES if variables is None else variables},
        )

    def add_user(self, name: str, *ages: float, **tags: str) -> list[str]:
        """Hire somebody with keys that are so many days old; returns the keys' ids."""
        tags = {"EMAIL": f"{name}@example.com", **tags}
        self.iam.create_user(UserName=name, Tags=[{"Key": f"IKR:{tag}", "Value": value} for tag, value in tags.items()])
        return [self.add_key(name, age) for age in ages]

    def add_key(self, name: str, age: float) -> str:
        """Make a key that is so many days old."""
        key_id = self.iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
        self._key(name, key_id).create_date = self.ago(age)
        return key_id

    def deactivate(self, name: str, key_id: str) -> None:
        """Make a key Inactive."""
        self.iam.update_access_key(UserName=name, AccessKeyId=key_id, Status="Inactive")

    def use(self, name: str, key_id: str, *, days_ago: float, service: str = "s3") -> None:
        """Use a key."""
        used = AccessKeyLastUsed(timestamp=self.ago(days_ago), service=service, region="eu-west-1")
        self._key(name, key_id).last_used = used

    def note(self, name: str, key_id: str, status: Status, *, age: float, **fields: Any) -> Entry:
        """Write an entry into the ledger."""
        entry = Entry(user=name, key_id=key_id, status=status, created_at=self.ago(age), **fields)
        self.ledger.put(entry)
        return entry

    def ago(self, days: float) -> datetime:
        """Count back so many days."""
        return self.now - timedelta(days=days)

    @staticmethod
    def _key(name: str, key_id: str) -> Any:
        keys = iam_backends[DEFAULT_ACCOUNT_ID]["aws"].users[name].access_keys
        return next(key for key in keys if key.access_key_id == key_id)
