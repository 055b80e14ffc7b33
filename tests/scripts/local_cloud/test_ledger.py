"""How time passes in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import boto3
import pytest
from moto import mock_aws

from scripts.local_cloud import waiting
from scripts.local_cloud.ledger import LocalLedger

DAY = 24 * 60 * 60
NOW = int(time.time())


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalLedger]:
    """A ledger with a key that is to go in three days, its successor, and a key of nobody's concern."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="eu-central-1")
        dynamodb.create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("user", "ak")],
            KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}, {"AttributeName": "ak", "KeyType": "RANGE"}],
        )
        in_three_days = {"N": str(NOW + 3 * DAY)}
        for item in (
            {"ak": {"S": "old"}, "status": {"S": "expiring"}, "delete_on": in_three_days},
            {"ak": {"S": "new"}, "status": {"S": "current"}, "replaces_until": in_three_days},
            {"ak": {"S": "other"}, "status": {"S": "current"}, "created_at": {"N": str(NOW)}},
        ):
            dynamodb.put_item(TableName="ledger", Item={"user": {"S": "alice"}, **item})
        yield LocalLedger(dynamodb, "ledger")


def test_a_day_brings_each_deletion_nearer_and_changes_nothing_else(ledger: LocalLedger) -> None:
    ledger.pass_days(2)

    assert {item["ak"]["S"]: _numbers(item) for item in ledger.items()} == {
        "old": {"delete_on": NOW + DAY},
        "new": {"replaces_until": NOW + DAY},
        "other": {"created_at": NOW},
    }


def test_what_falls_due_is_removed(ledger: LocalLedger) -> None:
    ledger.pass_days(3)

    assert [item["ak"]["S"] for item in ledger.items()] == ["new", "other"]
    assert ledger.pending() == []


@pytest.mark.parametrize(
    ("put_back", "done"),
    [
        ({"status": {"S": "expiring"}, "windows": {"N": "1"}}, False),
        ({"status": {"S": "inactive"}, "windows": {"N": "1"}}, True),
        ({"status": {"S": "expiring"}, "windows": {"N": "1"}, "attempts": {"N": "1"}}, True),
        ({"status": {"S": "expiring"}, "postponed": {"N": "1"}}, True),
        ({"status": {"S": "current"}}, True),
    ],
    ids=["a window is beginning", "a window has begun", "no window could begin", "put off", "cancelled"],
)
def test_destructor_is_done_once_the_key_is_put_back_for_good(
    put_back: dict[str, dict[str, str]], done: bool, ledger: LocalLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a window is beginning is noted first: the key is deactivated, and its user told, after that."""
    awaited: list[Callable[[], bool]] = []
    monkeypatch.setattr(waiting, "until", lambda condition, _: awaited.append(condition))
    dynamodb = boto3.client("dynamodb", region_name="eu-central-1")
    dynamodb.update_item(
        TableName="ledger",
        Key={"user": {"S": "alice"}, "ak": {"S": "new"}},
        UpdateExpression="SET replaces = :old",
        ExpressionAttributeValues={":old": {"S": "old"}},
    )

    ledger.pass_days(3)
    (is_done,) = awaited
    at_first = is_done()
    dynamodb.put_item(TableName="ledger", Item={"user": {"S": "alice"}, "ak": {"S": "old"}, **put_back})

    assert (at_first, is_done()) == (False, done)


def test_a_lease_ends_and_nothing_else_happens(ledger: LocalLedger) -> None:
    """The rotation's start stays, as do IAM's dates of the keys that it made, and what is due waits for a run."""
    started_now = {"status": {"S": "rotating"}, "started_at": {"N": str(NOW)}, "claimed_at": {"N": str(NOW)}}
    dynamodb = boto3.client("dynamodb", region_name="eu-central-1")
    dynamodb.put_item(TableName="ledger", Item={"user": {"S": "bob"}, "ak": {"S": "left"}, **started_now})

    ledger.advance(days=3)

    assert {item["ak"]["S"]: _numbers(item) for item in ledger.items()} == {
        "old": {"delete_on": NOW},
        "new": {"replaces_until": NOW},
        "other": {"created_at": NOW},
        "left": {"started_at": NOW, "claimed_at": NOW - 3 * DAY},
    }


def _numbers(item: object) -> dict[str, int]:
    assert isinstance(item, dict)
    return {name: int(value["N"]) for name, value in item.items() if "N" in value}
