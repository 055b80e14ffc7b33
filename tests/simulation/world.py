"""The world: users with keys and mailboxes, the two functions, the stream between them, and time."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast
from unittest import mock

import boto3
import time_machine
from cryptography.fernet import Fernet, InvalidToken
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import AccessKeyLastUsed, iam_backends
from moto.ssm.models import ssm_backends

from functions.common import telemetry
from functions.common.clients import Clients
from functions.common.keys import AccessKey, AccessKeys, KeyMaker
from functions.destructor import handler as destructor
from functions.mail.message import Message
from functions.mail.pace import PacedMailer
from functions.mail.sender import deliver
from functions.mail.ses import SesMailer
from functions.rotator import census
from functions.rotator import handler as rotator
from functions.rotator.rotate import Tools
from tests.simulation import shortcuts
from tests.simulation.faults import Controller, Death, Switch, new_session

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

P = ParamSpec("P")
T = TypeVar("T")

ACCOUNT = "123456789012"
REGION = "us-east-1"
TABLE = "key-ledger"
QUEUE = "dead-letters"
TOPIC = "alarms"
OPERATORS = "operators"
SENDER = "keys@example.com"
START = datetime(2030, 1, 1, 12, tzinfo=UTC)

_TOKEN = re.compile(r"gAAAA[A-Za-z0-9_=-]+")
_BATCH = 10
_DELIVERIES = 10
_INVOCATIONS = 3


@dataclass
class Mail:
    """A mail that the service accepted."""

    to: str
    subject: str
    text: str
    sent_at: datetime
    tags: Mapping[str, str]


@dataclass
class Person:
    """Somebody with an IAM user: the secrets they have written down, and what lies in their mailbox."""

    name: str
    secrets: set[str] = field(default_factory=set)
    mails: list[Mail] = field(default_factory=list)


class _Context:
    """What the functions ask of Lambda's context."""

    def __init__(self, minutes: float) -> None:
        self.aws_request_id = uuid.uuid4().hex
        self._deadline = time.time() + minutes * 60

    def get_remaining_time_in_millis(self) -> int:
        """Tell how long the invocation may still last."""
        return int((self._deadline - time.time()) * 1000)


def context(minutes: float = 15) -> LambdaContext:
    """Make the context of an invocation that may last so many minutes."""
    return cast("LambdaContext", _Context(minutes))


class World:
    """See the module. Every method acts at once; time only passes in ``wait`` and where the program pauses.

    Attributes:
        broken_promises: each time that somebody was found locked out, looked for after every single call to AWS.
        excused: users whom an operator has locked out on purpose.
        nobodys: addresses at which nobody reads: mail there is misaddressed.
        strict: nobody is taken to have a key that they have not read of; and to read a sealed mail takes a key that is
            active, as it does on AWS. Otherwise a mail is as good as what is in it.
    """

    def __init__(self, controller: Controller, clock: time_machine.Traveller) -> None:
        self.controller = controller
        controller.observe = self._observe
        self._clock = clock
        self.iam, self.dynamodb, self.ssm, self.sqs, self._ses, self._sns = _clients_of_the_world()
        self.people: dict[str, Person] = {}
        self.misaddressed: list[Mail] = []
        self.faults_seen: list[BaseException] = []
        self._position = 0
        self.made_by_hand: set[str] = set()
        self.broken_promises: list[str] = []
        self.excused: set[str] = set()
        self.nobodys: set[str] = set()
        self.strict = False
        self._build()

    def _build(self) -> None:
        self.dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}, {"AttributeName": "ak", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "user", "AttributeType": "S"},
                {"AttributeName": "ak", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"},
        )
        self._ses.create_email_identity(EmailIdentity=SENDER)
        self.sqs.create_queue(QueueName=QUEUE)
        topic = self._sns.create_topic(Name=TOPIC)["TopicArn"]
        url = self.sqs.create_queue(QueueName=OPERATORS)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self._sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    # --- people -------------------------------------------------------------------------------------------------

    def add_user(self, name: str, *, keys: int = 1, email: str | None = None, path: str = "/", **tags: str) -> Person:
        """Hire somebody: an IAM user with so many keys, whose secrets they hold. Tag names are without their prefix."""
        address = email or f"{len(self.people)}@example.com"
        all_tags = {"IKR:EMAIL": address, **{f"IKR:{tag}": value for tag, value in tags.items()}}
        self.iam.create_user(
            UserName=name, Path=path, Tags=[{"Key": key, "Value": value} for key, value in all_tags.items()]
        )
        self.people[name] = Person(name)
        for _ in range(keys):
            self.add_key(name)
        return self.people[name]

    def add_key(self, name: str) -> str:
        """Make a key by hand; whoever does holds its secret."""
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        self.people[name].secrets.add(key["SecretAccessKey"])
        self.made_by_hand.add(key["AccessKeyId"])
        return key["AccessKeyId"]

    def rename(self, name: str, new_name: str) -> None:
        """Give somebody another user name; their tags and keys stay theirs."""
        tags = self.iam.list_user_tags(UserName=name)["Tags"]
        self.iam.update_user(UserName=name, NewUserName=new_name)
        self.iam.tag_user(UserName=new_name, Tags=tags)  # moto keeps them under the old name
        person = self.people[new_name] = self.people.pop(name)
        person.name = new_name
        for key in self._keys(new_name):
            key.user_name = new_name  # moto leaves that undone

    def use_key(self, name: str, key_id: str, service: str = "s3") -> None:
        """Call a service with a key, so that IAM knows that it has been used."""
        key = next(key for key in self._keys(name) if key.access_key_id == key_id)
        key.last_used = AccessKeyLastUsed(timestamp=datetime.now(UTC), service=service, region=REGION)

    def read_mail(self, *names: str) -> None:
        """Everybody, or who is named, opens every mail that can be opened now, and tries the new key once."""
        for person in self.people.values():
            for key in self._keys(person.name) if not names or person.name in names else ():
                if key.secret_access_key not in person.secrets and self._can_read(person, key):
                    person.secrets.add(key.secret_access_key)
                    self.use_key(person.name, key.access_key_id, "sts")

    def keys(self, name: str) -> dict[str, str]:
        """List a user's keys with their status, the oldest first."""
        return {key.access_key_id: key.status for key in self._keys(name)}

    def _keys(self, name: str) -> list[Any]:
        return list(iam_backends[ACCOUNT]["aws"].users[name].access_keys) if self.exists(name) else []

    def _holds(self, person: Person, key: Any) -> bool:
        return key.secret_access_key in person.secrets or self._in_mail(person, key)

    def _in_mail(self, person: Person, key: Any) -> bool:
        return any(key.secret_access_key in opened for mail in person.mails for opened in self._open(mail.text))

    def _can_read(self, person: Person, key: Any) -> bool:
        """Tell whether somebody can read a key's secret in a mail, plain or with another key to sign in with."""
        if self.strict and not any(
            other.status == "Active" and other.secret_access_key in person.secrets for other in self._keys(person.name)
        ):
            return any(key.secret_access_key in mail.text for mail in person.mails)
        return self._in_mail(person, key)

    def _open(self, text: str) -> Iterator[str]:
        yield text
        for key in self.parameters().values():
            yield from self.opened_with(key, text)

    def opened_with(self, key: str, text: str) -> Iterator[str]:
        """Give what an encryption key opens in a text."""
        for token in _TOKEN.findall(text):
            if (opened := _decrypted(token, key)) is not None:
                yield opened

    # --- the promise --------------------------------------------------------------------------------------------

    def locked_out(self) -> list[str]:
        """Name those who have no active key whose secret they hold or can read in a mail."""
        return [
            person.name
            for person in self.people.values()
            if person.name not in self.excused
            and not any(
                key.status == "Active"
                and (key.secret_access_key in person.secrets or (self._holds(person, key) and not self.strict))
                for key in self._keys(person.name)
            )
        ]

    def orphans(self) -> list[str]:
        """Name the keys that nobody holds."""
        return [
            key.access_key_id
            for person in self.people.values()
            for key in self._keys(person.name)
            if not self._holds(person, key)
        ]

    def _observe(self, operation: str, body: bytes) -> None:
        if operation == "SendEmail":
            self._receive(json.loads(body))
        # Raised here, it would be caught by the code under test; so it is written down.
        for name in self.locked_out():
            self.broken_promises.append(f"{name} is locked out after {self.controller.calls[-3:]}")

    def _receive(self, request: Mapping[str, Any]) -> None:
        content = request["Content"]["Simple"]
        (to,) = request["Destination"]["ToAddresses"]
        tags = {tag["Name"]: tag["Value"] for tag in request["EmailTags"]}
        mail = Mail(to, content["Subject"]["Data"], content["Body"]["Text"]["Data"], datetime.now(UTC), tags)
        owner = None if to in self.nobodys else self._owner(to)
        (owner.mails if owner else self.misaddressed).append(mail)

    def _owner(self, address: str) -> Person | None:
        for name, person in self.people.items():
            tags = iam_backends[ACCOUNT]["aws"].list_user_tags(name) if self.exists(name) else []
            if any(tag["Key"].upper() == "IKR:EMAIL" and tag["Value"] == address for tag in tags):
                return person
        return None

    def exists(self, name: str) -> bool:
        """Tell whether there is such a user."""
        return name in iam_backends[ACCOUNT]["aws"].users

    # --- what there is ------------------------------------------------------------------------------------------

    def ledger(self, name: str | None = None) -> dict[str, dict[str, Any]]:
        """Read the ledger by key id, each item with plain values."""
        items = dynamodb_backends[ACCOUNT][REGION].tables[TABLE].all_items()
        plain: list[dict[str, Any]] = [{key: value.value for key, value in item.attrs.items()} for item in items]
        return {item["ak"]: item for item in plain if name in {None, item["user"]}}

    def parameters(self) -> dict[str, str]:
        """Read the encryption keys by parameter name."""
        stored = ssm_backends[ACCOUNT][REGION]._parameters
        return {
            name: versions[-1].response_object(decrypt=True)["Value"]
            for name, versions in stored.items()
            if name.startswith("/ikr/secret/")
        }

    def parked(self) -> list[dict[str, Any]]:
        """Read what lies in the dead-letter queue."""
        return self._messages(QUEUE)

    def alarms(self) -> list[str]:
        """Read what the operators were told through the alarms' topic."""
        return [message["Message"] for message in self._messages(OPERATORS)]

    def _messages(self, queue: str) -> list[dict[str, Any]]:
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        found = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in found]

    # --- time ---------------------------------------------------------------------------------------------------

    def wait(self, **period: float) -> None:
        """Let time pass."""
        self._clock.shift(timedelta(**period))

    # --- the functions ------------------------------------------------------------------------------------------

    def rotate(self, event: object = None, *, minutes: float = 15) -> dict[str, Any]:
        """Invoke the rotator. Returns its summary; of one that died or failed, an empty one."""
        try:
            return rotator.handler({} if event is None else event, context(minutes))
        except (Exception, Death) as fault:
            self.faults_seen.append(fault)
            return {}
        finally:
            self._start_anew()

    def return_mail(self, mail: Mail) -> dict[str, Any]:
        """Let a mail bounce: SES tells through EventBridge, for which Lambda invokes the rotator up to three times."""
        bounce = {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": mail.to}]}
        told = {"destination": [mail.to], "tags": {name: [value] for name, value in mail.tags.items()}}
        detail = {"eventType": "Bounce", "bounce": bounce, "mail": told}
        for _ in range(_INVOCATIONS):
            summary = self.rotate({"source": "aws.ses", "detail-type": "Email Bounced", "detail": detail})
            if summary:
                return summary
        return {}

    def deliver_stream(self) -> None:
        """Hand the stream's new records to the destructor as its mapping does: filtered, in batches, more than once."""
        for _ in range(_DELIVERIES):
            records = self.stream()[self._position :]
            batch = [record for record in records[:_BATCH] if _passes(record)]
            if not records:
                return
            if batch and not self.destroy(batch):
                continue
            self._position += len(records[:_BATCH])

    def destroy(self, records: list[dict[str, Any]]) -> bool:
        """Invoke the destructor with a batch; tell whether all of it is done."""
        try:
            answer = destructor.handler({"Records": records}, context())
        except (Exception, Death) as fault:
            self.faults_seen.append(fault)
            return False
        finally:
            self._start_anew()
        return not answer["batchItemFailures"]

    def lose_stream(self) -> None:
        """The stream keeps records for a day: those not delivered by then are gone."""
        self._position = len(self.stream())

    def stream(self) -> list[dict[str, Any]]:
        """Read all records of the stream, as Lambda hands them over."""
        table = dynamodb_backends[ACCOUNT][REGION].tables[TABLE]
        assert table.stream_shard is not None
        return [_as_lambda_does(item.to_json(), f"{table.table_arn}/stream/label") for item in table.stream_shard.items]

    def collect_by_ttl(self) -> None:
        """Let DynamoDB's TTL remove what has expired."""
        for key_id, item in self.ledger().items():
            if int(item.get("delete_on", "99999999999")) <= time.time():
                self.remove_item(item["user"], key_id)
                table = dynamodb_backends[ACCOUNT][REGION].tables[TABLE]
                assert table.stream_shard is not None
                table.stream_shard.items[-1].record["userIdentity"] = {
                    "type": "Service",
                    "principalId": "dynamodb.amazonaws.com",
                }

    def remove_item(self, name: str, key_id: str) -> None:
        """Take an item out of the ledger by hand."""
        self.dynamodb.delete_item(TableName=TABLE, Key={"user": {"S": name}, "ak": {"S": key_id}})

    def put_item(self, item: dict[str, Any]) -> None:
        """Write an item into the ledger by hand."""
        self.dynamodb.put_item(TableName=TABLE, Item=item)

    def rewrite(self, name: str, key_id: str, **attributes: str | None) -> None:
        """Write attributes of an item by hand, as strings; those that are None are taken off."""
        item = self.dynamodb.get_item(TableName=TABLE, Key={"user": {"S": name}, "ak": {"S": key_id}})["Item"]
        kept = {attribute: value for attribute, value in item.items() if attribute not in attributes}
        self.put_item({**kept, **{name: {"S": value} for name, value in attributes.items() if value is not None}})

    def live(self, *, days: int, hours: int = 24) -> None:
        """Let ordinary life go on: people read their mail, time passes, the rotator runs, the stream flows."""
        for _ in range(days * 24 // hours):
            self.read_mail()
            self.wait(hours=hours)
            self.rotate()
            self.deliver_stream()

    def _start_anew(self) -> None:
        """Whatever ran is over; the next invocation finds a process that lives."""
        self.controller.dead = False

    # --- what life has in store ---------------------------------------------------------------------------------

    def tag(self, name: str, tag: str, value: str) -> None:
        """Write one of a user's tags, named without its prefix."""
        self.iam.tag_user(UserName=name, Tags=[{"Key": f"IKR:{tag}", "Value": value}])

    def change_address(self, name: str, address: str) -> None:
        """Let a user's tags name another address."""
        self.iam.untag_user(UserName=name, TagKeys=["IKR:EMAIL"])
        self.tag(name, "EMAIL", address)

    def delete_user(self, name: str) -> None:
        """Let somebody go, with all their keys."""
        for key_id in self.keys(name):
            self.iam.delete_access_key(UserName=name, AccessKeyId=key_id)
        self.iam.delete_user(UserName=name)
        del self.people[name]

    def user_id(self, name: str) -> str:
        """Tell IAM's id of a user."""
        return str(iam_backends[ACCOUNT]["aws"].users[name].id)

    def pace(self, calls_per_second: float) -> None:
        """Let every call that takes effect last a while."""
        observe = self.controller.observe

        def last(operation: str, body: bytes) -> None:
            observe(operation, body)
            self.wait(seconds=1 / calls_per_second)

        self.controller.observe = last

    def meanwhile(self, operation: str, act: Callable[[], object]) -> None:
        """Let something happen once, right after the first call of an operation that takes effect."""
        observe, pending = self.controller.observe, [act]

        def also_act(called: str, body: bytes) -> None:
            observe(called, body)
            if called == operation and pending:
                pending.pop()()

        self.controller.observe = also_act

    @contextmanager
    def overtaken(self) -> Iterator[None]:
        """Let a run of the rotator be overtaken by another one, as soon as it has read the account."""
        take = census.take

        def take_and_be_overtaken(*arguments: Any) -> census.Census:
            found = take(*arguments)
            with mock.patch.object(census, "take", take):
                self.rotate()
            return found

        with mock.patch.object(census, "take", take_and_be_overtaken):
            yield

    @contextmanager
    def refusing(self, mailboxes: Mapping[str, Exception]) -> Iterator[None]:
        """Let the mail service fail for single addresses, and work for all others."""
        send = SesMailer.send

        def send_or_fail(mailer: SesMailer, message: Message) -> None:
            if message.to in mailboxes:
                raise mailboxes[message.to]
            send(mailer, message)

        with mock.patch.object(SesMailer, "send", send_or_fail):
            yield

    @contextmanager
    def unlisted(self, *, users: Collection[str] = (), keys: Collection[str] = ()) -> Iterator[None]:
        """Let IAM's listings lack some users and keys that exist."""

        def hide(parsed: dict[str, Any], **_: Any) -> None:
            parsed["UserDetailList"] = [user for user in parsed["UserDetailList"] if user["UserName"] not in users]

        of = AccessKeys.of

        def some_of(self: AccessKeys, user: str) -> list[AccessKey] | None:
            listed = of(self, user)
            return listed and [key for key in listed if key.id not in keys]

        event = "after-call.iam.GetAccountAuthorizationDetails"
        _clients.iam.meta.events.register(event, hide)
        try:
            with mock.patch.object(AccessKeys, "of", some_of):
                yield
        finally:
            _clients.iam.meta.events.unregister(event, hide)

    @contextmanager
    def pauses_pass(self) -> Iterator[None]:
        """Let the program's own pauses pass by the world's clock; it names ``time.sleep`` where it is defined."""
        pause, clock = self._clock.shift, time.time
        with (
            mock.patch.dict(Tools.__init__.__kwdefaults__, pause=pause),
            mock.patch.dict(PacedMailer.__init__.__kwdefaults__, pause=pause, clock=clock),
            mock.patch.dict(deliver.__kwdefaults__, pause=pause, clock=clock),
            mock.patch.object(KeyMaker.__init__, "__defaults__", (pause,)),
        ):
            yield

    @contextmanager
    def several_workers(self, number: int = 3) -> Iterator[None]:
        """Let a run of the rotator work on several users at once; moto serves them one call after the other."""
        serve = BotocoreStubber.__call__

        def serve_alone(stubber: BotocoreStubber, *arguments: Any, **named: Any) -> Any:
            with self.controller._lock:
                return serve(stubber, *arguments, **named)

        with (
            mock.patch.object(BotocoreStubber, "__call__", serve_alone),
            mock.patch("functions.rotator.workers.ThreadPoolExecutor", ThreadPoolExecutor),
            mock.patch("functions.rotator.workers.WORKERS", number),
        ):
            yield


@lru_cache(maxsize=1024)
def _decrypted(token: str, key: str) -> str | None:
    """Open a token, if this is its key. Tried after every call, always with the same outcome: so that is remembered."""
    try:
        return Fernet(key).decrypt(token).decode()
    except InvalidToken:
        return None


class _OneAfterTheOther(Executor):
    """Does everything in the thread that asks for it: a life can be branched only there."""

    def __init__(self, max_workers: int) -> None:
        del max_workers

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it at once; what came of it is told to whoever asks, as by a pool of threads."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as fault:
            future.set_exception(fault)
        return future


@cache
def _clients_of_the_world() -> tuple[IAMClient, DynamoDBClient, SSMClient, SQSClient, SESV2Client, SNSClient]:
    """Make clients from a session of their own: what the world does itself is neither counted nor struck."""
    session = new_session(REGION)
    return (
        session.client("iam"),
        session.client("dynamodb"),
        session.client("ssm"),
        session.client("sqs"),
        session.client("sesv2"),
        session.client("sns"),
    )


@cache
def _switch() -> Switch:
    return Switch()


_clients = Clients()


@contextmanager
def new_world(**environment: str) -> Iterator[World]:
    """Make a world, with the functions' environment overridden as named."""
    variables = {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "ACCOUNT_ID": ACCOUNT,
        "IAM_KEY_ROTATOR_TABLE": TABLE,
        "MAIL_FROM": SENDER,
        "ALLOWED_EMAIL_DOMAINS": "*",
        "ALARM_TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT}:{TOPIC}",
        "DEAD_LETTER_QUEUE_URL": f"https://queue.amazonaws.com/{ACCOUNT}/{QUEUE}",
        # Powertools keeps a logger for each name, and each logger the standard output it was made with.
        "POWERTOOLS_SERVICE_NAME": f"world-{uuid.uuid4().hex}",
        **environment,
    }
    with (
        mock.patch.dict("os.environ", variables, clear=False),
        time_machine.travel(START, tick=False) as clock,
        mock.patch("time.sleep", clock.shift),
        # moto is not made for several threads; what they may do to each other is seen on MiniStack.
        mock.patch("functions.rotator.workers.ThreadPoolExecutor", _OneAfterTheOther),
        shortcuts.taken(),
        mock_aws(),
    ):
        telemetry._logger.cache_clear()
        telemetry._metrics.cache_clear()
        controller = Controller()
        _switch().controller = controller
        with (
            # moto has taken the default session away; every client of the functions is to be built from the switch's.
            mock.patch.object(boto3, "DEFAULT_SESSION", _switch().session),
            mock.patch.object(rotator, "_clients", return_value=_clients),
            mock.patch.object(destructor, "_clients", return_value=_clients),
        ):
            yield World(controller, clock)


def _passes(record: Mapping[str, Any]) -> bool:
    """Filter as the stream's mapping does."""
    status = record["dynamodb"].get("OldImage", {}).get("status", {}).get("S")
    return record["eventName"] == "REMOVE" and status in {"expiring", "inactive", "failed"}


def _as_lambda_does(record: dict[str, Any], arn: str) -> dict[str, Any]:
    moment = record["dynamodb"]["ApproximateCreationDateTime"]
    seconds = float(int(moment.replace(tzinfo=UTC).timestamp()))
    return {
        **record,
        "eventSourceARN": arn,
        "dynamodb": {**record["dynamodb"], "ApproximateCreationDateTime": seconds},
    }
