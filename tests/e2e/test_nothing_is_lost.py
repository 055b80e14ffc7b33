"""Through the deployed archives: what goes wrong on the way costs nobody their access, and leaves no key to nobody.

Every test has users of its own in one stack, and repairs what it breaks.
"""

from __future__ import annotations

import io
import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from scripts.local_cloud import cloud, reader, waiting
from scripts.local_cloud.clients import Credentials
from scripts.local_cloud.cloud import LocalCloud
from scripts.local_cloud.errors import FunctionFailed
from scripts.local_cloud.mailbox import Mail

# Of the pulumi_aws package, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning")

SENDER = "rotation@example.com"
GRACE_DAYS = 5

# A layer beside the deployed archive: the process ends for good once the call has taken effect, and before the function
# learns of it.
DYING_HANDLER = """
    import os
    import boto3
    from functions.rotator import handler as rotator

    def handler(event, context):
        boto3.setup_default_session()
        boto3.DEFAULT_SESSION.events.register("after-call." + os.environ["DIE_AFTER"], lambda **_: os._exit(1))
        return rotator.handler(event, context)
"""


@pytest.fixture(scope="module")
def account() -> Iterator[LocalCloud]:
    config = {"mailFrom": SENDER, "rotateAfterDays": "0", "deleteAfterDays": str(GRACE_DAYS)}
    with cloud.deployed(config) as deployed:
        yield deployed


@pytest.mark.parametrize(
    ("call", "mails_sent"),
    [("iam.CreateAccessKey", 0), ("sesv2.SendEmail", 1)],
)
def test_a_run_mends_what_a_dead_process_left(account: LocalCloud, call: str, mails_sent: int) -> None:
    """Once its lease is over, a later run finishes the rotation or begins it anew: the user holds all keys."""
    name = f"dies-{call}"
    old = _join(account, name)
    with _dying_after(account, call), pytest.raises(FunctionFailed):
        account.rotate({"users": [name]})
    assert (len(account.keys(name)), len(_mails(account, name))) == (2, mails_sent)

    within_the_lease = account.rotate({"users": [name]})
    account.ledger.advance(minutes=16)
    after_it = account.rotate({"users": [name]})

    assert within_the_lease["skipped"] == {"under_way": 1}
    assert (after_it["recovered"], after_it["failed"]) == (1, {})
    new = reader.open_sealed(_mails(account, name)[-1], old, account.server)
    assert set(account.keys(name)) == {old.access_key_id, new.access_key_id}
    assert [_holder(account, pair) for pair in (old, new)] == [name, name]


def test_a_refused_mail_takes_the_rotation_back(account: LocalCloud) -> None:
    """While the mail service refuses, the old key is the only one and works; a day later it is replaced."""
    old = _join(account, "refused")
    account.root.sesv2.delete_email_identity(EmailIdentity=SENDER)
    with pytest.raises(FunctionFailed, match="refused"):
        account.rotate({"users": ["refused"]})
    account.root.sesv2.create_email_identity(EmailIdentity=SENDER)

    assert list(account.keys("refused")) == [old.access_key_id]
    assert _holder(account, old) == "refused"
    assert _encryption_keys(account, "refused") == []
    assert _mails(account, "refused") == []

    assert account.rotate({"users": ["refused"]})["skipped"] == {"backing_off": 1}
    account.ledger.advance(days=1)
    assert account.rotate({"users": ["refused"]})["rotated"] == 1
    (mail,) = _mails(account, "refused")
    assert _holder(account, reader.open_sealed(mail, old, account.server)) == "refused"


def test_a_cancelled_deletion_keeps_the_key(account: LocalCloud) -> None:
    """An operator who takes the item out of the ledger before its time keeps both keys, for good."""
    old = _join(account, "cancelled")
    account.rotate({"users": ["cancelled"]})
    new = reader.open_sealed(_mails(account, "cancelled")[0], old, account.server)

    account.ledger.remove("cancelled", old.access_key_id)
    waiting.until(lambda: _entries(account, "cancelled").get(old.access_key_id) == "current", "the cancellation")
    account.ledger.pass_days(GRACE_DAYS + 1)
    account.rotate({"users": ["cancelled"]})

    assert set(account.keys("cancelled")) == {old.access_key_id, new.access_key_id}
    assert [_holder(account, pair) for pair in (old, new)] == ["cancelled", "cancelled"]
    assert _entries(account, "cancelled") == {old.access_key_id: "current", new.access_key_id: "current"}
    assert len(_mails(account, "cancelled")) == 1


def test_a_lost_stream_record_is_made_up_for(account: LocalCloud) -> None:
    """A deletion of which the destructor never heard is scheduled again by the rotator, and then carried out."""
    old = _join(account, "unheard")
    account.rotate({"users": ["unheard"]})
    new = reader.open_sealed(_mails(account, "unheard")[0], old, account.server)
    assert _holder(account, new) == "unheard"
    account.ledger.advance(days=GRACE_DAYS, hours=2)
    with _deaf_destructor(account):
        account.ledger.remove("unheard", old.access_key_id)
    assert set(account.keys("unheard")) == {old.access_key_id, new.access_key_id}

    summary = account.rotate({"users": ["unheard"]})
    waiting.until(lambda: len(_mails(account, "unheard")) > 1, "the mail that tells of the deletion")

    assert summary["rearmed"] == 1
    assert list(account.keys("unheard")) == [new.access_key_id]
    assert [_holder(account, pair) for pair in (old, new)] == ["InvalidClientTokenId", "unheard"]
    assert _encryption_keys(account, "unheard") == []


@contextmanager
def _dying_after(account: LocalCloud, call: str) -> Iterator[None]:
    """Put the layer over the rotator, for the length of a ``with`` block."""
    functions, name = account.root.functions, account.outputs["rotatorFunctionName"]
    before = functions.get_function_configuration(FunctionName=name)
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as layer:
        layer.writestr("python/dying.py", textwrap.dedent(DYING_HANDLER))
    arn = functions.publish_layer_version(LayerName="dying", Content={"ZipFile": package.getvalue()})["LayerVersionArn"]
    variables = before["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name,
        Handler="dying.handler",
        Layers=[arn],
        Environment={"Variables": {**variables, "DIE_AFTER": call}},
    )
    yield
    functions.update_function_configuration(
        FunctionName=name, Handler=before["Handler"], Layers=[], Environment={"Variables": variables}
    )


@contextmanager
def _deaf_destructor(account: LocalCloud) -> Iterator[None]:
    """Switch the table's stream off for the length of a ``with`` block: what happens meanwhile, nobody hears of."""
    functions, dynamodb = account.root.functions, account.root.dynamodb
    table, name = account.outputs["tableName"], account.outputs["destructorFunctionName"]
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.delete_event_source_mapping(UUID=mapping["UUID"])
    dynamodb.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    yield
    stream = dynamodb.update_table(
        TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"}
    )["TableDescription"]["LatestStreamArn"]
    functions.create_event_source_mapping(
        EventSourceArn=stream,
        FunctionName=name,
        StartingPosition="TRIM_HORIZON",
        FilterCriteria=mapping["FilterCriteria"],
        FunctionResponseTypes=mapping["FunctionResponseTypes"],
    )


def _join(account: LocalCloud, name: str) -> Credentials:
    account.add_user(name, {"IKR:EMAIL": f"{name}@example.com"})
    return account.add_key(name)


def _mails(account: LocalCloud, name: str) -> list[Mail]:
    return [mail for mail in account.mails() if mail.to == f"{name}@example.com"]


def _entries(account: LocalCloud, name: str) -> dict[str, str]:
    return {item["ak"]["S"]: item["status"]["S"] for item in account.ledger.items() if item["user"]["S"] == name}


def _encryption_keys(account: LocalCloud, name: str) -> list[str]:
    found = account.root.ssm.get_parameters(Names=[f"/ikr/secret/iam/{name}"])["Parameters"]
    return [parameter["Name"] for parameter in found]


def _holder(account: LocalCloud, pair: Credentials) -> str:
    """The name of the user whom the cloud takes the holder of a pair for, or the code with which it refuses."""
    try:
        return account.clients(pair).sts.get_caller_identity()["Arn"].rpartition("/")[2]
    except ClientError as refusal:
        return refusal.response["Error"]["Code"]
