"""One AWS account on MiniStack, and any number of the service's processes, which share nothing but that account.

MiniStack answers one request after the other, so that of two conditional writes one really loses; and it allows any
number of keys to a user, so that a second new key shows, which IAM's limit of two would hide.
"""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from unittest import mock

import boto3
from cryptography.fernet import Fernet

from functions.common import environment, telemetry
from functions.common.clients import Clients
from functions.destructor import removal
from functions.destructor.destroy import Destroyer
from functions.destructor.removal import Removal
from functions.rotator.request import Request
from functions.rotator.run import Run
from functions.rotator.summary import Summary
from scripts.local_cloud import clients, mailbox, reader, server
from scripts.local_cloud.clients import ROOT, Credentials
from scripts.local_cloud.ledger import LocalLedger
from tests.simulation.faults import Death

T = TypeVar("T")

TABLE = "key-ledger"
SENDER = "keys@example.com"
PATIENCE_SECONDS = 20


@dataclass
class Process:
    """One process of the service, with clients of its own.

    Attributes:
        effects: the operations, such as ``iam.CreateAccessKey``, that took effect, in their order.
    """

    clients: Clients = field(default_factory=Clients)
    effects: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for client in (self.clients.iam, self.clients.iam_once, self.clients.dynamodb, self.clients.sesv2):
            client.meta.events.register("after-call", self._note)
        assert self.clients.ssm, "built here, since threads must not build clients"

    def rotate(self, users: Sequence[str], *, force: bool = False) -> Summary:
        """Run the rotator for some users."""
        return Run(
            request=Request(users=tuple(users), force=force),
            environment=_settings(),
            clients=self.clients,
            now=_now,
            time_left=lambda: timedelta(minutes=15),
        ).perform()

    def destroy(self, removals: Sequence[Removal]) -> None:
        """Run the destructor on a batch."""
        destroyer = Destroyer(environment=_settings(), clients=self.clients, now=_now)
        for removed in removals:
            destroyer.handle(removed)

    def die_rotating(self, name: str, event: str) -> None:
        """Rotate a user's key and die at an event of boto3's, such as ``after-call.iam.CreateAccessKey``."""
        with self.at(event, _die), contextlib.suppress(Death):
            self.rotate([name], force=True)
            message = f"nothing died at {event}"
            raise AssertionError(message)

    @contextmanager
    def at(self, event: str, act: Callable[..., None]) -> Iterator[None]:
        """Act at each event of a kind in this process, such as ``before-send.iam.ListUsers``."""
        _, service, _ = event.split(".")
        clients = [getattr(self.clients, name) for name in {"iam": ("iam", "iam_once")}.get(service, (service,))]
        for client in clients:
            client.meta.events.register(event, act)
        try:
            yield
        finally:
            for client in clients:
                client.meta.events.unregister(event, act)

    def _note(self, model: Any, http_response: Any, **_: Any) -> None:
        if http_response.status_code < 300:
            self.effects.append(f"{model.service_model.service_name}.{model.name}")


def at_once(acts: Sequence[Callable[[], T]]) -> list[T]:
    """Do several things at the same time, and give their results."""
    with ThreadPoolExecutor(len(acts)) as pool:
        under_way = [pool.submit(act) for act in acts]
        return [each.result(PATIENCE_SECONDS) for each in under_way]


@contextmanager
def starting_line(processes: Sequence[Process], operation: str) -> Iterator[None]:
    """Hold every process at its first call of an operation until all have come so far, each having made up its mind."""
    awaited = set(range(len(processes)))
    lock, everyone_is_there = threading.Lock(), threading.Event()

    def arrive(number: int, **_: Any) -> None:
        with lock:
            awaited.discard(number)
            if not awaited:
                everyone_is_there.set()
        if not everyone_is_there.wait(PATIENCE_SECONDS):
            message = f"processes {sorted(awaited)} never came to {operation}"
            raise TimeoutError(message)

    with contextlib.ExitStack() as stack:
        for number, process in enumerate(processes):
            stack.enter_context(process.at(f"before-send.{operation}", partial(arrive, number)))
        yield


class SharedAccount:
    """See the module."""

    def __init__(self, endpoint: str, session: boto3.Session) -> None:
        self._endpoint = endpoint
        self._iam = session.client("iam")
        self._ssm = session.client("ssm")
        self._streams = session.client("dynamodbstreams")
        session.client("sesv2").create_email_identity(EmailIdentity=SENDER)
        dynamodb = session.client("dynamodb")
        description = dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}, {"AttributeName": "ak", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("user", "ak")],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"},
        )["TableDescription"]
        self._stream = description["LatestStreamArn"]
        self.ledger = LocalLedger(dynamodb, TABLE, endpoint)

    def hire(self, number: int) -> list[str]:
        """Make so many users, each with a key of their own; nobody else has their names."""
        names = [f"user-{uuid.uuid4().hex}" for _ in range(number)]
        for name in names:
            self._iam.create_user(UserName=name, Tags=[{"Key": "IKR:EMAIL", "Value": f"{name}@example.com"}])
            self._iam.create_access_key(UserName=name)
        return names

    def keys(self, name: str) -> list[str]:
        """List a user's keys."""
        return [key["AccessKeyId"] for key in self._iam.list_access_keys(UserName=name)["AccessKeyMetadata"]]

    def mails(self, name: str) -> list[str]:
        """List the subjects of a user's mails, oldest first."""
        sent = mailbox.sent_through_ses(self._endpoint)
        return [mail.subject for mail in sent if mail.to == f"{name}@example.com"]

    def use_new_keys(self, names: Sequence[str]) -> None:
        """Let these users open their new keys, and each call AWS once with the one they got."""
        addresses = {f"{name}@example.com" for name in names}
        for mail in mailbox.sent_through_ses(self._endpoint):
            if mail.to in addresses and ": new AWS access key for" in mail.subject:
                clients.Clients(self._endpoint, self._open(mail)).sts.get_caller_identity()

    def _open(self, mail: mailbox.Mail) -> Credentials:
        stored = self._ssm.get_parameter(Name=reader.parameter(mail), WithDecryption=True)
        pair = json.loads(Fernet(stored["Parameter"]["Value"]).decrypt(reader.block(mail)))
        return Credentials(access_key_id=pair["access_key_id"], secret_access_key=pair["secret_access_key"])

    def entries(self, name: str) -> dict[str, str]:
        """List a user's ledger entries: status by key."""
        return {item["ak"]["S"]: item["status"]["S"] for item in self.ledger.items() if item["user"]["S"] == name}

    def removals(self, names: Sequence[str]) -> list[Removal]:
        """Read from the stream, from its beginning, which of these users' keys have fallen due."""
        (shard,) = self._streams.describe_stream(StreamArn=self._stream)["StreamDescription"]["Shards"]
        iterator = self._streams.get_shard_iterator(
            StreamArn=self._stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found = []
        while records := (answer := self._streams.get_records(ShardIterator=iterator))["Records"]:
            found += [record for record in records if _is_of(record, names)]
            iterator = answer["NextShardIterator"]
        return [removal.read(_as_lambda_does(record, self._stream), TABLE) for record in found]


@contextmanager
def shared_account() -> Iterator[SharedAccount]:
    """Start a MiniStack for the length of a ``with`` block, in which boto3's default session speaks to it."""
    with server.running() as emulator:
        variables = {"AWS_ENDPOINT_URL": emulator.endpoint, "POWERTOOLS_SERVICE_NAME": "races"}
        session = boto3.Session(ROOT.access_key_id, ROOT.secret_access_key, region_name=server.REGION)
        with mock.patch.dict("os.environ", variables), mock.patch.object(boto3, "DEFAULT_SESSION", session):
            yield SharedAccount(emulator.endpoint, session)
            telemetry.flush()


def _settings() -> environment.Environment:
    return environment.parse(
        {"IAM_KEY_ROTATOR_TABLE": TABLE, "MAIL_FROM": SENDER, "ACCOUNT_ID": server.ACCOUNT_ID}
        | {"AWS_REGION": server.REGION}
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _die(**_: Any) -> None:
    raise Death


def _is_of(record: dict[str, Any], names: Sequence[str]) -> bool:
    """Filter as the stream's mapping does, and by user."""
    image = record["dynamodb"].get("OldImage", {})
    return (
        record["eventName"] == "REMOVE"
        and image["status"]["S"] in {"expiring", "inactive", "failed"}
        and image["user"]["S"] in names
    )


def _as_lambda_does(record: dict[str, Any], arn: str) -> dict[str, Any]:
    removed_at = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    return {
        **record,
        "eventSourceARN": arn,
        "dynamodb": {**record["dynamodb"], "ApproximateCreationDateTime": removed_at},
    }
