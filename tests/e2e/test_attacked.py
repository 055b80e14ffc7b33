"""Attacks on the deployed service, by those who have some right in the account and want a key that is not theirs."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.local_cloud import cloud
from scripts.local_cloud.clients import Clients
from scripts.local_cloud.cloud import LocalCloud

# Of the pulumi_aws package, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:aws.lambda/microvmsimage:DeprecationWarning")

CONFIG = {"mailFrom": "rotation@example.com", "rotateAfterDays": "0", "deleteAfterDays": "0"}
THIEF = "mallory@elsewhere.example"


@pytest.fixture(scope="module")
def account() -> Iterator[LocalCloud]:
    with cloud.deployed(CONFIG) as deployed:
        yield deployed


def refused(call: Callable[..., object], **arguments: Any) -> bool:
    """Whether IAM refuses a call; any other outcome is not what was asked about."""
    try:
        call(**arguments)
    except ClientError as refusal:
        if refusal.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
            return True
        raise
    return False


class TestTagger:
    """Somebody who may tag users, and has their own address in mind."""

    def test_nothing_is_rotated_for_a_tag_that_names_another_domain(self, account: LocalCloud) -> None:
        account.add_user("tina", {"IKR:EMAIL": THIEF})
        (before,) = [account.add_key("tina").access_key_id]

        summary = account.rotate({"users": ["tina"], "force": True})

        assert "tina" in summary["misconfigured"]
        assert list(account.keys("tina")) == [before]
        assert [mail for mail in account.mails() if mail.to == THIEF] == []

    def test_nor_could_it_be_if_the_code_let_it(self, account: LocalCloud) -> None:
        """IAM refuses the key, and the mail."""
        account.add_user("theo", {"IKR:EMAIL": THIEF})
        account.add_user("thea", {"IKR:EMAIL": "thea@example.com"})
        rotator = account.as_function(account.outputs["rotatorFunctionName"])

        assert refused(rotator.iam.create_access_key, UserName="theo")
        assert refused(send_mail, clients=rotator, to=THIEF)

        assert rotator.iam.create_access_key(UserName="thea")
        assert send_mail(rotator, "thea@example.com")

    def test_mail_goes_out_under_the_stacks_own_name_alone(self, account: LocalCloud) -> None:
        account.root.sesv2.create_email_identity(EmailIdentity="ceo@example.com")
        rotator = account.as_function(account.outputs["rotatorFunctionName"])

        assert refused(send_mail, clients=rotator, to="thea@example.com", sender="ceo@example.com")


class TestRoleThief:
    """Somebody who may pass roles, or has got hold of a role's session."""

    @pytest.mark.parametrize("function", ["rotator", "destructor"])
    def test_a_functions_role_is_of_no_use_to_anybody_else(self, account: LocalCloud, function: str) -> None:
        name = account.outputs[f"{function}FunctionName"]
        user = f"role-{function}"
        account.add_user(user, {"IKR:EMAIL": "someone@example.com"})
        key = account.add_key(user).access_key_id
        own, stolen = account.as_function(name), account.as_function(name, session_name="another-function")

        for clients, denied in ((stolen, True), (own, False)):
            assert refused(clients.iam.list_access_keys, UserName=user) is denied
            assert refused(clients.iam.update_access_key, UserName=user, AccessKeyId=key, Status="Inactive") is denied
            assert refused(clients.iam.delete_access_key, UserName=user, AccessKeyId=key) is denied


class TestForger:
    """Somebody who may invoke the destructor, and hands it a record of their own making."""

    def test_a_key_made_by_hand_is_not_ended(self, account: LocalCloud) -> None:
        account.add_user("hand", {"IKR:EMAIL": "hand@example.com", "IKR:ROTATE_AFTER_DAYS": "365"})
        keys = {account.add_key("hand").access_key_id for _ in range(2)}
        victim = min(keys)

        answer = hand_over(account, record(account, "hand", victim))

        assert answer == {"batchItemFailures": []}
        assert set(account.keys("hand")) == keys
        assert victim not in {item["ak"]["S"] for item in account.ledger.items()}
        assert f"key {victim}: no successor in the ledger waits for its end" in parked(account)[-1]["fault"]

    def test_an_encryption_key_is_not_deleted(self, account: LocalCloud) -> None:
        """The attempt that a parameter's description names is no secret."""
        account.add_user("enid", {"IKR:EMAIL": "enid@example.com"})
        account.add_key("enid")
        account.rotate({"users": ["enid"]})
        (parameter,) = account.root.ssm.describe_parameters(
            ParameterFilters=[{"Key": "Name", "Values": ["/ikr/secret/iam/enid"]}]
        )["Parameters"]
        forged = record(account, "enid", "AKIAFAKE0000000000NO", sealed_by=parameter["Description"].split()[-1])

        assert hand_over(account, forged) == {"batchItemFailures": []}

        assert account.root.ssm.get_parameter(Name="/ikr/secret/iam/enid", WithDecryption=True)


def send_mail(clients: Clients, to: str, sender: str = "rotation@example.com") -> object:
    """Send a mail with somebody's rights."""
    return clients.sesv2.send_email(
        FromEmailAddress=sender,
        Destination={"ToAddresses": [to]},
        Content={"Simple": {"Subject": {"Data": "A word"}, "Body": {"Text": {"Data": "to you"}}}},
    )


def record(account: LocalCloud, user: str, key_id: str, **attributes: str) -> dict[str, Any]:
    """Write a record of the removal of an item that never was, as DynamoDB's TTL would."""
    now = int(datetime.now(UTC).timestamp())
    user_id = account.root.iam.get_user(UserName=user)["User"]["UserId"]
    texts = {"user": user, "ak": key_id, "user_id": user_id, "status": "expiring", "new_ak": "AKIAFAKE0000000000NN"}
    return {
        "eventID": "1",
        "eventName": "REMOVE",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": account.root.dynamodb.describe_table(TableName=account.outputs["tableName"])["Table"][
            "LatestStreamArn"
        ],
        "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
        "dynamodb": {
            "ApproximateCreationDateTime": now,
            "SequenceNumber": "1",
            "OldImage": {
                **{name: {"S": value} for name, value in {**texts, **attributes}.items()},
                **{name: {"N": str(now - 60)} for name in ("created_at", "delete_on")},
                "confirmed_at": {"N": str(now - 60)},
            },
        },
    }


def hand_over(account: LocalCloud, *records: dict[str, Any]) -> Any:
    """Invoke the destructor with records of one's own."""
    answer = account.root.functions.invoke(
        FunctionName=account.outputs["destructorFunctionName"],
        Payload=json.dumps({"Records": copy.deepcopy(list(records))}).encode(),
    )
    assert "FunctionError" not in answer
    return json.load(answer["Payload"])


def parked(account: LocalCloud) -> list[dict[str, Any]]:
    """Read what lies in the dead-letter queue."""
    url = account.outputs["deadLetterQueueUrl"]
    messages = account.root.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]
