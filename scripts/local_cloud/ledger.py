"""The passage of time in the ledger table.

On AWS, time passes by itself and DynamoDB's TTL removes what is due. Here a demo or test says that days have passed,
and the removal is done for TTL: MiniStack's own removes items without a record in the stream, so that the destructor
would never hear of it.

Where the functions go by a clock of the cloud's (see ``clock``), that is moved on. Where they go by this machine's,
everything in the table moves back instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from scripts.local_cloud import control, waiting
from scripts.local_cloud.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Item = Mapping[str, "AttributeValueTypeDef"]

_NONE = {"N": "0"}

# Whatever something waits for, or is counted from. When a rotation was started stays: the keys that it made bear
# IAM's own dates, which nobody can move.
_MOMENTS = (
    *("delete_on", "replaces_until", "claimed_at", "grace_ended_on", "reminded_at", "address_changed_at"),
    "try_again_on",
)


class LocalLedger:
    """The ledger table, seen and moved by root.

    Args:
        dynamodb: root's client.
        table: the table's name.
        endpoint: the emulator whose uses of keys grow older, too; None: there is none.
        clock: the cloud's, if the functions go by it.
    """

    def __init__(
        self, dynamodb: DynamoDBClient, table: str, endpoint: str | None = None, clock: Clock | None = None
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._endpoint = endpoint
        self._clock = clock

    def items(self) -> Sequence[Item]:
        """Read all items."""
        return self._dynamodb.scan(TableName=self._table, ConsistentRead=True)["Items"]

    def pending(self) -> Sequence[Item]:
        """Read the items of keys with which something is still to happen."""
        return [item for item in self.items() if item["status"]["S"] != "current"]

    def pass_days(self, days: float) -> None:
        """Let time pass: move each scheduled deletion nearer, remove what has fallen due, await the destructor's work.

        Raises:
            NotInTime: the destructor has not finished in time.
        """
        self.advance(days=days)
        swept = self.sweep()
        waiting.until(
            lambda: all(self._is_settled(removed) for removed in swept),
            f"the destructor to finish with {[(item['user']['S'], item['ak']['S']) for item in swept]}",
        )

    def sweep(self) -> Sequence[Item]:
        """Remove the items that are due, as TTL would, and return them."""
        now = (self._clock.now() if self._clock else datetime.now(UTC)).timestamp()
        due = [item for item in self.items() if "delete_on" in item and int(item["delete_on"]["N"]) <= now]
        for item in due:
            self.remove(item["user"]["S"], item["ak"]["S"])
        return due

    def remove(self, user: str, key_id: str) -> None:
        """Take an item out of the table, whether it is due or not."""
        self._dynamodb.delete_item(TableName=self._table, Key={"user": {"S": user}, "ak": {"S": key_id}})

    def advance(self, **period: float) -> None:
        """Let time pass, and nothing happen: what is awaited comes nearer, and every key's use is longer ago.

        Args:
            period: how long, as ``timedelta`` takes it.
        """
        passed = timedelta(**period)
        if self._clock:
            self._clock.move_on(passed)
            return
        past = -round(passed.total_seconds())
        if self._endpoint is not None:
            control.age(self._endpoint, passed)
        for item, moment in self._moments():
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(item),
                UpdateExpression="ADD #moment :past",
                ExpressionAttributeNames={"#moment": moment},
                ExpressionAttributeValues={":past": {"N": str(past)}},
            )

    def _moments(self) -> Iterator[tuple[Item, str]]:
        for item in self.items():
            for moment in _MOMENTS:
                if moment in item:
                    yield item, moment

    def _is_settled(self, removed: Item) -> bool:
        """Tell whether the destructor is done with a key: it was put back, or nothing says any more that it lives."""
        items = [item for item in self.items() if item["user"] == removed["user"]]
        for item in items:
            if item["ak"] == removed["ak"]:
                return not _is_beginning_a_window(item, removed)
        return not any(item.get("replaces") == removed["ak"] for item in items)


def _is_beginning_a_window(item: Item, removed: Item) -> bool:
    """Tell whether a key was put back only to note that its recovery window begins: the rest is still to come.

    The window that has begun is another status, and a beginning that has failed is another attempt.
    """
    return (
        item["status"] == {"S": "expiring"}
        and "windows" in item
        and item.get("attempts", _NONE) == removed.get("attempts", _NONE)
    )


def _key(item: Item) -> dict[str, AttributeValueTypeDef]:
    return {"user": item["user"], "ak": item["ak"]}
