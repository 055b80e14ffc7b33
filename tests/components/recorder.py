"""The real program under Pulumi's mocks: every resource is recorded, and answered for the way AWS would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks

from scripts.local_cloud.deployment import deploy

REGIONS = {"aws": "eu-central-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
ACCOUNT = "111122223333"

# How Pulumi marks a secret on its way to the engine: an object with this key and this value.
_MARK, _SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"

_ARNS = {
    "aws:cloudwatch/eventRule:EventRule": "events:{region}:{account}:rule/{name}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "cloudwatch:{region}:{account}:alarm:{name}",
    "aws:cloudwatch/logGroup:LogGroup": "logs:{region}:{account}:log-group:{name}",
    "aws:dynamodb/table:Table": "dynamodb:{region}:{account}:table/{name}",
    "aws:iam/policy:Policy": "iam::{account}:policy/{name}",
    "aws:iam/role:Role": "iam::{account}:role/{name}",
    "aws:lambda/function:Function": "lambda:{region}:{account}:function:{name}",
    "aws:sns/topic:Topic": "sns:{region}:{account}:{name}",
    "aws:sqs/queue:Queue": "sqs:{region}:{account}:{name}",
    "aws:ssm/parameter:Parameter": "ssm:{region}:{account}:parameter{name}",
}


MAILER_OF = {"aws": "ses", "aws-us-gov": "ses", "aws-cn": "smtp"}
"""What sends the mails in a partition: China has no SES."""


def is_secret(value: object) -> bool:
    """Tell whether Pulumi would encrypt an input in its state."""
    return isinstance(value, dict) and value.get(_MARK) == _SECRET


def plain(value: object) -> Any:
    """Take the mark off a secret."""
    return value["value"] if isinstance(value, dict) and is_secret(value) else value


def key_arn(partition: str, name: str) -> str:
    """Name one of the stack's own KMS keys, by its name in the program."""
    return f"arn:{partition}:kms:{REGIONS[partition]}:{ACCOUNT}:key/{name}"


@dataclass(frozen=True)
class Resource:
    """One resource as the program asked for it."""

    type: str
    name: str
    inputs: Mapping[str, Any]

    @property
    def policy(self) -> Mapping[str, Any]:
        """The policy document that it carries."""
        document: Mapping[str, Any] = json.loads(self.inputs.get("policy") or self.inputs["assumeRolePolicy"])
        return document


class Recorder(Mocks):
    """Stands in for AWS: keeps what it is asked for, and answers with ids and ARNs of one partition."""

    def __init__(self, partition: str, before: Mapping[str, str] | None = None) -> None:
        self.partition = partition
        self._before = before or {}
        self.resources: list[Resource] = []

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """Answer the look-ups of the partition, the region and the account."""
        answers: dict[str, dict[str, Any]] = {
            "aws:index/getPartition:getPartition": {"partition": self.partition},
            "aws:index/getRegion:getRegion": {"region": REGIONS[self.partition]},
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
            "pulumi:pulumi:readStackOutputs": {"outputs": dict(self._before)},
        }
        return answers[args.token], []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Record a resource and make up what AWS would add to it."""
        self.resources.append(Resource(args.typ, args.name, args.inputs))
        outputs: dict[str, Any] = dict(args.inputs)
        if args.typ in _ARNS:
            rest = _ARNS[args.typ].format(region=REGIONS[self.partition], account=ACCOUNT, name=args.inputs["name"])
            outputs["arn"] = f"arn:{self.partition}:{rest}"
        if args.typ == "aws:kms/key:Key":
            outputs["keyId"] = args.name
            outputs["arn"] = key_arn(self.partition, args.name)
        if args.typ == "aws:dynamodb/table:Table":
            outputs["streamArn"] = f"{outputs['arn']}/stream/2026-01-01T00:00:00.000"
        if args.typ == "aws:sqs/queue:Queue":
            outputs["url"] = f"https://sqs.{REGIONS[self.partition]}.amazonaws.com/{ACCOUNT}/{args.inputs['name']}"
        return args.inputs.get("name", args.name), outputs


@dataclass(frozen=True)
class Deployment:
    """What a run of the program asked for, and what it put out."""

    partition: str
    resources: list[Resource]
    outputs: Mapping[str, Any]

    @property
    def region(self) -> str:
        return REGIONS[self.partition]

    def all(self, type_: str) -> list[Resource]:
        """Every resource of a type, such as ``aws:iam/role:Role``."""
        return [resource for resource in self.resources if resource.type == type_]

    def one(self, type_: str, name: str) -> Resource:
        """The resource of that type and that name in the program."""
        (resource,) = [resource for resource in self.all(type_) if resource.name == name]
        return resource

    def policies(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every statement of every policy that grants something to a role or a user, with its policy's name."""
        for type_ in ("aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"):
            for resource in self.all(type_):
                for statement in resource.policy["Statement"]:
                    yield resource.name, statement

    def statements(self, policy: str) -> dict[str, Mapping[str, Any]]:
        """The statements of one policy by their Sids."""
        return {statement["Sid"]: statement for name, statement in self.policies() if name == policy}

    def environment(self, function: str) -> Mapping[str, str]:
        """The environment variables of a function."""
        variables: Mapping[str, str] = self.one("aws:lambda/function:Function", f"{function}-function").inputs[
            "environment"
        ]["variables"]
        return variables


KMS_KEYS = {
    "secretsKmsKeyArn": "arn:aws:kms:eu-central-1:111122223333:key/secrets",
    "tableKmsKeyArn": "arn:aws:kms:eu-central-1:111122223333:key/table",
    "logsKmsKeyArn": "arn:aws:kms:eu-central-1:111122223333:key/logs",
    "messagesKmsKeyArn": "arn:aws:kms:eu-central-1:111122223333:key/messages",
}
KEYS: dict[str, dict[str, str]] = {"own": {}, "aws": {"secretsKmsKeyArn": "aws-managed"}, "customer": KMS_KEYS}
MAILERS = {
    "ses": {"mailer": "ses"},
    "smtp": {"mailer": "smtp", "smtpServer": "smtp.example.com", "smtpPassword": "not-a-real-password"},
    "mailgun": {
        "mailer": "mailgun",
        "mailgunApiUrl": "https://api.mailgun.net/v3/mail.example.com/messages",
        "mailgunApiKey": "not-a-real-api-key",
    },
}

# Every mailer, encryption on and off, with the stack's own keys, AWS's and a customer's, by a readable name.
EVERY_KIND: dict[str, dict[str, str]] = {
    f"{mailer}-{'encrypted' if encrypted else 'plain'}-{whose}-keys": {
        **MAILERS[mailer],
        "encryptKeyPair": "true" if encrypted else "false",
        **keys,
    }
    for mailer in MAILERS
    for encrypted in (True, False)
    for whose, keys in KEYS.items()
    # Refused: with neither encryption nor a mailer's secret, the key would protect nothing.
    if not (mailer == "ses" and not encrypted and keys)
}


@cache
def deployed(partition: str = "aws", **config: str) -> Deployment:
    """Run ``__main__.py`` with a configuration, once for each; ``mailFrom`` is there unless it is given."""
    recorder = Recorder(partition)
    outputs = deploy(recorder, {"mailFrom": "keys@example.com", **config})
    return Deployment(partition, recorder.resources, outputs)


def redeployed(before: Mapping[str, str], **config: str) -> Deployment:
    """Run it for a stack that was deployed before, and put this out then."""
    recorder = Recorder("aws", before)
    outputs = deploy(recorder, {"mailFrom": "keys@example.com", **config})
    return Deployment("aws", recorder.resources, outputs)


def deployed_in(partition: str, **config: str) -> Deployment:
    """The same in a partition, with a mailer that there is."""
    mailer = {} if "mailer" in config else MAILERS[MAILER_OF[partition]]
    return deployed(partition, **mailer, **config)
